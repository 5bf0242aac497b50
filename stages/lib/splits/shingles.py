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


class Shingles(NamedTuple):
    """Of N texts: which of V distinct shingles each has (0 and 1, [N, V]), and 64-bit hashes of those [V].

    A hash depends on the shingle alone, so what is found of two texts does not depend on any third.
    """

    present: csr_array
    hashes: np.ndarray


def shingles_of(texts: pl.Series, seed: int) -> Shingles:
    """Of texts normalised by copy_keys; another `seed` gives other hashes."""
    row_T, word_T = _hashed_words(texts, seed)
    follows = row_T[1:] == row_T[:-1]
    pair_P = (word_T[:-1] * PAIR[0] + word_T[1:] * PAIR[1])[follows]
    rows, hashes = np.concatenate([row_T, row_T[1:][follows]]), np.concatenate([word_T, pair_P])
    hash_V, codes = np.unique(hashes, return_inverse=True)
    shape = (len(texts), len(hash_V))
    has_NV = csr_array((np.ones(len(rows), dtype=np.int32), (rows, codes)), shape=shape)
    has_NV.sum_duplicates()
    has_NV.data.fill(1)
    return Shingles(has_NV, hash_V)


def words_of(texts: pl.Series) -> pl.Series:
    """The words of each text, in order, none where it has none."""
    words = pl.col("text").str.replace_all(PERSONAL, " ").str.extract_all(WORD)
    return texts.to_frame("text").select(words).to_series()


def _hashed_words(texts: pl.Series, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and hash of each word of each text, in order."""
    words = pl.DataFrame({"text": texts, "words": words_of(texts)}).with_row_index("row")
    few = words.filter(pl.col("words").list.len() < 2)
    only = pl.coalesce(pl.col("words").list.get(0, null_on_oob=True), "text")
    parts = [words.filter(pl.col("words").list.len() > 1), few.with_columns(words=only.str.split(""))]
    flat = pl.concat(parts).sort("row").select("row", "words").explode("words", empty_as_null=True)
    flat = flat.drop_nulls("words")
    return flat["row"].to_numpy(), flat["words"].hash(seed).to_numpy()
