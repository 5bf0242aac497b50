"""A source's rows, each kept or set aside with a reason, written to the disk as they come.

Memory does not grow with their number. Rows in = rows kept + rows rejected.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from tqdm import tqdm

from stages.lib.exceptions import SourceError
from stages.lib.labels import NAME_TYPE_OF_KINDS
from stages.lib.parquet_rows import ParquetRows, parquet_rows, row_groups
from stages.lib.readers.rows import Row
from stages.lib.source_keys import Columns, nearest
from stages.lib.sources.correcting import DROPPED, Correcting
from stages.lib.sources.corrections import DROP, Corrections
from stages.lib.sources.ids import Ids
from stages.lib.sources.label_cells import Label, as_text, read_label
from stages.lib.sources.parts import Part
from stages.lib.sources.row_counts import Counts
from stages.lib.sources.source import SOURCE_FILE, Source
from stages.lib.task import joined

REJECTED: dict[str, pl.DataType] = {
    "file": pl.String(),
    "line": pl.Int64(),
    "row": pl.String(),
    "reason": pl.String(),
}
NONE = Corrections(Path(), {})


class Sink(NamedTuple):
    """Where the rows go."""

    examples: ParquetRows
    places: ParquetRows | None  # of each example, where some may be dropped: as it would be rejected
    rejected: ParquetRows
    ids: Ids
    counts: Counts


def schema_of(source: Source) -> dict[str, pl.DataType]:
    """The columns of an example, but for its id."""
    pair = [] if source.columns.text_pair is None else ["text_pair"]
    columns = ["source_id", "text", *pair, "label", "role", *source.keep]
    return dict.fromkeys(columns, pl.String()) | {"label": NAME_TYPE_OF_KINDS[source.task]}


def take(source: Source, parts: list[Part], folder: Path, corrections: Corrections = NONE) -> Counts:
    """Writes the examples as `ingested` and the rejected rows as `rejected` into the folder, in their order,
    those that a correction drops last.

    Raises SourceError where a part has no row that can be used, a label that source.yaml does not name, or a
    correction no row.
    """
    schema = schema_of(source)
    with parquet_rows(folder / "rejected", REJECTED) as rejected:
        with (
            parquet_rows(folder / "examples", schema) as examples,
            parquet_rows(folder / "places", REJECTED) as places,
        ):
            kept_places = places if corrections.has(DROP) else None
            sink = Sink(examples, kept_places, rejected, Ids(folder), Counts())
            for part in parts:
                _take_part(source, part, sink)
        sink.ids.count()
        correcting = Correcting(corrections, source, sink.counts)
        columns = {"id": pl.String(), **schema, **correcting.columns}
        with parquet_rows(folder / "ingested", columns) as ingested:
            for table in correcting.applied(sink.ids.before(row_groups(folder / "examples"))):
                ingested.add_table(table)
        correcting.check_all_met(folder / "ingested")
        for table in _rows_at(correcting.dropped, row_groups(folder / "places")):
            rejected.add_table(table)
    return sink.counts


def _rows_at(places: list[int], tables: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    start = 0
    for table in tables:
        here = [place - start for place in places if start <= place < start + len(table)]
        if here:
            yield table[here]
        start += len(table)


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
    if sink.places is not None:
        sink.places.add(_as_rejected(row, part, DROPPED))


def _reject(row: Row, part: Part, fault: str, sink: Sink) -> None:
    sink.rejected.add(_as_rejected(row, part, fault))
    sink.counts.reject(part.role, fault)


def _as_rejected(row: Row, part: Part, reason: str) -> list[Any]:
    return [row.file or part.place, row.line, json.dumps(row.held, ensure_ascii=False, default=str), reason]


def _unknown_label(part: Part, row: Row, label: str, rows: int, source: Source) -> SourceError:
    path = f"{part.path.removesuffix(part.place)}{row.file or part.place}"
    where = path if row.line is None else f"{path}:{row.line}"
    return SourceError(
        f"{where}: {part.wanted.columns.label} is {label!r}, which {SOURCE_FILE} does not name under labels"
        f"{nearest(label, source.labels)}; rows of this file with such a label: {rows:,}"
    )
