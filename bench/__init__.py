"""Side-by-side measurements: `make bench`, or one with `python -m bench.<name>`. Never a timed test."""

import gc

PYTHONS_OWN = gc.get_threshold()  # before `stages` is imported, which looks for garbage less often
