"""Examples as pages show them: their texts as written, and what every model says of them."""

from collections.abc import Callable
from typing import Any

import polars as pl

from stages.lib.kinds import Kind
from stages.lib.task import Task

View = dict[str, Any]


def shown_examples(rows: pl.DataFrame, task: Task, baselines: list[str], most_characters: int) -> list[View]:
    """`rows` are of data/errors/examples.parquet; every text of a pair is shown."""
    answers = ANSWERS_OF_KINDS[task.kind]
    return [
        {
            "id": row["id"],
            "texts": [clipped(row[f"{name}_original"], most_characters) for name in task.text_columns],
            "kept": {name: value for name, value in (row.get("kept") or {}).items() if value},
            "label": row["label"],
            "loss": row["loss"],
        }
        | answers(row, baselines, task)
        for row in rows.iter_rows(named=True)
    ]


def brief_examples(rows: pl.DataFrame, task: Task, most_characters: int) -> list[View]:
    """The same in a line or two: texts, label and prediction as words."""
    return [
        {
            "id": row["id"],
            "role": row["role"],
            "texts": [clipped(row[f"{name}_original"], most_characters) for name in task.text_columns],
            "label": in_cell(row["label"]),
            "predicted": in_cell(row["predicted"]),
            "probability": row.get("probability"),
        }
        for row in rows.iter_rows(named=True)
    ]


def shown_to_label(rows: pl.DataFrame, task: Task, most_characters: int) -> list[View]:
    """Unlabelled rows; their texts are as the model reads them."""
    return [
        {
            "id": row["id"],
            "texts": [clipped(row[name], most_characters) for name in task.text_columns],
            "predicted": in_cell(row["predicted"]),
            "uncertainty": row["uncertainty"],
            "cluster": row["cluster"],
        }
        for row in rows.iter_rows(named=True)
    ]


def in_cell(value: str | float | list[str] | None) -> str:
    """A class, a score to three digits or several labels, as words."""
    match value:
        case None:
            return "–"
        case list():
            return ", ".join(value) or "none"
        case float():
            return f"{value:.3g}".replace("-", "−")
        case _:
            return str(value)


def clipped(text: str | None, most: int) -> str:
    text = text or ""
    return text if len(text) <= most else f"{text[:most].rstrip()} … ({len(text):,} characters)"


def of_class(row: View, baselines: list[str], task: Task) -> View:
    return {
        "predicted": row["predicted"],
        "hit": row["predicted"] == row["label"],
        "probability": row["probability"],
        "said": {name: {"label": row[name], "hit": row[name] == row["label"]} for name in baselines},
    }


def of_score(row: View, baselines: list[str], task: Task) -> View:
    said = {name: {"score": row[name], "residual": row["label"] - row[name]} for name in baselines}
    return {"predicted": row["predicted"], "residual": row["residual"], "said": said}


def of_labels(row: View, baselines: list[str], task: Task) -> View:
    probability_of = dict(zip(task.labels, row["probabilities"], strict=True))
    ours = chips_of(row["label"], row["predicted"], task)
    said = {name: chips_of(row["label"], row[name], task) for name in baselines}
    return {
        "chips": [chip | {"probability": probability_of[chip["label"]]} for chip in ours],
        "words": in_words(ours),
        "said": {name: {"chips": chips, "words": in_words(chips)} for name, chips in said.items()},
    }


def chips_of(labels: list[str], said: list[str], task: Task) -> list[View]:
    """Every label that is right, missed or extra, in the task's order."""
    verdicts = {(True, True): "right", (True, False): "missed", (False, True): "extra"}
    return [
        {"label": name, "verdict": verdicts[name in labels, name in said]}
        for name in task.labels
        if name in labels or name in said
    ]


def in_words(chips: list[View]) -> str:
    """`joy, anger (missed)`"""
    marks = {"right": "", "missed": " (missed)", "extra": " (extra)"}
    return ", ".join(f"{chip['label']}{marks[chip['verdict']]}" for chip in chips) or "none"


ANSWERS_OF_KINDS: dict[Kind, Callable[[View, list[str], Task], View]] = {
    "classification": of_class,
    "regression": of_score,
    "multi-label": of_labels,
}
