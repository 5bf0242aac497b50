"""What is known of a model on a role: its scores, its probabilities, its slices, how it differs from another.

Every figure depends on a model's predictions and the settings, never on which other models there are.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from scipy.stats import fisher_exact, ttest_ind_from_stats

from stages.lib.kinds import Kind
from stages.lib.labels import array_of
from stages.lib.statistics.intervals import of_nothing, with_intervals
from stages.lib.statistics.operating import OperatingPoint
from stages.lib.statistics.paired import compare, flips, holm
from stages.lib.statistics.predictions import logits_of, predicted_of
from stages.lib.statistics.probabilities import label_probability_scores, probability_scores
from stages.lib.statistics.slices import Slice
from stages.lib.statistics.thresholds import decided, predicted_at
from stages.lib.task import Task

Figures = dict[str, Any]  # score name -> value, and what else is known
ENDS = ("", "_low", "_high")


class Settings(NamedTuple):
    resamples: int
    confidence: float
    calibration_bins: int


class Model(NamedTuple):
    predictions: (
        pl.DataFrame
    )  # labelled rows of the evaluation roles, as in stages/lib/statistics/predictions.py
    has_probabilities: bool  # in its logits; not so a model from elsewhere that gives labels alone
    temperature: float | None  # divided out of the logits already; None for a model from elsewhere
    points: list[OperatingPoint]  # where one class is right, and probabilities tell how surely
    best_f1: float | None  # threshold on the probability of the positive class, chosen on validation

    def on(self, role: str) -> pl.DataFrame:
        return self.predictions.filter(pl.col("role") == role)


def judge(task: Task, model: Model, role: str, settings: Settings, seed: int) -> Figures:
    """The scores with intervals, and of a model with probabilities all that metrics/evaluate.json has."""
    rows = model.on(role)
    figures = scored(task, array_of(rows["label"], task), predicted_of(rows, task), settings, seed)
    further = PROBABILITIES_OF_KINDS[task.kind]
    if further is None or not model.has_probabilities:
        return figures
    return figures | further(task, model, rows, settings, seed)


def scored(
    task: Task, labels_N: np.ndarray, predicted_N: np.ndarray, settings: Settings, seed: int
) -> Figures:
    return with_intervals(
        task, labels_N, predicted_N, resamples=settings.resamples, confidence=settings.confidence, seed=seed
    )


def _of_classes(task: Task, model: Model, rows: pl.DataFrame, settings: Settings, seed: int) -> Figures:
    logits_NC, labels_N = logits_of(rows), array_of(rows["label"], task)
    options: dict[str, Any] = {"bins": settings.calibration_bins, "resamples": settings.resamples}
    options |= {"confidence": settings.confidence, "seed": seed}
    figures: Figures = {"probabilities": probability_scores(logits_NC, labels_N, **options)}
    if model.temperature is not None:
        as_it_came_NC = logits_NC * model.temperature
        figures["before_temperature"] = probability_scores(as_it_came_NC, labels_N, **options)
    figures["automation"] = decided(logits_NC, labels_N, model.points, settings.confidence)
    if model.best_f1 is not None:
        best = scored(task, labels_N, predicted_at(task, logits_NC, model.best_f1), settings, seed)
        names = [f"{name}{end}" for name in ("f1", "precision", "recall") for end in ENDS]
        figures["best_f1"] = {"threshold": model.best_f1} | {name: best[name] for name in names}
    return figures


def _of_labels(task: Task, model: Model, rows: pl.DataFrame, settings: Settings, seed: int) -> Figures:
    logits_NC, labels_NC = logits_of(rows), array_of(rows["label"], task)
    moments = {"probabilities": logits_NC}
    if model.temperature is not None:
        moments["before_temperature"] = logits_NC * model.temperature
    return {
        when: label_probability_scores(values_NC, labels_NC, confidence=settings.confidence)
        for when, values_NC in moments.items()
    }


PROBABILITIES_OF_KINDS: dict[Kind, Callable[[Task, Model, pl.DataFrame, Settings, int], Figures] | None] = {
    "classification": _of_classes,
    "regression": None,
    "multi-label": _of_labels,
}


def judge_slices(
    task: Task, rows: pl.DataFrame, slices: list[Slice], settings: Settings, seed: int
) -> pl.DataFrame:
    """The task's metrics of one model on each slice of `rows`, the worst first.

    They are judged by the score of the kind that is a mean over the examples, which stands under its own name
    and as `score`; `better` says whether more of it or less is. `p` is a two-sided test of that score within
    the slice and outside it, `p_holm` the same after as many tests as there are slices.
    """
    by = task.facts.example_score
    labels_N, predicted_N = array_of(rows["label"], task), predicted_of(rows, task)
    scores = [f"{name}{end}" for name in dict.fromkeys([by, *task.metrics]) for end in ENDS]
    test, less = SLICE_TEST_OF_KINDS[task.kind], task.lower_is_better(by)
    figures = []
    for part in slices:
        within_N = part.members
        found = scored(task, labels_N[within_N], predicted_N[within_N], settings, seed)
        figures.append(
            {"column": part.column, "value": part.value, "slice": part.name, "n": found["n"]}
            | {f"score{end}": found[f"{by}{end}"] for end in ENDS}
            | {"better": "less" if less else "more"}
            | {name: found[name] for name in scores}
            | {"p": test(labels_N, predicted_N, within_N)}
        )
    table = pl.DataFrame(figures, schema=_slice_schema(scores))
    corrected = pl.Series("p_holm", holm(table["p"].to_list()), dtype=pl.Float64)
    return table.with_columns(corrected).sort("score", "slice", descending=[less, False])


def _slice_schema(scores: list[str]) -> dict[str, Any]:
    named = dict.fromkeys(("column", "value", "slice"), pl.String)
    score = dict.fromkeys((f"score{end}" for end in ENDS), pl.Float64)
    schema: dict[str, Any] = named | {"n": pl.Int64} | score | {"better": pl.String}
    return schema | dict.fromkeys([*scores, "p"], pl.Float64)


def right_or_wrong(labels_N: np.ndarray, predicted_N: np.ndarray, within_N: np.ndarray) -> float:
    """Fisher's exact test of the class, or of the whole set of labels."""
    right_N = (labels_N == predicted_N).reshape(len(labels_N), -1).all(axis=1)
    table = [[(right_N[side_N] == hit).sum() for hit in (True, False)] for side_N in (within_N, ~within_N)]
    return float(fisher_exact(table).pvalue)


def size_of_errors(labels_N: np.ndarray, predicted_N: np.ndarray, within_N: np.ndarray) -> float:
    """Welch's t-test of absolute errors: of means, as the score is, and the two sides may spread unlike.

    1 where a side has a single example, or all errors are alike: nothing tells of chance.
    """
    errors_N = np.abs(labels_N - predicted_N)
    sides = errors_N[within_N], errors_N[~within_N]
    if min(map(len, sides)) < 2 or max(map(np.ptp, sides)) <= 1e-12 * errors_N.max():
        return 1.0
    # from moments: of one side's equal errors SciPy would warn
    moments = [moment for side in sides for moment in (side.mean(), side.std(ddof=1), len(side))]
    return float(ttest_ind_from_stats(*moments, equal_var=False).pvalue)


SLICE_TEST_OF_KINDS: dict[Kind, Callable[[np.ndarray, np.ndarray, np.ndarray], float]] = {
    "classification": right_or_wrong,
    "regression": size_of_errors,
    "multi-label": right_or_wrong,
}


def judge_against(task: Task, new: pl.DataFrame, old: pl.DataFrame, settings: Settings, seed: int) -> Figures:
    """Each score's difference, new less old, with interval and p; how many examples flipped, if any can; n.

    Both are predictions of the same examples, whatever their order. A score that one of them lacks is left
    out.
    """
    labels_N, new_N = array_of(new["label"], task), predicted_of(new, task)
    old_N = predicted_of(new.select("id").join(old, on="id", how="left", maintain_order="left"), task)
    resamples, confidence, _ = settings
    differences = compare(task, labels_N, old_N, new_N, resamples=resamples, confidence=confidence, seed=seed)
    flipped = flips(task, labels_N, old_N, new_N)
    # compare has 0 for a share of nothing, which is no score to be better than
    lacking = of_nothing(task, labels_N, old_N) | of_nothing(task, labels_N, new_N)
    figures: Figures = {name: of._asdict() for name, of in differences.items() if name not in lacking}
    return figures | ({} if flipped is None else {"flips": flipped._asdict()}) | {"n": len(labels_N)}
