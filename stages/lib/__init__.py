"""What stages share, and parts of a stage too large for one sitting. Nothing here imports a stage."""
