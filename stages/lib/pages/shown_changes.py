"""How predictions take changes of the texts, as pages show it."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from stages.lib.pages.on_role import OnRole
from stages.lib.pages.shown_examples import clipped, in_cell

View = dict[str, Any]


class Changed(NamedTuple):
    rates: View  # change -> kind, n, flips, rate, low, high, and of directions as_expected
    rows: pl.DataFrame  # an example a change, as predicted before and after


def read_changed(robustness: Path, numbers: Path) -> Changed:
    """What the stage robustness wrote."""
    return Changed(json.loads(numbers.read_bytes()), pl.read_parquet(robustness))


def shown_changes(on: OnRole, changed: Changed, characters: int) -> list[View]:
    """A change a row: those that should not matter first, of each kind the highest rate first."""
    rates = changed.rates
    order = sorted(
        rates, key=lambda name: (rates[name]["kind"] != "invariance", -(rates[name]["rate"] or 0.0), name)
    )
    return [
        {"name": name} | rates[name] | {"example": _example(on, name, changed.rows, characters)}
        for name in order
    ]


def _example(on: OnRole, name: str, flips: pl.DataFrame, characters: int) -> View | None:
    """The first flip of the role, or of any other, in the table's order."""
    if flips.is_empty():
        return None
    rows = flips.filter(pl.col("change") == name, "flipped").sort(
        pl.col("role") != on.role, maintain_order=True
    )
    if rows.is_empty():
        return None
    row = rows.row(0, named=True)
    texts = [clipped(row[column], characters) for column in on.task.text_columns]
    said = {key: in_cell(row[key]) for key in ("label", "before", "after")}
    return {"id": row["id"], "role": row["role"], "texts": texts} | said
