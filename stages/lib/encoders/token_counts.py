"""How long the examples are in tokens, how many are unknown, and what was lost to the cut."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tokenizers import Encoding


@dataclass
class Counts:
    """Examples by their length and what they lost: of memory that does not grow with their number."""

    examples: Counter[tuple[int, int]] = field(default_factory=Counter)
    unknown: int = 0  # tokens

    def add(self, encodings: list[Encoding], lost_N: np.ndarray, unknown: int) -> None:
        self.examples.update(zip(map(len, encodings), lost_N.tolist(), strict=True))
        self.unknown += sum(encoding.ids.count(unknown) for encoding in encodings)


def describe(counts: Counts, special: int) -> dict[str, Any]:
    """`special` is the number of tokens in every example that are not of its texts."""
    lengths_D, lost_D = np.array(list(counts.examples), dtype=np.int64).T  # D different pairs of them
    times_D = np.array(list(counts.examples.values()))
    examples, tokens = int(times_D.sum()), int(lengths_D @ times_D)
    percentiles = {f"p{share}": int(percentile(lengths_D, times_D, share)) for share in (50, 90, 95, 99)}
    return {
        "examples": examples,
        "tokens": tokens,
        "length": {"mean": tokens / examples, "max": int(lengths_D.max())} | percentiles,
        "unknown_share": counts.unknown / max(1, tokens),
    } | describe_losses(lost_D, lengths_D - special, times_D)


def describe_losses(lost_D: np.ndarray, kept_D: np.ndarray, times_D: np.ndarray) -> dict[str, Any]:
    """Of tokens of the texts; median and largest loss are of the examples that lost any."""
    cut_D = lost_D > 0
    truncated, tokens = int(times_D[cut_D].sum()), int(lost_D @ times_D)
    return {
        "truncated": truncated,
        "truncated_share": truncated / int(times_D.sum()),
        "lost": {
            "tokens": tokens,
            "share": tokens / max(1, tokens + int(kept_D @ times_D)),
            "median": percentile(lost_D[cut_D], times_D[cut_D], 50) if truncated else 0.0,
            "max": int(lost_D.max(initial=0)),
            "more_than_half": int(times_D[lost_D > kept_D].sum()),
        },
    }


def percentile(values_D: np.ndarray, times_D: np.ndarray, share: int) -> float:
    """np.percentile of every value, each so many times, without writing them all out."""
    order = np.argsort(values_D)
    ends_D = np.cumsum(times_D[order])
    place = (int(ends_D[-1]) - 1) * (share / 100)
    low, high = values_D[order][np.searchsorted(ends_D, [int(place), int(np.ceil(place))], side="right")]
    return float(low + (high - low) * (place - int(place)))
