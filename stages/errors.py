"""Find what goes wrong, where and why: tables for the report.

examples.parquet   one row a labelled example: its texts as written, its label, what the fine-tuned model
                   says, how wrong that is (stages/lib/errors/example_errors.py), and what each baseline says
                   (of a training row out of fold, so that no baseline is quoted on what it learned by heart)
map.parquet        id, role, label, predicted, x, y: the fine-tuned model's vectors laid out in a plane

and by the kind of task those of stages/lib/errors/error_tables.py: confusion, by_range, or by_label and
missed.
"""

from pathlib import Path

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from stages.lib.arrow import open_stream, vectors_of
from stages.lib.errors.error_numbers import error_line, error_numbers
from stages.lib.errors.error_tables import error_tables
from stages.lib.errors.example_errors import judged, said
from stages.lib.errors.knobs import Params
from stages.lib.exceptions import DataError
from stages.lib.params import load_params
from stages.lib.stage import InPath, OutPath, run
from stages.lib.statistics.predictions import BASELINES, FINETUNED, read_predictions
from stages.lib.tables import replacing_folder, write_json, write_parquet
from stages.lib.task import Task, read_task

FEWEST_FOR_UMAP = 10


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
        for name, table in error_tables(examples, models, the_task).items():
            write_parquet(table, folder / f"{name}.parquet")
        write_parquet(map_table(examples, finetuned / "vectors.arrow", params), folder / "map.parquet")
    numbers = error_numbers(examples, list(baselines), params.worst_fraction, the_task)
    write_json(numbers, metrics)
    print(f"errors: {error_line(numbers, params.worst_fraction, the_task)}")


if __name__ == "__main__":
    run(main)
