"""Find what goes wrong, where and why: tables for the report.

examples.parquet   one row a labelled example: its texts as written, its label, what the fine-tuned model
                   says and how surely, the loss, and what each baseline says (of a training row out of fold,
                   so that no baseline is quoted on what it learned by heart)
confusion.parquet  model, role, actual, predicted, count, share of the actual class; zeros included
map.parquet        id, role, label, predicted, x, y: the fine-tuned model's vectors laid out in a plane
"""

import functools
import operator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import Field
from scipy.special import log_softmax
from threadpoolctl import threadpool_limits

from stages.lib.arrow import open_stream, vectors_of
from stages.lib.exceptions import DataError
from stages.lib.params import StageParams, load_params
from stages.lib.predictions import BASELINES, FINETUNED, evaluation_roles, logits_of, read_predictions
from stages.lib.stage import InPath, OutPath, run
from stages.lib.tables import replacing_folder, write_json, write_parquet
from stages.lib.task import Task, read_task

DUMMY = BASELINES[0]
FEWEST_FOR_UMAP = 10


class Params(StageParams):
    seed: int
    worst_fraction: float = Field(gt=0, lt=1)
    map_examples: int = Field(gt=0)
    map_neighbours: int = Field(ge=2)
    map_min_distance: float = Field(ge=0, le=1)


def judged(predictions: pl.DataFrame, task: Task) -> pl.DataFrame:
    """id, role, label, predicted (names), probability (of the predicted class), loss; labelled rows alone."""
    labelled = predictions.filter(pl.col("label").is_not_null())
    log_probabilities_NC = log_softmax(logits_of(labelled).astype(np.float64), axis=1)
    row_N, label_N = np.arange(len(labelled)), labelled["label"].to_numpy()
    predicted_N = log_probabilities_NC.argmax(axis=1)
    return labelled.select("id", "role").with_columns(
        label=class_names(label_N, task),
        predicted=class_names(predicted_N, task),
        probability=np.exp(log_probabilities_NC[row_N, predicted_N]),
        loss=np.abs(log_probabilities_NC[row_N, label_N]),  # abs: a certain hit has -0.0
    )


def said(predictions: pl.DataFrame, task: Task, name: str) -> pl.DataFrame:
    """id, and in a column called `name` the class that the model says."""
    logits_NC = logits_of(predictions)
    if "logits_out_of_fold" in predictions.columns:
        held_out_N = predictions["logits_out_of_fold"].is_not_null().to_numpy()
        logits_NC = logits_NC.copy()
        logits_NC[held_out_N] = logits_of(predictions.filter(held_out_N), "logits_out_of_fold")
    return predictions.select("id").with_columns(class_names(logits_NC.argmax(axis=1), task).alias(name))


def class_names(number_N: np.ndarray, task: Task) -> pl.Series:
    return pl.Series(np.array(task.labels, dtype=object)[number_N], dtype=pl.String)


def texts_of(splits: pl.DataFrame, task: Task) -> pl.DataFrame:
    """id, the texts as written, and the columns kept for slicing as one struct, so that no name clashes."""
    kept = [pl.struct(task.kept).alias("kept")] if task.kept else []
    return splits.select("id", *[f"{name}_original" for name in task.text_columns], *kept)


def join(left: pl.DataFrame, right: pl.DataFrame, source: str) -> pl.DataFrame:
    """Adds the columns of `right` by id. Raises DataError where it lacks one of the ids."""
    lacking = left.join(right, on="id", how="anti")
    if len(lacking):
        raise DataError(
            f"{source} lacks {len(lacking):,} of the {len(left):,} examples that the fine-tuned model "
            f"predicted: {lacking['id'][0]!r} is the first; the files are not of one run, so run `dvc repro`"
        )
    return left.join(right, on="id", how="left", maintain_order="left", validate="1:1")


def error_table(
    splits: pl.DataFrame, finetuned: pl.DataFrame, baselines: dict[str, pl.DataFrame], task: Task
) -> pl.DataFrame:
    """examples.parquet."""
    table = judged(finetuned, task)
    for name, predictions in baselines.items():
        table = join(table, said(predictions, task, name), f"the prediction of {name}")
    return join(table, texts_of(splits, task), "the table of splits")


def confusion(examples: pl.DataFrame, models: dict[str, str], task: Task) -> pl.DataFrame:
    """confusion.parquet; `models` are the models' names with the column that holds what each says."""
    roles = pl.DataFrame({"role": evaluation_roles(examples)})
    classes = pl.DataFrame({"actual": task.labels})
    grid = roles.join(classes, how="cross").join(classes.rename({"actual": "predicted"}), how="cross")
    tables = []
    for model, column in models.items():
        cells = examples.group_by("role", actual="label", predicted=column).agg(count=pl.len().cast(pl.Int64))
        counts = grid.join(cells, on=["role", "actual", "predicted"], how="left", maintain_order="left")
        tables.append(
            counts.select(pl.lit(model).alias("model"), pl.all()).with_columns(pl.col("count").fill_null(0))
        )
    total = pl.col("count").sum().over("model", "role", "actual")
    share = pl.when(total > 0).then(pl.col("count") / total).otherwise(0.0)
    return pl.concat(tables).with_columns(share=share)


def summary(examples: pl.DataFrame, baselines: list[str], worst_fraction: float) -> dict[str, Any]:
    """Role -> numbers."""
    return {
        role: _of_role(examples.filter(pl.col("role") == role), baselines, worst_fraction)
        for role in evaluation_roles(examples)
    }


def _of_role(rows: pl.DataFrame, baselines: list[str], worst_fraction: float) -> dict[str, Any]:
    wrong = rows["predicted"] != rows["label"]
    wrong_by = {name: rows[name] != rows["label"] for name in baselines}
    wrong_by_all = functools.reduce(
        operator.and_, (wrong_by[name] for name in baselines if name != DUMMY), wrong
    )
    losses = np.sort(rows["loss"].to_numpy())[::-1]
    worst = losses[: max(1, round(worst_fraction * len(losses)))]
    return {
        "examples": len(rows),
        "mistakes": wrong.sum(),
        "mean_loss": losses.mean(),
        "share_of_loss_in_the_worst": worst.sum() / losses.sum() if losses.sum() else 0.0,
        "mistakes_that_all_but_dummy_make": wrong_by_all.sum(),
        "against": {
            name: {
                "only_finetuned_wrong": (wrong & ~wrong_by[name]).sum(),
                "only_baseline_wrong": (~wrong & wrong_by[name]).sum(),
            }
            for name in baselines
        },
    }


def on_the_map(roles: pl.Series, params: Params) -> np.ndarray:
    """Places of the examples to lay out, in order: a random sample, training rows only to fill it up."""
    shuffled = np.random.default_rng(params.seed).permutation(len(roles))
    trained_on = (roles == "train").to_numpy()[shuffled]
    chosen = shuffled[np.argsort(trained_on, kind="stable")][: params.map_examples]
    return np.sort(chosen)


def lay_out(vectors_NH: np.ndarray, params: Params) -> np.ndarray:
    """float32 [N, 2]: UMAP (McInnes et al. 2018), or the first two principal components of a few vectors."""
    if len(vectors_NH) < FEWEST_FOR_UMAP:
        return principal_components(vectors_NH)
    import umap  # seconds, and more for its compiling: only here

    reducer = umap.UMAP(
        n_neighbors=min(params.map_neighbours, len(vectors_NH) - 1),
        min_dist=params.map_min_distance,
        metric="cosine",
        init="pca",  # the spectral start fails where clusters stand apart, as classes should
        random_state=params.seed,
        n_jobs=1,
    )
    with threadpool_limits(limits=1):  # sums in another order would move every point
        return np.asarray(reducer.fit_transform(vectors_NH), dtype=np.float32)


def principal_components(vectors_NH: np.ndarray) -> np.ndarray:
    centred_NH = vectors_NH - vectors_NH.mean(axis=0)
    axes_KH = np.linalg.svd(centred_NH, full_matrices=False)[2][:2]
    plane = np.zeros((len(vectors_NH), 2), dtype=np.float32)
    plane[:, : len(axes_KH)] = centred_NH @ axes_KH.T
    return plane


def map_table(examples: pl.DataFrame, vectors: Path, params: Params) -> pl.DataFrame:
    """map.parquet."""
    stream = open_stream(vectors)
    labelled = np.flatnonzero(stream["label"].is_valid().to_numpy())
    chosen = on_the_map(examples["role"], params)
    points = lay_out(vectors_of(stream)[labelled[chosen]], params)
    return (
        examples[chosen]
        .select("id", "role", "label", "predicted")
        .with_columns(x=points[:, 0], y=points[:, 1])
    )


def main(
    *, task: InPath, splits: InPath, baseline: InPath, finetuned: InPath, errors: OutPath, metrics: OutPath
) -> None:
    params = load_params("errors", Params)
    the_task = read_task(task)
    found = read_predictions(baseline)
    baselines = {name: found[name] for name in BASELINES if name in found}
    predictions = read_predictions(finetuned)[FINETUNED]
    examples = error_table(pl.read_parquet(splits), predictions, baselines, the_task)
    models = {name: name for name in baselines} | {FINETUNED: "predicted"}
    with replacing_folder(errors) as folder:
        write_parquet(examples, folder / "examples.parquet")
        write_parquet(confusion(examples, models, the_task), folder / "confusion.parquet")
        write_parquet(map_table(examples, finetuned / "vectors.arrow", params), folder / "map.parquet")
    numbers = summary(examples, list(baselines), params.worst_fraction)
    write_json(numbers, metrics)
    print(_line(numbers, params))


def _line(numbers: dict[str, Any], params: Params) -> str:
    role = "test" if "test" in numbers else next(iter(numbers))
    of_role = numbers[role]
    return (
        f"errors: {of_role['mistakes']:,} mistakes in {of_role['examples']:,} {role} examples; "
        f"the worst {params.worst_fraction:.0%} carry {of_role['share_of_loss_in_the_worst']:.0%} of the loss"
    )


if __name__ == "__main__":
    run(main)
