"""Judge every model on every labelled evaluation role, each score with an interval.

metrics/evaluate.json is nested as model, role, score: `finetuned.test.macro_f1`, with `_low` and `_high`
beside it; a score that is undefined is null, and `undefined` says why. A model's figures on a role depend on
its own predictions and on this stage's params alone, not on which other models and roles there are. Beside
the scores stand `by_class`, and where the kind of task has them `probabilities` (log loss, Brier score,
calibration errors), the same `before_temperature`, `automation` (what share of the examples can be decided
without a person, and how precisely, at thresholds chosen on validation) and, where there is a positive class,
`best_f1` (at the threshold that is best on validation). `selected` is true where a checkpoint was chosen by
that role, so that its figures flatter.

metrics/comparisons.json is nested as role, other model, score: the fine-tuned model less the other one, on
the same examples, with interval and p, and how many examples flipped each way. A score that is undefined for
one of them is left out.

metrics/evaluate holds what DVC draws: for each plot of the kind (stages/lib/kinds.py) and for slices a CSV a
role with a column `model`, but confusion/<role>/<model>.csv. dvc.yaml names the plots of every kind, so each
that this kind does not have holds an empty table in their place, which DVC leaves out without a word.

metrics/summary.json is the handful that `dvc exp show` displays, in this order and in 120 columns, all of
the source's first metric: where that is f1, of the fine-tuned model `test.f1`, `test.low`, `test.high` and
`validation`, the one to choose between experiments by; and `baseline`, the best baseline on the same test
rows. A source without a labelled test is summed up by its first labelled evaluation role.
"""

import json
import zlib
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field
from tqdm import tqdm

from stages.lib.exceptions import DataError
from stages.lib.labels import array_of
from stages.lib.params import StageParams, load_params
from stages.lib.stage import InPath, OutPath, run
from stages.lib.statistics.cuts import with_cuts
from stages.lib.statistics.diagrams import CONFUSION, DIAGRAMS, Judged, diagrams
from stages.lib.statistics.external import read_external
from stages.lib.statistics.judging import Figures, Model, Settings, judge, judge_against, judge_slices
from stages.lib.statistics.operating import OperatingPoint, operating_points
from stages.lib.statistics.predictions import (
    BASELINES,
    FINETUNED,
    evaluation_roles,
    logits_of,
    read_predictions,
)
from stages.lib.statistics.slices import Slice, slices_of
from stages.lib.statistics.thresholds import best_f1_threshold
from stages.lib.tables import replacing, write_json, write_text
from stages.lib.task import Task, read_task

EMPTY_TABLE = "none.json"  # no rows: of a plot that this kind of task does not have


class Params(StageParams):
    resamples: int = Field(ge=1)
    confidence: float = Field(gt=0, lt=1)
    seed: int
    calibration_bins: int = Field(ge=2)
    slice_least_n: int = Field(ge=2)
    slice_values: int = Field(ge=1)
    external: str


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


def read_models(
    task: Task, tables: dict[str, pl.DataFrame], fitted: dict[str, Any], external: Path
) -> dict[str, Model]:
    """Our own, baselines first, then those from elsewhere.

    `fitted` has what was fitted on validation: each model's temperature, the operating points within the
    fine-tuned one.
    """
    carried = [OperatingPoint.model_validate(point) for point in fitted[FINETUNED]["operating"]]
    models = {}
    for name in (*BASELINES, FINETUNED):
        model = on_validation(task, judged(tables[name]), fitted[name]["temperature"])
        models[name] = model._replace(points=carried) if name == FINETUNED else model
    for name, found in read_external(external, task, tables[FINETUNED]).items():
        known = judged(found.predictions)
        silent = Model(known, has_probabilities=False, temperature=None, points=[], best_f1=None)
        models[name] = on_validation(task, known, None) if found.has_probabilities else silent
    return models


def judged(predictions: pl.DataFrame) -> pl.DataFrame:
    """The labelled rows of evaluation roles, by id: one order for all models, and for every sum."""
    in_roles = pl.col("role").is_in(evaluation_roles(predictions))
    return predictions.filter(pl.col("label").is_not_null() & in_roles).sort("id")


def on_validation(task: Task, predictions: pl.DataFrame, temperature: float | None) -> Model:
    """With every threshold chosen on validation, where one class out of several is to be decided on."""
    model = Model(predictions, has_probabilities=True, temperature=temperature, points=[], best_f1=None)
    if not task.facts.has_probabilities:
        return model
    rows = model.on("validation")
    logits_NC, labels_N = logits_of(rows), array_of(rows["label"], task)
    return model._replace(
        points=operating_points(logits_NC, labels_N), best_f1=best_f1_threshold(task, logits_NC, labels_N)
    )


def slices_on(task: Task, rows: pl.DataFrame, examples: pl.DataFrame, params: Params) -> list[Slice]:
    """The slices of one model's rows on a role, in their order."""
    columns = examples.select("id", "label", "text_original", "cut_share", *task.kept)
    found = rows.select("id").join(columns, on="id", how="left", maintain_order="left")
    return slices_of(found, task, most_values=params.slice_values, least_n=params.slice_least_n)


def summarize(task: Task, evaluation: dict[str, dict[str, Figures]]) -> dict[str, Any]:
    metric, finetuned = task.metrics[0], evaluation[FINETUNED]
    role = headline_role(list(finetuned))
    # `low`, not `f1_low`: dvc writes the whole name over each column
    names = {metric: metric, "low": f"{metric}_low", "high": f"{metric}_high"}
    summary: dict[str, Any] = {role: {short: rounded(finetuned[role][name]) for short, name in names.items()}}
    if "validation" in finetuned:
        summary.setdefault("validation", rounded(finetuned["validation"][metric]))
    baselines = [evaluation[name][role][metric] for name in BASELINES]
    best_of = min if task.lower_is_better(metric) else max
    best = best_of((value for value in baselines if value is not None), default=None)
    return summary | {"baseline": rounded(best)}


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


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


def write_plots(tables: dict[str, dict[str, pl.DataFrame]], folder: Path, role: str) -> None:
    """`tables` are by model, then by plot; a plot's CSV holds every model that has it, but confusion one."""
    for model, table in ((model, of_model.get(CONFUSION)) for model, of_model in tables.items()):
        if table is not None:
            write_csv(table, folder / CONFUSION / role / f"{model}.csv")
    for name in dict.fromkeys(name for of_model in tables.values() for name in of_model if name != CONFUSION):
        parts = [
            of_model[name].with_columns(model=pl.lit(model)).select("model", pl.exclude("model"))
            for model, of_model in tables.items()
            if name in of_model
        ]
        write_csv(pl.concat(parts), folder / name / f"{role}.csv")


def write_empty_plots(task: Task, folder: Path) -> None:
    for name in DIAGRAMS:
        if name not in task.facts.plots:
            write_text("[]\n", folder / name / EMPTY_TABLE)


def main(
    *,
    task: InPath,
    splits: InPath,
    tokens: InPath,
    baseline: InPath,
    baseline_fitted: InPath,
    finetuned: InPath,
    finetuned_fitted: InPath,
    external: InPath,
    plots: OutPath,
    metrics: OutPath,
    comparisons: OutPath,
    summary: OutPath,
) -> None:
    params = load_params("evaluate", Params)
    settings = Settings(params.resamples, params.confidence, params.calibration_bins)
    what, examples = read_task(task), with_cuts(pl.read_parquet(splits), tokens)
    predictions = read_predictions(baseline) | read_predictions(finetuned)
    fitted = json.loads(baseline_fitted.read_bytes()) | {FINETUNED: json.loads(finetuned_fitted.read_bytes())}
    roles = labelled_roles(predictions[FINETUNED])
    models = read_models(what, predictions, fitted, external)
    evaluation: dict[str, dict[str, Figures]] = {name: {} for name in models}
    compared: dict[str, dict[str, Figures]] = {role: {} for role in roles}
    for role in tqdm(roles, desc="evaluate", unit="role", delay=2, disable=None):
        reference, drawn = models[FINETUNED].on(role), {}
        slices = slices_on(what, reference, examples, params)
        for name, model in models.items():
            rows, seed = model.on(role), seed_of(params.seed, name, role)
            if rows.is_empty():  # a model from elsewhere need not cover every role
                continue
            figures = evaluation[name][role] = judge(what, model, role, settings, seed)
            drawn[name] = diagrams(what, Judged(model, rows, figures, settings))
            drawn[name]["slices"] = judge_slices(what, rows, slices, settings, seed)
            if name != FINETUNED:
                compared[role][name] = judge_against(what, reference, rows, settings, seed)
        write_plots(drawn, plots, role)
    write_empty_plots(what, plots)
    if fitted[FINETUNED]["selected_on_validation"] and "validation" in evaluation[FINETUNED]:
        evaluation[FINETUNED]["validation"]["selected"] = True
    write_json(evaluation, metrics)
    write_json(compared, comparisons)
    write_text(json.dumps(summarize(what, evaluation), indent=2) + "\n", summary)  # in its own order
    print(f"evaluate: {headline(what, evaluation)}")


if __name__ == "__main__":
    run(main)
