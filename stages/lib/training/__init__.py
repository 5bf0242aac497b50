"""How a model is trained: the same batches, schedule and resume for each of the three loops."""
