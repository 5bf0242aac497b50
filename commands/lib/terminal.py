"""Tables and texts for a terminal."""

from collections.abc import Sequence

from stages.lib.kinds import KINDS, Kind

Cells = Sequence[str]
WIDTH = 120


def columns(rows: Sequence[Cells]) -> list[str]:
    """The rows with their cells below one another; a column that is empty below its name is left out."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    used = [place for place in range(len(widths)) if any(row[place] for row in rows[1:])]
    return ["  ".join(row[place].ljust(widths[place]) for place in used).rstrip() for row in rows]


def visible(text: str) -> str:
    """One line without control characters, which could rewrite a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def as_interval(value: float, low: float, high: float) -> str:
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"


def as_p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def score_name(kind: Kind, name: str) -> str:
    """`mae (lower is better)`"""
    return f"{name} (lower is better)" if name in KINDS[kind].lower_is_better else name
