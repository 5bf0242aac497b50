"""Where the examples of each class lie on the map, in hexagonal bins, of fine-tuned and of frozen vectors.

A picture for each class and each of the two; all of one map have the same hexagons, and the darkest (on a
dark page, the lightest) is the class's own fullest one.
"""

from typing import Any, NamedTuple

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from stages.lib.pages.plots import DARK, LIGHT, Theme, drawing, png, short_name
from stages.lib.pages.vector_map import data_uri
from stages.lib.statistics.groups import groups_of
from stages.lib.task import Task

View = dict[str, Any]

SPACES = {"fine-tuned": ("x", "y"), "frozen": ("frozen_x", "frozen_y")}
COLORS = {
    LIGHT: ("#d8e6ef", "#8dbbda", "#0072b2", "#00324f"),
    DARK: ("#20303c", "#1f5a80", "#3f9bd8", "#d8efff"),
}
COLUMNS = 4  # of the picture for the pull request
MARGIN = 0.03


class Space(NamedTuple):
    name: str
    points: np.ndarray  # [N, 2]
    extent: tuple[float, float, float, float]


def frequent_groups(points: pl.DataFrame, task: Task, most: int) -> dict[str, np.ndarray]:
    """Classes, ranges of scores or each of several labels: those with most points, in their own order."""
    groups = {name: of for name, of in groups_of(points["label"], task).items() if of.any()}
    frequent = sorted(groups, key=lambda name: -int(groups[name].sum()))[:most]
    return {name: of for name, of in groups.items() if name in frequent}


def spaces_of(points: pl.DataFrame) -> list[Space]:
    """The maps that are there."""
    if points.is_empty():
        return []
    there = {name: of for name, of in SPACES.items() if set(of) <= set(points.columns)}
    return [_space(name, points.select(of).to_numpy()) for name, of in there.items()]


def _space(name: str, points_N2: np.ndarray) -> Space:
    low, high = points_N2.min(axis=0), points_N2.max(axis=0)
    margin = np.where(high > low, MARGIN * (high - low), 0.5)
    (left, bottom), (right, top) = low - margin, high + margin
    return Space(name, points_N2, (float(left), float(right), float(bottom), float(top)))


def hexagon_view(points: pl.DataFrame, task: Task, most: int, across: int) -> View:
    groups, spaces = frequent_groups(points, task, most), spaces_of(points)
    return {
        "folded": len(groups_of(points["label"], task)) - len(groups),
        "spaces": [space.name for space in spaces],
        "panels": [
            {"name": name, "n": int(of.sum())}
            | {"pictures": [_pictures(space, of, across) for space in spaces]}
            for name, of in groups.items()
        ],
    }


def _pictures(space: Space, members_N: np.ndarray, across: int) -> View:
    return {"space": space.name} | {
        name: data_uri(_panel(space, members_N, across, theme))
        for name, theme in (("light", LIGHT), ("dark", DARK))
    }


def _panel(space: Space, members_N: np.ndarray, across: int, theme: Theme) -> bytes:
    with drawing(1.6, 1.45, theme) as figure:
        figure.set_layout_engine("none")
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        _draw(axes, space, members_N, across, theme)
        return png(figure)


def _draw(axes: Axes, space: Space, members_N: np.ndarray, across: int, theme: Theme) -> None:
    axes.set_axis_off()
    x, y = space.points[members_N].T
    scale = LinearSegmentedColormap.from_list("hexagons", list(COLORS[theme]))
    axes.hexbin(x, y, gridsize=across, extent=space.extent, cmap=scale, linewidths=0.2, mincnt=1)
    axes.set_xlim(*space.extent[:2])
    axes.set_ylim(*space.extent[2:])


def hexagon_png(points: pl.DataFrame, task: Task, most: int, across: int) -> bytes | None:
    """All panels in one picture, a row of classes for each map; None where there is no point."""
    groups, spaces = frequent_groups(points, task, most), spaces_of(points)
    if not groups:
        return None
    columns = min(COLUMNS, len(groups))
    blocks = -(-len(groups) // columns)
    rows = blocks * len(spaces)
    with drawing(2.2 * columns + 0.2, 2.1 * rows) as figure:
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for place, (name, of) in enumerate(groups.items()):
            for which, space in enumerate(spaces):
                axes = grid[place // columns * len(spaces) + which, place % columns]
                _draw(axes, space, of, across, LIGHT)
                axes.set_title(f"{short_name(name)}, {space.name}", fontsize=8)
        return png(figure)
