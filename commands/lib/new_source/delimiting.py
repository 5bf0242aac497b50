"""What stands between the cells of a file, and whether quotes enclose them, by how evenly rows come apart."""

import csv
from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from stages.lib.readers.delimited import LONGEST_CELL

# The last ones stand between cells seldom, and within them often.
DELIMITERS = (",", "\t", ";", "|", "\x01", "\x1f", "^", "~", "¦", "§", ":")
SELDOM = (":", "^", "~")
LEAST_EVEN = 0.9  # share of the rows that must have the usual number of cells
LEAST_EVEN_OF_USUAL = 0.5  # where the file's name says so too


class Delimited(NamedTuple):
    delimiter: str
    quoting: bool | None  # None: no quote stands anywhere
    cells: int  # in the usual row
    even: float  # share of the rows that have so many
    rows: list[list[str]]  # of the sample, those without any cell left out
    enclosed: bool  # quotes enclose most cells of a column, and are taken for that


def how_delimited(sample: str, usual: str | None, *, whole: bool) -> Delimited | None:
    """The likeliest way to take the sample apart, or None where every line is one cell.

    `usual` is the delimiter that the file's name promises. A sample of a longer file may end anywhere.
    """
    quotings = (True, False) if '"' in sample else (None,)
    here = [delimiter for delimiter in DELIMITERS if delimiter in sample]
    tried = (_apart(sample, *how, whole=whole) for how in product(here, quotings))
    least = {usual: LEAST_EVEN_OF_USUAL}
    fit = [way for way in tried if way and way.even >= least.get(way.delimiter, LEAST_EVEN)]
    return max(fit, key=lambda way: _rank(way, usual), default=None)


def _rank(way: Delimited, usual: str | None) -> float:
    """Even rows first; then what the name promises, more cells, and quotes taken for quotes."""
    known = 0.1 * (way.delimiter == usual) - 0.1 * (way.delimiter in SELDOM)
    quoted = 0.001 * (way.quoting is (usual != "\t"))
    even = way.even - 0.2 * (len(way.rows[0]) != way.cells)  # the first row may be a header
    return even + known + 0.004 * min(way.cells, 5) + quoted + 0.002 * way.enclosed


def _apart(sample: str, delimiter: str, quoting: bool | None, *, whole: bool) -> Delimited | None:
    rows = [row for row in _rows(sample, delimiter, quoting, whole=whole) if row]
    counts = Counter(len(row) for row in rows)
    cells, times = max(counts.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
    if cells < 2:
        return None
    enclosed = bool(quoting) and any(
        count > len(rows) / 2 for count in _in_quotes(sample, delimiter).values()
    )
    return Delimited(delimiter, quoting, cells, times / len(rows), rows, enclosed)


def _in_quotes(sample: str, delimiter: str) -> Counter[int]:
    """How many cells of each column have a quote at either end."""
    lines = (line.split(delimiter) for line in sample.splitlines())
    return Counter(
        place
        for cells in lines
        for place, cell in enumerate(cells)
        if len(cell) > 1 and cell[0] == cell[-1] == '"'
    )


def _rows(sample: str, delimiter: str, quoting: bool | None, *, whole: bool) -> Iterator[list[str]]:
    """Up to the end, or to a quote that fits nowhere: then nothing of it, unless the sample was cut there."""
    csv.field_size_limit(LONGEST_CELL)
    lines = sample.splitlines(keepends=True)
    reader = csv.reader(
        lines,
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE,
        strict=True,
    )
    rows, ended = [], 0
    try:
        for row in reader:
            rows.append(row)
            ended = reader.line_num
    except csv.Error:
        cut = not whole and reader.line_num >= len(lines) and ended > len(lines) / 2
        rows = rows if cut else []
    yield from rows[: len(rows) if whole else -1]
