"""Sources: their keys, files and labels, and how predictions are handed in to them."""
