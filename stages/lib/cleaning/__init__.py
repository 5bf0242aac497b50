"""Texts on their way from the source to the tokenizer: the steps, and what they do to the words."""
