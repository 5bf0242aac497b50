"""Copies and near copies as the profile shows them: how many between which roles, and which labels disagree.

Texts are shown of training rows alone; of a copy in another role, only where it stands: nobody should have
read the test set.
"""

from typing import Any

import polars as pl

from stages.lib.pages.shown_examples import clipped
from stages.lib.profile.findings import Finding
from stages.lib.roles import in_order
from stages.lib.task import Task, is_unlabelled

View = dict[str, Any]


def shown_copies(copies: pl.DataFrame, splits: pl.DataFrame, task: Task, most: int, characters: int) -> View:
    """`copies` is data/copies.parquet: each copy beside what it copies, exact or near."""
    disagree = pl.col("agree").fill_null(True).not_()
    in_train = pl.any_horizontal(pl.col("role", "other_role") == "train")
    conflicts = copies.filter(disagree, in_train).sort(
        "exact", "similarity", "id", "other_id", descending=[True, True, False, False]
    )
    near = copies.filter(~pl.col("exact"), in_train).sort("similarity", "id", "other_id")
    texts = training_texts(splits, pl.concat([conflicts.head(most), near.head(most)]), task)
    return {
        "copies": len(copies),
        "between": between_roles(copies),
        "conflicts": len(copies.filter(disagree)),
        "exact_conflicts": len(copies.filter(disagree, pl.col("exact"))),
        "conflicting": [_shown(row, texts, characters) for row in conflicts.head(most).iter_rows(named=True)],
        "near": [_shown(row, texts, characters) for row in near.head(most).iter_rows(named=True)],
    }


def training_texts(splits: pl.DataFrame, copies: pl.DataFrame, task: Task) -> dict[str, list[str]]:
    """Id -> the texts as written, of the training rows that stand in `copies`."""
    wanted = pl.concat([copies["id"], copies["other_id"]]).implode()
    rows = splits.filter(pl.col("role") == "train", pl.col("id").is_in(wanted))
    texts = rows.select(pl.col(f"{name}_original").fill_null("") for name in task.text_columns)
    return dict(zip(rows["id"], map(list, texts.iter_rows()), strict=True))


def between_roles(copies: pl.DataFrame) -> list[View]:
    """Roles in either order: exact and near copies between them, and those whose labels disagree."""
    counts = copies.group_by(pl.concat_list("role", "other_role").list.sort().alias("roles")).agg(
        exact=pl.col("exact").sum(),
        near=(~pl.col("exact")).sum(),
        conflicts=pl.col("agree").fill_null(True).not_().sum(),
    )
    most_first = counts.sort(pl.col("exact") + pl.col("near"), "roles", descending=[True, False])
    return [
        dict(zip(("role", "other"), in_order(row.pop("roles")), strict=True)) | row
        for row in most_first.iter_rows(named=True)
    ]


def _shown(row: View, texts: dict[str, list[str]], characters: int) -> View:
    sides = [
        {
            "id": row[f"{of}id"],
            "role": row[f"{of}role"],
            "label": row[f"{of}label"],
            "texts": [clipped(text, characters) for text in texts.get(row[f"{of}id"], [])],
        }
        for of in ("", "other_")
    ]
    sides.sort(key=lambda side: side["role"] != "train")  # what can be shown first
    once = sides[0]["texts"] == sides[1]["texts"]
    return {"sides": sides, "exact": row["exact"], "similarity": row["similarity"], "once": once}


def copy_findings(shown: View, task: Task) -> list[Finding]:
    found, exact = [], shown["exact_conflicts"]
    if shown["conflicts"]:
        found.append(
            Finding(
                "copies",
                f"{exact:,} copies and {shown['conflicts'] - exact:,} near copies are labelled otherwise "
                "than what they copy.",
                "Decide which label is right and mend the source: a model can neither learn both nor be "
                "right on both.",
            )
        )
    across = sum(of["exact"] + of["near"] for of in shown["between"] if _gives_away(of))
    if across and task.copies == "report":
        found.append(
            Finding(
                "copies",
                f"{across:,} copies stand in training and in an evaluation role, and stay there "
                "(copies: report in source.yaml).",
                "Scores are too good by what the model remembers; copies: remove would leave them out.",
            )
        )
    return found


def _gives_away(of: View) -> bool:
    """Whether training would know an evaluation row's label."""
    roles = {of["role"], of["other"]}
    return "train" in roles and len(roles) == 2 and not any(map(is_unlabelled, roles))
