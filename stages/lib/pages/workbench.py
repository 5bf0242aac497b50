"""The part of the page of errors that people work in: a map and a table of the examples, linked both ways.

Bokeh draws the map, DataTables the table; stages/templates/workbench*.js ties them together. All that they
show stands as JSON in the page, by columns, and reaches the page as text alone.
"""

import json
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from matplotlib.colors import to_hex

from stages.lib.digests import digest_of
from stages.lib.labels import numbers_of
from stages.lib.pages.page_scripts import bokeh_scripts, table_script
from stages.lib.pages.plots import DARK, LIGHT, PALETTE
from stages.lib.pages.vector_map import colors_of, outline
from stages.lib.pages.workbench_rows import (
    Limits,
    characters_that_fit,
    columns_of,
    rounded,
    rows_to_hold,
)
from stages.lib.roles import in_order
from stages.lib.task import Task

View = dict[str, Any]

OURS = ("workbench_marks.js", "workbench_row.js", "workbench_map.js", "workbench.js")
# Bokeh's names for the markers of plots.MARKERS; it has no filled cross, so that the last one is a star
MARKERS = {"o": "circle", "^": "triangle", "s": "square", "D": "diamond", "v": "inverted_triangle"} | {
    "P": "plus",
    "*": "star",
}
RAMP = 32  # colours of a continuous scale


class Found(NamedTuple):
    """The tables of data/errors and data/explanations.parquet; those that are not there are None."""

    issues: pl.DataFrame | None
    contradictions: pl.DataFrame | None
    slices: pl.DataFrame | None
    members: pl.DataFrame | None
    clusters: pl.DataFrame | None
    points: pl.DataFrame | None
    explanations: pl.DataFrame | None
    method: str  # of the explanations


def found_in(
    tables: dict[str, pl.DataFrame], explanations: pl.DataFrame | None = None, method: str = ""
) -> Found:
    """Of the tables by the names of their files. An empty one counts as none."""

    def there(name: str) -> pl.DataFrame | None:
        table = tables.get(name)
        return None if table is None or table.is_empty() else table

    tables = tables if explanations is None else tables | {"explanations": explanations}
    return Found(
        issues=there("label_issues"),
        contradictions=there("contradictions"),
        slices=there("slices"),
        members=there("slice_members"),
        clusters=there("clusters"),
        points=there("map"),
        explanations=there("explanations"),
        method=method,
    )


def workbench_view(
    examples: pl.DataFrame, found: Found, task: Task, baselines: list[str], limits: Limits
) -> View:
    """`examples` are of every labelled role."""
    rows = rows_to_hold(examples, suspicious_ids(found), task, limits)
    texts = [rows[f"{name}_original"].fill_null("") for name in task.text_columns]
    characters = characters_that_fit(texts, limits)
    roles = in_order(rows["role"].unique(maintain_order=True).to_list())
    place_of = {name: place for place, name in enumerate(rows["id"].to_list())}
    columns = columns_of(rows, task, baselines, characters) | {
        "role": [roles.index(role) for role in rows["role"]]
    }
    data: View = {
        "kind": task.kind,
        "digest": digest_of(task.title, task.labels, examples["id"].to_list(), examples["label"].to_list()),
        "labels": task.labels,
        "roles": roles,
        "baselines": baselines,
        "rows": columns | issue_columns(rows, found, task) | map_columns(rows, found),
        "slices": slices_of(found, place_of),
        "contradictions": contradictions_of(found, place_of),
        "why": explanations_of(found, place_of),
        "method": found.method,
        "clusters": clusters_of(found),
        "looks": LOOKS,
    }
    scripts = [*bokeh_scripts(), table_script(*OURS)]
    return {
        "kind": task.kind,
        "n": len(rows),
        "total": len(examples),
        "characters": characters,
        "cut": any((text.str.len_chars() > characters).any() for text in texts),
        "roles": roles,
        "labels": task.labels,
        "baselines": baselines,
        "kept": task.kept,
        "pair": len(texts) > 1,
        "issues": found.issues is not None,
        "clusters": bool(data["clusters"]),
        "slices": data["slices"],
        "unplaced": sum(x is None for x in data["rows"]["x"]),
        "frozen": any(x is not None for x in data["rows"]["frozen_x"]),
        "data": as_json(data),
        "scripts": scripts,
        "policy": " ".join(script.source for script in scripts),
    }


def as_json(data: View) -> str:
    """For a script element: no `<` in it, so nothing in it can end the element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", r"\u003c")


def suspicious_ids(found: Found) -> set[str]:
    ids: set[str] = set()
    if found.issues is not None:
        ids |= set(found.issues.filter("is_issue")["id"])
    if found.contradictions is not None:
        ids |= {*found.contradictions["id"], *found.contradictions["other_id"]}
    if found.explanations is not None:
        ids |= set(found.explanations["id"])
    return ids


def beside(rows: pl.DataFrame, table: pl.DataFrame | None, columns: dict[str, Any]) -> pl.DataFrame:
    """The columns of the table for each of the rows, by id and role; null where it says nothing of them."""
    if table is None:
        return pl.DataFrame({name: [None] * len(rows) for name in columns}, schema=columns)
    lacking = [
        pl.lit(None, dtype).alias(name) for name, dtype in columns.items() if name not in table.columns
    ]
    table = table.with_columns(lacking).select("id", *columns).unique("id", keep="first")
    return rows.select("id").join(table, on="id", how="left", maintain_order="left").select(*columns)


def issue_columns(rows: pl.DataFrame, found: Found, task: Task) -> View:
    label = rows["label"].dtype
    wanted = {"rank": pl.Int64, "quality": pl.Float64, "suggested": label} | {
        "is_issue": pl.Boolean,
        "judged_by": pl.String,
    }
    table = beside(rows, found.issues, wanted)
    return {
        "rank": table["rank"].to_list(),
        "quality": rounded(table["quality"]),
        "suggested": numbers_of(table["suggested"], task).to_list(),
        "issue": [int(bool(value)) for value in table["is_issue"]],
        "judged_by": table["judged_by"].to_list(),
    }


def map_columns(rows: pl.DataFrame, found: Found) -> View:
    places = dict.fromkeys(("x", "y", "frozen_x", "frozen_y"), pl.Float64)
    table = beside(rows, found.points, places | {"cluster": pl.Int64})
    return {name: table[name].round(3).to_list() for name in places} | {"cluster": table["cluster"].to_list()}


def slices_of(found: Found, place_of: dict[str, int]) -> list[View]:
    """Worst first, as errors ranks them, with the rows of each that the page holds."""
    if found.slices is None or found.members is None:
        return []
    members = dict(found.members.group_by("slice").agg("id").iter_rows())
    return [
        {
            **{name: row[name] for name in ("slice", "role", "name", "n")},
            "rows": sorted(place_of[id] for id in members.get(row["slice"], []) if id in place_of),
        }
        for row in found.slices.iter_rows(named=True)
    ]


def contradictions_of(found: Found, place_of: dict[str, int]) -> dict[int, list[View]]:
    """Row -> its copies with another label, each once, whichever of the two the table names first."""
    if found.contradictions is None:
        return {}
    of: dict[int, dict[str, View]] = {}
    for row in found.contradictions.iter_rows(named=True):
        for mine, other in (("", "other_"), ("other_", "")):
            if row[f"{mine}id"] in place_of:
                copy = {name: row.get(f"{other}{name}") for name in ("id", "role", "label", "text")}
                copy |= {"pair": row.get(f"{other}text_pair"), "exact": row["exact"]}
                of.setdefault(place_of[row[f"{mine}id"]], {})[row[f"{other}id"]] = copy
    return {place: list(copies.values()) for place, copies in sorted(of.items())}


def explanations_of(found: Found, place_of: dict[str, int]) -> dict[int, list[View]]:
    """Row -> what each weight of its words speaks for, in thousandths of the strongest."""
    if found.explanations is None:
        return {}
    of: dict[int, list[View]] = {}
    for row in found.explanations.iter_rows(named=True):
        if row["id"] in place_of:
            strongest = max((abs(word["weight"]) for word in row["words"]), default=0.0) or 1.0
            words = [
                [word["column"], word["word"], round(1000 * word["weight"] / strongest)]
                for word in row["words"]
            ]
            of.setdefault(place_of[row["id"]], []).append({"said": row["said"], "words": words})
    return dict(sorted(of.items()))


def clusters_of(found: Found) -> list[View]:
    if found.clusters is None:
        return []
    return [{"cluster": row["cluster"], "name": row["name"]} for row in found.clusters.iter_rows(named=True)]


def ramp(theme: Any) -> list[str]:
    return [to_hex(color) for color in colors_of(theme)(np.linspace(0, 1, RAMP))]


LOOKS: View = {
    "palette": PALETTE,
    "markers": [{"name": name, "path": outline(marker)} for marker, name in MARKERS.items()],
    "ramp": {"light": ramp(LIGHT), "dark": ramp(DARK)},
}
