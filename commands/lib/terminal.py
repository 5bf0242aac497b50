"""Tables and texts for a terminal, where a Chinese character takes two columns."""

import unicodedata
from collections.abc import Iterator, Sequence

from stages.lib.kinds import KINDS, Kind

Cells = Sequence[str]
WIDTH = 120


def columns(rows: Sequence[Cells]) -> list[str]:
    """The rows with their cells below one another; a column that is empty below its name is left out."""
    used = [place for place in range(len(rows[0])) if any(row[place] for row in rows[1:])]
    return [line.rstrip() for line in padded([[row[place] for place in used] for row in rows])]


def padded(rows: Sequence[Cells]) -> Iterator[str]:
    """The rows with their cells below one another, all lines as wide."""
    widths = [max(map(cells_wide, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, strict=True)
        yield "  ".join(cell + " " * (wide - cells_wide(cell)) for cell, wide in cells)


def cells_wide(text: str) -> int:
    """Two for a Chinese character, none for a mark above another letter."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def visible(text: str) -> str:
    """One line without control characters, which could rewrite a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def cut(text: str, most: int) -> str:
    """No wider than `most`, with `…` for what is left out."""
    if cells_wide(text) <= most:
        return text
    kept, used = [], 0
    for letter in text:
        used += cells_wide(letter)
        if used > most - 1:
            break
        kept.append(letter)
    return "".join(kept).rstrip() + "…"


def as_interval(value: float, low: float, high: float) -> str:
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"


def as_p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def score_name(kind: Kind, name: str) -> str:
    """`mae (lower is better)`"""
    return f"{name} (lower is better)" if name in KINDS[kind].lower_is_better else name
