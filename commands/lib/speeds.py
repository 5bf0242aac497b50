"""How fast a model answers: texts one by one, and many at once. A figure of one run, for a report.

Shapes: N examples, C classes.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

Run = Callable[[pa.Table], np.ndarray]

HEADS = {  # of a table with a line for each model
    "megabytes": "MB",
    "milliseconds_median": "ms a text, median",
    "milliseconds_99th": "99th percentile",
    "texts_per_second": "texts a second",
}


class Measured(NamedTuple):
    logits: np.ndarray  # [N, C]
    seconds: float  # of all N
    each: list[float]  # seconds of texts that came alone


def measured(many: Run, single: Run, tokens: pa.Table, alone: int) -> Measured:
    """`alone` texts, evenly from all of them, come one by one; the first calls, which load, are not timed."""
    places = np.linspace(0, len(tokens) - 1, min(alone, len(tokens))).astype(int)
    for place in places[:3]:
        single(tokens.slice(place, 1))
    each = [_seconds(single, tokens.slice(place, 1))[0] for place in places]
    many(tokens.slice(0, 32))
    seconds, logits_NC = _seconds(many, tokens)
    return Measured(logits_NC, seconds, each)


def in_numbers(found: Measured, megabytes: float) -> dict[str, float]:
    return {
        "megabytes": round(megabytes, 1),
        "milliseconds_median": round(1000 * float(np.median(found.each)), 2),
        "milliseconds_99th": round(1000 * float(np.quantile(found.each, 0.99)), 2),
        "texts_per_second": round(len(found.logits) / found.seconds, 1),
    }


def _seconds(run: Run, tokens: pa.Table) -> tuple[float, np.ndarray]:
    begun = time.perf_counter()
    logits_NC = run(tokens)
    return time.perf_counter() - begun, logits_NC
