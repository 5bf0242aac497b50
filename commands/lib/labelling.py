"""A fine-tuned model at work, behind the cleaning and tokenizing that it was trained behind."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from scipy.special import softmax
from transformers import AutoModelForSequenceClassification

from stages.lib.cleaning import cleaned
from stages.lib.encoding import as_table, encode, load_tokenizer
from stages.lib.inference import infer, load
from stages.lib.served import Served

Labeller = Callable[[pl.DataFrame], np.ndarray]


def labeller(folder: Path, served: Served, batch_tokens: int) -> Labeller:
    """Texts as they were written, one column or two for pairs, to calibrated probabilities [N, C].

    The folder is all that is needed; N texts are in memory at once.
    """
    tokenizer = load_tokenizer(folder, served.max_tokens)
    model = load(AutoModelForSequenceClassification, folder)

    def probabilities(texts: pl.DataFrame) -> np.ndarray:
        clean = texts.select(cleaned(column, served.cleaning) for column in texts)
        tokens = as_table(encode(tokenizer, clean), with_type_ids=len(clean.columns) == 2)
        (logits_NC,) = infer(model, tokens, batch_tokens, lambda outputs, _: (outputs.logits,), title=None)
        return np.asarray(softmax(logits_NC, axis=1))

    return probabilities
