"""Work on a GPU, timed: windows of steps between two waits for the device, what they got through, and memory.

Shapes: N texts.
"""

import gc
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

from stages.lib.training.adapting import layers_of


class Pace(NamedTuple):
    """How long one way is timed."""

    warm_up: int  # steps, or calls
    seconds: float  # of a window
    windows: int


class Size(NamedTuple):
    """What decides how many operations a token takes."""

    weights: int  # of the layers' matrices
    layers: int
    hidden: int

    def operations(self, lengths_N: np.ndarray, passes: int) -> float:
        """Two a weight and token, and attention's; three passes in training. Padding is no work."""
        weights = 2.0 * self.weights * lengths_N.sum()
        attention = 4.0 * self.hidden * self.layers * np.square(lengths_N.astype(np.float64)).sum()
        return float(passes * (weights + attention))


def size_of(model: Any) -> Size:
    layers = layers_of(model)
    weights = sum(p.numel() for layer in layers for p in layer.parameters() if p.ndim == 2)
    return Size(weights, len(layers), model.config.hidden_size)


class Window(NamedTuple):
    seconds: float
    lengths: np.ndarray  # of the texts read in it, [N]


class Measured(NamedTuple):
    """A window each."""

    examples: list[float]  # a second
    tokens: list[float]  # a second; padding does not count
    operations: list[float]  # a second
    gigabytes: float  # the most that tensors took; 0 without a GPU
    warm_up: float  # seconds until the first window, making the model counted in


def measured(windows: list[Window], size: Size, passes: int, warm_up: float) -> Measured:
    return Measured(
        examples=[len(lengths_N) / seconds for seconds, lengths_N in windows],
        tokens=[float(lengths_N.sum()) / seconds for seconds, lengths_N in windows],
        operations=[size.operations(lengths_N, passes) / seconds for seconds, lengths_N in windows],
        gigabytes=torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else 0.0,
        warm_up=warm_up,
    )


class Enough(Exception):  # noqa: N818  # no error
    """All windows are timed."""


class Stopwatch:
    """Told of each step; raises Enough after the last window."""

    def __init__(self, pace: Pace) -> None:
        self.pace, self.step = pace, 0
        self.spans: list[tuple[float, int, int]] = []  # seconds, the first step and that after the last
        self.made = self.begun = time.perf_counter()
        self.warm_up = 0.0
        self.first = pace.warm_up

    def step_done(self) -> None:
        self.step += 1
        if self.step == self.pace.warm_up:
            self.begun = now()
            self.warm_up = self.begun - self.made
        elif self.step > self.pace.warm_up and time.perf_counter() - self.begun > self.pace.seconds:
            ended = now()  # waits for what is still to be computed
            self.spans.append((ended - self.begun, self.first, self.step))
            self.begun, self.first = ended, self.step
            if len(self.spans) == self.pace.windows:
                raise Enough


def now() -> float:
    """Once the device has done all it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


class TimeIsUp(Exception):  # noqa: N818  # no error
    pass


def outcome(work: Callable[[], Measured], seconds_left: float) -> Measured | str:
    """What was measured, or the reason why not, in a line: a GPU's memory and back-ends are what they are."""
    try:
        with at_most(seconds_left):
            found: Measured | str = work()
    except torch.OutOfMemoryError:
        found = "out of memory"
    except TimeIsUp:
        found = "the time was up"
    except Exception as error:  # whatever a back-end raises is what there is to say of it
        found = f"{type(error).__name__}: {first_line(error)}"
    forget()  # out here, where no traceback holds the model any more
    return found


def first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no reason given")[:160]


def forget() -> None:
    torch.compiler.reset()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises TimeIsUp in what runs in it, where the system has alarms."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_: Any) -> None:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
