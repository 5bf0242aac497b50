"""Where the source's rows are: in use by role, left out and why, rejected and why; and what rows lack."""

from typing import Any

import polars as pl

from stages.lib.pages.shown_examples import clipped
from stages.lib.profile.findings import Finding, some
from stages.lib.roles import in_order
from stages.lib.task import Task, is_unlabelled

View = dict[str, Any]
MANY_REJECTED = 0.01  # of the source's rows


def roles_of(splits: pl.DataFrame) -> list[View]:
    """A role a row: rows in use, those with a label, those left out by reason."""
    used = pl.col("left_out").is_null()
    counts = splits.group_by("role", maintain_order=True).agg(
        rows=used.sum(), labelled=(used & pl.col("label").is_not_null()).sum(), left_out=(~used).sum()
    )
    reasons = splits.filter(~used).group_by("role", reason="left_out").len().sort("role", "len", "reason")
    of_role = {
        role: part.sort("len", "reason", descending=[True, False]).select("reason", "len").to_dicts()
        for (role,), part in reasons.group_by("role", maintain_order=True)
    }
    row_of = counts.rows_by_key("role", named=True, unique=True)
    return [
        {"role": role} | row_of[role] | {"because": of_role.get(role, [])}
        for role in in_order(counts["role"])
    ]


def missing_values(splits: pl.DataFrame, task: Task) -> list[View]:
    """A column a row: of how many rows of each role it has no value, or an empty one.

    Of the texts as cleaned: a text can lose all of itself there. Roles without labels lack none.
    """
    label = task.columns.label
    names = {
        "text": task.columns.text_name,
        "text_pair": task.columns.text_pair,
        "label": ", ".join(label) if isinstance(label, list) else label,
    }
    columns = [*task.text_columns, "label", *task.kept]
    roles = splits["role"].unique(maintain_order=True).to_list()
    lacking = splits.group_by("role", maintain_order=True).agg(
        _lacks(splits, name).sum().alias(str(place)) for place, name in enumerate(columns)
    )
    of_role = lacking.rows_by_key("role", named=True, unique=True)
    return [
        {
            "column": names.get(name) or name,
            "is": {"text": "text", "text_pair": "second text", "label": "label"}.get(name, "kept"),
            "counts": {
                role: 0 if name == "label" and is_unlabelled(role) else of_role[role][str(place)]
                for role in roles
            },
        }
        for place, name in enumerate(columns)
    ]


def _lacks(splits: pl.DataFrame, name: str) -> pl.Expr:
    column = pl.col(name)
    if splits.schema[name] != pl.String:
        return column.is_null()
    return column.is_null() | (column.str.strip_chars() == "")


def rejected_rows(rejected: pl.DataFrame, most_rows: int, most_characters: int) -> list[View]:
    """A reason a row, the most frequent first, with the first of its rows and their places."""
    groups = rejected.group_by("reason").agg(
        count=pl.len(), rows=pl.struct("file", "line", "row").head(most_rows)
    )
    return [
        {
            "reason": clipped(group["reason"], most_characters),
            "count": group["count"],
            "rows": [
                {
                    "place": row["file"] if row["line"] is None else f"{row['file']}:{row['line']}",
                    "row": clipped(row["row"], most_characters),
                }
                for row in group["rows"]
            ],
        }
        for group in groups.sort("count", "reason", descending=[True, False]).iter_rows(named=True)
    ]


def row_findings(splits: pl.DataFrame, rejected: pl.DataFrame, missing: list[View]) -> list[Finding]:
    found, rows_in = [], len(splits) + len(rejected)
    if len(rejected) >= MANY_REJECTED * rows_in and len(rejected):
        found.append(
            Finding(
                "rows",
                f"{len(rejected):,} of the source’s {rows_in:,} rows were rejected.",
                "Read why below; a fault of source.yaml (a wrong delimiter, label or range) is mended there.",
            )
        )
    empty = sum(sum(of["counts"].values()) for of in missing if of["is"] == "text")
    if empty:
        found.append(
            Finding(
                "rows",
                f"{empty:,} {'text is' if empty == 1 else 'texts are'} empty once cleaned: nothing to learn.",
                "Take out the step of clean.steps that empties them; metrics/clean.json counts them.",
            )
        )
    unlabelled = [role for of in missing if of["is"] == "label" for role, n in of["counts"].items() if n]
    if unlabelled:
        found.append(
            Finding(
                "rows",
                f"Rows of {some(unlabelled)} have no label and are left out.",
                "Label them, or give them to the role `unlabelled` in source.yaml, which is predicted.",
            )
        )
    return found
