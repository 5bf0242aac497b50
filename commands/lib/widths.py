"""How wide a text stands on a terminal: a Chinese character takes two columns."""

import unicodedata
from collections.abc import Iterator, Sequence


def cells_wide(text: str) -> int:
    """Two for a Chinese character, none for a mark above another letter."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def shortened(text: str, most: int) -> str:
    if cells_wide(text) <= most:
        return text
    kept, used = [], 0
    for letter in text:
        used += cells_wide(letter)
        if used > most - 1:
            break
        kept.append(letter)
    return "".join(kept).rstrip() + "…"


def padded(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(cells_wide, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, strict=True)
        yield "  ".join(cell + " " * (wide - cells_wide(cell)) for cell, wide in cells)
