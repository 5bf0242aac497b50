"""The examples that two models answer differently, and their texts as far as a policy lets them be told."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from commands.lib.pairing import TEXTS
from commands.lib.terminal import WIDTH, cut
from stages.lib.kinds import Kind
from stages.lib.statistics.paired import flips
from stages.lib.task import Task

MOST_CHARACTERS = 200

Examples = dict[str, list[dict[str, Any]]]  # way -> examples


class Ways(NamedTuple):
    """How the answer to an example can change."""

    down: str
    up: str
    is_turn: bool  # from right to wrong or back; otherwise the error grows or shrinks
    error: Callable[[str], pl.Expr]  # of the new model, or by the prefix `old_` of the old one
    by: Callable[[float], str] | None  # how a change of the error is told
    answers: str


def _wrong_labels(model: str) -> pl.Expr:
    return pl.col(f"{model}predicted").list.set_symmetric_difference("label").list.len().cast(pl.Int64)


WAYS_OF_KINDS: dict[Kind, Ways] = {
    "classification": Ways(
        "broken", "fixed", True, lambda model: 1 - pl.col(f"{model}true"), None, "predictions"
    ),
    "regression": Ways(
        "worse",
        "better",
        False,
        lambda model: (pl.col(f"{model}predicted") - pl.col("label")).abs(),
        lambda change: f"{abs(change):.3f}",
        "predictions",
    ),
    "multi-label": Ways(
        "worse",
        "better",
        False,
        _wrong_labels,
        lambda change: f"{abs(change)} label{'' if abs(change) == 1 else 's'}",
        "sets of labels",
    ),
}


def flipped(kind: Kind, rows: pl.DataFrame, count: int, texts: str) -> Examples:
    """Of each of the kind's ways `count` examples, those whose error changed most first.

    `rows` has id, texts, label, predicted and old_predicted (names), and where the kind has probabilities, as
    true and old_true, what each model gave the label. `change` is by how much an example's error grew.
    """
    ways = WAYS_OF_KINDS[kind]
    rows = rows.with_columns(change=ways.error("") - ways.error("old_"))
    right, was_right = pl.col("predicted") == pl.col("label"), pl.col("old_predicted") == pl.col("label")
    of_ways = {
        ways.down: was_right & ~right if ways.is_turn else pl.col("change") > 0,
        ways.up: right & ~was_right if ways.is_turn else pl.col("change") < 0,
    }
    return {
        way: [
            _example(row, texts)
            for row in rows.filter(belongs)
            .sort("change", "id", descending=[way == ways.down, False])
            .head(count)
            .iter_rows(named=True)
        ]
        for way, belongs in of_ways.items()
    }


def _example(row: dict[str, Any], texts: str) -> dict[str, Any]:
    told = [told_text(row[name], texts) for name in TEXTS if row.get(name) and texts != "ids"]
    return {name: row[name] for name in ("id", "label", "predicted", "old_predicted", "change")} | {
        "texts": told
    }


def told_text(text: str, texts: str) -> str:
    """`full`: as it is; `redacted`: every letter an x, every digit a 0. Both cut where they are long."""
    if texts == "redacted":
        text = re.sub(r"\d", "0", re.sub(r"[^\W\d_]", "x", text))
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS].rstrip()} …"


def change_sentence(task: Task, labels_N: np.ndarray, old_N: np.ndarray, new_N: np.ndarray) -> str:
    """How many answers changed, and how: arrays as in stages/lib/labels.py."""
    n, counts = len(labels_N), flips(task, labels_N, old_N, new_N)
    if counts is None:
        change_N = abs(new_N - labels_N) - abs(old_N - labels_N)
        grew, shrank = (change_N > 0).sum(), (change_N < 0).sum()
        return f"of {n:,} predictions the error grew on {grew:,} and shrank on {shrank:,}"
    answers = WAYS_OF_KINDS[task.kind].answers
    return f"{counts.changed:,} of {n:,} {answers} changed: {counts.fixed:,} fixed, {counts.broken:,} broken"


def tables_of(kind: Kind, examples: Examples) -> list[dict[str, Any]]:
    """title, header and rows of each way that has examples, for a page."""
    by = WAYS_OF_KINDS[kind].by
    return [
        {
            "title": way.capitalize(),
            "header": ["id", *(["by"] if by else []), "label", "was", "now", "text"],
            "rows": [
                [
                    example["id"],
                    *([by(example["change"])] if by else []),
                    *(said(example[name]) for name in ("label", "old_predicted", "predicted")),
                    " / ".join(example["texts"]),
                ]
                for example in found
            ],
        }
        for way, found in examples.items()
        if found
    ]


def lines_of(kind: Kind, examples: Examples) -> list[str]:
    """An example a line, cut to the terminal's width."""
    ways = WAYS_OF_KINDS[kind]
    lines = []
    for way, found in examples.items():
        for example in found:
            texts = " | ".join(" ".join(text.split()) for text in example["texts"])
            label, was, now = (said(example[name]) for name in ("label", "old_predicted", "predicted"))
            if ways.by is None:  # one of both is the label
                told = f"{way} {example['id']}: {label}, {f'now {now}' if way == ways.down else f'was {was}'}"
            else:
                told = f"{way} by {ways.by(example['change'])} {example['id']}: {label}; was {was}; now {now}"
            lines.append(cut(f"  {told}  {texts}".rstrip(), WIDTH))
    return lines


def said(value: str | float | list[str]) -> str:
    """A label or a prediction in words."""
    if isinstance(value, list):
        return ", ".join(value) or "(none)"
    return value if isinstance(value, str) else f"{value:.3f}"
