"""What is to be learned: data/task.json, written by ingest and read by every later stage."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from stages.lib.config import StrictModel
from stages.lib.kinds import KINDS, Facts, Kind
from stages.lib.tables import write_json

UNLABELLED = "unlabelled"  # the role whose examples nobody has labelled


class SourceColumns(StrictModel):
    """The source's own names for what textrail calls id, text, text_pair and label."""

    id: str | None
    text: str | list[str]  # a list: columns that are joined to one text
    text_pair: str | None
    label: str | list[str] | None  # a list: a column of 0 and 1 for each label

    @property
    def text_name(self) -> str:
        """The text as it is called where people read of it."""
        return self.text if isinstance(self.text, str) else " + ".join(self.text)


def joined(texts: Iterable[str | None]) -> str:
    """One text of the parts, one a line in the order of source.yaml; empty parts are left out."""
    return "\n".join(text for text in texts if text and text.strip())


class Submission(StrictModel):
    """How predictions of the unlabelled rows are handed in."""

    delimiter: str
    id: str  # names of its columns
    label: str | list[str]
    files: dict[str, str]  # unlabelled role -> name of its file
    no_label: str = ""  # of several labels in one cell, the text of a cell that says none of them


class Task(StrictModel):
    title: str
    kind: Kind
    labels: list[str]  # class names; a label's number is its place here; none for a regression
    raw_labels: list[str]  # the same classes as the source writes them
    separator: str | None  # between several labels in one cell of the source
    positive: str | None  # the class that binary precision, recall and F1 are about
    metrics: list[str]  # the first selects checkpoints
    columns: SourceColumns
    kept: list[str]  # further columns, for slicing
    copies: Literal["remove", "report"]
    submission: Submission

    @property
    def facts(self) -> Facts:
        return KINDS[self.kind]

    @property
    def outputs(self) -> int:
        """How many numbers a model says of an example."""
        return len(self.labels) if self.facts.has_classes else 1

    @property
    def text_columns(self) -> list[str]:
        """The columns of our tables that the model reads, in order."""
        return ["text"] if self.columns.text_pair is None else ["text", "text_pair"]

    def lower_is_better(self, score: str) -> bool:
        return score in self.facts.lower_is_better


def is_unlabelled(role: str) -> bool:
    """`unlabelled`, or one of several: `unlabelled_mismatched`."""
    return role == UNLABELLED or role.startswith(f"{UNLABELLED}_")


def read_task(path: Path) -> Task:
    return Task.model_validate_json(path.read_bytes())


def write_task(task: Task, path: Path) -> None:
    write_json(task.model_dump(), path)
