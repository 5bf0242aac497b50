"""Encoders: what they read, how they run, and the head that is trained on them."""
