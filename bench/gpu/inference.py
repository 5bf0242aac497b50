"""Inference, timed: by the project's own, and by the Trainer's `predict`."""

import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from transformers import AutoModelForSequenceClassification, set_seed

from bench.gpu.changes import Change, Context, device, nothing
from bench.gpu.settings import CLASSES, Setting, size_on_disk
from bench.gpu.timing import Enough, Measured, Pace, Size, Stopwatch, Window, measured, size_of
from bench.peers import gpu as peer
from stages.lib.encoders.inference import infer, load

PASSES = 1  # over the layers
MOST_APART = 0.05  # logits in half precision, of which random weights make no more than 1


def ours_inferring(
    setting: Setting,
    batch_tokens: int,
    change: Change = nothing,
    context: Context = nullcontext,
    dtype: torch.dtype | None = None,
) -> Measured:
    """`infer` of the project, checked against the unchanged model in float32 before it is timed."""
    given = setting.material
    table = given.train.slice(0, setting.inferred)
    set_seed(1)  # of the head
    model: Any = load(AutoModelForSequenceClassification, given.encoder)
    size = size_of(model)
    few = table.slice(0, 64)
    (plain,) = infer(model, few, batch_tokens, logits_of, title=None)
    change(model)
    if dtype is not None:
        model.to(dtype)

    def once(rows: pa.Table) -> np.ndarray:
        with context():
            return infer(model, rows, batch_tokens, logits_of, title=None)[0]

    apart = float(np.abs(once(few) - plain).max())
    assert apart < MOST_APART, f"logits are {apart:.2g} off those of float32"
    return repeated(lambda: once(table), np.asarray(table["length"]), size, setting.pace)


def theirs_inferring(setting: Setting, rows: int, **knobs: Any) -> Measured:
    given = setting.material
    table = given.train.slice(0, rows)
    laid = peer.padded_to_the_longest(table["input_ids"].to_pylist(), table["label"].to_pylist())
    with tempfile.TemporaryDirectory() as folder:
        predict = peer.predictor(given.encoder, CLASSES, folder, use_cpu=device() == "cpu", **knobs)
        size = size_on_disk(given.encoder)
        return repeated(lambda: predict(laid), np.asarray(table["length"]), size, setting.pace)


def repeated(work: Callable[[], Any], lengths_N: np.ndarray, size: Size, pace: Pace) -> Measured:
    """All rows again and again; the first time is the warm-up."""
    watch = Stopwatch(pace._replace(warm_up=1))
    try:
        while True:
            work()
            watch.step_done()
    except Enough:
        pass
    windows = [Window(seconds, np.tile(lengths_N, end - first)) for seconds, first, end in watch.spans]
    return measured(windows, size, PASSES, watch.warm_up)


def logits_of(outputs: Any, _: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return (outputs.logits,)
