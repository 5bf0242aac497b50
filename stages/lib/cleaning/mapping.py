"""Python functions over the texts and the words of a batch, each distinct one done once."""

from collections.abc import Callable
from itertools import islice

import polars as pl

# Between batches; about 30 MB, and frequent words are seen before it is full.
WORDS_KEPT, LONGEST_KEPT = 131_072, 64
# What str.split() splits between: in Python the separators \x1c to \x1f are whitespace too.
WORD = r"[^\s\x1c-\x1f]+"


def over_texts(text: pl.Expr, function: Callable[[str], str], where: str = "") -> pl.Expr:
    """`function` of each distinct text of a batch that holds the pattern `where`; the others as they are."""

    def over_batch(texts: pl.Series) -> pl.Series:
        old = texts.filter(texts.str.contains(where)).unique()
        new = pl.Series([function(each) for each in old], dtype=pl.String)
        return texts.replace(old, new)

    return text.map_batches(over_batch, return_dtype=pl.String, is_elementwise=True)


def over_words(text: pl.Expr, function: Callable[[str], str]) -> pl.Expr:
    """`function` of each distinct word, that is, what stands between whitespace; joined by a space."""
    known: dict[str, str] = {}

    def over_batch(words: pl.Series) -> pl.Series:
        old = words.list.explode(empty_as_null=False, keep_nulls=False).unique()
        new = {word: known[word] if word in known else function(word) for word in old}
        room = max(WORDS_KEPT - len(known), 0)
        known.update(islice(((word, new[word]) for word in new if len(word) <= LONGEST_KEPT), room))
        return words.list.eval(pl.element().replace(list(new), list(new.values()))).list.join(" ")

    words = text.str.extract_all(WORD)
    return words.map_batches(over_batch, return_dtype=pl.String, is_elementwise=True)


def without_words(text: pl.Expr, words: list[str]) -> pl.Expr:
    """The words of the text that, in lower case, are none of these; joined by a space."""
    word = pl.element()
    kept = word.filter(~word.str.to_lowercase().is_in(words))
    return text.str.extract_all(WORD).list.eval(kept).list.join(" ")
