"""The stages of dvc.yaml, one module each. Run one as `python -m stages.<name>`, never by its path."""
