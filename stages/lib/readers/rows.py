"""What readers of files give: rows, each with the place where it stands, and how a file is written."""

import codecs
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from stages.lib.exceptions import SourceError
from stages.lib.readers.asking import SOURCE_YAML, Asker
from stages.lib.source_keys import nearest

ESCAPE = "textrail.escape"  # our handler of bytes that cannot be decoded
BLANK = "blank line"  # the fault of a row in which nothing stands
PLACES = ("folder", "file")  # columns that every file has: where it stands


class Row(NamedTuple):
    line: int | None  # the physical one on which it starts, or its number in a table; None of a text
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
    sheet: str | None = None
    found_out: str = ""  # what of this was not stated
    is_own: bool = False  # textrail's own file, whose form source.yaml cannot state
    asker: Asker = SOURCE_YAML
    whole: bool = False  # of Parquet and Arrow every column, also those that no text or label can be


def check_columns(where: str, columns: list[str], wanted: list[str], hint: str = "") -> None:
    for name in wanted:
        if name not in columns:
            raise SourceError(f"{where}: no column {name!r}{nearest(name, columns)}{hint}")


def check_names(where: str, columns: list[str]) -> None:
    twice = [name for place, name in enumerate(columns) if name in columns[:place]]
    if twice:
        raise SourceError(f"{where}: two columns are named {twice[0]!r}; rename one of them")


def is_text(written: str) -> bool:
    """Whether it can be written as UTF-8: an undecoded byte and half a surrogate pair cannot."""
    if written.isascii():
        return True
    try:
        written.encode()
    except UnicodeEncodeError:
        return False
    return True


def escaped(written: str) -> str:
    """With each byte that could not be decoded as a backslash, an x and its two digits."""
    shown = re.sub("[\udc00-\udcff]", lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", written)
    return shown if is_text(shown) else shown.encode("utf-8", "backslashreplace").decode()


def shortest(number: float, kind: type[np.floating[Any]]) -> float:
    """3.8 and not 3.799999952316284: the shortest decimal that is this number of that `kind`."""
    return float(str(kind(number)))


def with_places(rows: Iterator[Row], name: str) -> Iterator[Row]:
    """With the columns `folder`, the name of the file's own, and `file`, unless it has some of that name."""
    places = {"folder": PurePosixPath(name).parent.name, "file": name}
    for row in rows:
        if row.fault is None:
            cells = row.cells | {name: place for name, place in places.items() if name not in row.cells}
            row = row._replace(cells=cells, held=cells)
        yield row


def not_decoded(encoding: str) -> str:
    return f"not {encoding.removesuffix('-sig')}"


def _escape(error: UnicodeError) -> tuple[str, int]:
    """One byte, or code unit, as half surrogates; decoding goes on right behind it: no line end is lost."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    unit = next((size for name, size in (("16", 2), ("32", 4)) if f"utf-{name}" in error.encoding), 1)
    end = min(error.start + unit, len(error.object))
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : end]), end


codecs.register_error(ESCAPE, _escape)
