"""Tables of data/errors that tell what to fix, made up beside examples.parquet, for tests of the pages."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from stages.lib.tables import write_json, write_parquet
from stages.lib.task import Task
from tests.made_errors import explanations_of

CHANGES: dict[str, dict[str, Any]] = {
    "lower_case": {"kind": "invariance", "n": 100, "flips": 8, "rate": 0.08, "low": 0.041, "high": 0.15},
    "added_link": {"kind": "invariance", "n": 100, "flips": 2, "rate": 0.02, "low": 0.005, "high": 0.07},
    "white_space": {"kind": "invariance", "n": 40, "flips": 0, "rate": 0.0, "low": 0.0, "high": 0.088},
    "not": {
        "kind": "direction",
        "n": 30,
        "flips": 21,
        "rate": 0.7,
        "low": 0.52,
        "high": 0.83,
        "as_expected": 20,
    },
}


def write_error_tables(errors: Path, numbers: Path, task: Task, role: str = "test") -> None:
    """Every table that the pages read; a label's suggestion is what is predicted."""
    examples = pl.read_parquet(errors / "examples.parquet")
    tables = {
        "label_issues": label_issues(examples),
        "contradictions": contradictions(examples, task),
        "slices": slices(examples, role, task),
        "words": words(examples, role, task),
        "clusters": pl.DataFrame(
            {
                "cluster": [0, 1],
                "n": [3, 1],
                "words": [["fire", "flood"], ["play"]],
                "name": ["fire, flood", "play"],
            }
        ),
        "learning_curve": learning_curve(task),
        "to_label": to_label(examples, task),
    }
    for name, table in tables.items():
        write_parquet(table, errors / f"{name}.parquet")
    frozen = np.random.default_rng(1)
    points = pl.read_parquet(errors / "map.parquet")
    size = len(points)
    write_parquet(
        points.with_columns(
            frozen_x=pl.Series(frozen.normal(size=size)),
            frozen_y=pl.Series(frozen.normal(size=size)),
            cluster=pl.lit(0),
        ),
        errors / "map.parquet",
    )
    of_roles = json.loads(numbers.read_text())
    for (name,), rows in tables["label_issues"].group_by("role", maintain_order=True):
        issues = {
            "n": len(rows),
            "issues": int(rows["is_issue"].sum()),
            "share": 0.05,
            "low": 0.03,
            "high": 0.08,
        }
        of_roles.setdefault(name, {})["label_issues"] = issues | {"judged_by": "features, tfidf"}
    of_roles[role] |= {"slices": {"tested": 12, "found": 2}, "learning_curve": growth(task.metrics[0])}
    write_json(of_roles, numbers)


def write_reactions(folder: Path, task: Task, with_tables: bool) -> None:
    """What the stages robustness and explain leave; without tables, of no example."""
    examples = pl.read_parquet(folder / "errors/examples.parquet")
    changed = changed_rows(examples, task)
    why = explanations_of(task, examples.head(3))
    write_parquet(changed if with_tables else changed.clear(), folder / "robustness.parquet")
    write_parquet(why if with_tables else why.clear(), folder / "explanations.parquet")
    write_json(CHANGES if with_tables else {}, folder / "robustness.json")
    write_json({"method": "leave-one-word-out", "n": 3, "words": 9}, folder / "explain.json")


def wrong(task: Task) -> pl.Expr:
    return pl.col("label") != pl.col("predicted") if task.facts.has_classes else pl.col("loss") > 0.4


def label_issues(examples: pl.DataFrame) -> pl.DataFrame:
    """The highest losses of each role; those that are not what is predicted are issues."""
    rows = examples.sort("role", "loss", "id", descending=[False, True, False])
    return rows.select(
        "id",
        "role",
        rank=pl.int_range(1, pl.len() + 1).over("role"),
        quality=(-pl.col("loss")).exp(),
        label=pl.col("label"),
        suggested=pl.col("predicted"),
        is_issue=pl.col("label") != pl.col("predicted"),
        judged_by=pl.lit("features, tfidf"),
    )


def contradictions(examples: pl.DataFrame, task: Task) -> pl.DataFrame:
    """Of the first example of each role with the next of another label, and one that is only near."""
    pairs = []
    for place, (_, rows) in enumerate(examples.group_by("role", maintain_order=True)):
        first, *others = rows.iter_rows(named=True)
        other = next((row for row in others if row["label"] != first["label"]), None)
        if other:
            pairs.append(_pair(first, other, exact=place == 0, task=task))
    return pl.DataFrame(pairs)


def _pair(first: dict[str, Any], other: dict[str, Any], *, exact: bool, task: Task) -> dict[str, Any]:
    pair: dict[str, Any] = {"similarity": 1.0 if exact else 0.87, "exact": exact}
    for side, row in (("", first), ("other_", other)):
        pair |= {f"{side}{name}": row[name] for name in ("id", "role", "label")}
        pair |= {f"{side}{name}": (first if exact else row)[f"{name}_original"] for name in task.text_columns}
    return pair


def slices(examples: pl.DataFrame, role: str, task: Task) -> pl.DataFrame:
    """A weak one by length and one of cut texts, and a strong one."""
    n = examples.filter(pl.col("role") == role).height
    shape = [
        (0, "from 20 words on", "length", 0.4, 0.1),
        (1, "cut texts", "truncated", 0.3, 0.1),
        (2, "keyword: fire", "column", 0.1, 0.12),
    ]
    rows = []
    for number, name, kind, error, rest in shape:
        size = max(1, n // 4)
        mistakes = round(size * error) if task.facts.has_classes else None
        difference = error - rest
        rows.append(
            {
                "slice": number,
                "role": role,
                "name": name,
                "kind": kind,
                "n": size,
                "mistakes": mistakes,
                "error": error,
                "rest_error": rest,
                "difference": difference,
                "low": difference - 0.05,
                "high": difference + 0.05,
                "p": 0.0001 if difference > 0 else 0.9,
                "q": 0.001 if difference > 0 else 1.0,
                "excess": size * difference,
            }
        )
    return pl.DataFrame(rows)


def words(examples: pl.DataFrame, role: str, task: Task) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "role": [role] * 3,
            "word": ["blaze", "bomb", "the"],
            "n": [20, 40, 900],
            "error": [0.4, 0.3, 0.14],
            "rest_error": [0.1, 0.13, 0.14],
            "p": [0.0001, 0.001, 0.9],
            "q": [0.01, 0.04, 1.0],
        }
    )


def learning_curve(task: Task) -> pl.DataFrame:
    """tfidf rises by 0.04 at each doubling; an error falls by as much."""
    falls = task.lower_is_better(task.metrics[0])
    values = [0.6, 0.64, 0.68, 0.72]
    rows = [
        {"model": "tfidf", "rows": 100 * 2**place, "role": "test", "score": task.metrics[0]}
        | {"value": 1 - at if falls else at}
        for place, at in enumerate(values)
    ]
    return pl.DataFrame(rows).with_columns(low=pl.col("value") - 0.03, high=pl.col("value") + 0.03)


def growth(score: str) -> dict[str, Any]:
    """As in metrics/errors.json."""
    gains = {"gain_of_last_doubling": 0.04, "low": -0.01, "high": 0.09, "gain_of_twice_the_data": 0.03}
    return {"model": "tfidf", "score": score, "rows": 800, "half_of_the_rows": 400} | gains


def to_label(examples: pl.DataFrame, task: Task) -> pl.DataFrame:
    texts = {name: ["Who knows?", "Perhaps"] for name in task.text_columns}
    return pl.DataFrame(
        {"rank": [1, 2], "id": ["u", "v"]} | texts | {"uncertainty": [0.69, 0.5], "cluster": [0, 1]}
    ).with_columns(predicted=examples["predicted"].head(2))


def changed_rows(examples: pl.DataFrame, task: Task) -> pl.DataFrame:
    """A flip of `lower_case` of the first example in test."""
    first = examples.filter(pl.col("role") == "test").head(1)
    return first.select(
        "id",
        "role",
        "label",
        change=pl.lit("lower_case"),
        kind=pl.lit("invariance"),
        flipped=pl.lit(True),
        before=pl.col("predicted"),
        after=pl.col("label"),
        **{name: pl.col(f"{name}_original").str.to_lowercase() for name in task.text_columns},
    )
