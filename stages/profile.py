"""Show what the data looks like before anyone trains on it: classes, lengths, a few examples of each.

Of the rows in use. Lengths are of what the models read (cleaned, a pair's texts together), in words and, for
scripts that put no space between words, in characters. Examples are training rows, as they were written:
nobody should have read the test set.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from pydantic import Field

from stages.lib.pages import markdown_page
from stages.lib.params import StageParams, load_params
from stages.lib.plots import color_of, drawing, write_png
from stages.lib.stage import InPath, OutPath, run
from stages.lib.tables import in_use, replacing_folder, write_json, write_text
from stages.lib.task import Task, read_task

UNITS = ("words", "characters")
STATISTICS: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "mean": lambda column: column.mean(),
    "p5": lambda column: column.quantile(0.05),
    "p25": lambda column: column.quantile(0.25),
    "median": lambda column: column.median(),
    "p75": lambda column: column.quantile(0.75),
    "p95": lambda column: column.quantile(0.95),
    "max": lambda column: column.max(),
}


class Params(StageParams):
    seed: int
    examples_per_class: int = Field(ge=0)
    histogram_bins: int = Field(gt=0)


def with_lengths(rows: pl.DataFrame, task: Task) -> pl.DataFrame:
    """Adds words and characters."""
    words = [pl.col(name).str.count_matches(r"\S+") for name in task.text_columns]
    characters = [pl.col(name).str.len_chars() for name in task.text_columns]
    return rows.with_columns(
        words=pl.sum_horizontal(words).cast(pl.Int64), characters=pl.sum_horizontal(characters).cast(pl.Int64)
    )


def class_frequencies(rows: pl.DataFrame, task: Task) -> pl.DataFrame:
    """role, label, count, share: roles as they first appear, classes as the task has them, zeros included."""
    labelled = rows.filter(pl.col("label").is_not_null())
    roles = labelled.select(pl.col("role").unique(maintain_order=True))
    counts = labelled.group_by("role", "label").agg(count=pl.len().cast(pl.Int64))
    grid = roles.join(pl.DataFrame({"label": task.labels}), how="cross", maintain_order="left_right")
    full = grid.join(counts, on=["role", "label"], how="left", maintain_order="left")
    return full.with_columns(pl.col("count").fill_null(0)).with_columns(
        share=pl.col("count") / pl.col("count").sum().over("role")
    )


def length_statistics(rows: pl.DataFrame, by: str) -> pl.DataFrame:
    """`by`, count, and for each unit its statistics as words_mean, words_median, ..., characters_max."""
    columns = [
        statistic(pl.col(unit)).cast(pl.Float64).alias(f"{unit}_{name}")
        for unit in UNITS
        for name, statistic in STATISTICS.items()
    ]
    return rows.group_by(by, maintain_order=True).agg(pl.len().cast(pl.Int64).alias("count"), *columns)


def length_histogram(rows: pl.DataFrame, bins: int) -> pl.DataFrame:
    """words (a bin's upper edge), count. The last bin holds the longest hundredth, however long."""
    words = rows["words"].to_numpy()
    last = max(int(np.quantile(words, 0.99)), bins)
    edges = np.unique(np.linspace(0, last, bins + 1).round().astype(int))
    places = np.searchsorted(edges[1:], np.minimum(words, last), side="left")
    counts = np.bincount(places, minlength=len(edges) - 1)
    return pl.DataFrame({"words": edges[1:], "count": counts})


def random_examples(rows: pl.DataFrame, task: Task, params: Params) -> dict[str, list[tuple[str, ...]]]:
    """Class -> original texts of training rows (a pair's together)."""
    train = rows.filter(pl.col("role") == "train")
    shuffled = train[np.random.default_rng(params.seed).permutation(len(train))]
    originals = shuffled.select("label", *[f"{name}_original" for name in task.text_columns])
    return {
        label: originals.filter(pl.col("label") == label).drop("label").head(params.examples_per_class).rows()
        for label in task.labels
    }


def draw_frequencies(frequencies: pl.DataFrame, task: Task, path: Path) -> None:
    roles = frequencies["role"].unique(maintain_order=True).to_list()
    thickness = 0.8 / len(roles)
    with drawing(8, 1.2 + 0.25 * len(task.labels) * (1 + 0.3 * len(roles))) as figure:
        axes = figure.subplots()
        for place, role in enumerate(roles):
            of_role = frequencies.filter(pl.col("role") == role)
            offsets = np.arange(len(task.labels)) + (place - (len(roles) - 1) / 2) * thickness
            name = f"{role} ({of_role['count'].sum():,})"
            axes.barh(
                offsets, 100 * of_role["share"].to_numpy(), thickness, color=color_of(place), label=name
            )
        _name_classes(axes, task.labels)
        axes.set_xlabel("% of the role's examples")
        figure.legend(loc="outside upper left", ncols=len(roles))
        write_png(figure, path)


def draw_lengths(statistics: pl.DataFrame, task: Task, path: Path) -> None:
    """Boxes from the first to the third quartile, whiskers from the 5th to the 95th percentile."""
    with drawing(10, 1.2 + 0.35 * len(task.labels)) as figure:
        for axes, unit in zip(figure.subplots(1, 2, sharey=True), UNITS, strict=True):
            axes.bxp(
                [_box(row, unit) for row in statistics.iter_rows(named=True)],
                positions=[task.labels.index(label) for label in statistics["label"]],
                orientation="horizontal",
                showfliers=False,
                patch_artist=True,
                boxprops={"facecolor": color_of(0), "alpha": 0.35},
                medianprops={"color": color_of(1), "linewidth": 2},
            )
            _name_classes(axes, task.labels)
            axes.set_xlabel(f"{unit} a text")
            axes.set_xlim(left=0)
        write_png(figure, path)


def _box(row: dict[str, Any], unit: str) -> dict[str, float]:
    names = {"whislo": "p5", "q1": "p25", "med": "median", "q3": "p75", "whishi": "p95"}
    return {name: row[f"{unit}_{statistic}"] for name, statistic in names.items()}


def _name_classes(axes: Axes, labels: list[str]) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)  # the first class on top
    axes.grid(axis="x")


def _nested(statistics: pl.DataFrame, by: str) -> dict[str, Any]:
    return {
        row[by]: {"count": row["count"]}
        | {unit: {name: row[f"{unit}_{name}"] for name in STATISTICS} for unit in UNITS}
        for row in statistics.iter_rows(named=True)
    }


def summary(
    rows: pl.DataFrame, left_out: int, frequencies: pl.DataFrame, by_class: pl.DataFrame
) -> dict[str, Any]:
    classes: dict[str, dict[str, Any]] = {}
    for role, label, count, share in frequencies.iter_rows():
        classes.setdefault(role, {})[label] = {"count": count, "share": share}
    return {
        "examples": len(rows),
        "left_out": left_out,
        "classes": classes,
        "lengths_by_class": _nested(by_class, "label"),
        "lengths_by_role": _nested(length_statistics(rows, "role"), "role"),
    }


def main(*, task: InPath, splits: InPath, plots: OutPath, examples: OutPath, metrics: OutPath) -> None:
    params = load_params("profile", Params)
    the_task = read_task(task)
    table = pl.read_parquet(splits)
    rows = with_lengths(in_use(table), the_task)
    frequencies = class_frequencies(rows, the_task)
    by_class = length_statistics(rows.filter(pl.col("label").is_not_null()), "label")
    with replacing_folder(plots) as folder:
        for name, frame in {
            "class_frequencies": frequencies,
            "text_lengths": by_class,
            "length_histogram": length_histogram(rows, params.histogram_bins),
        }.items():
            write_text(frame.write_csv(float_precision=6), folder / f"{name}.csv")
        draw_frequencies(frequencies, the_task, folder / "class_frequencies.png")
        draw_lengths(by_class, the_task, folder / "text_lengths.png")
    shown = {"title": the_task.title, "classes": random_examples(rows, the_task, params)}
    write_text(markdown_page("profile.md", shown), examples)
    write_json(summary(rows, len(table) - len(rows), frequencies, by_class), metrics)
    print(_line(rows, frequencies))


def _line(rows: pl.DataFrame, frequencies: pl.DataFrame) -> str:
    totals = frequencies.group_by("label", maintain_order=True).agg(pl.col("count").sum())
    largest, count = totals.sort("count", descending=True, maintain_order=True).row(0)
    share = count / max(totals["count"].sum(), 1)
    words = rows["words"].to_numpy()
    return (
        f"profile: {len(rows):,} examples in {len(totals)} classes, {largest} the largest with {share:.0%}; "
        f"{np.median(words):.0f} words a text in the median, {words.max():,} at most"
    )


if __name__ == "__main__":
    run(main)
