"""The profile's tables and PNGs that `dvc plots` shows."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from stages.lib.pages.plots import color_of, drawing, short_name, write_png
from stages.lib.profile.length_statistics import MEASURED
from stages.lib.profile.shown_lengths import Limits
from stages.lib.tables import write_text


def write_plots(
    frequencies: pl.DataFrame, n_of: dict[str, int], lengths: pl.DataFrame, limits: Limits, folder: Path
) -> None:
    """`lengths` are by label; `n_of` are the roles with their numbers of labelled rows."""
    labels = frequencies["label"].unique(maintain_order=True).to_list()
    for name, frame in {"label_frequencies": frequencies, "text_lengths": lengths}.items():
        write_text(frame.write_csv(float_precision=6), folder / f"{name}.csv")
    draw_frequencies(frequencies, labels, n_of, folder / "label_frequencies.png")
    draw_lengths(lengths, labels, limits, folder / "text_lengths.png")


def draw_frequencies(frequencies: pl.DataFrame, labels: list[str], n_of: dict[str, int], path: Path) -> None:
    thickness = 0.8 / len(n_of)
    with drawing(8, 1.2 + 0.25 * len(labels) * (1 + 0.3 * len(n_of))) as figure:
        axes = figure.subplots()
        for place, (role, n) in enumerate(n_of.items()):
            of_role = frequencies.filter(pl.col("role") == role)
            offsets = np.arange(len(labels)) + (place - (len(n_of) - 1) / 2) * thickness
            shares = 100 * of_role["share"].to_numpy()
            axes.barh(offsets, shares, thickness, color=color_of(place), label=f"{role} ({n:,})")
        _name_labels(axes, labels)
        axes.set_xlabel("% of the role's examples")
        figure.legend(loc="outside upper left", ncols=len(n_of))
        write_png(figure, path)


def draw_lengths(statistics: pl.DataFrame, labels: list[str], limits: Limits, path: Path) -> None:
    """Boxes from the first to the third quartile, whiskers from the 5th to the 95th percentile.

    Where texts come near it, the lengths at which they are cut, and the encoder's own most, are lines.
    """
    with drawing(13, 1.2 + 0.35 * len(labels)) as figure:
        for axes, unit in zip(figure.subplots(1, len(MEASURED), sharey=True), MEASURED, strict=True):
            axes.bxp(
                [_box(row, unit) for row in statistics.iter_rows(named=True)],
                positions=[labels.index(label) for label in statistics["label"]],
                orientation="horizontal",
                showfliers=False,
                patch_artist=True,
                boxprops={"facecolor": color_of(0), "alpha": 0.35},
                medianprops={"color": color_of(1), "linewidth": 2},
            )
            _name_labels(axes, labels)
            axes.set_xlabel(f"{unit} a text")
            axes.set_xlim(left=0)
        _draw_limits(figure.axes[MEASURED.index("tokens")], limits)
        if lines := figure.axes[MEASURED.index("tokens")].get_legend_handles_labels()[0]:
            figure.legend(handles=lines, loc="outside upper left", ncols=2)
        write_png(figure, path)


def _draw_limits(axes: Axes, limits: Limits) -> None:
    """Within four times what the boxes need: further out, a line would squeeze them."""
    most = axes.get_xlim()[1]
    for name, at, dashes in (("cut at", limits.cut_at, "-"), ("the encoder's most,", limits.room, "--")):
        if at is not None and at <= 4 * most:
            axes.axvline(
                at, color=color_of(1), linestyle=dashes, linewidth=1.2, label=f"{name} {at:,} tokens"
            )
            axes.set_xlim(right=max(axes.get_xlim()[1], 1.05 * at))


def _box(row: dict[str, Any], unit: str) -> dict[str, float]:
    names = {"whislo": "p5", "q1": "p25", "med": "median", "q3": "p75", "whishi": "p95"}
    return {name: row[f"{unit}_{statistic}"] for name, statistic in names.items()}


def _name_labels(axes: Axes, labels: list[str]) -> None:
    axes.set_yticks(range(len(labels)), [short_name(label) for label in labels])
    axes.set_ylim(len(labels) - 0.5, -0.5)  # the first on top
    axes.grid(axis="x")
