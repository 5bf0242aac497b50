"""Runs for the commands that compare: what a revision holds, in a folder, without git and DVC."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl

from commands.lib.runs import Run
from stages.lib.labels import NAME_TYPE_OF_KINDS, array_of, column_of, numbers_of
from stages.lib.statistics.predictions import write_predictions
from stages.lib.tables import write_parquet
from stages.lib.task import Task, write_task
from tests.predicted import task_of

CLASSES = ["calm", "alarm"]
TOPICS = ["fire", "flood", "storm"]

Said = str | float | list[str]  # by the task's kind
Example = tuple[str, str, Said, Said]  # id, text, label, what the model says


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
    examples: Sequence[Example],
    *,
    name: str = "old",
    role: str = "test",
    train: tuple[str, ...] = ("some other text",),
    strength: float = 3.0,
    threshold: float = 0.5,
    task: Task | None = None,
    params: str = "",
) -> Run:
    """A run with these examples in the role, and texts in training, by default of label calm.

    `strength` is the logit of what is said; of several labels an example, those not said have `-strength`,
    and each needs a probability of `threshold`.
    """
    task = task or task_of(CLASSES)
    filler = {"classification": "calm", "regression": 0.0, "multi-label": []}[task.kind]
    rows: list[dict[str, Any]] = [
        {"id": i, "role": role, "label": label, "text_original": text, "said": said}
        for i, text, label, said in examples
    ]
    rows += [
        {"id": f"train{n}", "role": "train", "label": filler, "text_original": text, "said": filler}
        for n, text in enumerate(train)
    ]
    names = {"label": NAME_TYPE_OF_KINDS[task.kind], "said": NAME_TYPE_OF_KINDS[task.kind]}
    table = pl.DataFrame(rows, schema_overrides=names).with_columns(left_out=pl.lit(None, pl.String))
    labels, said = (array_of(numbers_of(table[name], task), task) for name in names)
    write_predictions(
        task,
        table.select("id", "role", label=column_of(labels, task)),
        logits_for(said, task, strength),
        root / "data/predictions/finetuned/finetuned.parquet",
        thresholds=[threshold] * len(task.labels) if task.facts.has_thresholds else None,
    )
    write_parquet(table.drop("said"), root / "data/splits.parquet")
    write_task(task, root / "data/task.json")
    (root / "params.yaml").write_text(params, encoding="utf-8")
    (root / "dvc.lock").write_text(f"# of {name}\n", encoding="utf-8")
    (root / "models/finetuned").mkdir(parents=True, exist_ok=True)
    (root / "models/finetuned/weights").write_bytes(b"x" * 1000)
    return Run(name, None, Folder(root))


def logits_for(said: np.ndarray, task: Task, strength: float) -> np.ndarray:
    """[N, C], or of a regression [N, 1], from an array of stages/lib/labels.py."""
    if not task.facts.has_classes:
        return said[:, None]
    if task.facts.has_thresholds:
        return np.where(said, strength, -strength)
    return np.where(np.arange(len(task.labels)) == said[:, None], strength, 0)


def scored_of(labels: Sequence[float], said: Sequence[float], prefix: str = "e") -> list[Example]:
    """Of a regression."""
    return [
        (f"{prefix}{n}", f"text {prefix} {n}", float(label), float(answer))
        for n, (label, answer) in enumerate(zip(labels, said, strict=True))
    ]


def topics_of(labels: str, said: str, prefix: str = "e") -> list[Example]:
    """`fs w -`, ...: an example a word; f fire, w water's flood, s storm, - none of them."""
    names = {"f": "fire", "w": "flood", "s": "storm"}

    def named(word: str) -> list[str]:
        return [names[letter] for letter in word if letter in names]

    return [
        (f"{prefix}{n}", f"text {prefix} {n}", named(label), named(answer))
        for n, (label, answer) in enumerate(zip(labels.split(), said.split(), strict=True))
    ]


def examples_of(labels: str, said: str, prefix: str = "e") -> list[Example]:
    """`ca`, `cc`: two examples, of calm and alarm, both called calm."""
    names = {"c": "calm", "a": "alarm", "o": "other"}
    return [
        (f"{prefix}{n}", f"text {prefix} {n}", names[label], names[answer])
        for n, (label, answer) in enumerate(zip(labels, said, strict=True))
    ]
