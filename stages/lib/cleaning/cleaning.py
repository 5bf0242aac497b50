"""Texts behind the chosen steps: in the pipeline, and again wherever the model is served."""

from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from stages.lib.cleaning.expressions import EXPRESSIONS, replaced
from stages.lib.cleaning.nltk_steps import NLTK_STEPS
from stages.lib.cleaning.steps import Cleaning, Replacement
from stages.lib.exceptions import CleaningError


def clean(text: pl.Expr, cleaning: Cleaning) -> pl.Expr:
    """The text behind all the steps. Raises CleaningError, before a row is read, if a step cannot run.

    Collect it within `errors_of_steps`.
    """
    for step in cleaning.steps:
        if isinstance(step, Replacement):
            text = replaced(text, step)
        elif step in EXPRESSIONS:
            text = EXPRESSIONS[step](text)
        else:
            text = NLTK_STEPS[step](text, cleaning.language)
    return text


def cleaned(texts: pl.Series, cleaning: Cleaning) -> pl.Series:
    """The texts behind all the steps, under the same name. Raises CleaningError as `clean` does."""
    with errors_of_steps():
        return texts.to_frame().select(clean(pl.first(), cleaning)).to_series()


@contextmanager
def errors_of_steps() -> Iterator[None]:
    """What a step raises while Polars runs it, without what Polars adds to the message."""
    try:
        yield
    except CleaningError as error:
        message = str(error).partition("\n\nThis error occurred in the following expression")[0]
        raise CleaningError(message) from None
