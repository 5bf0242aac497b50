"""A made-up task with splits, predictions and vectors on disk, as errors and report find them."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from stages.lib.arrow import write_vectors
from stages.lib.predictions import write_predictions
from stages.lib.tables import write_parquet
from stages.lib.task import SourceColumns, Task, write_task

LABELS = ["calm", "alarm", "other"]
# id, role, label, what the fine-tuned model says: one mistake in validation, two in test
ROWS = [
    ("a", "train", "calm", "calm"),
    ("b", "train", "alarm", "alarm"),
    ("c", "validation", "calm", "calm"),
    ("d", "validation", "alarm", "calm"),
    ("e", "test", "calm", "calm"),
    ("f", "test", "alarm", "calm"),
    ("g", "test", "alarm", "alarm"),
    ("h", "test", "other", "alarm"),
    ("u", "unlabelled", None, "calm"),
]


def task_of(labels: list[str] = LABELS, pair: str | None = None, kept: tuple[str, ...] = ()) -> Task:
    return Task(
        title="Made up",
        kind="classification",
        labels=labels,
        raw_labels=labels,
        positive=None,
        metrics=["accuracy", "macro_f1"],
        columns=SourceColumns(id="id", text="text", text_pair=pair, label="target"),
        kept=list(kept),
        copies="remove",
    )


def splits_of(texts: dict[str, str] | None = None) -> pl.DataFrame:
    """Every row of ROWS, and one that was left out; `texts` by id."""
    rows = [
        {"id": name, "role": role, "label": label, "text_original": (texts or {}).get(name, f"Text {name}")}
        for name, role, label, _ in ROWS
    ]
    table = pl.DataFrame(rows).with_columns(
        text=pl.col("text_original").str.to_lowercase(),
        place=pl.lit("Oslo"),
        left_out=pl.lit(None, pl.String),
    )
    copy = table.head(1).with_columns(id=pl.lit("copy"), left_out=pl.lit("copies c"))
    return pl.concat([copy, table])


def predictions_of(said: list[str], strength: float = 3.0, labels: list[str] = LABELS) -> np.ndarray:
    """Logits [N, C]: 0, and `strength` for the class that is said."""
    logits_NC = np.zeros((len(said), len(labels)), dtype=np.float32)
    logits_NC[np.arange(len(said)), [labels.index(name) for name in said]] = strength
    return logits_NC


def examples() -> pl.DataFrame:
    numbers = [None if label is None else LABELS.index(label) for _, _, label, _ in ROWS]
    return pl.DataFrame(
        {"id": [row[0] for row in ROWS], "role": [row[1] for row in ROWS], "label": numbers},
        schema_overrides={"label": pl.Int64},
    )


def write_project(folder: Path, texts: dict[str, str] | None = None, task: Task | None = None) -> None:
    """task.json, splits.parquet, baseline/ and finetuned/ in the folder."""
    write_task(task or task_of(), folder / "task.json")
    write_parquet(splits_of(texts), folder / "splits.parquet")
    for name, always in {"dummy": "calm", "tfidf": "alarm", "features": "other"}.items():
        logits_NC = predictions_of([always] * len(ROWS))
        held_out_NC = np.full_like(logits_NC, np.nan)
        held_out_NC[:2] = predictions_of(["other", "other"])
        write_predictions(examples(), logits_NC, folder / "baseline" / f"{name}.parquet", held_out_NC)
    write_predictions(
        examples(), predictions_of([row[3] for row in ROWS]), folder / "finetuned/finetuned.parquet"
    )
    vectors_NH = np.random.default_rng(0).normal(size=(len(ROWS), 4)).astype(np.float32)
    table = pa.Table.from_batches(examples().to_arrow().to_batches())
    write_vectors(table, vectors_NH, folder / "finetuned/vectors.arrow")
