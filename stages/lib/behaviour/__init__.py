"""How the fine-tuned model reacts: to changed texts, to left-out words."""
