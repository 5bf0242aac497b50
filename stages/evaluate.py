"""Judge every model on every labelled evaluation role, each score with an interval.

metrics/evaluate.json is nested as model, role, score: `finetuned.test.macro_f1`, with `_low` and `_high`
beside it. A model's figures on a role depend on its predictions there and on this stage's params alone,
not on which other models and roles there are.

metrics/evaluate/<role>/<model>.csv holds an example a row, actual and predicted: DVC draws confusion matrices
of it.

metrics/summary.json is the handful that `dvc exp show` displays in 120 columns, all of the source's first
metric: of the fine-tuned model, where that is f1, `test.f1` between `test.low` and `test.high`, and
`validation.f1`, the one to choose between experiments by; and `baseline.f1`, the best of the baselines on the
same test rows. A source without a labelled test is summed up by its first labelled evaluation role.
"""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import Field
from tqdm import tqdm

from stages.lib.exceptions import DataError
from stages.lib.intervals import with_intervals
from stages.lib.metrics import ClassificationScores
from stages.lib.params import StageParams, load_params
from stages.lib.predictions import BASELINES, FINETUNED, evaluation_roles, logits_of, read_predictions
from stages.lib.stage import InPath, OutPath, run
from stages.lib.tables import replacing, write_json
from stages.lib.task import Task, read_task

Figures = dict[str, Any]  # score name -> value, and `by_class`


class Params(StageParams):
    resamples: int = Field(ge=1)
    confidence: float = Field(gt=0, lt=1)
    seed: int


class ScoresWithIntervals(ClassificationScores):
    """The scores, each between the bounds of its interval."""

    def __init__(self, task: Task, *, resamples: int, confidence: float, seed: int) -> None:
        self.resamples, self.confidence = resamples, confidence
        super().__init__(task, seed=seed)

    def _compute(self, predictions: list[int], references: list[int]) -> Figures:
        return with_intervals(
            self.task,
            np.asarray(references),
            np.asarray(predictions),
            resamples=self.resamples,
            confidence=self.confidence,
            seed=self.seed,
        )


def seed_of(seed: int, model: str, role: str) -> int:
    """32 bits of its own for each model on each role, so that none depends on which others there are."""
    return zlib.crc32(f"{seed}/{model}/{role}".encode())


def labelled_roles(predictions: pl.DataFrame) -> list[str]:
    """Raises DataError where there is nothing to judge on."""
    roles = evaluation_roles(predictions.filter(pl.col("label").is_not_null()))
    if not roles:
        found = ", ".join(sorted(predictions["role"].unique()))
        raise DataError(
            f"no example to judge on: found the roles {found}; expected a test or validation role with labels"
        )
    return roles


def judge(task: Task, predictions: pl.DataFrame, params: Params, seed: int) -> Figures:
    """`predictions` are of one model on one role."""
    metric = ScoresWithIntervals(task, resamples=params.resamples, confidence=params.confidence, seed=seed)
    figures: Figures = metric.compute(
        predictions=predicted(predictions), references=predictions["label"].to_numpy()
    )
    return figures


def predicted(predictions: pl.DataFrame) -> np.ndarray:
    """Class numbers, [N]; of equal logits the first class counts."""
    numbers_N: np.ndarray = logits_of(predictions).argmax(axis=1)
    return numbers_N


def confusion(task: Task, predictions: pl.DataFrame) -> pl.DataFrame:
    """actual and predicted class names, an example a row, sorted by class: DVC only counts them."""
    names = pl.Series(task.labels)
    numbers = predictions.select(actual="label", predicted=predicted(predictions)).sort("actual", "predicted")
    return numbers.select(names.gather(numbers[column]).alias(column) for column in numbers.columns)


def summarize(task: Task, evaluation: dict[str, dict[str, Figures]]) -> dict[str, Figures]:
    metric, finetuned = task.metrics[0], evaluation[FINETUNED]
    role = headline_role(list(finetuned))
    # `low`, not `f1_low`: dvc writes the whole name over each column
    names = {metric: metric, "low": f"{metric}_low", "high": f"{metric}_high"}
    baselines = [evaluation[name][role][metric] for name in BASELINES]
    summary = {"baseline": {metric: max((value for value in baselines if value is not None), default=None)}}
    if "validation" in finetuned:
        summary["validation"] = {metric: finetuned["validation"][metric]}
    return summary | {role: {short: finetuned[role][name] for short, name in names.items()}}


def headline_role(roles: list[str]) -> str:
    return "test" if "test" in roles else roles[0]


def headline(task: Task, evaluation: dict[str, dict[str, Figures]]) -> str:
    """`test (n 1,000): accuracy dummy 0.551, ..., finetuned 0.912 [0.893, 0.928]`"""
    metric, role = task.metrics[0], headline_role(list(evaluation[FINETUNED]))
    figures = evaluation[FINETUNED][role]
    values = ", ".join(f"{model} {_shown(by_role[role][metric])}" for model, by_role in evaluation.items())
    interval = f"[{_shown(figures[f'{metric}_low'])}, {_shown(figures[f'{metric}_high'])}]"
    return f"{role} (n {figures['n']:,}): {metric} {values} {interval}"


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def write_csv(table: pl.DataFrame, path: Path) -> None:
    with replacing(path) as partial:
        table.write_csv(partial)


def main(
    *, task: InPath, baseline: InPath, finetuned: InPath, plots: OutPath, metrics: OutPath, summary: OutPath
) -> None:
    params = load_params("evaluate", Params)
    what = read_task(task)
    tables = read_predictions(baseline) | read_predictions(finetuned)
    roles = labelled_roles(tables[FINETUNED])
    evaluation: dict[str, dict[str, Figures]] = {}
    for model in tqdm((*BASELINES, FINETUNED), desc="evaluate", unit="model", delay=2, disable=None):
        evaluation[model] = {}
        for role in roles:
            rows = tables[model].filter(pl.col("role") == role, pl.col("label").is_not_null())
            evaluation[model][role] = judge(what, rows, params, seed_of(params.seed, model, role))
            write_csv(confusion(what, rows), plots / role / f"{model}.csv")
    write_json(evaluation, metrics)
    write_json(summarize(what, evaluation), summary)
    print(f"evaluate: {headline(what, evaluation)}")


if __name__ == "__main__":
    run(main)
