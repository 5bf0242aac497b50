"""Files as rows, each with the place where it stands: CSV, TSV and JSON Lines.

A row that cannot be taken apart is a row with a fault; only a file that cannot be read at all is an error.
"""

import csv
import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from stages.lib.exceptions import SourceError
from stages.lib.sources.source_keys import Format, nearest

TYPES = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
DELIMITERS = {"csv": ",", "tsv": "\t"}
QUOTING = {"csv": True, "tsv": False}
LONGEST_CELL = 2**31 - 1  # csv's own limit of 131,072 characters is below a long document


class Row(NamedTuple):
    line: int | None  # physical line on which the row starts, from 1; None where there are no lines
    cells: dict[str, Any]  # by the source's column names; empty where the row has a fault
    held: Any  # what stands there, as JSON can say it
    fault: str | None = None
    file: str | None = None  # as rejected.parquet names it, where it is not the part's one file


class Layout(NamedTuple):
    """How one file is written, with nothing left open."""

    type: str
    delimiter: str
    quoting: bool
    encoding: str
    names: list[str] | None  # of the columns, where the file has no header


def layout_of(path: Path, form: Format, names: list[str] | None) -> Layout:
    """What source.yaml leaves out follows from the type, and the type from the file's name."""
    kind = form.type or TYPES.get(path.suffix.lower())
    if kind is None:
        raise SourceError(f"{path}: not a name that tells its type; say format: {{type: csv}}, tsv or jsonl")
    delimiter = form.delimiter or DELIMITERS.get(kind, "")
    quoting = QUOTING.get(kind, False) if form.quoting is None else form.quoting
    encoding = "utf-8-sig" if form.encoding == "utf-8" else form.encoding  # a byte order mark is no text
    return Layout(kind, delimiter, quoting, encoding, names)


def read_rows(path: Path, layout: Layout, wanted: list[str]) -> Iterator[Row]:
    """Every row of the file, in order.

    Raises SourceError where the file is empty, lacks a column of `wanted`, has a broken quote, or is not in
    its encoding from the start.
    """
    rows = _json_rows if layout.type == "jsonl" else _delimited_rows
    empty = True
    try:
        for row in rows(path, layout, wanted):
            empty = False
            yield row
    except UnicodeError as error:
        raise SourceError(
            f"{path}: not {layout.encoding} ({error}); state format: {{encoding: ...}}"
        ) from None
    if empty:
        found = "a header and no row below it" if path.stat().st_size else "the file is empty"
        raise SourceError(f"{path}: {found}")


def check_columns(where: str, columns: list[str], wanted: list[str]) -> None:
    for name in wanted:
        if name not in columns:
            raise SourceError(f"{where}: no column {name!r}{nearest(name, columns)}")


def _open(path: Path, layout: Layout) -> TextIO:
    return path.open(encoding=layout.encoding, errors="surrogateescape", newline="")


def _delimited_rows(path: Path, layout: Layout, wanted: list[str]) -> Iterator[Row]:
    columns, ended = layout.names, 0
    if columns is not None:
        check_columns(str(path), columns, wanted)
    with _open(path, layout) as file:
        reader = _csv_reader(file, layout)
        try:
            for fields in reader:
                line, ended = ended + 1, reader.line_num
                if columns is None:
                    columns = _check_header(f"{path}:{line}", fields, wanted, layout)
                else:
                    yield _as_row(line, fields, columns, layout)
        except csv.Error:
            raise _broken_quote(path, layout, ended) from None


def _csv_reader(file: TextIO, layout: Layout) -> Any:
    csv.field_size_limit(LONGEST_CELL)
    return csv.reader(
        file,
        delimiter=layout.delimiter,
        quoting=csv.QUOTE_MINIMAL if layout.quoting else csv.QUOTE_NONE,
        strict=True,  # a quote that is never closed raises instead of swallowing the rest of the file
    )


def _check_header(where: str, columns: list[str], wanted: list[str], layout: Layout) -> list[str]:
    if not is_text("".join(columns)):
        raise SourceError(f"{where}: the header is not {layout.encoding}; state format: {{encoding: ...}}")
    twice = [name for place, name in enumerate(columns) if name in columns[:place]]
    if twice:
        raise SourceError(f"{where}: two columns are named {twice[0]!r}; rename one of them")
    check_columns(where, columns, wanted)
    return columns


def _as_row(line: int, fields: list[str], columns: list[str], layout: Layout) -> Row:
    if not fields:
        return Row(line, {}, "", "blank line")
    if not is_text("".join(fields)):
        return Row(line, {}, [_escaped(field, layout) for field in fields], _not_decoded(layout))
    if len(fields) != len(columns):
        return Row(line, {}, fields, f"{len(fields)} fields where {len(columns)} are expected")
    cells = dict(zip(columns, fields, strict=True))
    return Row(line, cells, cells)


def _broken_quote(path: Path, layout: Layout, lines_before: int) -> SourceError:
    with _open(path, layout) as file:
        text = "".join(islice(file, lines_before, None))
    other = f"[^{re.escape(layout.delimiter)}\r\n]"
    # no possessive quantifiers: before Python 3.11.5 they match too much
    whole_fields = rf'(?:(?:"(?:[^"]|"")*"(?!")|(?!"){other}*){re.escape(layout.delimiter)})*'
    found = re.match(whole_fields, text)
    place = 0 if found is None else found.end()
    line = lines_before + 1 + len(re.findall(r"\r\n|\r|\n", text[:place]))
    return SourceError(
        f"{path}:{line}: the quote that opens here is never closed, or text follows where it closes: "
        f"{text[place : place + 30]!r}; write a quote inside a quoted cell twice, or, where quotes are plain "
        "text, say so in source.yaml: format: {quoting: false}"
    )


def _json_rows(path: Path, layout: Layout, wanted: list[str]) -> Iterator[Row]:
    seen: dict[str, None] = {}
    with _open(path, layout) as file:
        for number, written in enumerate(file, start=1):
            row = _as_json_row(number, written.rstrip("\r\n"), layout)
            seen.update(dict.fromkeys(row.cells))
            yield row
    if seen:
        check_columns(str(path), list(seen), wanted)


def _as_json_row(number: int, written: str, layout: Layout) -> Row:
    if not is_text(written):
        return Row(number, {}, _escaped(written, layout), _not_decoded(layout))
    try:
        cells = json.loads(written)
    except (ValueError, RecursionError):  # RecursionError: brackets nested by the thousand
        return Row(number, {}, written, "not JSON" if written.strip() else "blank line")
    if not isinstance(cells, dict):
        return Row(number, {}, written, "not a JSON object")
    if "\\ud" in written.lower() and not is_text(json.dumps(cells, ensure_ascii=False)):
        return Row(number, {}, written, "half a surrogate pair")
    return Row(number, cells, cells)


def is_text(written: str) -> bool:
    """Whether it can be written as UTF-8: an undecoded byte and half a surrogate pair cannot."""
    try:
        written.encode()
    except UnicodeEncodeError:
        return False
    return True


def _escaped(written: str, layout: Layout) -> str:
    """With each byte that could not be decoded as a backslash, an x and its two digits."""
    return written.encode(layout.encoding, "surrogateescape").decode(layout.encoding, "backslashreplace")


def _not_decoded(layout: Layout) -> str:
    return f"not {layout.encoding.removesuffix('-sig')}"
