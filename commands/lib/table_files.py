"""A table on its way from one file to another: every row and column of it, and more columns beside.

What ingest reads is read: CSV and TSV in any encoding, JSON, Parquet, Arrow, Excel, packed or not. CSV, TSV
and JSON Lines are written. A few thousand rows are held at a time.
"""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, TextIO

from pydantic import ValidationError
from tqdm import tqdm

from stages.lib.config import rule_of
from stages.lib.exceptions import ConfigError, SourceError
from stages.lib.readers.archives import located
from stages.lib.readers.asking import Asker
from stages.lib.readers.delimited import header_of, other_delimiter
from stages.lib.readers.reading import DELIMITERS, TYPES, layout_of, rows_if_any
from stages.lib.readers.rows import BLANK, Row
from stages.lib.source_keys import Format
from stages.lib.sources.label_cells import as_text

Cells = dict[str, Any]
Added = Sequence[str | float]
Write = Callable[[Cells, Added], None]

WRITTEN = ("csv", "tsv", "jsonl")


def _as_option(key: str, value: str) -> str:
    return "--no-quoting" if (key, value) == ("quoting", "false") else f"--{key} {value}"


OPTIONS = Asker("", _as_option, "the options say", lambda _: "to be told of the first such row")


def form_of(**stated: str | bool | None) -> Format:
    """How the user says that a file is written, what is None left open. Raises ConfigError."""
    try:
        return Format.model_validate({key: value for key, value in stated.items() if value is not None})
    except ValidationError as error:
        problem = error.errors()[0]
        raise ConfigError(f"--{problem['loc'][0]}: found {problem['input']!r}; {rule_of(problem)}") from None


class Table:
    """The rows of a file, which can be gone through once.

    Raises SourceError, then and now, where it cannot be read or a row cannot be taken apart: a row that is
    not written again would be lost.
    """

    def __init__(self, path: Path, form: Format) -> None:
        if not located(path)[0].is_file():
            raise SourceError(f"{path}: no such file")
        self.path, self.blank = path, 0  # lines passed over
        self.layout = layout_of(path, form, None, asker=OPTIONS)._replace(whole=True)
        self.columns = header_of(path, self.layout) if self.layout.type in DELIMITERS else []
        rows = self._rows()
        first = next(rows, None)
        if first is not None:
            self.columns = list(first)
        if not self.columns:
            raise SourceError(f"{path}: nothing in it names a column; expected a header, or rows that do")
        self._cells = rows if first is None else chain([first], rows)

    def pieces(self, rows: int) -> Iterator[list[Cells]]:
        """So many rows at a time."""
        progress = {"desc": self.path.name, "unit": " rows", "delay": 2, "disable": None}
        cells = iter(tqdm(self._cells, **progress))
        while piece := list(islice(cells, rows)):
            yield piece

    def doubt(self) -> str:
        """What to say where the columns are not those expected; empty where nothing speaks of it."""
        return other_delimiter(self.columns, OPTIONS) if self.layout.type in DELIMITERS else ""

    def _rows(self) -> Iterator[Cells]:
        known: set[str] | None = None
        for row in rows_if_any(self.path, self.layout, []):
            if row.fault == BLANK:
                self.blank += 1
                continue
            known = known or set(row.cells)
            yield self._checked(row, known)

    def _checked(self, row: Row, known: set[str]) -> Cells:
        where = self.path if row.line is None else f"{self.path}:{row.line}"
        if row.fault:
            raise SourceError(f"{where}: {row.fault}{self.doubt() or '; mend the row, or take it out'}")
        more = [name for name in row.cells if name not in known]
        if more:
            raise SourceError(
                f"{where}: has {more[0]!r}, which the first row lacks; write it there too, as null where it "
                "has none"
            )
        return row.cells


def writer(path: Path, file: TextIO, table: Table, added: list[str]) -> Write:
    """What writes the table's rows, each with what is added to it; its columns' names are written at once.

    The name of `path` says how. Raises ConfigError where that is not among WRITTEN; a name that tells nothing
    is a CSV's.
    """
    kind = TYPES.get(path.suffix.lower(), "csv")
    if kind not in (*WRITTEN, "lines"):
        raise ConfigError(f"{path}: {', '.join(WRITTEN)} are written, and not {kind}: name it so")
    return _json_lines(file, added) if kind == "jsonl" else _delimited(file, kind, table, added)


def _delimited(file: TextIO, kind: str, table: Table, added: list[str]) -> Write:
    like, columns = table.layout, table.columns
    alike = like.type == kind
    unquoted = alike and kind == "tsv" and not like.quoting  # what was read so can be written so
    rows = csv.writer(
        file,
        delimiter=like.delimiter if alike else DELIMITERS.get(kind, ","),
        quoting=csv.QUOTE_NONE if unquoted else csv.QUOTE_MINIMAL,
        quotechar=None if unquoted else '"',
        lineterminator="\n",
    )
    rows.writerow([*columns, *added])

    def write(cells: Cells, more: Added) -> None:
        numbers = (f"{value:.6f}" if isinstance(value, float) else value for value in more)
        rows.writerow([*(_as_cell(cells.get(name)) for name in columns), *numbers])

    return write


def _as_cell(value: Any) -> str:
    if isinstance(value, str):  # nearly every one
        return value
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else as_text(value) or ""


def _json_lines(file: TextIO, added: list[str]) -> Write:
    def write(cells: Cells, more: Added) -> None:
        numbers = (round(value, 6) if isinstance(value, float) else value for value in more)
        written = cells | dict(zip(added, numbers, strict=True))
        file.write(json.dumps(written, ensure_ascii=False) + "\n")

    return write
