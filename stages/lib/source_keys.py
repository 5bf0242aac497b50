"""The keys of source.yaml that have keys of their own, and how values are written there."""

import codecs
import difflib
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, field_validator

from stages.lib.config import StrictModel


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


Labels = Annotated[dict[str, str], BeforeValidator(_labels_by_raw_value)]
LabelName = Annotated[str, BeforeValidator(raw_text)]
LabelColumn = str | list[str]  # a list: a column of 0 and 1 for each label
ColumnName = Annotated[str, Field(min_length=1)]


def _one_or_several(given: Any) -> Any:
    names = given if isinstance(given, list) else [given]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError("a name, or a list of names")
    if len(set(names)) < len(names):
        raise ValueError("a name stands there twice")
    return given


def as_list(given: str | list[str]) -> list[str]:
    return given if isinstance(given, list) else [given]


OneOrSeveral = Annotated[str | list[str], PlainValidator(_one_or_several)]
Files = OneOrSeveral


class Columns(StrictModel):
    """The source's names for what textrail calls id, text, text_pair and label."""

    text: OneOrSeveral  # several: joined by line ends, in order
    label: LabelColumn
    id: ColumnName | None = None
    text_pair: ColumnName | None = None

    def texts(self) -> list[str]:
        """Those that make up the text."""
        return as_list(self.text)


class OtherColumns(StrictModel):
    """Those that one file, or the Hub, names otherwise; `id: null` where it has none."""

    text: OneOrSeveral = ""  # the defaults are never used: what is not stated is as in `columns`
    label: LabelColumn = ""
    id: ColumnName | None = None
    text_pair: ColumnName = ""

    def stated(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


class Hub(StrictModel):
    """A dataset on the Hugging Face Hub."""

    dataset: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")  # owner/name
    revision: str  # a commit; ingest refuses a branch with the commit where it stands (hub.check_pinned)
    config: str | None = None
    streaming: bool = False  # read as the rows come, nothing kept on the disk
    splits: dict[str, str] = Field(default={})  # role -> split, where `files` names files
    columns: OtherColumns = OtherColumns()
    lacks: list[str] = Field(default=[])  # kept columns that it does not have


FormatType = Literal["csv", "tsv", "jsonl", "json", "lines", "documents", "parquet", "arrow", "excel"]


class Format(StrictModel):
    """How the files are written; what is left out follows from `type`, the file's name and its content."""

    type: FormatType | None = None
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    header: bool | None = None
    quoting: bool | None = None
    encoding: str | None = None
    sheet: str | None = Field(default=None, min_length=1)  # of an Excel workbook

    def over(self, base: "Format") -> "Format":
        """What is stated here, and the rest as in `base`."""
        return base.model_copy(update=self.model_dump(exclude_unset=True))

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str | None) -> str | None:
        if encoding is None:
            return None
        try:
            "".encode(encoding)  # of text: Python also knows hex and the like
            return codecs.lookup(encoding).name
        except LookupError:
            raise ValueError("no such encoding; utf-8, cp1252 and utf-16 are some") from None

    @field_validator("delimiter")
    @classmethod
    def _divides(cls, delimiter: str | None) -> str | None:
        if delimiter is not None and delimiter in '"\r\n\0':
            raise ValueError("a quote, a line end and NUL cannot stand between columns")
        return delimiter


class RoleFile(StrictModel):
    """What is otherwise in the file of one role."""

    format: Format = Format()
    names: list[str] | None = None
    columns: OtherColumns = OtherColumns()
    lacks: list[str] = Field(default=[])  # kept columns that it does not have


class SubmissionForm(StrictModel):
    """How predictions are handed in; what is left out is as in the source's own files."""

    delimiter: str = Field(default=",", min_length=1, max_length=1)
    id: str | None = None  # names of its columns
    label: LabelColumn | None = None
    files: dict[str, str] = Field(default={})  # unlabelled role -> name of its file


def nearest(name: str, known: Iterable[str], lead: str = "it has") -> str:
    """What there is instead of `name`, and which of it may have been meant."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    there = f"; {lead} {', '.join(known)}" if known else ""
    return f"{there}; did you mean {close[0]!r}?" if close else there
