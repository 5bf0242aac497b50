"""Show what the data looks like before anyone trains on it: labels, lengths, a few examples of each.

Of the rows in use. By label means by class, by range of the score, or by each of several labels a row, which
then counts for each of them. Lengths are of what the models read (cleaned, a pair's texts together). Examples
are training rows, as they were written: nobody should have read the test set.
"""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from pydantic import Field

from stages.lib.pages.label_profile import label_line, label_profile, shown_label
from stages.lib.pages.length_statistics import (
    UNITS,
    length_histogram,
    length_statistics,
    nested,
    statistics_of_each_text,
    with_lengths,
)
from stages.lib.pages.pages import markdown_page
from stages.lib.pages.plots import color_of, drawing, write_png
from stages.lib.params import StageParams, load_params
from stages.lib.stage import InPath, OutPath, run
from stages.lib.statistics.groups import Groups, groups_of, in_groups
from stages.lib.tables import in_use, replacing_folder, write_json, write_text
from stages.lib.task import Task, read_task


class Params(StageParams):
    seed: int
    examples_per_label: int = Field(ge=0)
    histogram_bins: int = Field(gt=0)


def label_frequencies(labelled: pl.DataFrame, groups: Groups) -> pl.DataFrame:
    """role, label, count, share of the role's rows: roles as they first appear, zeros included."""
    roles = labelled["role"].unique(maintain_order=True)
    in_role = {role: (labelled["role"] == role).to_numpy() for role in roles}
    cells = [
        (role, label, int((row_N & member_N).sum()), float((row_N & member_N).sum() / row_N.sum()))
        for role, row_N in in_role.items()
        for label, member_N in groups.items()
    ]
    schema = {"role": pl.String, "label": pl.String, "count": pl.Int64, "share": pl.Float64}
    return pl.DataFrame(cells, schema=schema, orient="row")


def random_examples(
    labelled: pl.DataFrame, groups: Groups, task: Task, params: Params
) -> dict[str, list[dict[str, Any]]]:
    """Label -> training rows that have it: their original texts (a pair's together) and what `label` adds."""
    in_train = np.flatnonzero((labelled["role"] == "train").to_numpy())
    order = np.random.default_rng(params.seed).permutation(in_train)
    return {
        name: [
            {
                "label": shown_label(row["label"], task),
                "texts": [row[f"{column}_original"] or "" for column in task.text_columns],
            }
            for row in labelled[order[member_N[order]][: params.examples_per_label]].iter_rows(named=True)
        ]
        for name, member_N in groups.items()
    }


def draw_frequencies(frequencies: pl.DataFrame, labels: list[str], n_of: dict[str, int], path: Path) -> None:
    """`n_of` are the roles with their numbers of labelled rows."""
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


def draw_lengths(statistics: pl.DataFrame, labels: list[str], path: Path) -> None:
    """Boxes from the first to the third quartile, whiskers from the 5th to the 95th percentile."""
    with drawing(10, 1.2 + 0.35 * len(labels)) as figure:
        for axes, unit in zip(figure.subplots(1, 2, sharey=True), UNITS, strict=True):
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
        write_png(figure, path)


def _box(row: dict[str, Any], unit: str) -> dict[str, float]:
    names = {"whislo": "p5", "q1": "p25", "med": "median", "q3": "p75", "whishi": "p95"}
    return {name: row[f"{unit}_{statistic}"] for name, statistic in names.items()}


def _name_labels(axes: Axes, labels: list[str]) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)  # the first on top
    axes.grid(axis="x")


def summary(rows: pl.DataFrame, frequencies: pl.DataFrame, by_label: pl.DataFrame, task: Task) -> Any:
    labels: dict[str, dict[str, Any]] = {}
    for role, label, count, share in frequencies.iter_rows():
        labels.setdefault(role, {})[label] = {"count": count, "share": share}
    return {
        "examples": len(rows),
        "labels": labels,
        "lengths_by_label": nested(by_label, "label"),
        "lengths_by_role": nested(length_statistics(rows, "role"), "role"),
        "lengths_by_text": nested(statistics_of_each_text(rows, task), "text"),
    }


def main(*, task: InPath, splits: InPath, plots: OutPath, examples: OutPath, metrics: OutPath) -> None:
    params = load_params("profile", Params)
    the_task = read_task(task)
    table = pl.read_parquet(splits)
    rows = with_lengths(in_use(table), the_task.text_columns)
    labelled = rows.filter(pl.col("label").is_not_null())
    groups = groups_of(labelled["label"], the_task)
    frequencies = label_frequencies(labelled, groups)
    by_label = length_statistics(in_groups(labelled, groups), "label")
    with replacing_folder(plots) as folder:
        for name, frame in {
            "label_frequencies": frequencies,
            "text_lengths": by_label,
            "length_histogram": length_histogram(rows, params.histogram_bins),
        }.items():
            write_text(frame.write_csv(float_precision=6), folder / f"{name}.csv")
        n_of = dict(labelled.group_by("role", maintain_order=True).len().iter_rows())
        draw_frequencies(frequencies, list(groups), n_of, folder / "label_frequencies.png")
        draw_lengths(by_label, list(groups), folder / "text_lengths.png")
    shown = {"title": the_task.title, "labels": random_examples(labelled, groups, the_task, params)}
    write_text(markdown_page("profile.md", shown), examples)
    numbers = summary(rows, frequencies, by_label, the_task) | label_profile(labelled, the_task)
    write_json(numbers | {"left_out": len(table) - len(rows)}, metrics)
    words = rows["words"].to_numpy()
    print(
        f"profile: {len(rows):,} examples, {label_line(labelled['label'], frequencies, the_task)}; "
        f"{np.median(words):.0f} words a text in the median, {words.max():,} at most"
    )


if __name__ == "__main__":
    run(main)
