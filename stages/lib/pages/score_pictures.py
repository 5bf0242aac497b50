"""Errors of a regression as PNGs for a pull request, which shows no SVG of a page."""

from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from stages.lib.pages.plots import LIGHT, PALETTE, drawing, png
from stages.lib.pages.point_plot import span_of
from stages.lib.statistics.groups import evenly


def scatter_png(rows: pl.DataFrame, models: dict[str, str], most: int) -> bytes:
    """Predicted against actual scores of each model, all on the same axes."""
    shown = evenly(rows, most)
    both = span_of(*(rows[column].to_numpy() for column in ("label", *models.values())))
    with drawing(2.6 * len(models), 2.8) as figure:
        grid = figure.subplots(1, len(models), sharex=True, sharey=True, squeeze=False)[0]
        for axes, (model, column) in zip(grid, models.items(), strict=True):
            axes.plot(both, both, color=LIGHT.ink, linewidth=0.8)
            _points(axes, shown["label"].to_numpy(), shown[column].to_numpy())
            axes.set_title(model)
            axes.set_xlabel("actual")
        grid[0].set_ylabel("predicted")
        return png(figure)


def residual_png(rows: pl.DataFrame, most: int) -> bytes:
    shown = evenly(rows, most)
    with drawing(5, 3.6) as figure:
        axes = figure.subplots()
        axes.axhline(0, color=LIGHT.ink, linewidth=0.8)
        _points(axes, shown["predicted"].to_numpy(), shown["residual"].to_numpy())
        axes.set_xlabel("predicted")
        axes.set_ylabel("actual less predicted")
        return png(figure)


def _points(axes: Axes, x_N: np.ndarray, y_N: np.ndarray) -> None:
    look: Any = {"s": 10, "alpha": 0.45, "linewidths": 0, "color": PALETTE[0]}
    axes.scatter(x_N, y_N, **look)
    axes.grid(visible=True)
