"""Excel workbooks (.xlsx, .xlsm, .xlsb, .xls, .ods) as rows. A sheet is read whole; nothing in it is run.

A cell is as a CSV of the sheet would have it: 1 and not 1.0, for Excel keeps every number with a fraction.
"""

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from python_calamine import (
    CalamineError,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    WorksheetNotFound,
)

from stages.lib.exceptions import SourceError
from stages.lib.readers.archives import open_seekable
from stages.lib.readers.rows import BLANK, Layout, Row, check_columns, check_names
from stages.lib.source_keys import nearest


def choose_sheet(path: Path, stated: str | None) -> tuple[str, str]:
    """The sheet to read, and what is to be told where it was not stated. Raises SourceError."""
    with _opened(path) as book:
        sheets = [sheet.name for sheet in book.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
    if stated is not None:
        if stated not in sheets:
            raise SourceError(f"{path}: no sheet {stated!r}{nearest(stated, sheets)}")
        return stated, ""
    if not sheets:
        raise SourceError(f"{path}: no sheet with cells in it")
    return sheets[0], f"sheet {sheets[0]!r}, the first of {len(sheets)}" if len(sheets) > 1 else ""


def read_excel(path: Path, layout: Layout, wanted: list[str]) -> Iterator[Row]:
    with _opened(path) as book:
        try:
            sheet = book.get_sheet_by_name(str(layout.sheet))
            rows = sheet.to_python(skip_empty_area=True)
        except (CalamineError, WorksheetNotFound) as error:
            raise SourceError(f"{path}: sheet {layout.sheet!r} cannot be read: {error}") from None
    first_row = (sheet.start or (0, 0))[0] + 1
    first_column = (sheet.start or (0, 0))[1]
    columns = layout.names
    if columns is not None:
        _check_width(path, rows, columns)
        check_columns(str(path), columns, wanted)
    for number, values in enumerate(rows, start=first_row):
        cells = [_as_in_csv(value) for value in values]
        if columns is None:
            columns = _header(cells, first_column)
            check_names(f"{path}:{number}", columns)
            check_columns(f"{path}:{number}", columns, wanted)
        elif not any(cell is not None for cell in cells):
            yield Row(number, {}, "", BLANK)
        else:
            found = dict(zip(columns, cells, strict=True))
            yield Row(number, found, found)


def _check_width(path: Path, rows: list[list[Any]], columns: list[str]) -> None:
    width = len(rows[0]) if rows else 0
    if rows and width != len(columns):
        raise SourceError(f"{path}: {width} columns where source.yaml names {len(columns)}")


def _header(cells: list[str | None], first_column: int) -> list[str]:
    """A column without a name is called by its letter, so that it can be told from the next."""
    return [cell or f"column {_letter(first_column + place)}" for place, cell in enumerate(cells)]


def _letter(place: int) -> str:
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _as_in_csv(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else str(value)
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return str(value.date())
    return str(value)


def _opened(path: Path) -> CalamineWorkbook:
    with open_seekable(path) as file:
        try:
            return CalamineWorkbook.from_filelike(file)
        except PasswordError:
            raise SourceError(f"{path}: the workbook has a password: save it without one") from None
        except (CalamineError, OSError) as error:
            raise SourceError(f"{path}: no Excel workbook that can be read ({error})") from None
