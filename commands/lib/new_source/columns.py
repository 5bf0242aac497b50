"""What the cells of a column look like: numbers, words, few values or many."""

import math
import random
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from stages.lib.sources.label_cells import as_text

MOST_VALUES = 2_000  # counted one by one; a column with more has no labels
MOST_CELLS = 2_000  # kept of a column, drawn evenly from all of its rows
LONGEST_VALUE = 500  # characters: a column with a longer cell has no labels either
LONGEST_CELL = 1_000  # characters kept of one
# Scripts that put no space between words.
UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{4}")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
DATE = re.compile(
    r"(\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}).*|\d{1,2}:\d{2}(:\d{2})?"
)
ADDRESS = re.compile(r"(https?://|www\.)\S+|\S+@\S+\.\w+|[0-9a-fA-F-]{16,}")
FLAGS = {"0", "1", "0.0", "1.0", "true", "false"}


def number_in(text: str) -> float | None:
    """A finite number, as ingest reads a score."""
    text = text.strip()
    number = float(text) if NUMBER.fullmatch(text) else math.inf
    return number if math.isfinite(number) else None


@dataclass
class Column:
    """Taken in row by row; memory does not grow with the rows."""

    name: str
    place: int
    rows: int = 0
    filled: int = 0
    characters: int = 0
    lists: int = 0  # cells that are a list, of which each item counts as a value
    values: Counter[str] | None = field(default_factory=Counter)  # None: too many
    least: float = math.inf  # of the numbers
    greatest: float = -math.inf
    numbers: int = 0
    cells: list[str] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(0), repr=False)

    def take(self, value: Any) -> None:
        self.rows += 1
        if isinstance(value, list):
            self.lists += 1
            self.filled += 1
            for item in value:
                self._count(as_text(item) or "")
            return
        text = as_text(value) if not isinstance(value, dict) else None
        if text is None or not text.strip():
            return
        self.filled += 1
        self.characters += len(text)
        self._count(text)
        self._measure(text)
        self._keep(text)

    def _count(self, text: str) -> None:
        if self.values is not None:
            self.values[text] += 1
            if len(self.values) > MOST_VALUES or len(text) > LONGEST_VALUE:
                self.values = None

    def _measure(self, text: str) -> None:
        if self.numbers < self.filled - 1 and self.filled > 1_000:
            return  # some other cell was no number: what is left to know, a share, is known well enough
        number = number_in(text)
        if number is not None:
            self.numbers += 1
            self.least, self.greatest = min(self.least, number), max(self.greatest, number)

    def _keep(self, text: str) -> None:
        """Algorithm R: each cell is kept with the same chance."""
        if len(self.cells) < MOST_CELLS:
            self.cells.append(text[:LONGEST_CELL])
        elif (place := self.chance.randrange(self.filled)) < MOST_CELLS:
            self.cells[place] = text[:LONGEST_CELL]

    @cached_property
    def is_number(self) -> bool:
        return self.filled > 0 and self.numbers == self.filled

    @cached_property
    def is_whole(self) -> bool:
        return self.is_number and all(float(cell.strip()).is_integer() for cell in self.cells)

    @cached_property
    def is_flag(self) -> bool:
        return (
            self.values is not None and self.filled > 0 and {v.strip().lower() for v in self.values} <= FLAGS
        )

    @cached_property
    def is_list(self) -> bool:
        return self.lists > self.filled / 2

    @cached_property
    def is_address(self) -> bool:
        return self._share(ADDRESS) > 0.9

    @cached_property
    def is_date(self) -> bool:
        return self._share(DATE) > 0.9

    def _share(self, pattern: re.Pattern[str]) -> float:
        return sum(bool(pattern.fullmatch(cell.strip())) for cell in self.cells) / max(len(self.cells), 1)

    @cached_property
    def distinct(self) -> int | None:
        """None: too many to count."""
        return None if self.values is None else len(self.values)

    @cached_property
    def variety(self) -> float:
        """Distinct cells for each cell kept: 1 where none stands twice."""
        return len(set(self.cells)) / max(len(self.cells), 1)

    @cached_property
    def mean_length(self) -> float:
        return self.characters / max(self.filled, 1)

    @cached_property
    def textness(self) -> float:
        """How much it reads like text: long, in words, seldom the same twice; 0 for numbers and addresses."""
        if not self.cells or self.is_number or self.is_list or self.is_address or self.is_date:
            return 0.0
        worded = sum(" " in cell.strip() or bool(UNSPACED.search(cell)) for cell in self.cells) / len(
            self.cells
        )
        dense = 1 + sum(map(_is_wide, "".join(self.cells[:50]))) / max(len("".join(self.cells[:50])), 1)
        length = math.log2(1 + self.mean_length * dense)
        return length * (0.3 + 0.7 * worded) * (0.1 + 0.9 * self.variety) * (self.filled / self.rows)


def _is_wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in "WF"
