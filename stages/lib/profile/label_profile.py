"""What a profile tells of labels beyond how often each occurs, and how it shows those of an example."""

from collections.abc import Callable
from typing import Any

import polars as pl

from stages.lib.kinds import Kind
from stages.lib.task import Task

MOST_PAIRS = 20
QUANTILES = {"min": 0.0, "p5": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95, "max": 1.0}

Numbers = dict[str, Any]


def label_profile(rows: pl.DataFrame, task: Task) -> Numbers:
    """`rows` are labelled, with names as in stages/lib/labels.py."""
    return PROFILE_OF_KINDS[task.kind](rows)


def shown_profile(numbers: Numbers) -> Numbers:
    """What label_profile found, with the numbers of labels that rows have, in order."""
    of_roles = numbers.get("labels_per_row", {})
    return numbers | {"numbers": sorted({number for counts in of_roles.values() for number in counts})}


def shown_label(label: Any, task: Task) -> str | None:
    """What the heading above an example leaves open: its score, or all of its labels."""
    return SHOWN_LABEL_OF_KINDS[task.kind](label)


def label_line(labels: pl.Series, frequencies: pl.DataFrame, task: Task) -> str:
    """`3 classes, joy the largest with 34%`; of labelled rows and their frequencies by role."""
    return LINE_OF_KINDS[task.kind](labels, frequencies, task)


def score_statistics(rows: pl.DataFrame) -> Numbers:
    """Role -> mean, standard deviation (None of a single row) and quantiles."""
    values = pl.col("label")
    columns = [values.mean().alias("mean"), values.std().alias("std")]
    columns += [values.quantile(at).alias(name) for name, at in QUANTILES.items()]
    table = rows.group_by("role", maintain_order=True).agg(*columns)
    return {"scores": {row.pop("role"): row for row in table.iter_rows(named=True)}}


def label_sets(rows: pl.DataFrame) -> Numbers:
    """How many labels rows have, and which of them stand together most often."""
    counts = rows.select("role", count=pl.col("label").list.len())
    by_role = counts.group_by("role", "count").len().sort("count")
    return {
        "labels_per_row": {
            role: dict(by_role.filter(pl.col("role") == role).select("count", "len").iter_rows())
            for role in counts["role"].unique(maintain_order=True)
        },
        "label_pairs": label_pairs(rows["label"]),
    }


def label_pairs(labels: pl.Series) -> list[Numbers]:
    """The pairs that most rows have both of, with their share of the rows that have either."""
    of_rows = pl.DataFrame({"row": range(len(labels)), "label": labels}).explode("label", empty_as_null=False)
    n_of = dict(of_rows.group_by("label").len().iter_rows())
    pairs = of_rows.join(of_rows, on="row", suffix="_other").filter(pl.col("label") < pl.col("label_other"))
    counts = pairs.group_by("label", "label_other").len()
    counts = counts.sort(["len", "label", "label_other"], descending=[True, False, False]).head(MOST_PAIRS)
    return [
        {"labels": [first, second], "count": both, "share": both / (n_of[first] + n_of[second] - both)}
        for first, second, both in counts.iter_rows()
    ]


PROFILE_OF_KINDS: dict[Kind, Callable[[pl.DataFrame], Numbers]] = {
    "classification": lambda rows: {},
    "regression": score_statistics,
    "multi-label": label_sets,
}

SHOWN_LABEL_OF_KINDS: dict[Kind, Callable[[Any], str | None]] = {
    "classification": lambda label: None,
    "regression": lambda label: f"{label:g}",
    "multi-label": lambda labels: ", ".join(labels) or "no label",
}


def _class_line(labels: pl.Series, frequencies: pl.DataFrame, task: Task) -> str:
    return f"{len(task.labels)} classes, {_largest(labels, frequencies, task)}"


def _score_line(labels: pl.Series, frequencies: pl.DataFrame, task: Task) -> str:
    values = labels.to_numpy()
    return f"scores from {values.min():g} to {values.max():g}, {values.mean():.3g} in the mean"


def _label_sets_line(labels: pl.Series, frequencies: pl.DataFrame, task: Task) -> str:
    numbers = labels.list.len().to_numpy()
    return (
        f"{len(task.labels)} labels, {_largest(labels, frequencies, task)}, "
        f"{numbers.mean():.2f} a row, {(numbers == 0).sum():,} rows without any"
    )


def _largest(labels: pl.Series, frequencies: pl.DataFrame, task: Task) -> str:
    of_labels = frequencies.filter(pl.col("label").is_in(task.labels))
    totals = of_labels.group_by("label", maintain_order=True).agg(pl.col("count").sum())
    name, count = totals.sort("count", descending=True, maintain_order=True).row(0)
    return f"{name} the largest with {count / len(labels):.0%}"


LINE_OF_KINDS: dict[Kind, Callable[[pl.Series, pl.DataFrame, Task], str]] = {
    "classification": _class_line,
    "regression": _score_line,
    "multi-label": _label_sets_line,
}
