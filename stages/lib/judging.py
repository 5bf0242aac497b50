"""What is known of a model on a role: its scores, its probabilities, its slices, how it differs from another.

Every figure depends on a model's predictions and the settings, never on which other models there are.
"""

from typing import Any, NamedTuple

import numpy as np
import polars as pl
from scipy.stats import fisher_exact

from stages.lib.intervals import with_intervals
from stages.lib.operating import OperatingPoint
from stages.lib.paired import combinations, compare, flips_of, holm
from stages.lib.predictions import logits_of
from stages.lib.probabilities import probability_scores
from stages.lib.slices import Slice
from stages.lib.task import Task
from stages.lib.thresholds import decided, predicted_at

Figures = dict[str, Any]  # score name -> value, and what else is known
ENDS = ("", "_low", "_high")


class Settings(NamedTuple):
    resamples: int
    confidence: float
    calibration_bins: int


class Model(NamedTuple):
    predictions: pl.DataFrame  # labelled rows of the evaluation roles: id, role, label, logits
    temperature: float | None  # divided out of the logits already; None for a model from elsewhere
    points: list[OperatingPoint] | None  # None for a model that gives labels and no probabilities
    best_f1: float | None  # threshold on the probability of the positive class, chosen on validation

    def on(self, role: str) -> pl.DataFrame:
        return self.predictions.filter(pl.col("role") == role)


def predicted(predictions: pl.DataFrame) -> np.ndarray:
    """Class numbers, [N]; of equal logits the first class counts."""
    numbers_N: np.ndarray = logits_of(predictions).argmax(axis=1)
    return numbers_N


def judge(task: Task, model: Model, role: str, settings: Settings, seed: int) -> Figures:
    """The scores with intervals, and of a model with probabilities all that metrics/evaluate.json has."""
    rows = model.on(role)
    logits_NC, labels_N = logits_of(rows), rows["label"].to_numpy()
    figures = scored(task, labels_N, predicted(rows), settings, seed)
    if model.points is None:
        return figures
    options: dict[str, Any] = {"bins": settings.calibration_bins, "resamples": settings.resamples}
    options |= {"confidence": settings.confidence, "seed": seed}
    figures["probabilities"] = probability_scores(logits_NC, labels_N, **options)
    if model.temperature is not None:
        as_it_came_NC = logits_NC * model.temperature
        figures["before_temperature"] = probability_scores(as_it_came_NC, labels_N, **options)
    figures["automation"] = decided(logits_NC, labels_N, model.points, settings.confidence)
    if model.best_f1 is not None:
        best = scored(task, labels_N, predicted_at(task, logits_NC, model.best_f1), settings, seed)
        names = [f"{name}{end}" for name in ("f1", "precision", "recall") for end in ENDS]
        figures["best_f1"] = {"threshold": model.best_f1} | {name: best[name] for name in names}
    return figures


def scored(
    task: Task, labels_N: np.ndarray, predicted_N: np.ndarray, settings: Settings, seed: int
) -> Figures:
    return with_intervals(
        task, labels_N, predicted_N, resamples=settings.resamples, confidence=settings.confidence, seed=seed
    )


def judge_slices(
    task: Task, rows: pl.DataFrame, slices: list[Slice], settings: Settings, seed: int
) -> pl.DataFrame:
    """The task's metrics of one model on each slice of `rows`, the least accurate first.

    `p` is Fisher's exact test, two-sided, of right and wrong within the slice and outside it; `p_holm` is
    that after as many tests as there are slices.
    """
    labels_N, predicted_N = rows["label"].to_numpy(), predicted(rows)
    scores = [f"{name}{end}" for name in dict.fromkeys(["accuracy", *task.metrics]) for end in ENDS]
    figures = []
    for part in slices:
        within_N = part.members
        found = scored(task, labels_N[within_N], predicted_N[within_N], settings, seed)
        figures.append(
            {"column": part.column, "value": part.value, "slice": part.name, "n": found["n"]}
            | {name: found[name] for name in scores}
            | {"p": _slice_p(labels_N == predicted_N, within_N)}
        )
    table = pl.DataFrame(figures, schema=_slice_schema(scores))
    corrected = pl.Series("p_holm", holm(table["p"].to_list()), dtype=pl.Float64)
    return table.with_columns(corrected).sort("accuracy", "slice")


def _slice_p(right_N: np.ndarray, within_N: np.ndarray) -> float:
    table = [[(right_N[side_N] == hit).sum() for hit in (True, False)] for side_N in (within_N, ~within_N)]
    return float(fisher_exact(table).pvalue)


def _slice_schema(scores: list[str]) -> dict[str, Any]:
    named = dict.fromkeys(("column", "value", "slice"), pl.String)
    return named | {"n": pl.Int64} | dict.fromkeys([*scores, "p"], pl.Float64)


def judge_against(task: Task, new: pl.DataFrame, old: pl.DataFrame, settings: Settings, seed: int) -> Figures:
    """Each score's difference, new less old, with interval and p; how many examples flipped; n.

    Both are predictions of the same examples, whatever their order.
    """
    labels_N, new_N = new["label"].to_numpy(), predicted(new)
    old_N = predicted(new.select("id").join(old, on="id", how="left", maintain_order="left"))
    resamples, confidence, _ = settings
    differences = compare(task, labels_N, old_N, new_N, resamples=resamples, confidence=confidence, seed=seed)
    flips = flips_of(combinations(labels_N, np.stack([old_N, new_N])))
    scores = {name: values._asdict() for name, values in differences.items()}
    return scores | {"flips": flips._asdict(), "n": len(labels_N)}
