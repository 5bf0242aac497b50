"""Which words carry a prediction: leave-one-word-out.

Li, Monroe and Jurafsky, "Understanding neural networks through representation erasure" (2016). A word weighs
as much as the score of what is said falls when the text that the model reads is without it: of a class or a
label the log odds, which still move where a probability is near 1 and hardly does; of a regression the score
itself. So a weight is what the word did in this text, and two words that say the same can both weigh little.

Where a text was cut, its words are those of the part that the model reads. Where it has too many, neighbours
are left out together.

Shapes: N texts, M texts with and without words, C classes.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.special import logsumexp
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification

from stages.lib.cleaning.word_counts import WORD
from stages.lib.encoders.encoding import as_table, encode, load_tokenizer
from stages.lib.encoders.inference import infer, load
from stages.lib.encoders.served import Served
from stages.lib.kinds import Kind

METHOD = "leave-one-word-out"
WORD_TYPE = pl.List(pl.Struct({"column": pl.String, "word": pl.String, "weight": pl.Float64}))
DECIMALS = 4  # of a weight: further ones follow the kernels and threads that float32 was added up by


class Word(NamedTuple):
    column: int  # which of the texts
    start: int  # its characters there
    end: int


class Explainer(NamedTuple):
    """A fine-tuned model and how it is asked."""

    folder: Path
    served: Served
    most_words: int
    batch_tokens: int


def explain(texts: pl.DataFrame, said_N: np.ndarray, explainer: Explainer) -> pl.Series:
    """The words of each row with their weights, as WORD_TYPE, in the order in which the model reads them.

    `texts` are cleaned: one column, or the text and its pair. `said_N` is the place of the class or label
    that the weights speak for; of a regression it is not read.
    """
    if texts.is_empty():
        return pl.Series("words", dtype=WORD_TYPE)
    tokenizer = load_tokenizer(explainer.folder, explainer.served.max_tokens, explainer.served.keep)
    read = parts_read(tokenizer, texts)
    words = [grouped(found, explainer.most_words) for found in words_of(read)]
    asked = [
        variant for row, found in zip(read.rows(), words, strict=True) for variant in variants(row, found)
    ]
    counts_N = np.array([len(found) + 1 for found in words], dtype=np.int64)
    logits_MC = logits_of(pl.DataFrame(asked, read.schema, orient="row"), tokenizer, explainer)
    score_M = SCORES_OF_KINDS[explainer.served.kind](logits_MC, said_N.repeat(counts_N))
    scores = np.split(score_M, counts_N.cumsum()[:-1])
    told = [weighted(*row, read.columns) for row in zip(read.rows(), words, scores, strict=True)]
    return pl.Series("words", told, dtype=WORD_TYPE)


def parts_read(tokenizer: Tokenizer, texts: pl.DataFrame) -> pl.DataFrame:
    """Of each text what the tokenizer keeps of it; of most all."""
    columns = [texts[name].fill_null("").to_list() for name in texts.columns]
    rows = list(zip(*columns, strict=True))
    encodings = tokenizer.encode_batch([row[0] if len(row) == 1 else row for row in rows])
    parts = []
    for row, encoding in zip(rows, encodings, strict=True):
        kept = list(zip(encoding.sequence_ids, encoding.offsets, strict=True))
        if not encoding.overflowing:
            parts.append(row)
            continue
        spans = [[span for of, span in kept if of == place] for place in range(len(row))]
        parts.append(tuple(_cut(text, of) for text, of in zip(row, spans, strict=True)))
    return pl.DataFrame(parts, dict.fromkeys(texts.columns, pl.String), orient="row")


def _cut(text: str, spans: list[tuple[int, int]]) -> str:
    if not spans:
        return ""
    return text[min(start for start, _ in spans) : max(end for _, end in spans)]


def words_of(texts: pl.DataFrame) -> Iterator[list[list[Word]]]:
    """By row and text: what stands between spaces; in scripts without any, a character."""
    found = texts.select(pl.all().str.extract_all(WORD))
    for row, words in zip(texts.rows(), found.rows(), strict=True):
        yield [
            list(_placed(column, text, of)) for column, (text, of) in enumerate(zip(row, words, strict=True))
        ]


def _placed(column: int, text: str, words: Sequence[str]) -> Iterator[Word]:
    end = 0
    for word in words:
        start = text.index(word, end)  # nothing but space is between the last one and this
        end = start + len(word)
        yield Word(column, start, end)


def grouped(texts: list[list[Word]], most: int) -> list[Word]:
    """At most `most`, no less than there are texts: each alone, or two neighbours of a text, or three."""
    size = 1
    while sum(-(-len(words) // size) for words in texts) > most:
        size += 1
    return [
        Word(words[at].column, words[at].start, words[min(at + size, len(words)) - 1].end)
        for words in texts
        for at in range(0, len(words), size)
    ]


def variants(row: tuple[str, ...], words: list[Word]) -> Iterator[tuple[str, ...]]:
    """The row as it is, then without each of the words."""
    yield row
    for word in words:
        yield tuple(without(text, word) if place == word.column else text for place, text in enumerate(row))


def without(text: str, word: Word) -> str:
    """No space is doubled, and none that parts two words goes."""
    before, after = text[: word.start], text[word.end :]
    if not before or before[-1].isspace():
        after = after.lstrip()
    return before + after if after else before.rstrip()


def logits_of(texts: pl.DataFrame, tokenizer: Tokenizer, explainer: Explainer) -> np.ndarray:
    model = load(AutoModelForSequenceClassification, explainer.folder)
    tokens = as_table(encode(tokenizer, texts), with_type_ids=len(texts.columns) == 2)
    (logits_MC,) = infer(
        model, tokens, explainer.batch_tokens, lambda outputs, _: (outputs.logits,), title="explain"
    )
    return logits_MC.astype(np.float64)


def weighted(
    row: tuple[str, ...], words: list[Word], scores: np.ndarray, columns: list[str]
) -> list[dict[str, str | float]]:
    weights = (scores[0] - scores[1:]).round(DECIMALS) + 0.0  # no -0.0
    return [
        {"column": columns[word.column], "word": row[word.column][word.start : word.end], "weight": weight}
        for word, weight in zip(words, weights.tolist(), strict=True)
    ]


def log_odds(logits_MC: np.ndarray, said_M: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)) of the class that is said."""
    is_said_MC = np.arange(logits_MC.shape[1]) == said_M[:, None]
    others_M = logsumexp(np.where(is_said_MC, -np.inf, logits_MC), axis=1)
    return np.asarray(logits_MC[is_said_MC] - others_M)


SCORES_OF_KINDS: dict[Kind, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "classification": log_odds,
    "regression": lambda numbers_M1, _: numbers_M1[:, 0],
    "multi-label": lambda logits_MC, said_M: logits_MC[np.arange(len(logits_MC)), said_M],  # log odds as is
}
