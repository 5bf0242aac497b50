"""What a person or CI runs around the pipeline: `python -m commands.<name>`."""
