"""Parts of the examples that a score can hide: by label, length of the text, script, and each kept column.

By label means by class, by range of the number to be predicted, or by each of several labels an example; and
where texts are longer than the encoder reads, by whether they were cut.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import polars as pl

from stages.lib.kinds import Kind
from stages.lib.task import Task

NO_VALUE = "(none)"
# Upper ends in characters; fixed, so that a slice is the same in every run and every source.
LENGTHS = (20, 50, 100, 200, 500)
RANGES = 5  # of the numbers of a regression, about
SCRIPTS = (
    "Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Devanagari", "Bengali", "Tamil", "Telugu", "Thai",
    "Georgian", "Armenian", "Ethiopic", "Khmer", "Lao", "Myanmar", "Hangul", "Hiragana", "Katakana", "Han",
)  # fmt: skip


class Slice(NamedTuple):
    column: str
    value: str
    members: np.ndarray  # bool [N]

    @property
    def name(self) -> str:
        return f"{self.column} = {self.value}"


def slices_of(rows: pl.DataFrame, task: Task, *, most_values: int, least_n: int) -> list[Slice]:
    """Slices of at least `least_n` examples, but none that holds them all.

    `rows` are of data/splits.parquet and labelled: label (names, as in stages/lib/labels.py), text_original
    and the kept columns; and `cut_share`, the share of its tokens that a text lost, where that is known. Of
    a kept column its `most_values` most frequent values count, an absent one among them.
    """
    texts = rows["text_original"]
    found = LABEL_SLICES_OF_KINDS[task.kind](rows["label"])
    found += by_value("length", lengths(texts)) + by_value("script", scripts(texts))
    found += truncated(rows["cut_share"]) if "cut_share" in rows.columns else []
    for name in task.kept:
        found += by_value(name, frequent(rows[name], most_values))
    return [part for part in found if least_n <= part.members.sum() < len(rows)]


def by_value(column: str, values: pl.Series) -> list[Slice]:
    """The most frequent value first; null is none."""
    return [
        Slice(column, value, (values == value).fill_null(False).to_numpy()) for value, _ in counted(values)
    ]


def by_class(labels: pl.Series) -> list[Slice]:
    return by_value("label", labels)


def by_range(labels: pl.Series) -> list[Slice]:
    """About five ranges of equal width with round bounds: `1 to 2` is below 2, but the last holds its end.

    Round bounds stay as they are when examples come and go; quantiles would not.
    """
    values_N = labels.to_numpy()
    low, high = values_N.min(), values_N.max()
    if low == high:
        return []
    step = round_step((high - low) / RANGES)
    first, last = math.floor(low / step), math.ceil(high / step) - 1
    place_N = np.clip(np.floor(values_N / step + 1e-9), first, last)  # 0.6 is three times 0.2
    return [
        Slice("label", f"{place * step:g} to {(place + 1) * step:g}", place_N == place)
        for place in range(first, last + 1)
    ]


def round_step(width: float) -> float:
    """1, 2 or 5 times a power of ten, the least that is not below the width."""
    power = 10.0 ** math.floor(math.log10(width))
    return next(times * power for times in (1, 2, 5, 10) if times * power >= width * (1 - 1e-9))


def by_each_label(labels: pl.Series) -> list[Slice]:
    """The examples that have it, whatever else they have; and those that have none."""
    some = by_value("label", labels.explode(empty_as_null=False, keep_nulls=False).unique())
    slices = [Slice("label", part.value, labels.list.contains(part.value).to_numpy()) for part in some]
    return [*slices, Slice("label", NO_VALUE, (labels.list.len() == 0).to_numpy())]


LABEL_SLICES_OF_KINDS: dict[Kind, Callable[[pl.Series], list[Slice]]] = {
    "classification": by_class,
    "regression": by_range,
    "multi-label": by_each_label,
}


def truncated(cut_share: pl.Series) -> list[Slice]:
    """The texts of which something was cut off; and those of which more than half was."""
    shares = {"cut": 0.0, "cut by more than half": 0.5}
    return [Slice("truncated", value, (cut_share > share).to_numpy()) for value, share in shares.items()]


def lengths(texts: pl.Series) -> pl.Series:
    """`1-20`, `21-50`, ..., `over 500` characters."""
    names = [f"{low + 1}-{high}" for low, high in zip((0, *LENGTHS), LENGTHS, strict=False)]
    band_N = np.searchsorted(LENGTHS, texts.str.len_chars().to_numpy())
    return pl.Series(np.array([*names, f"over {LENGTHS[-1]}"])[band_N], dtype=pl.String)


def scripts(texts: pl.Series) -> pl.Series:
    """The script that most letters of a text are of; in a tie the first of SCRIPTS."""
    counts = pl.DataFrame([texts.str.count_matches(rf"\p{{{name}}}").alias(name) for name in SCRIPTS])
    counts_NS = counts.to_numpy()
    names = np.where(counts_NS.any(axis=1), np.array(SCRIPTS)[counts_NS.argmax(axis=1)], NO_VALUE)
    return pl.Series(names, dtype=pl.String)


def frequent(values: pl.Series, most: int) -> pl.Series:
    """The values as words, null where a value is not among the most frequent."""
    words = values.cast(pl.String).fill_null(NO_VALUE)
    chosen = [value for value, _ in counted(words)[:most]]
    return words.to_frame("value").select(pl.when(pl.col("value").is_in(chosen)).then("value")).to_series()


def counted(values: pl.Series) -> list[tuple[str, int]]:
    """Each value with its number, the most frequent first, then by name."""
    counts = values.drop_nulls().to_frame("value").group_by("value").len()
    return list(counts.sort(["len", "value"], descending=[True, False]).iter_rows())
