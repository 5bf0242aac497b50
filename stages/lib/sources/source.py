"""A source: a folder with source.yaml and, where they are local, its files (docs/your-data.md)."""

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticSerializationError

from stages.lib.config import StrictModel, read_config
from stages.lib.exceptions import ConfigError, SourceError
from stages.lib.kinds import KINDS, Kind
from stages.lib.source_keys import (
    Columns,
    Files,
    Format,
    Hub,
    LabelColumn,
    LabelName,
    Labels,
    RoleFile,
    SubmissionForm,
    as_list,
    nearest,
)
from stages.lib.sources.expectations import Expectation, fault_of
from stages.lib.task import UNLABELLED, SourceColumns, Submission, Task, is_unlabelled

SOURCE_FILE = "source.yaml"
SURROGATE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
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
    "ambiguous",
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
# Of the keys below, those that a task of the kind may have.
KEYS_OF_KINDS: dict[Kind, tuple[str, ...]] = {
    "classification": ("labels", "positive"),
    "regression": ("range",),
    "multi-label": ("labels", "separator", "no_label"),
}


class Wanted(NamedTuple):
    """The columns that the rows of one role must have."""

    columns: Columns
    kept: list[str]  # those that are there
    labelled: bool

    def names(self) -> list[str]:
        label = self.columns.label if isinstance(self.columns.label, list) else [self.columns.label]
        texts = [self.columns.id, *self.columns.texts(), self.columns.text_pair]
        named = [*texts, *(label if self.labelled else []), *self.kept]
        return list(dict.fromkeys(column for column in named if column is not None))


class Source(StrictModel):
    # in the order in which they are checked: a key may ask for those above it
    title: str
    task: Kind
    files: dict[str, Files]  # role -> file, pattern or several of them; or split of the Hub's dataset
    format: Format = Format()
    names: list[str] | None = Field(default=None, validate_default=True)  # of the columns, without a header
    columns: Columns
    keep: list[str] = Field(default=[])  # further columns, for slicing
    by_role: dict[str, RoleFile] = Field(default={})  # where a role's file is otherwise
    hub: Hub | None = None
    kaggle: str | None = None  # a competition's name, or owner/name/versions/3 of a dataset
    labels: Labels = Field(default={}, validate_default=True)  # raw value -> name, in order
    separator: str | None = Field(default=None, min_length=1)  # between several labels in one cell
    no_label: str | None = None  # the text of a cell that says: none of the labels
    range: list[float] | None = Field(default=None, min_length=2, max_length=2)  # of a regression's scores
    positive: LabelName | None = None
    metrics: list[str] = Field(min_length=1)
    copies: Literal["remove", "report"]
    submission: SubmissionForm = SubmissionForm()
    expectations: list[Expectation] = Field(default=[])  # of changed texts; data/task.json has none of them

    @field_validator("files")
    @classmethod
    def _are_roles_and_files(cls, files: dict[str, Files], info: ValidationInfo) -> dict[str, Files]:
        if "train" not in files:
            raise ValueError("no role 'train': the other roles can be made from its rows, it cannot")
        for role, entries in files.items():
            if role in MISTAKEN_ROLES:
                raise ValueError(f"role {role!r}: say {MISTAKEN_ROLES[role]}")
            if not re.fullmatch("[a-z][a-z0-9_]*", role):
                raise ValueError(f"role {role!r}: a role is a word of a-z, 0-9 and _")
            for file in as_list(entries):
                if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
                    raise ValueError(f"role {role!r}: {file} is outside the source's folder")
        named = [file for entries in files.values() for file in as_list(entries)]
        if len(set(named)) < len(named):
            raise ValueError("one file plays two roles")
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

    @field_validator("columns")
    @classmethod
    def _fit_the_task(cls, columns: Columns, info: ValidationInfo) -> Columns:
        kind = info.data.get("task", "multi-label")
        if isinstance(columns.label, list) and kind != "multi-label":
            raise ValueError(f"label: a column for each label is for multi-label; a {kind} task has one")
        return columns

    @field_validator("keep")
    @classmethod
    def _hides_no_column(cls, keep: list[str]) -> list[str]:
        taken = [column for column in keep if column in OWN_COLUMNS]
        if taken or len(set(keep)) < len(keep):
            raise ValueError(f"no column twice, and none named as one of textrail's: {sorted(OWN_COLUMNS)}")
        return keep

    @field_validator("by_role")
    @classmethod
    def _is_otherwise(cls, by_role: dict[str, RoleFile], info: ValidationInfo) -> dict[str, RoleFile]:
        _check_roles("it", by_role, info)
        for role, file in by_role.items():
            _check_overrides(f"{role}.", file, info)
            if {"format", "names"} <= info.data.keys():
                _check_names(role, file, info.data["format"], info.data["names"])
        return by_role

    @field_validator("hub")
    @classmethod
    def _has_what_is_asked(cls, hub: Hub | None, info: ValidationInfo) -> Hub | None:
        if hub is not None:
            _check_roles("hub.splits", hub.splits, info)
            for role, entries in info.data.get("files", {}).items():
                if isinstance(entries, list) and role not in hub.splits:
                    raise ValueError(f"splits: role {role!r} has several files; say which split it is")
            _check_overrides("", hub, info)
        return hub

    @field_validator("kaggle")
    @classmethod
    def _is_a_name_in_an_address(cls, kaggle: str | None) -> str | None:
        if kaggle is not None and not re.fullmatch(r"[\w.-]+(/[\w.-]+(/versions/[1-9]\d*)?)?", kaggle):
            raise ValueError("write a competition as in its address, or a dataset as owner/name/versions/3")
        return kaggle

    @field_validator("labels", "separator", "no_label", "range", "positive")
    @classmethod
    def _is_of_this_kind(cls, value: Any, info: ValidationInfo) -> Any:
        key, kind = str(info.field_name), info.data.get("task")
        if value in (None, {}) or kind is None or key in KEYS_OF_KINDS[kind]:
            return value
        kinds = [other for other, keys in KEYS_OF_KINDS.items() if key in keys]
        raise ValueError(f"a {kind} task has no such key; it is for {' and '.join(kinds)}")

    @field_validator("labels")
    @classmethod
    def _are_at_least_two(cls, labels: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        kind, columns = info.data.get("task"), info.data.get("columns")
        if kind is None or columns is None or not KINDS[kind].has_classes:
            return labels
        if isinstance(columns.label, list):
            labels = labels or {name: name for name in columns.label}
            if list(labels) != columns.label:
                named = ", ".join(columns.label)
                raise ValueError(f"name each column of columns.label once, in its order: {named}")
        if len(labels) < 2:
            raise ValueError(f"a {kind} task needs at least 2 labels, as `value in the file: name`")
        return labels

    @field_validator("separator", "no_label")
    @classmethod
    def _is_about_one_cell(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is not None and "columns" in info.data and isinstance(info.data["columns"].label, list):
            raise ValueError("it is for labels in one cell; columns.label names a column for each")
        return text

    @field_validator("range")
    @classmethod
    def _is_in_order(cls, ends: list[float] | None) -> list[float] | None:
        if ends is not None and not ends[0] < ends[1]:
            raise ValueError("write the least score, then the greatest")
        return ends

    @field_validator("positive")
    @classmethod
    def _is_one_of_two(cls, positive: str | None, info: ValidationInfo) -> str | None:
        names = list(info.data.get("labels", {}).values())
        if positive is not None and names and (positive not in names or len(names) != 2):
            raise ValueError(f"it names one of two classes; labels names {', '.join(names)}")
        return positive

    @field_validator("metrics")
    @classmethod
    def _can_be_computed(cls, metrics: list[str], info: ValidationInfo) -> list[str]:
        if "task" not in info.data:
            return metrics
        facts = KINDS[info.data["task"]]
        for metric in metrics:
            if metric in facts.positive_scores and not info.data.get("positive"):
                raise ValueError(f"{metric} is about one class: name it in positive, or use macro_f1")
            known = facts.scores + facts.positive_scores
            if metric not in known:
                raise ValueError(
                    f"no metric {metric!r} of a {info.data['task']} task{nearest(metric, known, 'there are')}"
                )
        return metrics

    @field_validator("submission")
    @classmethod
    def _is_of_unlabelled_rows(cls, form: SubmissionForm, info: ValidationInfo) -> SubmissionForm:
        roles = [role for role in info.data.get("files", {}) if is_unlabelled(role)]
        strange = [role for role in form.files if role not in roles]
        if strange and "files" in info.data:
            there = nearest(strange[0], roles, "there are")
            raise ValueError(f"files: no unlabelled role {strange[0]!r}{there}")
        for name in form.files.values():
            if not re.fullmatch(r"[\w-][\w.-]*\.(csv|tsv|txt)", name):
                raise ValueError(f"files: {name!r}: a file name that ends in .csv, .tsv or .txt")
        if len(set(form.files.values())) < len(form.files):
            raise ValueError("files: two roles share one file")
        if form.label is not None and "columns" in info.data:
            _check_label_column("label", form.label, info.data["columns"].label)
        return form

    @field_validator("expectations")
    @classmethod
    def _fit_the_labels(cls, expectations: list[Expectation], info: ValidationInfo) -> list[Expectation]:
        if not {"task", "columns", "labels"} <= info.data.keys():  # refused already
            return expectations
        has_classes = KINDS[info.data["task"]].has_classes
        labels = list(info.data["labels"].values()) if has_classes else None
        fault = fault_of(expectations, labels, info.data["columns"].text_pair is not None)
        if fault:
            raise ValueError(fault)
        return expectations

    def entries(self, role: str) -> list[str]:
        """The files and patterns of the role."""
        return as_list(self.files[role])

    def layout(self, role: str) -> tuple[Format, list[str] | None]:
        """How the role's file is written, and the names of its columns where it has no header."""
        file = self.by_role.get(role, RoleFile())
        form = file.format.over(self.format)
        return form, (file.names or self.names) if form.header is False else None

    def wanted(self, role: str, *, from_hub: bool = False) -> Wanted:
        """What the role's rows must have, in its file or on the Hub."""
        file = self.by_role.get(role, RoleFile())
        columns, lacks = self.columns.model_copy(update=file.columns.stated()), file.lacks
        if from_hub and self.hub is not None:
            there = self.hub.columns.stated().items()
            # a role that has no such column in its files has none on the Hub
            renamed = {key: name for key, name in there if getattr(columns, key) is not None}
            columns, lacks = columns.model_copy(update=renamed), [*lacks, *self.hub.lacks]
        return Wanted(columns, [name for name in self.keep if name not in lacks], not is_unlabelled(role))


def _check_roles(what: str, named: Iterable[str], info: ValidationInfo) -> None:
    known = info.data.get("files", named)
    others = [role for role in named if role not in known]
    if others:
        raise ValueError(f"{what} has other roles: {', '.join(others)}; files has {', '.join(known)}")


def _check_names(role: str, file: RoleFile, form: Format, names: list[str] | None) -> None:
    header = file.format.over(form).header is not False
    if header and file.names:
        raise ValueError(f"{role}.names: for files without a header; say format: {{header: false}}")
    if not header and not (file.names or names):
        raise ValueError(f"{role}: a file without a header needs the names of its columns")


def _check_overrides(where: str, given: RoleFile | Hub, info: ValidationInfo) -> None:
    """Raises ValueError where they are about columns that the source does not have."""
    unknown = [name for name in given.lacks if name not in info.data.get("keep", given.lacks)]
    if unknown:
        raise ValueError(f"{where}lacks: keep has no {unknown[0]!r}")
    if "columns" not in info.data:
        return
    columns = info.data["columns"]
    if given.columns.text_pair and columns.text_pair is None:
        raise ValueError(f"{where}columns.text_pair: columns names none, and all roles read the same texts")
    if given.columns.label:
        _check_label_column(f"{where}columns.label", given.columns.label, columns.label)


def _check_label_column(where: str, given: LabelColumn, base: LabelColumn) -> None:
    counts = [len(column) if isinstance(column, list) else None for column in (given, base)]
    if counts[0] != counts[1]:
        raise ValueError(f"{where}: as many columns as columns.label has, in its order")


def read_source(folder: Path) -> Source:
    """Raises SourceError where there is no such source, ConfigError where source.yaml is faulty."""
    if not folder.is_dir():
        known = sorted(path.parent.name for path in folder.parent.glob(f"*/{SOURCE_FILE}"))
        raise SourceError(f"{folder}: no such source{nearest(folder.name, known, 'there are')}")
    if not (folder / SOURCE_FILE).is_file():
        raise SourceError(f"{folder}: no {SOURCE_FILE} in it; docs/your-data.md shows how to write one")
    source = read_config(folder / SOURCE_FILE, Source)
    try:
        source.model_dump_json()
    except PydanticSerializationError:
        raise ConfigError(_half_a_character(folder / SOURCE_FILE)) from None
    return source


def _half_a_character(path: Path) -> str:
    """JSON escapes an emoji as two surrogates; YAML reads them as two characters, which no file can hold."""
    lines = path.read_text(encoding="utf-8").splitlines()
    halves = [(line, found[0]) for line, text in enumerate(lines, 1) if (found := SURROGATE.search(text))]
    line, half = (halves or [(1, "a surrogate")])[0]
    return f"{path}:{line}: {half} is half a character; write the character itself, as UTF-8"


def as_task(source: Source) -> Task:
    return Task(
        title=source.title,
        kind=source.task,
        labels=list(source.labels.values()),
        raw_labels=list(source.labels),
        separator=source.separator,
        positive=source.positive,
        metrics=list(source.metrics),
        columns=SourceColumns(**source.columns.model_dump()),
        kept=source.keep,
        copies=source.copies,
        submission=_submission(source),
    )


def _submission(source: Source) -> Submission:
    roles = [role for role in source.files if is_unlabelled(role)]
    columns = source.wanted(roles[0]).columns if roles else source.columns
    form = source.submission
    files = {role: f"submission{role.removeprefix(UNLABELLED)}.csv" for role in roles}
    return Submission(
        delimiter=form.delimiter,
        id=form.id or columns.id or "id",
        label=form.label or columns.label,
        files=files | form.files,
        no_label=source.no_label or "",
    )
