"""Scores, how sure they are, and what is done with them: thresholds, temperatures, baselines."""
