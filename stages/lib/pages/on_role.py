"""What the pages of errors are about: a role, its scores, and every table that may tell of it.

A table that is not there, or holds nothing of the role, is an empty one: each section then says why it has
nothing to show.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from stages.lib.exceptions import DataError
from stages.lib.statistics.predictions import BASELINES, FINETUNED
from stages.lib.task import Task

View = dict[str, Any]


class OnRole(NamedTuple):
    task: Task
    role: str
    evaluation: View  # of our own models, baselines first
    comparisons: View  # of the fine-tuned model less each baseline, on the role
    numbers: View  # role -> those of the stage errors
    tables: dict[str, pl.DataFrame]  # those of data/errors, of every role
    baselines: list[str]

    @property
    def examples(self) -> pl.DataFrame:
        return self.rows("examples")

    def table(self, name: str) -> pl.DataFrame:
        return self.tables.get(name, pl.DataFrame())

    def rows(self, name: str) -> pl.DataFrame:
        """Those of the role."""
        table = self.table(name)
        return table if table.is_empty() else table.filter(pl.col("role") == self.role)

    @property
    def n(self) -> int:
        return len(self.examples)

    @property
    def by_loss(self) -> pl.DataFrame:
        return self.examples.sort("loss", descending=True, maintain_order=True)


def read_role(
    task: Task, errors: Path, numbers: Path, evaluation: Path, comparisons: Path, role: str
) -> OnRole:
    """Raises DataError where nothing was evaluated on the role."""
    scores = json.loads(evaluation.read_bytes())
    evaluated = list(scores[FINETUNED])
    if role not in evaluated:
        raise DataError(f"params.yaml: report.role: found '{role}'; evaluated are {', '.join(evaluated)}")
    tables = {path.stem: pl.read_parquet(path) for path in sorted(errors.glob("*.parquet"))}
    baselines = [name for name in BASELINES if name in tables["examples"].columns]
    return OnRole(
        task,
        role,
        {name: scores[name] for name in (*baselines, FINETUNED)},
        json.loads(comparisons.read_bytes()).get(role, {}),
        json.loads(numbers.read_bytes()),
        tables,
        baselines,
    )


def is_mistake(task: Task, said: str = "predicted") -> pl.Expr:
    """Another class, or not exactly the same labels; of a regression nothing is."""
    return pl.col("label") != pl.col(said) if task.facts.has_classes else pl.lit(False)


def loss_of(rows: pl.DataFrame, task: Task, said: str = "predicted") -> np.ndarray:
    """[N]: what each example costs the example score, whose mean over the role it is: 0 or 1, or the absolute
    error of a regression.
    """
    if task.facts.has_classes:
        return (rows["label"] != rows[said]).to_numpy().astype(float)
    return (rows["label"] - rows[said]).abs().to_numpy()
