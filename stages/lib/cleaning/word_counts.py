"""The words of a table's texts: how many, how many distinct ones, and the frequent ones of each label.

A word is what stands between whitespace, as it is written; in scripts that put no space between words
(Chinese, Japanese, Thai, Lao, Khmer, Burmese) each character, with its marks, counts as one.
"""

from collections.abc import Callable, Iterable
from typing import Any

import polars as pl

from stages.lib.kinds import Kind
from stages.lib.scripts import UNSPACED
from stages.lib.task import Task

MOST_ROWS, MOST_CHARACTERS = 100_000, 50_000_000  # counted; of larger tables, a sample
FREQUENT = 20
LONGEST = 100  # characters of a word that are told apart

WORD = rf"[{UNSPACED}]\p{{M}}*|[^\s\x1c-\x1f{UNSPACED}]+"
EVERYTHING = "all"  # where there are no classes to tell apart


def sampled(groups: Iterable[pl.DataFrame], *, rows: int, characters: int) -> pl.DataFrame:
    """All rows of a table in parts, or about as many as may be counted, spread over it evenly.

    They depend on the number of rows and characters alone. The golden ratio picks them, so that they follow
    no pattern, such as labels that alternate.
    """
    share = min(1.0, MOST_ROWS / max(rows, 1), MOST_CHARACTERS / max(characters, 1))
    if share == 1:
        return pl.concat(groups)
    kept, start = [], 0
    for group in groups:
        place = pl.int_range(start, start + pl.len(), dtype=pl.UInt64) * 2_654_435_769 % 2**32
        kept.append(_by_itself(group.filter(place < int(share * 2**32))))
        start += len(group)
    return pl.concat(kept)


def _by_itself(rows: pl.DataFrame) -> pl.DataFrame:
    """Copied: a few rows of Polars' own would keep the texts of the whole group in memory."""
    return pl.DataFrame(rows.to_arrow(compat_level=pl.CompatLevel.oldest()))


def word_counts(table: pl.LazyFrame, columns: list[str], task: Task) -> dict[str, Any]:
    """tokens and distinct of all rows; frequent: label -> [[word, count], ...], of training rows.

    Those are rows with a label whose role is train, or not yet known.
    """
    words = pl.concat_list(pl.col(name).fill_null("").str.extract_all(WORD) for name in columns)
    rows = table.with_columns(words=words)
    counted = _exploded(rows.select("words")).select(pl.len(), pl.col("words").n_unique().alias("distinct"))
    tokens, distinct = counted.collect(engine="streaming").row(0)
    return {"tokens": tokens, "distinct": distinct, "frequent": frequent_words(rows, task)}


def frequent_words(rows: pl.LazyFrame, task: Task) -> dict[str, list[tuple[str, int]]]:
    """`rows` have a column `words` and, where they are labelled, `label`; ties go by the word."""
    names = rows.collect_schema().names()
    found: dict[str, list[tuple[str, int]]] = {label: [] for label in task.labels or [EVERYTHING]}
    if "label" not in names:
        return found
    trains = pl.col("role").fill_null("train") == "train" if "role" in names else pl.lit(True)
    labelled = rows.filter(trains & pl.col("label").is_not_null()).select("label", "words")
    pairs = _exploded(BY_LABEL_OF_KINDS[task.kind](labelled)).group_by("label", "words").len()
    counts = pairs.collect(engine="streaming").sort(["len", "words"], descending=[True, False])
    for label, word, count in counts.group_by("label", maintain_order=True).head(FREQUENT).iter_rows():
        found[label].append((word, count))
    return found


def _exploded(rows: pl.LazyFrame) -> pl.LazyFrame:
    exploded = rows.explode("words", empty_as_null=False, keep_nulls=False)
    return exploded.with_columns(pl.col("words").str.head(LONGEST))


BY_LABEL_OF_KINDS: dict[Kind, Callable[[pl.LazyFrame], pl.LazyFrame]] = {
    "classification": lambda rows: rows,
    "regression": lambda rows: rows.with_columns(label=pl.lit(EVERYTHING)),
    "multi-label": lambda rows: rows.explode("label", empty_as_null=False, keep_nulls=False),
}
