"""What the fine-tuned model reads of texts, and what its logits say; without torch, for those who run none.

The texts go behind the cleaning and tokenizing that the model was trained behind.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from scipy.special import expit, softmax

from stages.lib.cleaning.cleaning import cleaned
from stages.lib.encoders.encoding import as_table, encode, load_tokenizer
from stages.lib.encoders.served import Served
from stages.lib.kinds import Kind
from stages.lib.labels import NAME_TYPE_OF_KINDS


def reader(folder: Path, served: Served) -> Callable[[pl.DataFrame], pa.Table]:
    """Texts as they were written to the tokens that the model reads of them."""
    tokenizer = load_tokenizer(folder, served.max_tokens, served.keep)

    def read(texts: pl.DataFrame) -> pa.Table:
        clean = texts.select(cleaned(column, served.cleaning) for column in texts)
        return as_table(encode(tokenizer, clean), with_type_ids=len(clean.columns) == 2)

    return read


SAID_OF_KINDS: dict[Kind, Callable[[np.ndarray], np.ndarray]] = {
    "classification": lambda logits_NC: np.asarray(softmax(logits_NC, axis=1)),
    "regression": lambda numbers_N1: numbers_N1,
    "multi-label": lambda logits_NC: np.asarray(expit(logits_NC.astype(np.float64))),
}


def names_said(served: Served, said_NC: np.ndarray) -> pl.Series:
    """The label, the number or the list of labels, from what a labeller gives."""
    return pl.Series(NAMES_OF_KINDS[served.kind](served, said_NC), dtype=NAME_TYPE_OF_KINDS[served.kind])


def _likeliest(served: Served, probabilities_NC: np.ndarray) -> list[str]:
    """Of equal probabilities the first class counts."""
    return [served.labels[place] for place in probabilities_NC.argmax(axis=1)]


def _likely_enough(served: Served, probabilities_NC: np.ndarray) -> list[list[str]]:
    is_said_NC = probabilities_NC >= np.array(served.thresholds)
    return [[served.labels[place] for place in np.flatnonzero(row_C)] for row_C in is_said_NC]


NAMES_OF_KINDS: dict[Kind, Callable[[Served, np.ndarray], Sequence[object]]] = {
    "classification": _likeliest,
    "regression": lambda _, numbers_N1: numbers_N1[:, 0].tolist(),
    "multi-label": _likely_enough,
}
