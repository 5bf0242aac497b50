"""Parts of the examples that a score can hide: by label, length of the text, script, and each kept column."""

from typing import NamedTuple

import numpy as np
import polars as pl

from stages.lib.task import Task

NO_VALUE = "(none)"
# Upper ends in characters; fixed, so that a slice is the same in every run and every source.
LENGTHS = (20, 50, 100, 200, 500)
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

    `rows` are of data/splits.parquet and labelled: label (class name), text_original and the kept columns. Of
    a kept column its `most_values` most frequent values count, an absent one among them.
    """
    texts = rows["text_original"]
    columns = [("label", rows["label"]), ("length", lengths(texts)), ("script", scripts(texts))]
    columns += [(name, frequent(rows[name], most_values)) for name in task.kept]
    return [
        Slice(column, value, (values == value).fill_null(False).to_numpy())
        for column, values in columns
        for value, n in counted(values)
        if least_n <= n < len(rows)
    ]


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
