"""The examples that two models answer differently, and their texts as far as a policy lets them be told."""

import re
from typing import Any

import polars as pl

from commands.lib.pairing import TEXTS
from stages.lib.paired import Flips

MOST_CHARACTERS = 200


def flipped(rows: pl.DataFrame, count: int, texts: str) -> dict[str, list[dict[str, Any]]]:
    """`broken` and `fixed`, `count` examples of each, whose labels lost or gained the most probability.

    `rows` has id, texts, the names label, predicted and old_predicted, and as true and old_true what
    probability each model gave the label.
    """
    rows = rows.with_columns(gain=pl.col("true") - pl.col("old_true"))
    right, was_right = pl.col("predicted") == pl.col("label"), pl.col("old_predicted") == pl.col("label")
    ways = {
        "broken": rows.filter(was_right & ~right).sort("gain", "id"),
        "fixed": rows.filter(right & ~was_right).sort("gain", "id", descending=[True, False]),
    }
    return {
        way: [_example(row, texts) for row in found.head(count).iter_rows(named=True)]
        for way, found in ways.items()
    }


def _example(row: dict[str, Any], texts: str) -> dict[str, Any]:
    told = [told_text(row[name], texts) for name in TEXTS if row.get(name) and texts != "ids"]
    return {name: row[name] for name in ("id", "label", "predicted", "old_predicted")} | {"texts": told}


def told_text(text: str, texts: str) -> str:
    """`full`: as it is; `redacted`: every letter an x, every digit a 0. Both cut where they are long."""
    if texts == "redacted":
        text = re.sub(r"\d", "0", re.sub(r"[^\W\d_]", "x", text))
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS].rstrip()} …"


def flips_sentence(flips: Flips, n: int) -> str:
    return f"{flips.changed:,} of {n:,} predictions changed: {flips.fixed:,} fixed, {flips.broken:,} broken"
