"""Which examples the workbench holds, and each of their columns as JSON can carry it.

Classes are numbers, their places in the task's order: names stand once.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from stages.lib.kinds import Kind
from stages.lib.labels import numbers_of
from stages.lib.pages.vector_map import rarest_labels
from stages.lib.task import Task

View = dict[str, Any]

RIGHT, PARTLY, WRONG = range(3)
DIGITS = 4  # significant ones, of losses and probabilities
FEWEST_CHARACTERS = 40  # of a text, however many there are


class Limits(NamedTuple):
    """Of what the page holds: knobs of the stage."""

    examples: int
    seed: int
    text_characters: int
    text_megabytes: float


# --- which -------------------------------------------------------------------------------------------------


def rows_to_hold(examples: pl.DataFrame, suspicious: set[str], task: Task, limits: Limits) -> pl.DataFrame:
    """All, or else all of the hard ones and a random sample of the others, in their order."""
    if len(examples) <= limits.examples:
        return examples
    hard_N = is_hard(examples, task, limits.examples) | examples["id"].is_in(list(suspicious)).to_numpy()
    easy = np.flatnonzero(~hard_N)
    left = max(0, limits.examples - int(hard_N.sum()))
    sampled = np.random.default_rng(limits.seed).permutation(easy)[:left]
    return examples[np.sort(np.concatenate([np.flatnonzero(hard_N), sampled]))]


def is_hard(examples: pl.DataFrame, task: Task, most: int) -> np.ndarray:
    """bool [N]: the mistakes; of a regression, in which nearly all are, the largest for half of the page."""
    if task.facts.has_classes:
        return (verdicts(examples) != RIGHT).to_numpy()
    hard_N = np.zeros(len(examples), dtype=bool)
    hard_N[np.argsort(-examples["loss"].to_numpy(), kind="stable")[: most // 2]] = True
    return hard_N


def verdicts(examples: pl.DataFrame) -> pl.Series:
    """RIGHT or WRONG; several labels are PARTLY right where some but not all are."""
    if not isinstance(examples["label"].dtype, pl.List):
        return (examples["label"] != examples["predicted"]).cast(pl.Int8) * WRONG
    shared = pl.col("label").list.set_intersection("predicted").list.len()
    unlike = pl.col("label").list.set_symmetric_difference("predicted").list.len()
    verdict = pl.when(unlike == 0).then(RIGHT).when(shared > 0).then(PARTLY).otherwise(WRONG)
    return examples.select(verdict.cast(pl.Int8)).to_series()


# --- their columns -----------------------------------------------------------------------------------------


def columns_of(rows: pl.DataFrame, task: Task, baselines: list[str], characters: int) -> View:
    """Column -> one value a row."""
    texts = [rows[f"{name}_original"].fill_null("") for name in task.text_columns]
    answers = COLUMNS_OF_KINDS[task.kind](rows, task)
    return answers | {
        "id": rows["id"].to_list(),
        "texts": [clipped_texts(text, characters).to_list() for text in texts],
        "lengths": [text.str.len_chars().to_list() for text in texts],
        "label": numbers_of(rows["label"], task).to_list(),
        "predicted": numbers_of(rows["predicted"], task).to_list(),
        "loss": rounded(rows["loss"]),
        "said": {name: numbers_of(rows[name], task).to_list() for name in baselines},
        "kept": {name: kept_column(rows["kept"].struct.field(name)) for name in task.kept},
    }


def clipped_texts(texts: pl.Series, characters: int) -> pl.Series:
    return texts.str.slice(0, characters)


def characters_that_fit(texts: list[pl.Series], limits: Limits) -> int:
    """Of each text, so that all of them together keep to the limit: halved until they do."""
    characters = limits.text_characters
    while characters > FEWEST_CHARACTERS and size_of(texts, characters) > limits.text_megabytes * 1e6:
        characters //= 2
    return characters


def size_of(texts: list[pl.Series], characters: int) -> int:
    """In bytes."""
    return sum(int(clipped_texts(text, characters).str.len_bytes().sum()) for text in texts)


def kept_column(values: pl.Series) -> list[Any]:
    """Numbers stay numbers, to sort by; all else is text, as a person reads it."""
    if values.dtype.is_numeric():
        return [None if value is None or not np.isfinite(value) else value for value in values.to_list()]
    return values.cast(pl.String, strict=False).to_list()


def rounded(values: pl.Series) -> list[float | None]:
    return values.cast(pl.Float64).round_sig_figs(DIGITS).to_list()


def of_classes(rows: pl.DataFrame, task: Task) -> View:
    return {"verdict": verdicts(rows).to_list(), "probability": rounded(rows["probability"])}


def of_scores(rows: pl.DataFrame, task: Task) -> View:
    return {"residual": rounded(rows["residual"])}


def of_labels(rows: pl.DataFrame, task: Task) -> View:
    """Probabilities in thousandths; on the map, whose points have one colour, the rarest label counts."""
    colors = {name: rarest_labels(rows[name], task.labels) for name in ("label", "predicted")}
    places = {name: place for place, name in enumerate(task.labels)}
    return {
        "verdict": verdicts(rows).to_list(),
        "probabilities": (rows["probabilities"].to_numpy() * 1000).round().astype(int).tolist(),
        "rarest": {
            name: [places.get(label, -1) if label is not None else -1 for label in labels]
            for name, labels in colors.items()
        },
    }


COLUMNS_OF_KINDS: dict[Kind, Callable[[pl.DataFrame, Task], View]] = {
    "classification": of_classes,
    "regression": of_scores,
    "multi-label": of_labels,
}
