"""Predict the training rows by fine-tuned models that did not see them, where `errors.folds` asks for it.

A row's label is judged by what a model says of it that never learned it. So the training rows are dealt into
folds, and each fold is predicted by a model that is fine-tuned on the others as stage finetune does it. All
copies and near copies of a text are in one fold; labels are spread over the folds evenly.

The out has no rows where `errors.folds` is null, and then nothing here imports torch, scikit-learn or SciPy.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from stages.lib.arrow import open_stream
from stages.lib.errors.knobs import CROSSFITTED
from stages.lib.errors.knobs import Params as ErrorsParams
from stages.lib.exceptions import ConfigError
from stages.lib.labels import array_of
from stages.lib.params import load_params
from stages.lib.stage import InPath, OutPath, run
from stages.lib.statistics.answers import answers
from stages.lib.statistics.predictions import write_predictions
from stages.lib.tables import replacing_folder, write_json
from stages.lib.task import Task, read_task
from stages.lib.training.knobs import Params

if TYPE_CHECKING:
    from stages.lib.training.held_out import Answer, Fold


def trained_folds(
    task: Path, encoder: Path, tokens: Path, fold_N: np.ndarray, params: Params
) -> "list[Fold] | None":
    """None in a process that is not the first, or that has others do it and nothing to write."""
    from stages.lib.encoders.inference import quieten_transformers
    from stages.lib.training.held_out import make_fold, train_fold
    from stages.lib.training.launching import is_launched, launch, processes_for, share_of
    from stages.lib.training.training import read_material
    from stages.lib.versions import warn_of_drift

    if not is_launched() and (processes := processes_for(params)) > 1:
        launch(params, processes)
        return None
    warn_of_drift()
    quieten_transformers()
    material = read_material(task, encoder, tokens)
    folds = [make_fold(material, fold_N == number, params) for number in range(fold_N.max() + 1)]
    for number, fold in enumerate(folds, start=1):
        if share_of(1).process == 0:
            print(f"crossfit: fold {number} of {len(folds)}, {len(fold.rest):,} examples held out")
        train_fold(fold, params)
    return folds if share_of(1).process == 0 else None


def in_order(said: "list[Answer]", fold_N: np.ndarray) -> np.ndarray:
    """float32 [N, C] of the training rows."""
    logits_NC = np.empty((len(fold_N), said[0].logits.shape[1]), dtype=np.float32)
    for number, answer in enumerate(said):
        logits_NC[fold_N == number] = answer.logits
    return logits_NC


def shared_thresholds(said: "list[Answer]") -> list[float] | None:
    """The mean of the folds' own: each chose its on the same validation rows."""
    own = [answer.thresholds for answer in said if answer.thresholds is not None]
    return np.mean(own, axis=0).tolist() if own else None


def numbers(
    task: Task, examples: pl.DataFrame, said: "list[Answer]", logits_NC: np.ndarray
) -> dict[str, Any]:
    from stages.lib.statistics.scores import scores

    labels_N = array_of(examples["label"], task)
    predicted_N = answers(task, logits_NC, shared_thresholds(said))
    return {
        "folds": len(said),
        "examples": len(examples),
        "temperatures": [answer.temperature for answer in said],
        "held_out": scores(task, labels_N, predicted_N),
    }


def main(
    *, task: InPath, encoder: InPath, tokens: InPath, copies: InPath, predictions: OutPath, metrics: OutPath
) -> None:
    folds, params = load_params("errors", ErrorsParams).folds, load_params("finetune", Params)
    what, table = read_task(task), open_stream(tokens).select(["id", "role", "label"])
    examples = pl.DataFrame(pl.from_arrow(table)).filter(pl.col("role") == "train")
    if folds is None:
        write(what, examples.clear(), np.zeros((0, what.outputs)), None, predictions)
        write_json({"folds": None, "examples": 0}, metrics)
        print("crossfit: nothing to do, errors.folds is null")
        return
    from stages.lib.statistics.folds import deal, too_few

    fold_N = deal(examples, pl.read_parquet(copies), folds, params.seed)
    if few := too_few(fold_N, folds):
        raise ConfigError(f"params.yaml: errors.folds: {few}")
    trained = trained_folds(task, encoder, tokens, fold_N, params)
    if trained is None:  # one process writes
        return
    said = [fold.answer() for fold in trained]
    logits_NC = in_order(said, fold_N)
    found = numbers(what, examples, said, logits_NC)
    write(what, examples, logits_NC, shared_thresholds(said), predictions)
    write_json(found, metrics)
    for fold in trained:
        fold.kept.clear()
    value = found["held_out"][what.metrics[0]]
    shown = "undefined" if value is None else f"{value:.3f}"
    print(f"crossfit: {len(examples):,} training examples by {folds} models; {what.metrics[0]} {shown}")


def write(
    task: Task, examples: pl.DataFrame, logits_NC: np.ndarray, thresholds: list[float] | None, folder: Path
) -> None:
    """Always one file, so that an empty out is a table, and not a folder without files."""
    if thresholds is None and task.facts.has_thresholds:
        thresholds = [0.5] * task.outputs  # of no rows
    with replacing_folder(folder) as partial:
        write_predictions(
            task, examples, logits_NC, partial / f"{CROSSFITTED}.parquet", thresholds=thresholds
        )


if __name__ == "__main__":
    run(main)
