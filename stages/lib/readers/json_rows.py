"""JSON as rows: one object a line, an array of objects, or an object of columns as exporters write it.

An array is taken apart as it comes, an object of columns is read whole. Of two values by one name neither can
be trusted, so such a row is a fault. NaN is a missing value.
"""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.lib.exceptions import SourceError
from stages.lib.readers.asking import Asker
from stages.lib.readers.plain_texts import open_text
from stages.lib.readers.rows import BLANK, Layout, Row, check_columns, escaped, is_text, not_decoded

READ_AT_ONCE = 2**16  # characters
LONGEST_VALUE = 2**26  # characters of one element, or of an object of columns
SPACE = re.compile(r"[ \t\r\n]*")
LINE_ENDS = re.compile(r"\r\n|\r|\n")
SHAPES = (
    'an array of objects: [{"text": ...}, ...]; an object with one such array: {"data": [...]}; or an object '
    'of columns: {"text": [...], "label": [...]}'
)


class _TwiceError(ValueError):
    """An object names two values alike."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for name in names if names.count(name) > 1))
    return found


def _constant(written: str) -> str | None:
    return None if written == "NaN" else written


DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_constant)
LENIENT = json.JSONDecoder()  # to find where a faulty object ends


def read_json_lines(path: Path, layout: Layout, wanted: list[str]) -> Iterator[Row]:
    seen: dict[str, None] = {}
    with open_text(path, layout) as file:
        for number, written in enumerate(file, start=1):
            row = _as_row(number, written.rstrip("\r\n"), layout)
            seen.update(dict.fromkeys(row.cells))
            yield row
    if seen:
        check_columns(str(path), list(seen), wanted)


def _as_row(number: int, written: str, layout: Layout) -> Row:
    if not is_text(written):
        return Row(number, {}, escaped(written), not_decoded(layout.encoding))
    try:
        cells = DECODER.decode(written)
    except _TwiceError as name:
        return Row(number, {}, written, f"two values are named {str(name)!r}")
    except (ValueError, RecursionError):  # RecursionError: brackets nested by the thousand
        return Row(number, {}, written, "not JSON" if written.strip() else BLANK)
    return _as_object(number, cells, written)


def _as_object(number: int, cells: Any, written: str) -> Row:
    if not isinstance(cells, dict):
        return Row(number, {}, written, "not a JSON object")
    halves = "\\ud" in written or "\\uD" in written
    if halves and not is_text(json.dumps(cells, ensure_ascii=False)):
        return Row(number, {}, written, "half a surrogate pair")
    return Row(number, cells, cells)


def is_json_lines(path: Path, encoding: str) -> bool:
    """Whether a file that is named .json holds one object a line, as many do."""
    layout = Layout("jsonl", "", False, encoding, None)
    with open_text(path, layout, lines=False) as file:
        first = file.readline(LONGEST_VALUE)
        while first and not first.strip():
            first = file.readline(LONGEST_VALUE)
        more = any(line.strip() for line in iter(lambda: file.readline(READ_AT_ONCE), ""))
    row = _as_row(1, first.rstrip("\r\n"), layout)
    if row.fault == "not a JSON object" and not first.lstrip().startswith("{"):
        return False
    nested = not row.cells or any(isinstance(value, list | dict) for value in row.cells.values())
    return row.fault is None and (more or not nested)


class _Text:
    """The part of a file that is being taken apart."""

    def __init__(self, path: Path, file: io.TextIOBase, asker: Asker) -> None:
        self._path, self._file, self._lines = path, file, asker.stated("type", "jsonl")
        self.line, self._read, self._place = 1, "", 0

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            space = SPACE.match(self._read, self._place)
            self._go_to(self._place if space is None else space.end())
            if self._place < len(self._read) or not self._more(READ_AT_ONCE):
                return self._read[self._place : self._place + 1]

    def skip(self) -> None:
        self._go_to(self._place + 1)

    def value(self) -> tuple[Any, str, str | None]:
        """The next value, how it is written, and a fault of it. Raises SourceError where there is none."""
        self.peek()
        at_once = READ_AT_ONCE
        while True:
            try:
                found, end, fault = _decoded(self._read, self._place)
                if end < len(self._read) or not self._more(READ_AT_ONCE):  # 12 may go on as 123
                    return found, self._go_to(end), fault
            except RecursionError:
                raise self.error("brackets nested by the thousand") from None
            except ValueError as error:
                if not self._more(at_once):
                    raise self.error(f"no JSON ({str(error).split(':')[0]})") from None
            at_once *= 2  # a long value is not tried over and over

    def error(self, what: str) -> SourceError:
        shown = escaped(self._read[self._place : self._place + 30])
        return SourceError(
            f"{self._path}:{self.line}: {what}: {shown!r}; if it is one object a line, say {self._lines}"
        )

    def _more(self, characters: int) -> bool:
        self._read, self._place = self._read[self._place :], 0
        if len(self._read) > LONGEST_VALUE:
            raise SourceError(
                f"{self._path}:{self.line}: one value has more than {LONGEST_VALUE:,} characters; write one "
                f"object a line and say {self._lines}"
            )
        read = self._file.read(characters)
        self._read += read
        return bool(read)

    def _go_to(self, place: int) -> str:
        passed, self._place = self._read[self._place : place], place
        self.line += len(LINE_ENDS.findall(passed))
        return passed


def _decoded(text: str, place: int) -> tuple[Any, int, str | None]:
    try:
        return *DECODER.raw_decode(text, place), None
    except _TwiceError as name:
        return *LENIENT.raw_decode(text, place), f"two values are named {str(name)!r}"


def read_json(path: Path, layout: Layout, wanted: list[str]) -> Iterator[Row]:
    seen: dict[str, None] = {}
    with open_text(path, layout, lines=False) as file:
        text = _Text(path, file, layout.asker)
        first = text.peek()
        for row in _elements(text, layout) if first == "[" else _of_columns(text) if first else ():
            seen.update(dict.fromkeys(row.cells))
            yield row
        if text.peek():
            raise text.error("it ends, and more follows")
    if seen:
        check_columns(str(path), list(seen), wanted)


def _elements(text: _Text, layout: Layout) -> Iterator[Row]:
    text.skip()
    closed = text.peek() == "]"
    while not closed:
        text.peek()
        line = text.line
        cells, written, fault = text.value()
        if not is_text(written):
            yield Row(line, {}, escaped(written), not_decoded(layout.encoding))
        elif fault:
            yield Row(line, {}, written, fault)
        else:
            yield _as_object(line, cells, written)
        closed = text.peek() == "]"
        if not closed and text.peek() != ",":
            raise text.error("the array is cut short, or a comma is missing")
        if not closed:
            text.skip()
    text.skip()


def _of_columns(text: _Text) -> Iterator[Row]:
    """A row's number stands for its line: the columns have no lines."""
    found, _, fault = text.value()
    if fault:
        raise text.error(fault)
    rows = _rows_of(found) if isinstance(found, dict) else None
    if rows is None:
        raise text.error(f"neither rows nor columns; expected {SHAPES}")
    for number, cells in enumerate(rows, start=1):
        written = json.dumps(cells, ensure_ascii=False)
        if is_text(written):
            yield _as_object(number, cells, "")
        else:
            yield Row(number, {}, escaped(written), "half a surrogate pair, or bytes that are no text")


def _rows_of(found: dict[str, Any]) -> list[Any] | None:
    lists = {name: value for name, value in found.items() if isinstance(value, list)}
    if {"columns", "data"} <= lists.keys():  # pandas, orient=split
        return [dict(zip(found["columns"], row, strict=False)) for row in found["data"]]
    records = [value for value in lists.values() if value and all(isinstance(row, dict) for row in value)]
    if len(records) == 1:
        return list(records[0])
    columns = list(found.values())
    if columns and all(isinstance(column, dict) for column in columns):  # pandas, orient=columns
        places = dict.fromkeys(place for column in columns for place in column)
        return [{name: column.get(place) for name, column in found.items()} for place in places]
    if columns and len(lists) == len(found) and len({len(column) for column in columns}) == 1:
        return [dict(zip(found, row, strict=True)) for row in zip(*columns, strict=True)]
    return None
