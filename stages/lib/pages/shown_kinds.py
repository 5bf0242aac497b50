"""What differs by the kind of task on the pages of errors: confusions, residuals or labels."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from stages.lib.kinds import Kind
from stages.lib.pages.on_role import OnRole
from stages.lib.pages.report_knobs import Params
from stages.lib.pages.shown_classes import classes_to_show, frequent_confusions, matrix
from stages.lib.pages.shown_examples import brief_examples
from stages.lib.pages.shown_labels import frequent_misses, label_rows
from stages.lib.pages.shown_residuals import ranges, residual_plot, scatter_plots
from stages.lib.statistics.predictions import FINETUNED

View = dict[str, Any]


def of_kind(on: OnRole, params: Params) -> View:
    return VIEW_OF_KINDS[on.task.kind](on, params)


def of_classes(on: OnRole, params: Params) -> View:
    cells, labels = on.rows("confusion"), on.task.labels
    shown = classes_to_show(on.examples, labels, params.matrix_classes)
    of_model = {name: cells.filter(pl.col("model") == name) for name in (FINETUNED, *on.baselines)}
    confusions = frequent_confusions(of_model[FINETUNED], params.confusions)
    return {
        "classes": len(labels),
        "mistakes": on.examples.filter(pl.col("label") != pl.col("predicted")).height,
        "matrices": {name: matrix(table, labels, shown) for name, table in of_model.items()},
        "folded": len(labels) - len(shown),
        "confusions": [pair | {"examples": of_pair(on, pair, params)} for pair in confusions],
    }


def of_pair(on: OnRole, pair: View, params: Params) -> list[View]:
    """Examples of the confusion, those that the model is surest of first."""
    rows = on.by_loss.filter(pl.col("label") == pair["actual"], pl.col("predicted") == pair["predicted"])
    return brief_examples(rows.head(params.examples_each), on.task, params.text_characters)


def of_scores(on: OnRole, params: Params) -> View:
    scores = on.examples["label"].to_list()
    return {
        "mean_error": on.examples["loss"].mean(),
        "low": f"{min(scores):g}",
        "high": f"{max(scores):g}",
        "decimals": decimals_of(on.examples["label"]),
        "drawn": min(params.scatter_points, on.n),
        "scatters": scatter_plots(on.examples, columns_of_models(on), params.scatter_points),
        "residuals": residual_plot(on.examples, params.scatter_points),
        "ranges": ranges(on.rows("by_range"), on.baselines),
        "both_ways": both_ways(on, params),
    }


def columns_of_models(on: OnRole) -> dict[str, str]:
    return {FINETUNED: "predicted"} | {name: name for name in on.baselines}


def both_ways(on: OnRole, params: Params) -> View:
    """The largest residuals below and above nothing."""
    order = on.examples.sort("residual", "id")
    said = {
        "too much": order.filter(pl.col("residual") < 0).head(params.examples_each),
        "too little": order.filter(pl.col("residual") > 0).reverse().head(params.examples_each),
    }
    return {
        name: [
            example | {"residual": residual}
            for example, residual in zip(
                brief_examples(rows, on.task, params.text_characters), rows["residual"], strict=True
            )
        ]
        for name, rows in said.items()
    }


def decimals_of(scores: pl.Series) -> int:
    """For three digits of their span, or of a single value."""
    values = scores.to_numpy()
    size = np.ptp(values) or abs(values[0]) or 1.0
    return max(0, 2 - math.floor(math.log10(size)))


def of_labels(on: OnRole, params: Params) -> View:
    by_label, by_class = on.rows("by_label"), on.evaluation[FINETUNED][on.role]["by_class"]
    ours = by_label.filter(pl.col("model") == FINETUNED)
    misses = frequent_misses(on.rows("missed"), by_label, params.confusions)
    return {
        "labels": len(on.task.labels),
        "mistakes": on.examples.filter(pl.col("label") != pl.col("predicted")).height,
        "missed": ours["fn"].sum(),
        "extra": ours["fp"].sum(),
        "right": ours["tp"].sum(),
        "by_label": label_rows(by_label, on.baselines, by_class),
        "misses": [miss | {"examples": of_miss(on, miss, params)} for miss in misses],
    }


def of_miss(on: OnRole, miss: View, params: Params) -> list[View]:
    rows = on.by_loss
    for column, name in (("missed", miss["missed"]), ("extra", miss["said"])):
        of = pl.col(column).list
        rows = rows.filter(of.len() == 0 if name is None else of.contains(name))
    return brief_examples(rows.head(params.examples_each), on.task, params.text_characters)


VIEW_OF_KINDS: dict[Kind, Callable[[OnRole, Params], View]] = {
    "classification": of_classes,
    "regression": of_scores,
    "multi-label": of_labels,
}
