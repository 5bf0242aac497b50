"""A source: a folder with source.yaml and, where they are local, its files (docs/your-data.md)."""

import codecs
import difflib
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from stages.lib.config import StrictModel, read_config
from stages.lib.exceptions import SourceError
from stages.lib.task import UNLABELLED, Kind, SourceColumns, Task

SOURCE_FILE = "source.yaml"
# Columns of our tables: a kept column of such a name would hide one of them.
OWN_COLUMNS = {
    "id",
    "source_id",
    "text",
    "text_original",
    "text_pair",
    "text_pair_original",
    "label",
    "role",
    "left_out",
}
# Any other name is a further evaluation set, so these would be taken for one.
MISTAKEN_ROLES = {
    "training": "train",
    "dev": "validation, or test where the test has no labels",
    "val": "validation",
    "valid": "validation",
    "eval": "validation",
    "testing": "test",
    "unlabeled": UNLABELLED,
}
NEED_POSITIVE = ("f1", "precision", "recall")


def raw_text(value: object) -> str:
    """A scalar as a CSV would write it; true and false in lower case, as JSON and YAML do."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _labels_by_raw_value(given: Any) -> Any:
    """`[sad, glad]` is short for `{sad: sad, glad: glad}`; `0` and `"0"` are one raw value."""
    if not isinstance(given, dict | list):
        return given
    pairs = given.items() if isinstance(given, dict) else zip(given, given, strict=True)
    named = [(raw_text(raw), raw_text(name)) for raw, name in pairs]
    for words in zip(*named, strict=True):
        word, times = Counter(words).most_common(1)[0]
        if times > 1:
            raise ValueError(f"{word!r} stands there twice; every raw value and every name is one class")
    return dict(named)


Labels = Annotated[dict[str, str], BeforeValidator(_labels_by_raw_value), Field(min_length=2)]
LabelName = Annotated[str, BeforeValidator(raw_text)]
Metric = Literal["accuracy", "macro_f1", "weighted_f1", "f1", "precision", "recall"]


class Hub(StrictModel):
    """A dataset on the Hugging Face Hub."""

    dataset: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")  # owner/name
    revision: str
    config: str | None = None
    splits: dict[str, str] = Field(default={})  # role -> split, where `files` names files

    @field_validator("revision")
    @classmethod
    def _is_a_commit(cls, revision: str) -> str:
        if not re.fullmatch("[0-9a-f]{40}", revision):
            raise ValueError("a branch or a tag moves: give the commit, 40 hexadecimal digits")
        return revision


class Format(StrictModel):
    """How the files are written; what is left out follows from `type`, and that from the file's name."""

    type: Literal["csv", "tsv", "jsonl"] | None = None
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    header: bool | None = None
    quoting: bool | None = None
    encoding: str = "utf-8"

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str) -> str:
        try:
            return codecs.lookup(encoding).name
        except LookupError:
            raise ValueError("no such encoding; utf-8, cp1252 and utf-16 are some") from None


class Columns(StrictModel):
    """The source's names for what textrail calls id, text, text_pair and label."""

    text: str
    label: str
    id: str | None = None
    text_pair: str | None = None


class Source(StrictModel):
    title: str
    hub: Hub | None = None
    kaggle: str | None = None  # the competition's name in its address
    files: dict[str, str]  # role -> file, or split of the Hub's dataset
    format: Format = Format()
    names: list[str] | None = Field(default=None, validate_default=True)  # of the columns, without a header
    columns: Columns
    keep: list[str] = Field(default=[])  # further columns, for slicing
    labels: Labels  # raw value -> name; a class's number is its place here
    positive: LabelName | None = None
    task: Kind
    metrics: list[Metric] = Field(min_length=1)
    copies: Literal["remove", "report"]

    @field_validator("files")
    @classmethod
    def _are_roles_and_files(cls, files: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        if "train" not in files:
            raise ValueError("no role 'train': the other roles can be made from its rows, it cannot")
        for role, file in files.items():
            if role in MISTAKEN_ROLES:
                raise ValueError(f"role {role!r}: say {MISTAKEN_ROLES[role]}")
            if not re.fullmatch("[a-z][a-z0-9_]*", role):
                raise ValueError(f"role {role!r}: a role is a word of a-z, 0-9 and _")
            if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
                raise ValueError(f"role {role!r}: {file} is outside the source's folder")
        if len(set(files.values())) < len(files):
            raise ValueError("one file plays two roles")
        hub = info.data.get("hub")
        if hub is not None and not set(hub.splits) <= set(files):
            raise ValueError(f"hub.splits has other roles: {', '.join(hub.splits)}")
        return files

    @field_validator("names")
    @classmethod
    def _stand_for_a_header(cls, names: list[str] | None, info: ValidationInfo) -> list[str] | None:
        headerless = "format" in info.data and info.data["format"].header is False
        if headerless and not names:
            raise ValueError("files without a header need the names of their columns here")
        if names and not headerless:
            raise ValueError("names are for files without a header; say so in format: {header: false}")
        return names

    @field_validator("keep")
    @classmethod
    def _hides_no_column(cls, keep: list[str]) -> list[str]:
        taken = [column for column in keep if column in OWN_COLUMNS]
        if taken or len(set(keep)) < len(keep):
            raise ValueError(f"no column twice, and none named as one of textrail's: {sorted(OWN_COLUMNS)}")
        return keep

    @field_validator("positive")
    @classmethod
    def _is_one_of_two(cls, positive: str | None, info: ValidationInfo) -> str | None:
        names = list(info.data.get("labels", {}).values())
        if positive is not None and names and (positive not in names or len(names) != 2):
            raise ValueError(f"it names one of two classes; labels names {', '.join(names)}")
        return positive

    @field_validator("metrics")
    @classmethod
    def _can_be_computed(cls, metrics: list[Metric], info: ValidationInfo) -> list[Metric]:
        lacking = [metric for metric in metrics if metric in NEED_POSITIVE and not info.data.get("positive")]
        if lacking:
            raise ValueError(f"{lacking[0]} is about one class: name it in positive, or use macro_f1")
        return metrics

    def columns_of(self, role: str) -> list[str]:
        """The source's columns that a file of this role must have."""
        label = None if role == UNLABELLED else self.columns.label
        named = [self.columns.id, self.columns.text, self.columns.text_pair, label, *self.keep]
        return list(dict.fromkeys(column for column in named if column is not None))


def read_source(folder: Path) -> Source:
    """Raises SourceError where there is no such source, ConfigError where source.yaml is faulty."""
    if not folder.is_dir():
        known = sorted(path.parent.name for path in folder.parent.glob(f"*/{SOURCE_FILE}"))
        raise SourceError(f"{folder}: no such source{nearest(folder.name, known, 'there are')}")
    if not (folder / SOURCE_FILE).is_file():
        raise SourceError(f"{folder}: no {SOURCE_FILE} in it; docs/your-data.md shows how to write one")
    return read_config(folder / SOURCE_FILE, Source)


def as_task(source: Source) -> Task:
    return Task(
        title=source.title,
        kind=source.task,
        labels=list(source.labels.values()),
        raw_labels=list(source.labels),
        positive=source.positive,
        metrics=list(source.metrics),
        columns=SourceColumns(**source.columns.model_dump()),
        kept=source.keep,
        copies=source.copies,
    )


def nearest(name: str, known: Iterable[str], lead: str = "it has") -> str:
    """What there is instead of `name`, and which of it may have been meant."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    there = f"; {lead} {', '.join(known)}" if known else ""
    return f"{there}; did you mean {close[0]!r}?" if close else there
