"""The map of the vectors as a picture: colour tells the label, a ring what went wrong.

Classes have a colour and a shape each. Of several labels the rarest one counts, so that the frequent ones do
not cover the others. Scores have a scale of colours, and a ring is on the tenth with the largest errors.
"""

import base64
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import polars as pl
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle

from stages.lib.kinds import Kind
from stages.lib.label_counts import label_counts
from stages.lib.pages.plots import DARK, LIGHT, Theme, color_of, drawing, marker_of, png, short_name
from stages.lib.statistics.slices import NO_VALUE
from stages.lib.task import Task

View = dict[str, Any]

RINGED = 0.1  # of a regression's errors, the largest
# The parts of viridis, which the colour-blind can read, that stand out from the paper.
PART_OF_VIRIDIS = {LIGHT: (0.0, 0.88), DARK: (0.25, 1.0)}
STEPS = 9  # of the scale under the picture


class Layer(NamedTuple):
    """Points that look alike but for their ring."""

    name: str
    members: np.ndarray
    color: str
    marker: str


def map_view(points: pl.DataFrame, task: Task) -> View:
    """The page carries its pictures in itself."""
    return {
        "points": len(points),
        "light": data_uri(map_png(points, task, LIGHT, legend=False)),
        "dark": data_uri(map_png(points, task, DARK, legend=False)),
    } | LEGEND_OF_KINDS[task.kind](points, task)


def map_png(points: pl.DataFrame, task: Task, theme: Theme, legend: bool) -> bytes:
    with drawing(8.5 if legend else 7, 6, theme) as figure:
        axes = figure.subplots()
        axes.set_axis_off()  # the axes of a UMAP mean nothing
        axes.set_aspect("equal", adjustable="datalim")
        DRAW_OF_KINDS[task.kind](figure, points, task, theme, legend)
        return png(figure)


def looks_of(theme: Theme) -> dict[bool, dict[str, Any]]:
    """Of points without a ring, and of those with one."""
    return {
        False: {"s": 12, "alpha": 0.6, "linewidths": 0, "zorder": 1},
        True: {"s": 28, "edgecolors": theme.ink, "linewidths": 0.9, "zorder": 2},
    }


def data_uri(image: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(image).decode('ascii')}"


# --- classes, and several labels ---------------------------------------------------------------------------


def by_class(points: pl.DataFrame, task: Task) -> list[Layer]:
    return [
        Layer(
            label, (points["label"] == label).fill_null(False).to_numpy(), color_of(place), marker_of(place)
        )
        for place, label in enumerate(task.labels)
    ]


def by_rarest_label(points: pl.DataFrame, task: Task) -> list[Layer]:
    """Labels that are the rarest of no point have no layer."""
    layers = by_class(pl.DataFrame(rarest_labels(points["label"], task.labels)), task)
    layers.append(Layer(NO_VALUE, (points["label"].list.len() == 0).to_numpy(), DARK.quiet, "."))
    return [layer for layer in layers if layer.members.any()]


def rarest_labels(labels: pl.Series, order: list[str]) -> pl.Series:
    """Of each row the label that fewest rows have, of equals the first; null where it has none."""
    n_of = label_counts(labels)
    rank = {name: (n_of.get(name, 0), place) for place, name in enumerate(order)}
    rarest = [min(row, key=rank.__getitem__) if row else None for row in labels.to_list()]
    return pl.Series("label", rarest, dtype=pl.String)


Layers = Callable[[pl.DataFrame, Task], list[Layer]]


def draw_layers(
    layers_of: Layers, figure: Figure, points: pl.DataFrame, task: Task, theme: Theme, legend: bool
) -> None:
    wrong_N = (points["label"] != points["predicted"]).to_numpy()
    layers = layers_of(points, task)
    for layer in layers:
        for ringed, look in looks_of(theme).items():
            shown = points.filter(layer.members & (wrong_N == ringed))
            figure.axes[0].scatter(shown["x"], shown["y"], color=layer.color, marker=layer.marker, **look)
    if legend:
        swatches = [
            Line2D([], [], linestyle="", color=layer.color, marker=layer.marker, label=short_name(layer.name))
            for layer in layers
        ]
        figure.legend(handles=swatches, loc="outside right upper")


def layer_legend(layers_of: Layers, points: pl.DataFrame, task: Task) -> View:
    return {
        "legend": [
            {"label": layer.name, "color": layer.color, "path": outline(layer.marker)}
            for layer in layers_of(points, task)
        ]
    }


def outline(marker: str) -> str:
    """The marker as an SVG path in a box from -5 to 5."""
    shape = MarkerStyle(marker)
    polygon = shape.get_path().transformed(shape.get_transform()).to_polygons()[0]
    points = " ".join(f"{9 * x:.2f},{-9 * y:.2f}" for x, y in np.asarray(polygon))
    return f"M{points}Z"


# --- scores ------------------------------------------------------------------------------------------------


def draw_scores(figure: Figure, points: pl.DataFrame, task: Task, theme: Theme, legend: bool) -> None:
    if points.is_empty():
        return
    error_N = (points["label"] - points["predicted"]).abs().to_numpy()
    ringed_N = (error_N > 0) & (error_N >= np.quantile(error_N, 1 - RINGED))
    scale: dict[str, Any] = {"cmap": colors_of(theme), "norm": Normalize(*score_span(points))}
    for ringed, look in looks_of(theme).items():
        shown = points.filter(ringed_N == ringed)
        drawn = figure.axes[0].scatter(shown["x"], shown["y"], c=shown["label"], **scale, **look)
    if legend:
        figure.colorbar(drawn, ax=figure.axes[0], label="actual score", shrink=0.6, alpha=1)


def score_legend(points: pl.DataFrame, task: Task) -> View:
    """The scale's ends, and its colours in either theme."""
    low, high = score_span(points)
    steps = np.linspace(0, 1, STEPS)
    gradients = {
        name: [to_hex(color) for color in colors_of(theme)(steps)]
        for name, theme in (("light", LIGHT), ("dark", DARK))
    }
    return {"scale": {"low": f"{low:g}", "high": f"{high:g}"} | gradients}


def score_span(points: pl.DataFrame) -> tuple[float, float]:
    values = points["label"].to_list() or [0.0]
    return min(values), max(values)


def colors_of(theme: Theme) -> LinearSegmentedColormap:
    first, last = PART_OF_VIRIDIS[theme]
    part = matplotlib.colormaps["viridis"](np.linspace(first, last, 256))
    return LinearSegmentedColormap.from_list("scores", list(part))


DRAW_OF_KINDS: dict[Kind, Callable[[Figure, pl.DataFrame, Task, Theme, bool], None]] = {
    "classification": partial(draw_layers, by_class),
    "regression": draw_scores,
    "multi-label": partial(draw_layers, by_rarest_label),
}

LEGEND_OF_KINDS: dict[Kind, Callable[[pl.DataFrame, Task], View]] = {
    "classification": partial(layer_legend, by_class),
    "regression": score_legend,
    "multi-label": partial(layer_legend, by_rarest_label),
}
