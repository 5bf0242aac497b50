"""Training and inference on a GPU, measured: `python -m bench.gpu`."""
