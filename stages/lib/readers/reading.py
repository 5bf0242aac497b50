"""Files as rows, each with the place where it stands: tables of text here, other formats in modules beside.

A row that cannot be taken apart is a row with a fault; only a file that cannot be read at all is an error.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from stages.lib.exceptions import SourceError
from stages.lib.readers.archives import open_bytes, telling_name
from stages.lib.readers.columnar import read_arrow, read_parquet
from stages.lib.readers.encodings import encoding_of
from stages.lib.readers.json_rows import is_json_lines, read_json, read_json_lines
from stages.lib.readers.plain_texts import open_text, read_document, read_lines
from stages.lib.readers.rows import (
    PLACES,
    Layout,
    Row,
    check_columns,
    check_names,
    escaped,
    is_text,
    not_decoded,
)
from stages.lib.readers.sheets import choose_sheet, read_excel
from stages.lib.source_keys import Format, FormatType

TYPES: dict[str, FormatType] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".txt": "lines",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".ipc": "arrow",
    ".feather": "arrow",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".xlsb": "excel",
    ".xls": "excel",
    ".ods": "excel",
}
BINARY = ("parquet", "arrow", "excel")
TABLES = ("csv", "tsv", "jsonl", "json")  # and so no web page
DELIMITERS = {"csv": ",", "tsv": "\t"}
QUOTING = {"csv": True, "tsv": False}
NOTHING = {"csv": "a header and no row below it", "tsv": "a header and no row below it"}
LONGEST_CELL = 2**24  # characters; csv's own limit of 131,072 is below a long document
SEARCHED_FOR_QUOTE = 2**22  # characters
# what a file begins with that is not what its name says -> what it is, and what to do
IMPOSTORS: dict[bytes, str] = {
    b"version https://git-lfs": "a pointer of Git LFS and not the file: run `git lfs pull`",
    b"PK\x03\x04": "a zip archive: let its name end in .zip; an Excel sheet: in .xlsx",
    b"\xd0\xcf\x11\xe0": "an old Excel sheet, or one with a password: let its name end in .xls",
    b"PAR1": "Parquet: let its name end in .parquet",
    b"ARROW1": "Arrow: let its name end in .arrow",
    b"%PDF": "a PDF: save its text as plain text",
    b"SQLite format 3": "a database of SQLite: export the table as CSV",
}
WEB_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|head)\b", re.IGNORECASE)


def layout_of(path: Path, form: Format, names: list[str] | None, alike: Sequence[Path] = ()) -> Layout:
    """What source.yaml leaves out follows from the type, that from the name, the encoding from the content.

    `alike` are all the files of the same pattern, where each is one text: they have one encoding. Raises
    SourceError where something cannot be known.
    """
    kind = form.type or _type_by_name(path, form, bool(alike))
    _refuse_impostors(path, kind)
    if kind in BINARY:
        sheet, told = choose_sheet(path, form.sheet) if kind == "excel" else (None, "")
        said = [*([] if form.type else [kind]), *([told] if told else [])]
        return Layout(kind, "", False, "", names, sheet, ", ".join(said))
    encoding = form.encoding or encoding_of(alike if alike and kind == "documents" else [path])
    encoding = "utf-8-sig" if encoding == "utf-8" else encoding  # a byte order mark is no text
    if kind == "json" and is_json_lines(path, encoding):
        kind = "jsonl"
    found_out = [] if kind == form.type else [kind]
    found_out += [] if form.encoding else [encoding.removesuffix("-sig")]
    return Layout(
        kind,
        form.delimiter or DELIMITERS.get(kind, ""),
        QUOTING.get(kind, False) if form.quoting is None else form.quoting,
        encoding,
        names,
        found_out=", ".join(found_out),
    )


def _type_by_name(path: Path, form: Format, by_pattern: bool) -> str:
    name = telling_name(path)
    kind = TYPES.get(PurePosixPath(name).suffix.lower())
    if kind is None:
        known = ", ".join(dict.fromkeys(TYPES.values()))
        raise SourceError(
            f"{path}: not a name that tells its type; say format: {{type: ...}}, one of {known}, documents"
        )
    if kind == "lines" and form.delimiter:
        return "csv"
    return "documents" if kind == "lines" and by_pattern else kind


def _refuse_impostors(path: Path, kind: str) -> None:
    with open_bytes(path) as file:
        head = file.peek(512)[:512]
    if kind in (*TABLES, "excel") and WEB_PAGE.match(head):
        raise SourceError(
            f"{path}: a web page and no {kind}: was it saved where one has to log in? Get the file itself"
        )
    if kind not in BINARY:
        for beginning, what in IMPOSTORS.items():
            if head.startswith(beginning):
                raise SourceError(f"{path}: named or stated as {kind}, but it is {what}")


def read_rows(path: Path, layout: Layout, wanted: list[str]) -> Iterator[Row]:
    """Every row of the file, in order.

    Raises SourceError where the file is empty, lacks a column of `wanted` (`folder`, `file`: its place),
    has a broken quote, or cannot be read.
    """
    wanted = [name for name in wanted if name not in PLACES]
    rows = READERS[layout.type](path, layout, wanted)
    try:
        first = next(rows, None)
        if first is not None:
            yield first
            yield from rows
    except UnicodeError as error:
        raise SourceError(
            f"{path}: not {layout.encoding} ({error}); state format: {{encoding: ...}}"
        ) from None
    if first is None:
        with open_bytes(path) as file:
            found = NOTHING.get(layout.type, "no row in it") if file.read(1) else "the file is empty"
        raise SourceError(f"{path}: {found}")


def _delimited_rows(path: Path, layout: Layout, wanted: list[str]) -> Iterator[Row]:
    columns, ended = layout.names, 0
    if columns is not None:
        check_columns(str(path), columns, wanted)
    with open_text(path, layout) as file:
        reader = _csv_reader(file, layout)
        try:
            for fields in reader:
                line, ended = ended + 1, reader.line_num
                if columns is None:
                    columns = _check_header(f"{path}:{line}", fields, wanted, layout)
                elif len(fields) == len(columns) and is_text("".join(fields)):  # nearly every row
                    cells = dict(zip(columns, fields))  # noqa: B905 - as long; `strict` takes a third more time
                    yield Row(line, cells, cells)
                else:
                    yield _faulty(line, fields, columns, layout)
        except csv.Error:
            raise _broken_quote(path, layout, ended) from None


def _csv_reader(file: io.TextIOBase, layout: Layout) -> Any:
    csv.field_size_limit(LONGEST_CELL)
    return csv.reader(
        file,
        delimiter=layout.delimiter,
        quoting=csv.QUOTE_MINIMAL if layout.quoting else csv.QUOTE_NONE,
        strict=True,  # a quote that is never closed raises instead of swallowing the rest of the file
    )


def _check_header(where: str, columns: list[str], wanted: list[str], layout: Layout) -> list[str]:
    if not is_text("".join(columns)):
        raise SourceError(
            f"{where}: the header is {not_decoded(layout.encoding)}; state format: {{encoding: ...}}"
        )
    check_names(where, columns)
    check_columns(where, columns, wanted, _other_delimiter(columns))
    return columns


def _other_delimiter(columns: list[str]) -> str:
    """What to say of a header that is a single name, or looks so."""
    found = next((mark for mark in (";", "\t", "|", ",") if mark in columns[0]), None) if columns else None
    if len(columns) != 1 or found is None:
        return ""
    shown = '"\\t"' if found == "\t" else f'"{found}"'
    return f"; are the columns divided otherwise? Say format: {{delimiter: {shown}}}"


def _faulty(line: int, fields: list[str], columns: list[str], layout: Layout) -> Row:
    if not fields:
        return Row(line, {}, "", "blank line")
    if not is_text("".join(fields)):
        return Row(line, {}, [escaped(field) for field in fields], not_decoded(layout.encoding))
    return Row(line, {}, fields, f"{len(fields)} fields where {len(columns)} are expected")


def _broken_quote(path: Path, layout: Layout, lines_before: int) -> SourceError:
    with open_text(path, layout) as file:
        for _ in islice(file, lines_before):
            pass
        text = file.read(SEARCHED_FOR_QUOTE)
    other = f"[^{re.escape(layout.delimiter)}\r\n]"
    # no possessive quantifiers: before Python 3.11.5 they match too much
    quoted = r'"[^"]*(?:""[^"]*)*"(?!")'
    whole_fields = rf'(?:(?:{quoted}|(?!"){other}*){re.escape(layout.delimiter)})*'
    found = re.match(whole_fields, text)
    place = 0 if found is None else found.end()
    line = lines_before + 1 + len(re.findall(r"\r\n|\r|\n", text[:place]))
    return SourceError(
        f"{path}:{line}: the quote that opens here is never closed, or text follows where it closes: "
        f"{text[place : place + 30]!r}; write a quote inside a quoted cell twice, or, where quotes are plain "
        "text, say so in source.yaml: format: {quoting: false}"
    )


READERS: dict[str, Callable[[Path, Layout, list[str]], Iterator[Row]]] = {
    "csv": _delimited_rows,
    "tsv": _delimited_rows,
    "jsonl": read_json_lines,
    "json": read_json,
    "lines": read_lines,
    "documents": read_document,
    "parquet": read_parquet,
    "arrow": read_arrow,
    "excel": read_excel,
}
