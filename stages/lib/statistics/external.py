"""Predictions from elsewhere, judged beside our own models: a large language model's answers, a vendor's.

Each CSV in the folder is a model of the file's name. It has a column `id` with the ids of
data/splits.parquet, and either `label` or a column of probabilities for every class, named after it. A label
is written as in the source: a class's name or raw value, several in one cell between its separators, or a
number where numbers are predicted. It covers an evaluation role whole or not at all: a model that chose its
examples is comparable to none. Training and unlabelled rows may stand there and are not judged.

Of probabilities of several labels an example, those labels are said that reach the thresholds that are best
on the model's validation rows, or 0.5 where it has none.
"""

from pathlib import Path
from typing import NamedTuple

import polars as pl

from stages.lib.exceptions import SourceError
from stages.lib.labels import array_of, column_of
from stages.lib.statistics.external_answers import logits_of_labels, logits_of_probabilities
from stages.lib.statistics.multi_label import UNTUNED, above, fit_thresholds
from stages.lib.statistics.predictions import BASELINES, FINETUNED, evaluation_roles, logits_of
from stages.lib.task import Task


class External(NamedTuple):
    predictions: pl.DataFrame  # as in data/predictions
    has_probabilities: bool  # if not, the logits tell what is predicted and nothing else


def read_external(folder: Path, task: Task, examples: pl.DataFrame) -> dict[str, External]:
    """Model name -> its predictions; `examples` has id, role and label. Raises SourceError."""
    return {path.stem: _read(path, task, examples) for path in sorted(folder.glob("*.csv"))}


def _read(path: Path, task: Task, examples: pl.DataFrame) -> External:
    if path.stem in (*BASELINES, FINETUNED):
        raise SourceError(f"{path}: '{path.stem}' is the name of one of our own models; rename the file")
    table = _table(path)
    _check_ids(path, table, examples)
    has_probabilities = "label" not in table.columns
    logits_NC = (logits_of_probabilities if has_probabilities else logits_of_labels)(path, table, task)
    column = pl.Series("logits", logits_NC, dtype=pl.Array(pl.Float32, task.outputs))
    answers = table.select("id", column)
    found = examples.select("id", "role", "label").join(answers, on="id", how="inner", maintain_order="left")
    _check_roles(path, found, examples)
    if task.facts.has_thresholds:
        found = found.with_columns(predicted=_reached(found, task, tuned=has_probabilities))
    return External(found, has_probabilities)


def _reached(found: pl.DataFrame, task: Task, *, tuned: bool) -> pl.Series:
    """The labels that reach their thresholds."""
    thresholds = [UNTUNED] * len(task.labels)
    validation = found.filter(pl.col("role") == "validation", pl.col("label").is_not_null())
    if tuned and len(validation):
        thresholds = fit_thresholds(logits_of(validation), array_of(validation["label"], task))
    return column_of(above(logits_of(found), thresholds), task)


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
