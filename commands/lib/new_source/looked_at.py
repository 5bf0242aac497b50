"""A file as its content shows it: how it is written, what its columns hold. No row is kept, however many."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from commands.lib.new_source.column_names import GROUP, ID, LABEL, TEXT, TIME, hint
from commands.lib.new_source.columns import Column, number_in
from commands.lib.new_source.delimiting import how_delimited
from commands.lib.new_source.given import Given, suffix_of
from commands.lib.table_files import form_of
from stages.lib.exceptions import SourceError
from stages.lib.readers.asking import SOURCE_YAML, Asker
from stages.lib.readers.plain_texts import open_text
from stages.lib.readers.reading import DELIMITERS, QUOTING, TYPES, layout_of, read_rows
from stages.lib.readers.rows import Layout, Row, with_places
from stages.lib.source_keys import Format

SAMPLE = 1 << 20  # characters
MOST_COLUMNS = 1_000
BY_LINES = ("csv", "tsv", "lines")


def _as_told(key: str, value: str) -> str:
    """Of the file's form the encoding alone is an option; the rest stands in source.yaml."""
    stated = SOURCE_YAML.stated(key, value)
    return f"--encoding {value}" if key == "encoding" else f"{stated} in a source.yaml written by hand"


WHO_ADDS = Asker("", _as_told, "its name says", SOURCE_YAML.spared)


@dataclass
class Looked:
    given: Given
    form: dict[str, Any]  # keys of source.yaml's format
    names: list[str] | None  # where no header names the columns
    columns: dict[str, Column] = field(default_factory=dict)
    rows: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    why: dict[str, str] = field(default_factory=dict)  # key of the format: what it was concluded from


def look(given: Given, encoding: str | None) -> Looked:
    """Raises SourceError where it cannot be read as rows."""
    layout, looked = _layout(given, encoding)
    progress = {"desc": f"look at {given.name}", "unit": " rows", "delay": 2, "disable": None}
    for row in tqdm(_rows(given, layout), **progress):
        _take(row, looked)
    for column in looked.columns.values():
        column.rows = looked.rows - looked.faults.total()
    if not looked.columns:
        reason = looked.faults.most_common(1)[0][0] if looked.faults else "there is nothing but blank lines"
        raise SourceError(f"{given.path}: no row of it can be taken apart: {reason}")
    return looked


def _rows(given: Given, layout: Layout) -> Iterator[Row]:
    for path, name in given.files:
        rows = read_rows(path, layout, [])
        yield from with_places(rows, name) if given.documents else rows


def _take(row: Row, looked: Looked) -> None:
    looked.rows += 1
    if row.fault:
        looked.faults[row.fault] += 1
        return
    for name, value in row.cells.items():
        if name not in looked.columns:
            if len(looked.columns) == MOST_COLUMNS:
                raise SourceError(f"{looked.given.path}: more than {MOST_COLUMNS:,} columns")
            looked.columns[name] = Column(name, len(looked.columns))
        looked.columns[name].take(value)


def _layout(given: Given, encoding: str | None) -> tuple[Layout, Looked]:
    path = given.path if not given.documents else given.files[0][0]
    kind = "documents" if given.documents else TYPES.get(suffix_of(path), "csv")
    alike = [file for file, _ in given.files] if given.documents else []
    layout = layout_of(path, form_of(type=kind, encoding=encoding), None, alike, WHO_ADDS)
    form: dict[str, Any] = {"type": layout.type}
    why = {"encoding": "as asked" if encoding else "by its bytes"}
    if layout.sheet is not None:
        form["sheet"], why["sheet"] = layout.sheet, layout.found_out or "the only one"
    names = None
    if layout.type in BY_LINES:
        more_form, names, more_why = _divided(path, layout)
        form, why = form | more_form, why | more_why
    if layout.encoding:
        form["encoding"] = layout.encoding.removesuffix("-sig")
    stated = {key: value for key, value in form.items() if key != "header"}
    told = layout_of(path, Format.model_validate(stated), names, alike, WHO_ADDS)
    return told, Looked(given, form, names, why=why)


def _divided(path: Path, layout: Layout) -> tuple[dict[str, Any], list[str] | None, dict[str, str]]:
    """What stands between the cells, and whether there is a header; nothing where a line is one text."""
    with open_text(path, layout) as file:
        sample = file.read(SAMPLE)
    found = how_delimited(sample, DELIMITERS.get(layout.type), whole=len(sample) < SAMPLE)
    if found is None and layout.type == "lines":
        return {}, None, {}
    if found is None:
        kind, usual = layout.type, DELIMITERS[layout.type]
        return (
            {"delimiter": usual, "header": True, "quoting": QUOTING[kind]},
            None,
            {"delimiter": "there is one column"},
        )
    kind = "tsv" if found.delimiter == "\t" else "csv"
    header, reason = has_header(found.rows)
    quoting = QUOTING[kind] if found.quoting is None else found.quoting
    even = f"{100 * found.even:.4g} % of the rows" if found.even < 1 else "every row"
    quotes = (
        "no quote in it"
        if found.quoting is None
        else f"quotes {'enclose cells' if found.quoting else 'are text'}"
    )
    why = {"delimiter": f"gives {found.cells} cells in {even}", "header": reason, "quoting": quotes}
    form = {"type": kind, "delimiter": found.delimiter, "header": header, "quoting": quoting}
    return form, None if header else [f"column{place}" for place in range(1, found.cells + 1)], why


def doubts_about_header(looked: Looked) -> Iterator[str]:
    """A title above a sheet's table, in merged cells, is taken for its header."""
    nameless = [name for name in looked.columns if re.fullmatch("column [A-Z]+", name)]
    if looked.form["type"] == "excel" and 2 * len(nameless) > len(looked.columns):
        yield (
            f"header: the sheet's first row names {len(looked.columns) - len(nameless)} of its "
            f"{len(looked.columns)} columns; if it is a title above the table, delete it in the sheet, take "
            "this source away and run this again"
        )


def has_header(rows: list[list[str]]) -> tuple[bool, str]:
    """Whether the first row names the columns, and what says so."""
    first, rest = rows[0], [row for row in rows[1:2_000] if len(row) == len(rows[0])]
    if not rest:
        return True, "there is but one such row"
    if len(set(first)) < len(first):
        return False, "two of the first row's cells are the same"
    votes = [_vote(cell, [row[place] for row in rest]) for place, cell in enumerate(first)]
    total = sum(weight for weight, _ in votes)
    reason = max((vote for vote in votes if (vote[0] >= 0) == (total >= 0)), key=lambda vote: abs(vote[0]))[1]
    return total >= 0, reason


def _vote(first: str, cells: list[str]) -> tuple[float, str]:
    """For a header, above 0; against one, below."""
    shown = repr(first if len(first) <= 20 else first[:19] + "…")
    filled = [cell for cell in cells if cell.strip()]
    numbers = sum(number_in(cell) is not None for cell in filled)
    if not first.strip():
        return -1, "the first row has an empty cell"
    if filled and numbers > 0.95 * len(filled):
        is_number = number_in(first) is not None
        return (-2, f"{shown} stands above numbers") if is_number else (2, f"{shown} stands above numbers")
    if first in cells:
        return -2, f"the first row's {shown} stands in further rows"
    if any(hint(first, words) == 2 for words in (TEXT, LABEL, ID, TIME, GROUP)):
        return 2, f"{shown} is a name"
    mean = sum(map(len, filled)) / max(len(filled), 1)
    if mean > 25:
        return (
            (1, f"{shown} is much shorter than what stands below")
            if len(first) < mean / 3 and len(first.split()) < 4
            else (-1, f"{shown} is as long as what stands below")
        )
    return 0, "nothing speaks against it"
