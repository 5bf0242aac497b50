"""What errors reads of the stages before it."""

from pathlib import Path
from typing import NamedTuple

import polars as pl

from stages.lib.statistics.predictions import BASELINES
from stages.lib.task import Task


class Data(NamedTuple):
    task: Task
    splits: pl.DataFrame  # every row
    copies: pl.DataFrame
    predictions: dict[str, pl.DataFrame]  # of the baselines in their order, then of the fine-tuned model
    crossfitted: pl.DataFrame
    tokens: Path
    frozen: Path  # vectors
    tuned: Path  # vectors

    @property
    def baselines(self) -> dict[str, pl.DataFrame]:
        return {name: self.predictions[name] for name in BASELINES if name in self.predictions}
