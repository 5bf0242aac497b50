"""Files as rows, each with the place where it stands; each format has a module beside.

A row that cannot be taken apart is a row with a fault; only a file that cannot be read at all is an error.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from stages.lib.exceptions import SourceError
from stages.lib.readers.archives import open_bytes, telling_name
from stages.lib.readers.asking import SOURCE_YAML, Asker
from stages.lib.readers.columnar import read_arrow, read_parquet
from stages.lib.readers.delimited import read_delimited
from stages.lib.readers.encodings import encoding_of
from stages.lib.readers.json_rows import is_json_lines, read_json, read_json_lines
from stages.lib.readers.plain_texts import read_document, read_lines
from stages.lib.readers.rows import PLACES, Layout, Row
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


def layout_of(
    path: Path,
    form: Format,
    names: list[str] | None,
    alike: Sequence[Path] = (),
    asker: Asker = SOURCE_YAML,
) -> Layout:
    """What the form leaves out follows from the type, that from the name, the encoding from the content.

    `alike` are all the files of the same pattern, where each is one text: they have one encoding. Raises
    SourceError where something cannot be known.
    """
    kind = form.type or _type_by_name(path, form, bool(alike), asker)
    _refuse_impostors(path, kind)
    if kind in BINARY:
        sheet, told = choose_sheet(path, form.sheet) if kind == "excel" else (None, "")
        said = [*([] if form.type else [kind]), *([told] if told else [])]
        return Layout(kind, "", False, "", names, sheet, ", ".join(said), asker=asker)
    encoding = form.encoding or encoding_of(alike if alike and kind == "documents" else [path], asker)
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
        asker=asker,
    )


def _type_by_name(path: Path, form: Format, by_pattern: bool, asker: Asker) -> str:
    name = telling_name(path)
    kind = TYPES.get(PurePosixPath(name).suffix.lower())
    if kind is None:
        known = ", ".join(dict.fromkeys(TYPES.values()))
        raise SourceError(
            f"{path}: not a name that tells its type; say {asker.stated('type', '...')}, one of {known}, "
            "documents"
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
    rows = rows_if_any(path, layout, [name for name in wanted if name not in PLACES])
    first = next(rows, None)
    if first is None:
        with open_bytes(path) as file:
            found = NOTHING.get(layout.type, "no row in it") if file.read(1) else "the file is empty"
        raise SourceError(f"{path}: {found}")
    yield first
    yield from rows


def rows_if_any(path: Path, layout: Layout, wanted: list[str]) -> Iterator[Row]:
    """The same, of a file that may have none."""
    try:
        yield from READERS[layout.type](path, layout, wanted)
    except UnicodeError as error:
        raise SourceError(
            f"{path}: not {layout.encoding} ({error}); state {layout.asker.stated('encoding', '...')}"
        ) from None


READERS: dict[str, Callable[[Path, Layout, list[str]], Iterator[Row]]] = {
    "csv": read_delimited,
    "tsv": read_delimited,
    "jsonl": read_json_lines,
    "json": read_json,
    "lines": read_lines,
    "documents": read_document,
    "parquet": read_parquet,
    "arrow": read_arrow,
    "excel": read_excel,
}
