"""Suspicious labels and contradictory copies as pages show them."""

from typing import Any

import polars as pl

from stages.lib.pages.on_role import OnRole
from stages.lib.pages.pages import as_percent
from stages.lib.pages.shown_examples import brief_examples, clipped, in_cell
from stages.lib.roles import in_order

View = dict[str, Any]
SIDES = ("", "other_")  # of a pair of copies


def wrong_share(on: OnRole, role: str) -> str:
    """`about 3.1% are wrong, 2.2% to 4.3%`, as the stage errors estimates it, or why it cannot.

    Of several labels a row that is the share of every yes and no, where an issue is a row.
    """
    of, several = on.numbers[role]["label_issues"], on.task.kind == "multi-label"
    if of["share"] is None:
        return f"how many are wrong cannot be estimated: {of['reason']}"
    if of["share"] == 0:
        every = "every yes and no to a label" if several else "all"
        return f"at most {as_percent(of['high'])} of {every} are wrong, by an estimate"
    every = " of every yes and no to a label" if several else ""
    ends = f"{as_percent(of['low'])} to {as_percent(of['high'])}"
    return f"about {as_percent(of['share'])}{every} are wrong, {ends}"


def look_wrong(on: OnRole, count: int) -> str:
    """What so many issues are: `labels look wrong`, or rows, which may have several labels."""
    if on.task.kind == "multi-label":
        return "row has a label that looks wrong" if count == 1 else "rows have a label that looks wrong"
    return "label looks wrong" if count == 1 else "labels look wrong"


def shown_issues(on: OnRole, most: int, characters: int) -> list[View]:
    """By role, the one that the page is about first: how many, and the most suspicious rows."""
    issues = on.table("label_issues")
    if issues.is_empty():
        return []
    roles = in_order(issues["role"].unique(maintain_order=True))
    return [
        _of_role(on, role, issues, most, characters)
        for role in sorted(roles, key=lambda role: role != on.role)
    ]


def _of_role(on: OnRole, role: str, issues: pl.DataFrame, most: int, characters: int) -> View:
    here = issues.filter(pl.col("role") == role).sort("rank")
    found = here.filter("is_issue")
    top = found.head(most).select("id", "rank", "quality", "suggested")
    texts = on.table("examples").filter(pl.col("role") == role)
    rows = top.join(texts, on="id", how="inner", maintain_order="left")
    examples = brief_examples(rows, on.task, characters)
    return {
        "role": role,
        "n": len(here),
        "issues": len(found),
        "look_wrong": look_wrong(on, len(here)),
        "share": wrong_share(on, role),
        "judged_by": ", ".join(here["judged_by"].unique(maintain_order=True)),
        "rows": [
            example | {"rank": rank, "quality": quality, "suggested": in_cell(suggested)}
            for example, rank, quality, suggested in zip(
                examples, rows["rank"], rows["quality"], rows["suggested"].to_list(), strict=True
            )
        ],
    }


def shown_contradictions(on: OnRole, most: int, characters: int) -> View:
    """Pairs side by side, the exact ones first; those beyond `most` are counted."""
    pairs = on.table("contradictions")
    if pairs.is_empty():
        return {"count": 0, "exact": 0, "pairs": []}
    here = pl.any_horizontal(pl.col("role", "other_role") == on.role)
    order = pairs.sort(
        "exact", here, "similarity", "id", "other_id", descending=[True, True, True, False, False]
    )
    return {
        "count": len(pairs),
        "exact": int(pairs["exact"].sum()),
        "pairs": [_pair(row, on, characters) for row in order.head(most).iter_rows(named=True)],
    }


def _pair(row: View, on: OnRole, characters: int) -> View:
    sides = [
        {
            "id": row[f"{side}id"],
            "role": row[f"{side}role"],
            "label": in_cell(row[f"{side}label"]),
            "texts": [clipped(row[f"{side}{name}"], characters) for name in on.task.text_columns],
        }
        for side in SIDES
    ]
    once = sides[0]["texts"] == sides[1]["texts"]
    return {"sides": sides, "exact": row["exact"], "similarity": row["similarity"], "once": once}
