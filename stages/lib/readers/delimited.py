"""Tables of text as rows: cells divided by one character, with quotes around them or not.

A row that cannot be taken apart is a row with a fault; a quote that is never closed puts the rest of the file
in doubt, and is an error.
"""

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from stages.lib.exceptions import SourceError
from stages.lib.readers.asking import Asker
from stages.lib.readers.plain_texts import open_text
from stages.lib.readers.rows import (
    BLANK,
    Layout,
    Row,
    check_columns,
    check_names,
    escaped,
    is_text,
    not_decoded,
)

LONGEST_CELL = 2**24  # characters; csv's own limit of 131,072 is below a long document
SEARCHED_FOR_QUOTE = 2**22  # characters


def read_delimited(path: Path, layout: Layout, wanted: list[str]) -> Iterator[Row]:
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


def header_of(path: Path, layout: Layout) -> list[str]:
    """The columns' names, of a file that may have no row; none where it is empty. Raises SourceError."""
    with open_text(path, layout) as file:
        try:
            names: list[str] = next(_csv_reader(file, layout), [])
        except csv.Error:
            raise _broken_quote(path, layout, 0) from None
    return _check_header(f"{path}:1", names, [], layout)


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
            f"{where}: the header is {not_decoded(layout.encoding)}; "
            f"state {layout.asker.stated('encoding', '...')}"
        )
    check_names(where, columns)
    check_columns(where, columns, wanted, "" if layout.is_own else other_delimiter(columns, layout.asker))
    return columns


def other_delimiter(columns: list[str], asker: Asker) -> str:
    """What to say of a header that is a single name, or looks so."""
    found = next((mark for mark in (";", "\t", "|", ",") if mark in columns[0]), None) if columns else None
    if len(columns) != 1 or found is None:
        return ""
    shown = '"\\t"' if found == "\t" else f'"{found}"'
    return f"; are the columns divided otherwise? Say {asker.stated('delimiter', shown)}"


def _faulty(line: int, fields: list[str], columns: list[str], layout: Layout) -> Row:
    if not fields:
        return Row(line, {}, "", BLANK)
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
    asker = layout.asker
    plain = f", or, where quotes are plain text, say so{asker.place}: {asker.stated('quoting', 'false')}"
    mending = f"write a quote inside a quoted cell twice{'' if layout.is_own else plain}"
    return SourceError(
        f"{path}:{line}: the quote that opens here is never closed, or text follows where it closes: "
        f"{text[place : place + 30]!r}; {mending}"
    )
