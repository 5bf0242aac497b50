"""A finding: something to fix, and what that would gain at most.

A gain is by how much the role's example score (accuracy, subset accuracy, mean absolute error) would be
better, were the finding gone and all else as it is. Gains overlap, so they do not add up. Where nothing in
the tables bounds a gain, it is unknown.
"""

from typing import NamedTuple

import polars as pl

from stages.lib.pages.on_role import OnRole, View, loss_of
from stages.lib.pages.pages import as_percent


class Gain(NamedTuple):
    score: float  # in the unit of the example score; above 0 the better, also where lower is better
    examples: float | None  # that would be right; None where errors have sizes
    low: float | None = None  # of score
    high: float | None = None
    unit: str | None = None  # another score than the example score, of the same scale


class Finding(NamedTuple):
    section: str  # of the page: the id of its section
    says: str
    do: str
    how: str  # the gain was estimated, or why it cannot be
    examples: int | None  # that it is about
    gain: Gain | None
    opens: View | None = None  # filters of the workbench that show the examples


def ranked(found: list[Finding]) -> list[Finding]:
    """The largest gain first, unknown ones last, equals in their order."""
    return sorted(found, key=lambda of: (of.gain is None, -of.gain.score if of.gain else 0.0))


def gain_of(on: OnRole, rows: pl.DataFrame) -> Gain:
    """Were all that the model loses on `rows` of the role won."""
    return gain_of_sum(on, float(loss_of(rows, on.task).sum()))


def gain_of_sum(on: OnRole, lost: float) -> Gain:
    """Of so many mistakes, or of so large a sum of absolute errors."""
    return Gain(lost / on.n, lost if on.task.facts.has_classes else None)


def error_in_words(on: OnRole, error: float) -> str:
    """`12.5% wrong`, or of a regression `off by 0.42`."""
    return f"{as_percent(error)} wrong" if on.task.facts.has_classes else f"off by {error:.3g}"


def counted(count: int, one: str, many: str) -> str:
    """`1 label looks`, `1,200 labels look`"""
    return f"{count:,} {one if count == 1 else many}"


def named(name: str) -> str:
    """For the middle of a sentence: a name in another direction of writing leaves its surroundings alone."""
    return f"\u2068{name}\u2069"
