"""A source's rows, each kept or set aside with a reason, written to the disk as they come.

Memory does not grow with their number. Rows in = rows kept + rows rejected.
"""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import polars as pl
from tqdm import tqdm

from stages.lib.exceptions import SourceError
from stages.lib.labels import NAME_TYPE_OF_KINDS
from stages.lib.parquet_rows import ParquetRows, parquet_rows, row_groups
from stages.lib.readers.rows import Row
from stages.lib.source_keys import Columns, nearest
from stages.lib.sources.ids import Ids
from stages.lib.sources.label_cells import Label, as_text, read_label
from stages.lib.sources.parts import Part
from stages.lib.sources.source import SOURCE_FILE, Source
from stages.lib.task import joined

REJECTED: dict[str, pl.DataType] = {
    "file": pl.String(),
    "line": pl.Int64(),
    "row": pl.String(),
    "reason": pl.String(),
}


class Counts:
    """What came of the rows, by role; roles, labels and reasons in the order of their first row."""

    def __init__(self) -> None:
        self.kept = Counter[str]()
        self.rejected = defaultdict[str, Counter[str]](Counter)
        self.labels = defaultdict[str, Counter[str]](Counter)

    def keep(self, role: str, label: Label | None) -> None:
        self.kept[role] += 1
        if isinstance(label, str):
            self.labels[role][label] += 1
        elif label is not None:
            self.labels[role].update([] if isinstance(label, float) else label)

    def reject(self, role: str, reason: str) -> None:
        self.rejected[role][reason] += 1


class Sink(NamedTuple):
    """Where the rows go."""

    examples: ParquetRows
    rejected: ParquetRows
    ids: Ids
    counts: Counts


def schema_of(source: Source) -> dict[str, pl.DataType]:
    """The columns of an example, but for its id."""
    pair = [] if source.columns.text_pair is None else ["text_pair"]
    columns = ["source_id", "text", *pair, "label", "role", *source.keep]
    return dict.fromkeys(columns, pl.String()) | {"label": NAME_TYPE_OF_KINDS[source.task]}


def take(source: Source, parts: list[Part], folder: Path) -> Counts:
    """Writes the examples as `ingested` and the rejected rows as `rejected` into the folder, in their order.

    Raises SourceError where a part has no row that can be used, or a label that source.yaml does not name.
    """
    schema = schema_of(source)
    with (
        parquet_rows(folder / "examples", schema) as examples,
        parquet_rows(folder / "rejected", REJECTED) as rejected,
    ):
        sink = Sink(examples, rejected, Ids(folder), Counts())
        for part in parts:
            _take_part(source, part, sink)
    sink.ids.count()
    with parquet_rows(folder / "ingested", {"id": pl.String(), **schema}) as ingested:
        for table in sink.ids.before(row_groups(folder / "examples")):
            ingested.add_table(table)
    return sink.counts


def _take_part(source: Source, part: Part, sink: Sink) -> None:
    kept, reasons = 0, Counter[str]()
    unknown, first_unknown = 0, None
    unlabelled = part.wanted._replace(labelled=False).names()
    for row in tqdm(part.rows, desc=f"ingest {part.role}", unit=" rows", delay=2, disable=None):
        label, fault = None, row.fault or _fault_in(row, unlabelled, part.wanted.columns)
        if not fault and part.wanted.labelled:
            label, fault, unknown_label = read_label(row.cells, part.wanted.columns.label, source)
            if unknown_label is not None:
                unknown += 1
                first_unknown = first_unknown or (row, unknown_label)
        if fault:
            reasons[fault] += 1
            _reject(row, part, fault, sink)
        else:
            kept += 1
            _keep(row, part, label, source, sink)
    if first_unknown:
        raise _unknown_label(part, *first_unknown, unknown, source)
    if not kept:
        raise SourceError(
            f"{part.path}: none of its {reasons.total():,} rows can be used: {as_reasons(reasons)}"
        )


def as_reasons(reasons: Counter[str]) -> str:
    """The three most frequent, and how many rows have any other."""
    most = reasons.most_common(3)
    others = reasons.total() - sum(rows for _, rows in most)
    named = [f"{reason} ({rows:,})" for reason, rows in most]
    return "; ".join([*named, f"other reasons ({others:,})"] if others else named)


def _fault_in(row: Row, columns: list[str], named: Columns) -> str | None:
    for column in columns:
        if isinstance(row.cells.get(column), list | dict):
            return f"{column} is a list or an object"
    return None if (_text_of(row, named) or "").strip() else "text is empty"


def _text_of(row: Row, named: Columns) -> str | None:
    """Several columns are joined; one is taken as it is."""
    if isinstance(named.text, str):
        return as_text(row.cells.get(named.text))
    return joined(as_text(row.cells.get(name)) for name in named.text)


def _keep(row: Row, part: Part, label: Label | None, source: Source, sink: Sink) -> None:
    columns = part.wanted.columns
    source_id = None if columns.id is None else as_text(row.cells.get(columns.id))
    texts = [_text_of(row, columns)]
    texts += [] if columns.text_pair is None else [as_text(row.cells.get(columns.text_pair))]
    values = [as_text(row.cells.get(name)) for name in source.keep]
    sink.examples.add([source_id, *texts, label, part.role, *values])
    sink.ids.add(source_id, "\0".join(text or "" for text in texts), part.role)
    sink.counts.keep(part.role, label)


def _reject(row: Row, part: Part, fault: str, sink: Sink) -> None:
    held = json.dumps(row.held, ensure_ascii=False, default=str)
    sink.rejected.add([row.file or part.place, row.line, held, fault])
    sink.counts.reject(part.role, fault)


def _unknown_label(part: Part, row: Row, label: str, rows: int, source: Source) -> SourceError:
    path = f"{part.path.removesuffix(part.place)}{row.file or part.place}"
    where = path if row.line is None else f"{path}:{row.line}"
    return SourceError(
        f"{where}: {part.wanted.columns.label} is {label!r}, which {SOURCE_FILE} does not name under labels"
        f"{nearest(label, source.labels)}; rows of this file with such a label: {rows:,}"
    )
