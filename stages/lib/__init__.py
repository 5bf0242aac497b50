"""What two stages or more share. Nothing here imports a stage."""
