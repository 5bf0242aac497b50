"""What two commands or more share."""
