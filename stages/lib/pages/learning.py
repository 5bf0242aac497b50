"""The learning curve: the score of a cheap model by the number of training rows, of one role."""

import itertools
from typing import Any

import numpy as np
import polars as pl

from stages.lib.pages.plots import MARKERS, color_of, drawing, png
from stages.lib.pages.point_plot import Size, Span, line_in, placed, point_plot, span_of

View = dict[str, Any]
SIZE = Size(460, 320, 5)


ENDS = ("value", "low", "high")


def curve_view(curve: pl.DataFrame) -> View | None:
    """What the template draws: a line a model, and at each point its interval; rows by their logarithm."""
    if curve.is_empty():
        return None
    points = curve.sort("model", "rows")
    spans = _spans(points)
    plot = point_plot(np.zeros(0), np.zeros(0), spans, SIZE)
    ticks = points["rows"].unique().sort()
    places = placed(np.log2(ticks.to_numpy()), spans[0], (plot["box"]["left"], plot["box"]["right"]))
    return plot | {
        "x_name": "training rows, twice as many at each step",
        "y_name": _name_of_score(points),
        "x_ticks": [
            {"at": round(at, 1), "text": f"{rows:,}"} for at, rows in zip(places.tolist(), ticks, strict=True)
        ],
        "lines": [
            {"model": str(model)} | _line(of_model, plot, spans)
            for (model,), of_model in points.group_by("model", maintain_order=True)
        ],
        "rows": points.to_dicts(),
    }


def _line(points: pl.DataFrame, plot: View, spans: tuple[Span, Span]) -> View:
    x_N = np.log2(points["rows"].to_numpy())
    at = list(zip(x_N.tolist(), points["value"].to_list(), strict=True))
    ends = zip(x_N.tolist(), points["low"].to_list(), points["high"].to_list(), strict=True)
    drawn = point_plot(x_N, points["value"].to_numpy(), spans, SIZE)
    return {
        "path": "".join(line_in(plot, spans, *two) for two in itertools.pairwise(at)),
        "bars": "".join(line_in(plot, spans, (x, low), (x, high)) for x, low, high in ends),
        "dots": "".join(drawn["layers"]),
    }


def _spans(points: pl.DataFrame) -> tuple[Span, Span]:
    ends = points["low"].to_numpy(), points["high"].to_numpy()
    return span_of(np.log2(points["rows"].to_numpy())), span_of(*ends)


def _name_of_score(points: pl.DataFrame) -> str:
    return str(points["score"][0]).replace("_", " ")


def curve_png(curve: pl.DataFrame) -> bytes | None:
    """The same as a picture."""
    if curve.is_empty():
        return None
    points = curve.sort("model", "rows")
    with drawing(6.4, 3.6) as figure:
        axes = figure.subplots()
        for place, ((model,), of) in enumerate(points.group_by("model", maintain_order=True)):
            value, low, high = (of[name].to_numpy() for name in ENDS)
            look: Any = {"color": color_of(place), "marker": MARKERS[place % len(MARKERS)], "capsize": 3}
            axes.errorbar(of["rows"], value, yerr=[value - low, high - value], label=str(model), **look)
        axes.set_xscale("log", base=2)
        axes.set_xticks(ticks := points["rows"].unique().sort().to_list(), [f"{rows:,}" for rows in ticks])
        axes.set_xlabel("training rows")
        axes.set_ylabel(_name_of_score(points))
        axes.grid(axis="y")
        axes.legend()
        return png(figure)
