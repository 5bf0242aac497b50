"""The stages of dvc.yaml, one module each. Run one as `python -m stages.<name>`, never by its path."""

import gc

# Imports make a million objects that stay. By its defaults Python looks for garbage among them over and over
# while they come: a sixth of the start-up of a stage with a model. No out depends on it; no stage lists it.
gc.set_threshold(2_000, 20, 20)
