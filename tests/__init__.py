"""What must hold; one file per behaviour."""
