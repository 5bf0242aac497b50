"""Files of any kind as rows, each with the place where it stands."""
