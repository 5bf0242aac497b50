"""PNG figures in one style.

The colour-blind can tell its colours apart, and the same figure is always the same bytes.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from matplotlib.figure import Figure

from stages.lib.pages.fonts import use_cjk_font
from stages.lib.tables import replacing

# Okabe and Ito 2008, without the yellow, which is too pale for a mark on white
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f7f7f")
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
DOTS_PER_INCH = 144
LONGEST_NAME = 40  # characters: longer ones leave no room for what they name


class Theme(NamedTuple):
    """What differs between a page on white paper and one on a dark screen."""

    paper: str
    ink: str
    quiet: str  # axes and ticks
    grid: str


LIGHT = Theme(paper="#ffffff", ink="#1c1e21", quiet="#5f6670", grid="#e4e7eb")
DARK = Theme(paper="#16181c", ink="#e8eaed", quiet="#9aa3ad", grid="#2c3138")


@contextmanager
def drawing(width: float, height: float, theme: Theme = LIGHT) -> Iterator[Figure]:
    """An empty figure of so many inches, to be drawn and written inside the block."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a person's own matplotlibrc must not change the bytes
        matplotlib.rcParams.update(_style(theme))
        yield Figure(figsize=(width, height), layout="constrained")


def color_of(place: int) -> str:
    return PALETTE[place % len(PALETTE)]


def marker_of(place: int) -> str:
    """Changes with each turn of the palette, so that 49 classes differ in colour or in shape."""
    return MARKERS[place // len(PALETTE) % len(MARKERS)]


def short_name(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def png(figure: Figure) -> bytes:
    """Call it inside `drawing`. The bytes name no software and no date."""
    buffer = io.BytesIO()
    use_cjk_font(figure)
    with warnings.catch_warnings():
        # the fonts lack many scripts, and emoji: a box stands for the letter, and the tables have the name
        warnings.filterwarnings("ignore", message=r"Glyph \d+", category=UserWarning)
        figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return buffer.getvalue()


def write_png(figure: Figure, path: Path) -> None:
    with replacing(path) as partial:
        partial.write_bytes(png(figure))


def _style(theme: Theme) -> Any:  # keys typed as matplotlib has them
    return {
        "font.size": 10,
        "text.color": theme.ink,
        "text.parse_math": False,  # a class may be called $5$
        "axes.labelcolor": theme.quiet,
        "axes.edgecolor": theme.quiet,
        "axes.facecolor": theme.paper,
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.linewidth": 0.8,
        "grid.color": theme.grid,
        "xtick.color": theme.quiet,
        "ytick.color": theme.quiet,
        "legend.frameon": False,
        "figure.facecolor": theme.paper,
        "savefig.facecolor": theme.paper,
    }
