"""How often each label stands in each role, and what is too rare to learn or to judge."""

from typing import Any

import polars as pl

from stages.lib.profile.findings import Finding, some
from stages.lib.statistics.groups import Groups
from stages.lib.task import Task

View = dict[str, Any]

FEW_TO_LEARN = 20  # training rows of a label: below, its score is mostly chance
FEW_TO_JUDGE = 10  # of an evaluation role: one row is a tenth of its recall
UNEVEN = 10  # times as many rows of the largest label as of the smallest


def label_frequencies(labelled: pl.DataFrame, groups: Groups) -> pl.DataFrame:
    """role, label, count, share of the role's rows: roles as they first appear, zeros included."""
    roles = labelled["role"].unique(maintain_order=True)
    in_role = {role: (labelled["role"] == role).to_numpy() for role in roles}
    cells = [
        (role, label, int((row_N & member_N).sum()), float((row_N & member_N).sum() / row_N.sum()))
        for role, row_N in in_role.items()
        for label, member_N in groups.items()
    ]
    schema = {"role": pl.String, "label": pl.String, "count": pl.Int64, "share": pl.Float64}
    return pl.DataFrame(cells, schema=schema, orient="row")


def shown_frequencies(frequencies: pl.DataFrame, n_of: dict[str, int]) -> View:
    """A label a row, with its count and share in each role; `n_of` are the roles' labelled rows."""
    peak = float(frequencies["share"].to_numpy().max()) or 1.0
    cells = frequencies.rows_by_key(["role", "label"], named=True, unique=True)
    return {
        "roles": [{"role": role, "n": n} for role, n in n_of.items()],
        "labels": [
            {
                "label": label,
                "cells": [
                    cells[role, label] | {"width": cells[role, label]["share"] / peak} for role in n_of
                ],
            }
            for label in frequencies["label"].unique(maintain_order=True)
        ],
    }


def frequency_findings(frequencies: pl.DataFrame, task: Task) -> list[Finding]:
    """Of classes and labels: nobody can say of a score which ranges it must have."""
    if not task.facts.has_classes:
        return []
    counts = frequencies.filter(pl.col("label").is_in(task.labels))
    train, others = counts.filter(pl.col("role") == "train"), counts.filter(pl.col("role") != "train")
    found = []
    few = train.filter(pl.col("count") < FEW_TO_LEARN)["label"].to_list()
    if few:
        found.append(
            Finding(
                "labels",
                f"Fewer than {FEW_TO_LEARN} training rows of the {_labels(few)}.",
                "Label more of them, or give them a neighbouring label's name in the source.",
            )
        )
    unjudged = others.filter(pl.col("count") < FEW_TO_JUDGE)
    if len(unjudged):
        labels, roles = (unjudged[name].unique(maintain_order=True).to_list() for name in ("label", "role"))
        found.append(
            Finding(
                "labels",
                f"Fewer than {FEW_TO_JUDGE} rows of the {_labels(labels)} in {some(roles)}.",
                "Read the intervals of their scores: one row more or less moves them by a tenth and more.",
            )
        )
    most, least = (int(end(train["count"].to_list())) for end in (max, min))
    if most >= UNEVEN * max(least, 1):
        found.append(
            Finding(
                "labels",
                f"The largest label has {most:,} training rows, the smallest {least:,}.",
                "Judge by macro_f1 (metrics in source.yaml), which counts them alike; try finetune.balance.",
            )
        )
    return found


def _labels(names: list[str]) -> str:
    return f"label{'s' if len(names) > 1 else ''} {some(names)}"  # a label may be a number
