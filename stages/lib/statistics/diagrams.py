"""What DVC draws of a model on a role: a table a plot, by the names under `plots` in stages/lib/kinds.py."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from scipy.stats import t as student

from stages.lib.labels import array_of
from stages.lib.statistics.curves import precision_recall, roc
from stages.lib.statistics.groups import evenly
from stages.lib.statistics.judging import ENDS, Figures, Model, Settings
from stages.lib.statistics.predictions import logits_of, predicted_of
from stages.lib.statistics.probabilities import equal_count, reliability, risk_coverage
from stages.lib.statistics.scores import OF_ONE_CLASS
from stages.lib.statistics.wilson import Bounds
from stages.lib.task import Task

CURVE_POINTS = 200  # a curve on a screen needs no more
SCATTER_POINTS = 1_000  # a model
CONFUSION = "confusion"  # DVC counts the examples of a file: one a model
NEED_PROBABILITIES = ("reliability", "precision_recall", "roc", "risk_coverage")


class Judged(NamedTuple):
    """A model on a role, and what is known of it there."""

    model: Model
    rows: pl.DataFrame
    figures: Figures
    settings: Settings


def diagrams(task: Task, judged: Judged) -> dict[str, pl.DataFrame]:
    """Name of the plot -> its rows; those of probabilities only where the model gives any."""
    return {
        name: DIAGRAMS[name](task, judged)
        for name in task.facts.plots
        if judged.model.has_probabilities or name not in NEED_PROBABILITIES
    }


def confusion(task: Task, judged: Judged) -> pl.DataFrame:
    """actual and predicted class names, an example a row, sorted by class: DVC only counts them."""
    names = pl.Series(task.labels)
    numbers = judged.rows.select(actual="label", predicted=predicted_of(judged.rows, task))
    numbers = numbers.sort("actual", "predicted")
    return numbers.select(names.gather(numbers[column]).alias(column) for column in numbers.columns)


def scatter(task: Task, judged: Judged) -> pl.DataFrame:
    """id, actual, predicted; of more than SCATTER_POINTS examples, those at even distances by their label."""
    rows = evenly(judged.rows, SCATTER_POINTS)
    return rows.select("id", actual="label", predicted=pl.Series(predicted_of(rows, task)))


def residuals(task: Task, judged: Judged) -> pl.DataFrame:
    """predicted, residual, low, high, n: means over ranges of predictions with as many examples in each.

    A residual is actual less predicted; its mean has Student's interval, of a single example none.
    """
    actual_N, predicted_N = array_of(judged.rows["label"], task), predicted_of(judged.rows, task)
    place_N = equal_count(predicted_N, judged.settings.calibration_bins)
    rows = []
    for place in np.unique(place_N):
        within_N = place_N == place
        # sorted: sums depend on the order
        residual_N = np.sort(actual_N[within_N] - predicted_N[within_N])
        low, high = _mean_bounds(residual_N, judged.settings.confidence) or (None, None)
        rows.append((np.sort(predicted_N[within_N]).mean(), residual_N.mean(), low, high, len(residual_N)))
    numbers = dict.fromkeys(("predicted", "residual", "low", "high"), pl.Float64)
    return pl.DataFrame(rows, schema=numbers | {"n": pl.Int64}, orient="row")


def _mean_bounds(values_N: np.ndarray, confidence: float) -> Bounds | None:
    n, mean = len(values_N), float(values_N.mean())
    if n < 2:
        return None
    reach = float(student.ppf((1 + confidence) / 2, n - 1) * values_N.std(ddof=1) / n**0.5)
    return mean - reach, mean + reach


def by_label(task: Task, judged: Judged) -> pl.DataFrame:
    """label, score (precision, recall or f1), value, low, high, and n, the examples that have the label."""
    rows = [
        (label, score, *(of_label[f"{score}{end}"] for end in ENDS), of_label["n"])
        for label, of_label in judged.figures["by_class"].items()
        for score in OF_ONE_CLASS
    ]
    schema: dict[str, Any] = dict.fromkeys(("label", "score"), pl.String)
    schema |= dict.fromkeys(("value", "low", "high"), pl.Float64) | {"n": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def reliabilities(task: Task, judged: Judged) -> pl.DataFrame:
    """Of the probabilities as they are, and as they were before the temperature where there is one."""
    logits_NC, labels_N = logits_of(judged.rows), array_of(judged.rows["label"], task)
    settings, temperature = judged.settings, judged.model.temperature
    moments = {"after": logits_NC} | ({} if temperature is None else {"before": logits_NC * temperature})
    return pl.concat(
        reliability(
            task, values_NC, labels_N, bins=settings.calibration_bins, confidence=settings.confidence
        ).select(pl.lit(when).alias("temperature"), pl.all())
        for when, values_NC in moments.items()
    )


def _precision_recall(task: Task, judged: Judged) -> pl.DataFrame:
    labels_N = array_of(judged.rows["label"], task)
    return precision_recall(task, logits_of(judged.rows), labels_N, CURVE_POINTS)


def _roc(task: Task, judged: Judged) -> pl.DataFrame:
    return roc(task, logits_of(judged.rows), array_of(judged.rows["label"], task), CURVE_POINTS)


def _risk_coverage(task: Task, judged: Judged) -> pl.DataFrame:
    labels_N, confidence = array_of(judged.rows["label"], task), judged.settings.confidence
    return risk_coverage(logits_of(judged.rows), labels_N, confidence=confidence, points=CURVE_POINTS)


DIAGRAMS: dict[str, Callable[[Task, Judged], pl.DataFrame]] = {
    CONFUSION: confusion,
    "scatter": scatter,
    "residuals": residuals,
    "by_label": by_label,
    "reliability": reliabilities,
    "precision_recall": _precision_recall,
    "roc": _roc,
    "risk_coverage": _risk_coverage,
}
