"""What an example may have: conditions that are chosen without a look at errors, and put together to slices.

They are the slices of evaluate (label, length, script, whether the text was cut, values of kept columns), the
most frequent words, and the clusters of the frozen encoder's vectors.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from scipy import sparse

from stages.lib.errors.knobs import Params
from stages.lib.statistics.slices import slices_of
from stages.lib.statistics.words import word_lists
from stages.lib.task import Task

OF_THE_TEXT = ("label", "length", "script", "truncated")


class Condition(NamedTuple):
    kind: str  # label, length, script, truncated, column, word or cluster
    name: str
    members: np.ndarray  # bool [N]


class Words(NamedTuple):
    """V words and which of N texts have them."""

    words: list[str]  # in the order of the alphabet
    members: sparse.csc_array  # 1.0 or 0.0, [N, V]


def conditions_of(
    rows: pl.DataFrame, words: Words, clusters: pl.Series, task: Task, params: Params
) -> list[Condition]:
    """`rows` are of one role, as slices_of wants them; `clusters` are the names of theirs.

    Each holds `slice_least_n` examples at least, and so do those that it leaves.
    """
    least_n = params.slice_least_n
    parts = slices_of(rows, task, most_values=params.slice_values, least_n=least_n)
    found = [
        Condition(part.column if part.column in OF_THE_TEXT else "column", part.name, part.members)
        for part in parts
    ]
    found += frequent_words(words, params.slice_words)
    for name in clusters.unique().sort():
        found.append(Condition("cluster", f"cluster = {name}", (clusters == name).to_numpy()))
    sizes = [condition.members.sum() for condition in found]
    return [part for part, n in zip(found, sizes, strict=True) if least_n <= n <= len(rows) - least_n]


def words_of_texts(rows: pl.DataFrame, task: Task, least_n: int) -> Words:
    """Those that so many texts have, and so many lack."""
    lists = rows.select(word=word_lists(rows, task.text_columns)).with_row_index("row")
    pairs = lists.explode("word", empty_as_null=False, keep_nulls=False)
    counts = pairs.group_by("word").len()
    kept = counts.filter(pl.col("len").is_between(least_n, len(rows) - least_n)).sort("word")
    places = kept.select("word").with_row_index("place")
    cells = pairs.join(places, on="word").sort("place", "row")
    ones = np.ones(len(cells))
    where = (cells["row"].to_numpy(), cells["place"].to_numpy())
    return Words(kept["word"].to_list(), sparse.csc_array((ones, where), shape=(len(rows), len(kept))))


def frequent_words(words: Words, most: int) -> list[Condition]:
    n_V = words.members.sum(axis=0)
    chosen = np.argsort(-n_V, kind="stable")[:most]
    return [
        Condition("word", f"word = {words.words[place]}", words.members[:, [place]].toarray()[:, 0] > 0)
        for place in chosen
    ]
