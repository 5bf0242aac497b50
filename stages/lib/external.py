"""Predictions from elsewhere, judged beside our own models: a large language model's answers, a vendor's.

Each CSV in the folder is a model of the file's name. It has a column `id` with the ids of
data/splits.parquet, and either `label`, with class names or the source's raw values, or a column of
probabilities for every class, named after it. It covers an evaluation role whole or not at all: a model that
chose its examples is comparable to none. Training and unlabelled rows may stand there and are not judged.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from stages.lib.exceptions import SourceError
from stages.lib.predictions import BASELINES, FINETUNED, evaluation_roles
from stages.lib.task import Task

LEAST = 1e-12  # of a probability, so that a certain miss has a finite loss
TOLERANCE = 0.02  # to which the probabilities of a row add up to 1: they come rounded


class External(NamedTuple):
    predictions: pl.DataFrame  # id, role, label, logits: as in data/predictions
    has_probabilities: bool  # if not, the logits tell the predicted class and nothing else


def read_external(folder: Path, task: Task, examples: pl.DataFrame) -> dict[str, External]:
    """Model name -> its predictions; `examples` has id, role and label. Raises SourceError."""
    return {path.stem: _read(path, task, examples) for path in sorted(folder.glob("*.csv"))}


def _read(path: Path, task: Task, examples: pl.DataFrame) -> External:
    if path.stem in (*BASELINES, FINETUNED):
        raise SourceError(f"{path}: '{path.stem}' is the name of one of our own models; rename the file")
    table = _table(path)
    _check_ids(path, table, examples)
    has_probabilities = "label" not in table.columns
    logits_NC = _log_probabilities(path, table, task) if has_probabilities else _one_hot(path, table, task)
    column = pl.Series("logits", logits_NC, dtype=pl.Array(pl.Float32, len(task.labels)))
    answers = table.select("id", column)
    found = examples.select("id", "role", "label").join(answers, on="id", how="inner", maintain_order="left")
    _check_roles(path, found, examples)
    return External(found, has_probabilities)


def _table(path: Path) -> pl.DataFrame:
    try:
        table = pl.read_csv(path, infer_schema=False)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: not a CSV in UTF-8: {str(error).splitlines()[0]}") from None
    if "id" not in table.columns:
        raise SourceError(f"{path}: no column 'id'; it has {', '.join(table.columns)}")
    return table


def _check_ids(path: Path, table: pl.DataFrame, examples: pl.DataFrame) -> None:
    repeated = table.filter(pl.col("id").is_duplicated())["id"]
    if len(repeated):
        raise SourceError(f"{path}: id {repeated[0]!r} stands there twice; expected one row an example")
    strange = table.join(examples, on="id", how="anti")["id"]
    if len(strange):
        raise SourceError(
            f"{path}: {len(strange):,} of {len(table):,} ids are of no example in use, such as "
            f"{strange[0]!r}; expected ids of the table of splits, such as {examples['id'][0]!r}"
        )


def _check_roles(path: Path, found: pl.DataFrame, examples: pl.DataFrame) -> None:
    covered = []
    judged = pl.col("label").is_not_null()
    for role in evaluation_roles(examples):
        of_role = judged & (pl.col("role") == role)
        wanted, given = len(examples.filter(of_role)), len(found.filter(of_role))
        if 0 < given < wanted:
            raise SourceError(
                f"{path}: has {given:,} of the {wanted:,} examples of role {role}; "
                "a role is covered whole or not at all"
            )
        covered += [role] if given else []
    if not covered:
        raise SourceError(f"{path}: has no example of {', '.join(evaluation_roles(examples))}")


def _one_hot(path: Path, table: pl.DataFrame, task: Task) -> np.ndarray:
    numbers = {str(raw): number for number, raw in enumerate(task.raw_labels)}
    numbers |= {name: number for number, name in enumerate(task.labels)}
    for row, label in table.select("id", "label").iter_rows():
        if label not in numbers:
            raise SourceError(
                f"{path}: id {row!r}: label {label!r} is no class; expected one of {', '.join(task.labels)}"
            )
    number_N = [numbers[label] for label in table["label"]]
    return np.asarray(np.eye(len(task.labels), dtype=np.float32)[number_N])


def _log_probabilities(path: Path, table: pl.DataFrame, task: Task) -> np.ndarray:
    missing = [name for name in task.labels if name not in table.columns]
    if missing:
        raise SourceError(
            f"{path}: no column 'label', and none of probabilities for {', '.join(missing)}; "
            f"it has {', '.join(table.columns)}"
        )
    values_NC = table.select(pl.col(task.labels).cast(pl.Float64, strict=False).fill_null(np.nan)).to_numpy()
    wrong_N = ~((values_NC >= 0) & (values_NC <= 1)).all(axis=1)
    wrong_N |= ~(np.abs(values_NC.sum(axis=1) - 1) <= TOLERANCE)
    if wrong_N.any():
        row = int(np.flatnonzero(wrong_N)[0])
        raise SourceError(
            f"{path}: id {table['id'][row]!r}: {table.select(task.labels).row(row)} are no probabilities; "
            "expected numbers from 0 to 1 that add up to 1"
        )
    return np.asarray(np.log(np.maximum(values_NC, LEAST)), dtype=np.float32)
