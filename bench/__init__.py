"""Side-by-side measurements: `make bench`, or one with `python -m bench.<name>`. Never a timed test."""
