"""What is to be learned: data/task.json, written by ingest and read by every later stage."""

from pathlib import Path
from typing import Literal

from stages.lib.config import StrictModel
from stages.lib.tables import write_json

Kind = Literal["classification"]
UNLABELLED = "unlabelled"  # the role whose examples nobody has labelled


class SourceColumns(StrictModel):
    """The source's own names for what textrail calls id, text, text_pair and label."""

    id: str | None
    text: str
    text_pair: str | None
    label: str | None


class Task(StrictModel):
    title: str
    kind: Kind
    labels: list[str]  # class names; a label's number is its place here
    raw_labels: list[str]  # the same classes as the source writes them
    positive: str | None  # the class that binary precision, recall and F1 are about
    metrics: list[str]  # the first selects checkpoints
    columns: SourceColumns
    kept: list[str]  # further columns, for slicing
    copies: Literal["remove", "report"]

    @property
    def text_columns(self) -> list[str]:
        """The columns of our tables that the model reads, in order."""
        return ["text"] if self.columns.text_pair is None else ["text", "text_pair"]


def read_task(path: Path) -> Task:
    return Task.model_validate_json(path.read_bytes())


def write_task(task: Task, path: Path) -> None:
    write_json(task.model_dump(), path)
