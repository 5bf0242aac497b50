"""Training rows at random, as examples of their label; of no other role: nobody should have read those."""

from typing import Any

import numpy as np
import polars as pl

from stages.lib.pages.shown_examples import clipped
from stages.lib.profile.label_profile import shown_label
from stages.lib.statistics.groups import Groups
from stages.lib.task import Task

View = dict[str, Any]


def training_examples(
    labelled: pl.DataFrame, groups: Groups, task: Task, seed: int, most: int, characters: int
) -> dict[str, list[View]]:
    """Label -> rows that have it: their original texts (a pair's together) and what the label leaves open."""
    in_train = np.flatnonzero((labelled["role"] == "train").to_numpy())
    order = np.random.default_rng(seed).permutation(in_train)
    originals = [f"{column}_original" for column in task.text_columns]
    return {
        name: [
            {
                "label": shown_label(row["label"], task),
                "texts": [clipped(row[column], characters) for column in originals],
            }
            for row in labelled[order[member_N[order]][:most]].iter_rows(named=True)
        ]
        for name, member_N in groups.items()
    }
