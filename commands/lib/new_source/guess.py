"""What is concluded of a new source, with the reason for each line of source.yaml."""

from dataclasses import dataclass, field
from typing import NamedTuple

from stages.lib.kinds import Kind


class Asked(NamedTuple):
    """What the command line says of the columns, which no guess overrules."""

    text: list[str]
    label: list[str]
    id: str | None
    task: Kind | None


@dataclass
class Guess:
    text: str = ""
    text_pair: str | None = None
    label: str | list[str] = ""
    id: str | None = None
    keep: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  # columns
    task: Kind = "classification"
    labels: dict[str, int] = field(default_factory=dict)  # raw value: rows
    separator: str | None = None
    no_label: str | None = None
    range: tuple[float, float] | None = None
    positive: str | None = None
    metrics: list[str] = field(default_factory=list)
    submission: dict[str, str] = field(
        default_factory=dict
    )  # names of its columns that the files do not have
    why: dict[str, str] = field(default_factory=dict)  # by key of source.yaml
    doubts: list[str] = field(default_factory=list)

    @property
    def label_columns(self) -> list[str]:
        return self.label if isinstance(self.label, list) else [self.label]

    @property
    def used(self) -> list[str]:
        texts = [name for name in (self.id, self.text, self.text_pair) if name is not None]
        return [*texts, *self.label_columns]
