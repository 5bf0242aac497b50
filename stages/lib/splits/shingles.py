"""A text as a set of shingles: its words, and each two words that follow one another.

Links and mentions do not count: those of a tweet that was sent twice differ. Punctuation does not either,
save in a smile or a frown. In scripts that are written without spaces each character is a word; a text of
fewer than two words is taken by its characters.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from stages.lib.scripts import UNSPACED

PERSONAL = r"(?:https?://|www\.)\S+|@\w+"
EMOJI = r"\p{Emoji_Presentation}|[\p{Emoji}&&[\x{2300}-\x{27BF}\x{1F000}-\x{1FAFF}]]"
SMILE = r"[:;=]['’-]?[()\[\]|/]"
WORD = rf"[{UNSPACED}]\p{{M}}*|[\w--[{UNSPACED}]]+|{EMOJI}|{SMILE}"
PAIR = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], dtype=np.uint64)  # odd: one hash of two in a row
TEXTS_AT_ONCE = 65_536
MOST_COLUMNS = 2**63 - 1


class Words(NamedTuple):
    """64-bit hashes of the words of N texts, text after text, and where each text's begin [N + 1].

    A hash depends on the word alone, so what is found of two texts does not depend on any third.
    """

    hashes: np.ndarray
    starts: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        return np.diff(self.starts)


def hashed_words(texts: pl.Series, seed: int) -> Words:
    """Of texts normalised by copy_keys; another `seed` gives other hashes."""
    parts = [_of_some(part["text"], seed) for part in texts.to_frame("text").iter_slices(TEXTS_AT_ONCE)]
    sizes_N = np.concatenate([np.empty(0, dtype=np.int64), *(sizes for _, sizes in parts)])
    hashes = np.concatenate([np.empty(0, dtype=np.uint64), *(hashes for hashes, _ in parts)])
    return Words(hashes, _starts(sizes_N))


def shingles_of(words: Words, rows: np.ndarray) -> Words:
    """The words of the texts in these rows, and behind each text's the pairs of them; with repetitions."""
    some = _taken(words, rows)
    row_T = np.repeat(np.arange(len(rows)), some.sizes)
    follows = row_T[1:] == row_T[:-1]
    pair_P = (some.hashes[:-1] * PAIR[0] + some.hashes[1:] * PAIR[1])[follows]
    # two runs that are in order each: a merge, and no sorting
    order = np.argsort(np.concatenate([row_T, row_T[1:][follows]]), kind="stable")
    sizes_N = np.maximum(2 * some.sizes - 1, 0)
    return Words(np.concatenate([some.hashes, pair_P])[order], _starts(sizes_N))


def side_by_side(columns: list[Words]) -> Words:
    """Of each text those of all columns."""
    row = np.concatenate([np.repeat(np.arange(len(one.sizes)), one.sizes) for one in columns])
    hashes = np.concatenate([one.hashes for one in columns])
    return Words(hashes[np.argsort(row, kind="stable")], np.sum([one.starts for one in columns], axis=0))


def as_sets(shingles: Words) -> csr_array:
    """0 and 1, a row a text; a column is a hash, halved so that it fits the index."""
    column = (shingles.hashes >> np.uint64(1)).astype(np.int64)
    data = np.ones(len(column), dtype=np.int32)
    has_NV = csr_array((data, column, shingles.starts), shape=(len(shingles.sizes), MOST_COLUMNS))
    has_NV.sum_duplicates()
    has_NV.data.fill(1)
    return has_NV


def _taken(words: Words, rows: np.ndarray) -> Words:
    sizes_N = words.sizes[rows]
    starts_N = _starts(sizes_N)
    places = np.repeat(words.starts[rows] - starts_N[:-1], sizes_N) + np.arange(starts_N[-1])
    return Words(words.hashes[places], starts_N)


def _starts(sizes_N: np.ndarray) -> np.ndarray:
    return np.append(0, np.cumsum(sizes_N, dtype=np.int64))


def words_of(texts: pl.Series) -> pl.Series:
    """The words of each text, in order, none where it has none."""
    words = pl.col("text").str.replace_all(PERSONAL, " ").str.extract_all(WORD)
    return texts.to_frame("text").select(words).to_series()


def _of_some(texts: pl.Series, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Hash of each word of each text, in order, and the number of each text's."""
    words = pl.DataFrame({"text": texts, "words": words_of(texts)})
    only = pl.coalesce(pl.col("words").list.get(0, null_on_oob=True), "text")
    many = pl.col("words").list.len() > 1
    chosen = words.select(pl.when(many).then("words").otherwise(only.str.split("")))["words"]
    flat = chosen.list.explode(empty_as_null=False, keep_nulls=False)
    return flat.hash(seed).to_numpy(), chosen.list.len().fill_null(0).to_numpy().astype(np.int64)
