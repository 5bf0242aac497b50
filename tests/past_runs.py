"""Runs for the commands that compare: what a revision holds, in a folder, without git and DVC."""

import shutil
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl

from commands.lib.runs import Run
from stages.lib.predictions import write_predictions
from stages.lib.tables import write_parquet
from stages.lib.task import Task, write_task
from tests.predicted import task_of

CLASSES = ["calm", "alarm"]

Example = tuple[str, str, str, str]  # id, text, label, what the model says


class Folder:
    """As much of a file system as a Run needs."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def open(self, path: str, mode: str) -> BinaryIO:
        assert mode == "rb"
        return (self.root / path).open("rb")

    def get(self, path: str, target: str, recursive: bool) -> None:
        assert recursive
        shutil.copytree(self.root / path, target)

    def du(self, path: str, total: bool) -> int:
        assert total
        return sum(file.stat().st_size for file in (self.root / path).rglob("*"))


def write_run(
    root: Path,
    examples: list[Example],
    *,
    name: str = "old",
    role: str = "test",
    train: tuple[str, ...] = ("some other text",),
    strength: float = 3.0,
    task: Task | None = None,
    params: str = "",
) -> Run:
    """A run with these examples in the role, and texts of label calm in training."""
    task = task or task_of(CLASSES)
    rows: list[dict[str, Any]] = [
        {"id": i, "role": role, "label": label, "text_original": text, "said": said}
        for i, text, label, said in examples
    ]
    rows += [
        {"id": f"train{n}", "role": "train", "label": "calm", "text_original": text, "said": "calm"}
        for n, text in enumerate(train)
    ]
    table = pl.DataFrame(rows).with_columns(left_out=pl.lit(None, pl.String))
    logits_NC = np.zeros((len(table), len(task.labels)), np.float32)
    logits_NC[np.arange(len(table)), [task.labels.index(said) for said in table["said"]]] = strength
    numbers = table.select(
        "id", "role", label=pl.Series([task.labels.index(name) for name in table["label"]])
    )
    write_predictions(numbers, logits_NC, root / "data/predictions/finetuned/finetuned.parquet")
    write_parquet(table.drop("said"), root / "data/splits.parquet")
    write_task(task, root / "data/task.json")
    (root / "params.yaml").write_text(params, encoding="utf-8")
    (root / "dvc.lock").write_text(f"# of {name}\n", encoding="utf-8")
    (root / "models/finetuned").mkdir(parents=True, exist_ok=True)
    (root / "models/finetuned/weights").write_bytes(b"x" * 1000)
    return Run(name, None, Folder(root))


def examples_of(labels: str, said: str, prefix: str = "e") -> list[Example]:
    """`ca`, `cc`: two examples, of calm and alarm, both called calm."""
    names = {"c": "calm", "a": "alarm", "o": "other"}
    return [
        (f"{prefix}{n}", f"text {prefix} {n}", names[label], names[answer])
        for n, (label, answer) in enumerate(zip(labels, said, strict=True))
    ]
