"""What the card of a fine-tuned model tells."""
