"""corrections.csv in a source's folder: the rows that a person has corrected, by textrail's own ids.

Written by reports/errors.html or by hand (docs/relabel.md). It is small and held whole. A spreadsheet may
have saved it: with `;` or tabs between the cells, a byte order mark, lines of nothing but delimiters.
"""

import csv
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from stages.lib.exceptions import SourceError
from stages.lib.readers.reading import layout_of, read_rows
from stages.lib.readers.rows import Row
from stages.lib.source_keys import Format, nearest
from stages.lib.sources.files import CORRECTIONS_FILE
from stages.lib.sources.label_cells import Label, read_label
from stages.lib.sources.source import Source

NEEDED, COLUMNS = ("id", "label", "action"), ("id", "label", "action", "note")
RELABEL, AMBIGUOUS, DROP = "relabel", "ambiguous", "drop"
ACTIONS = (RELABEL, AMBIGUOUS, DROP)
DELIMITERS = (",", ";", "\t")
# one ' more than it had, so that no spreadsheet runs it
NEUTRALISED = re.compile(r"'+[=+\-@\t\r]")


class Correction(NamedTuple):
    action: str
    label: Label | None  # of a relabel
    line: int


class Corrections(NamedTuple):
    path: Path
    by_id: dict[str, Correction]  # empty where there is no such file

    def has(self, action: str) -> bool:
        return any(one.action == action for one in self.by_id.values())


def read_corrections(folder: Path, source: Source) -> Corrections:
    """Raises SourceError, with the line, for whatever cannot be read as one."""
    path = folder / CORRECTIONS_FILE
    found = Corrections(path, {})
    if not path.is_file():
        if os.path.lexists(path):
            raise SourceError(
                f"{path}: a folder, or a link to nothing, where a file was expected; take it away"
            )
        return found
    for row in _rows(path):
        id_, correction = _correction(f"{path}:{row.line}", row, source)
        known = found.by_id.setdefault(id_, correction)
        if known[:2] != correction[:2]:
            raise SourceError(
                f"{path}:{row.line}: the id {id_!r} has another correction on line {known.line}; keep one"
            )
    if not found.by_id:
        raise SourceError(f"{path}: no correction in it; delete the file where there is none to make")
    return found


def _rows(path: Path) -> Iterator[Row]:
    """Those that hold anything."""
    form = Format(type="csv", delimiter=_delimiter(_header(path)), encoding="utf-8")
    layout = layout_of(path, form, None)._replace(is_own=True)
    for row in read_rows(path, layout, list(NEEDED)):
        cells = list(row.cells.values()) if row.fault is None else row.held
        if not any(cell.strip() for cell in cells):
            continue
        if row.fault is not None:
            raise SourceError(
                f"{path}:{row.line}: {row.fault}; a cell that holds the delimiter stands in quotes"
            )
        _check_columns(path, list(row.cells))
        yield row


def _header(path: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SourceError(
            f"{path}:{line}: not UTF-8; save it as CSV with that encoding (Excel: CSV UTF-8)"
        ) from None
    return next(iter(text.splitlines()), "")


def _delimiter(header: str) -> str:
    """The one that finds most of the columns; a comma where none does."""
    found = {mark: next(csv.reader([header], delimiter=mark), []) for mark in DELIMITERS}
    return max(DELIMITERS, key=lambda mark: len(set(found[mark]) & set(COLUMNS)))


def _check_columns(path: Path, columns: list[str]) -> None:
    others = [name for name in columns if name not in COLUMNS]
    if others:
        raise SourceError(
            f"{path}:1: column {others[0]!r} is none of {', '.join(COLUMNS)}; a remark stands in note"
        )


def _correction(where: str, row: Row, source: Source) -> tuple[str, Correction]:
    id_, label = (_as_meant(row.cells[name]) for name in ("id", "label"))
    action = row.cells["action"].strip()
    if not id_:
        raise SourceError(f"{where}: no id; it is the row's in data/ingested.parquet")
    if action not in ACTIONS:
        raise SourceError(f"{where}: action {action!r}{nearest(action, ACTIONS, 'there are')}")
    if action != RELABEL:
        if label.strip():
            raise SourceError(
                f"{where}: {action} takes no label, and here is {label!r}; leave it empty, or say {RELABEL}"
            )
        return id_, Correction(action, None, row.line or 0)
    return id_, Correction(action, _label(where, label, source), row.line or 0)


def _as_meant(cell: str) -> str:
    return cell[1:] if NEUTRALISED.match(cell) else cell


def _label(where: str, cell: str, source: Source) -> Label:
    """By the name of the class, or by its raw value."""
    raw_of = {name: raw for raw, name in source.labels.items()}
    value: str | list[object] = raw_of.get(cell, cell)
    if source.task == "multi-label":
        names = _json_list(where, cell, source)
        value = [raw_of.get(name, name) if isinstance(name, str) else name for name in names]
    label, fault, unknown = read_label({"label": value}, "label", source)
    if unknown is not None:
        raise SourceError(
            f"{where}: no label {unknown!r}{nearest(unknown, source.labels.values(), 'there are')}"
        )
    if label is None:
        raise SourceError(f"{where}: {fault}: {cell!r}; {RELABEL} needs the right one")
    return label


def _json_list(where: str, cell: str, source: Source) -> list[object]:
    try:
        names = json.loads(cell)
    except ValueError:
        names = None
    if not isinstance(names, list):
        example = json.dumps(list(source.labels.values())[:2], ensure_ascii=False)
        raise SourceError(
            f"{where}: the label is {cell!r}, no JSON list of names; write {example}, or [] for none"
        )
    return names
