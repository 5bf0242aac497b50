"""A fine-tuned model at work, behind the cleaning and tokenizing that it was trained behind."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from transformers import AutoModelForSequenceClassification

from stages.lib.behaviour.said import SAID_OF_KINDS, reader
from stages.lib.encoders.inference import infer, load
from stages.lib.encoders.served import Served

Labeller = Callable[[pl.DataFrame], np.ndarray]


def labeller(folder: Path, served: Served, batch_tokens: int) -> Labeller:
    """Texts as they were written, one column or two for pairs, to what the model says of them.

    That is calibrated probabilities, [N, C], or of a regression the number, [N, 1]. The folder is all that is
    needed; N texts are in memory at once.
    """
    read, say = reader(folder, served), speaker(folder, served, batch_tokens)
    return lambda texts: say(read(texts))


def speaker(
    folder: Path, served: Served, batch_tokens: int, title: str | None = None
) -> Callable[[pa.Table], np.ndarray]:
    """Tokens to what the model says of them, as a labeller does; with a title, behind a progress bar."""
    model = load(AutoModelForSequenceClassification, folder)

    def say(tokens: pa.Table) -> np.ndarray:
        (logits_NC,) = infer(model, tokens, batch_tokens, lambda outputs, _: (outputs.logits,), title)
        return SAID_OF_KINDS[served.kind](logits_NC)

    return say
