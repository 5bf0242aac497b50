"""Plain text as rows: one text a line, or one text a file. Such a row has one column of its own, `text`."""

import io
from collections.abc import Iterator
from pathlib import Path

from stages.lib.exceptions import SourceError
from stages.lib.readers.archives import open_bytes
from stages.lib.readers.rows import (
    BLANK,
    ESCAPE,
    PLACES,
    Layout,
    Row,
    check_columns,
    escaped,
    is_text,
    not_decoded,
)

LONGEST_DOCUMENT = 2**26  # characters


def open_text(path: Path, layout: Layout, *, lines: bool = True) -> io.TextIOWrapper:
    """Its line ends are as they stand; what cannot be decoded is there as half surrogates (rows.is_text)."""
    stream = open_bytes(path, lines=layout.asker if lines else None)
    return io.TextIOWrapper(stream, encoding=layout.encoding, errors=ESCAPE, newline="")


def read_lines(path: Path, layout: Layout, wanted: list[str]) -> Iterator[Row]:
    _check_columns(path, layout, wanted)
    with open_text(path, layout) as file:
        for number, written in enumerate(file, start=1):
            yield _as_row(number, written.rstrip("\r\n"), layout, BLANK)


def read_document(path: Path, layout: Layout, wanted: list[str]) -> Iterator[Row]:
    _check_columns(path, layout, wanted)
    with open_text(path, layout, lines=False) as file:
        text = file.read(LONGEST_DOCUMENT + 1)
    if len(text) > LONGEST_DOCUMENT:
        raise SourceError(f"{path}: more than {LONGEST_DOCUMENT:,} characters in one text")
    yield _as_row(None, text, layout, "text is empty")


def _check_columns(path: Path, layout: Layout, wanted: list[str]) -> None:
    of_a_table = layout.asker.stated("type", "csv")
    hint = f"; it is read as plain text: if it is a table, say {of_a_table} or tsv"
    check_columns(str(path), ["text", *PLACES], wanted, hint)


def _as_row(number: int | None, text: str, layout: Layout, if_empty: str) -> Row:
    if not is_text(text):
        return Row(number, {}, escaped(text), not_decoded(layout.encoding))
    if not text.strip():
        return Row(number, {}, text, if_empty)
    cells = {"text": text}
    return Row(number, cells, cells)
