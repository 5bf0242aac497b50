"""Scatter plots as SVG: what the template needs to draw one, in its own units."""

from typing import Any, NamedTuple

import numpy as np
from matplotlib.ticker import MaxNLocator

LAYERS = 6  # points of different layers add up, so that crowds are darker
MARGIN = 0.04  # of the span, around the points
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 10, 44  # for the numbers and names of axes

Span = tuple[float, float]


class Size(NamedTuple):
    width: int
    height: int
    ticks: int  # about


LARGE = Size(460, 420, 6)
SMALL = Size(240, 220, 3)


def span_of(*values: np.ndarray) -> Span:
    """From the least to the largest of them all, with a margin."""
    low, high = (float(end) for end in (min(v.min() for v in values), max(v.max() for v in values)))
    margin = MARGIN * (high - low) or 0.5
    return low - margin, high + margin


def point_plot(x_N: np.ndarray, y_N: np.ndarray, spans: tuple[Span, Span], size: Size) -> dict[str, Any]:
    """Points beyond the spans are not drawn; y grows upwards."""
    x_span, y_span = spans
    x_ends, y_ends = (LEFT, size.width - RIGHT), (size.height - BOTTOM, TOP)
    across_N, up_N = placed(x_N, x_span, x_ends), placed(y_N, y_span, y_ends)
    return {
        "width": size.width,
        "height": size.height,
        "box": {"left": x_ends[0], "right": x_ends[1], "top": y_ends[1], "bottom": y_ends[0]},
        "layers": [
            "".join(f"M{across:.1f} {up:.1f}h0" for across, up in zip(across_N[of], up_N[of], strict=True))
            for of in (slice(start, None, LAYERS) for start in range(LAYERS))
        ],
        "x_ticks": _ticks(x_span, x_ends, size.ticks),
        "y_ticks": _ticks(y_span, y_ends, size.ticks),
    }


def line_in(plot: dict[str, Any], spans: tuple[Span, Span], start: Span, end: Span) -> str:
    """A path between two points, each x and y in the data's units."""
    box, (xs, ys) = plot["box"], np.array([start, end]).T
    across = placed(xs, spans[0], (box["left"], box["right"]))
    up = placed(ys, spans[1], (box["bottom"], box["top"]))
    return f"M{across[0]:.1f} {up[0]:.1f}L{across[1]:.1f} {up[1]:.1f}"


def placed(values_N: np.ndarray, span: Span, ends: tuple[int, int]) -> np.ndarray:
    """Where values of the data stand between two ends in the plot's units."""
    return ends[0] + (values_N - span[0]) / (span[1] - span[0]) * (ends[1] - ends[0])


def _ticks(span: Span, ends: tuple[int, int], about: int) -> list[dict[str, Any]]:
    values = np.asarray(MaxNLocator(nbins=about, steps=[1, 2, 2.5, 5, 10]).tick_values(*span))
    inside = values[(values >= span[0]) & (values <= span[1])]
    places = placed(inside, span, ends)
    texts = [f"{value:g}" for value in inside]
    return [{"at": round(at, 1), "text": text} for at, text in zip(places.tolist(), texts, strict=True)]
