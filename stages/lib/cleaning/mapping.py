"""Python functions over the texts and the words of a batch, each distinct one done once."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import polars as pl

# Between batches; about 30 MB, and frequent words are seen before it is full.
WORDS_KEPT, LONGEST_KEPT = 131_072, 64
# What str.split() splits between: in Python the separators \x1c to \x1f are whitespace too.
WORD = r"[^\s\x1c-\x1f]+"
NO_PLAIN_TEXT = "[^A-Za-z ]"
WORDS_AT_ONCE = 1_000


def over_texts(text: pl.Expr, function: Callable[[str], str], where: str = "") -> pl.Expr:
    """`function` of each distinct text of a batch that holds the pattern `where`; the others as they are."""
    return _over_batches(text, lambda texts: _each_text(texts, function, where))


def over_words(text: pl.Expr, function: Callable[[str], str]) -> pl.Expr:
    """`function` of each distinct word, that is, what stands between whitespace; joined by a space."""
    known: dict[str, str] = {}
    return _over_batches(text, lambda texts: _each_word(texts, lambda words: map(function, words), known))


def over_plain_words(text: pl.Expr, tokenize: Callable[[str], str]) -> pl.Expr:
    """`tokenize` of each distinct text; of texts of ASCII letters and spaces alone, of each distinct word.

    Without a mark or a digit tokenizers see nothing beyond a word, and add spaces, no letters; and NLTK's are
    slow to start. So many words are one text to them, which is taken apart again by its letters.
    """
    known: dict[str, str] = {}

    def over_batch(texts: pl.Series) -> pl.Series:
        is_plain = ~texts.str.contains(NO_PLAIN_TEXT)
        nothing = pl.repeat(None, len(texts), dtype=pl.String, eager=True)
        plain = texts.zip_with(is_plain, nothing)
        by_words = _each_word(plain, lambda words: _plain_words(words, tokenize), known)
        return by_words.zip_with(is_plain, _each_text(texts, tokenize, NO_PLAIN_TEXT))

    return _over_batches(text, over_batch)


def _plain_words(words: list[str], tokenize: Callable[[str], str]) -> Iterator[str]:
    for start in range(0, len(words), WORDS_AT_ONCE):
        some = words[start : start + WORDS_AT_ONCE]
        tokens = tokenize(" ".join(some)).split()
        found, end = [], 0
        for word in some:
            first, left = end, len(word)
            while left > 0 and end < len(tokens):
                left -= len(tokens[end])
                end += 1
            found.append(" ".join(tokens[first:end]))
        kept = all(tokenized.replace(" ", "") == word for tokenized, word in zip(found, some, strict=True))
        yield from found if kept else map(tokenize, some)


def _over_batches(text: pl.Expr, function: Callable[[pl.Series], pl.Series]) -> pl.Expr:
    return text.map_batches(function, return_dtype=pl.String, is_elementwise=True)


def _each_text(texts: pl.Series, function: Callable[[str], str], where: str) -> pl.Series:
    old = texts.filter(texts.str.contains(where)).unique()
    return texts.replace(old, pl.Series([function(each) for each in old], dtype=pl.String))


def _each_word(
    texts: pl.Series, function: Callable[[list[str]], Iterable[str]], known: dict[str, str]
) -> pl.Series:
    words = texts.str.extract_all(WORD)
    old = words.list.explode(empty_as_null=False, keep_nulls=False).unique().to_list()
    unknown = [word for word in old if word not in known]
    new = {word: known[word] for word in old if word in known}
    new |= zip(unknown, function(unknown), strict=True)
    room = max(WORDS_KEPT - len(known), 0)
    known.update(islice(((word, new[word]) for word in new if len(word) <= LONGEST_KEPT), room))
    return words.list.eval(pl.element().replace(list(new), list(new.values()))).list.join(" ")


def without_words(text: pl.Expr, words: list[str]) -> pl.Expr:
    """The words of the text that, in lower case, are none of these; joined by a space."""
    word = pl.element()
    kept = word.filter(~word.str.to_lowercase().is_in(words))
    return text.str.extract_all(WORD).list.eval(kept).list.join(" ")
