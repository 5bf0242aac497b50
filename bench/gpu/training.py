"""Training, timed: by the project's own loops, and by the Trainer.

Whatever the project has a knob for goes through finetune's Params; the rest is a change of the model that its
loops are given.
"""

import tempfile
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bench.gpu.changes import Change, Context, device, nothing
from bench.gpu.settings import CLASSES, Setting, size_on_disk
from bench.gpu.timing import Enough, Measured, Stopwatch, Window, measured, size_of
from bench.peers import gpu as peer
from stages.lib.encoders.heads import AS_THEY_ARE
from stages.lib.training.adapting import make_model
from stages.lib.training.batches import Batches
from stages.lib.training.checkpoints import Checkpoints
from stages.lib.training.journal import Journal, Plan, Watchers
from stages.lib.training.training import LOOPS, make_session

PASSES = 3  # over the layers: forward once, and backward for twice as much


def ours(
    setting: Setting, change: Change = nothing, context: Context = nullcontext, **knobs: Any
) -> Measured:
    """One of the project's loops."""
    params = setting.params.model_copy(update=knobs)
    given = setting.material
    watch = Stopwatch(setting.pace)
    with tempfile.TemporaryDirectory() as folder:
        model = make_model(given.task, given.encoder, params)
        size = size_of(model)
        change(model)
        session = make_session(given, params, Watchers(), Checkpoints(Path(folder)), model, AS_THEY_ARE, 1)
        session = session._replace(journal=Clock(session.journal.plan, watch))
        try:
            with context():
                LOOPS[params.loop](session)
        except Enough:
            pass
    windows = [Window(s, lengths_read(session.batches, first, end)) for s, first, end in watch.spans]
    return measured(windows, size, PASSES, watch.warm_up)


class Clock(Journal):
    """Scores nothing, and ends the training once its stopwatch has had enough."""

    def __init__(self, plan: Plan, watch: Stopwatch) -> None:
        super().__init__(plan, Watchers(), is_main=True)
        self.watch = watch

    @property
    def epoch_is_over(self) -> bool:
        return False

    def step_done(self, learning_rate: float) -> None:
        super().step_done(learning_rate)
        self.watch.step_done()


def lengths_read(batches: Batches, first: int, end: int) -> np.ndarray:
    """Of the texts of these steps."""

    @cache
    def steps_of(epoch: int) -> list[np.ndarray]:
        batches.epoch = epoch
        return batches.steps()

    steps = [divmod(step, batches.steps_per_epoch) for step in range(first, end)]
    return np.concatenate([batches.lengths_N[steps_of(epoch)[place]] for epoch, place in steps])


def theirs(
    setting: Setting, batch_size: int, context: Context = nullcontext, each_batch: bool = False, **knobs: Any
) -> Measured:
    """The Trainer. Its batches are random: a window's lengths are those of all texts, as often as need be."""
    given = setting.material
    lengths_N = np.asarray(given.train["length"])
    laid = peer.unpadded if each_batch else peer.padded_to_the_longest
    rows = laid(given.train["input_ids"].to_pylist(), given.train["label"].to_pylist())
    collate = peer.pad_to_the_batch if each_batch else None
    knobs = {"per_device_train_batch_size": batch_size, "use_cpu": device() == "cpu", **knobs}
    watch = Stopwatch(setting.pace)
    try:
        with context():
            peer.train(given.encoder, CLASSES, rows, watch.step_done, collate, **knobs)
    except Enough:
        pass
    windows = [
        Window(seconds, np.resize(lengths_N, (end - first) * batch_size))
        for seconds, first, end in watch.spans
    ]
    return measured(windows, size_on_disk(given.encoder), PASSES, watch.warm_up)
