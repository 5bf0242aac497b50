"""Errors of a regression as pages show them: predicted against actual scores, residuals, errors by range."""

from typing import Any

import numpy as np
import polars as pl

from stages.lib.pages.point_plot import LARGE, SMALL, Size, Span, line_in, point_plot, span_of
from stages.lib.statistics.groups import evenly
from stages.lib.statistics.predictions import FINETUNED

View = dict[str, Any]


def scatter_plots(rows: pl.DataFrame, models: dict[str, str], most: int) -> dict[str, View]:
    """Model -> predicted against actual scores, all on the same axes, with the diagonal."""
    shown = evenly(rows, most)
    both = span_of(*(rows[column].to_numpy() for column in ("label", *models.values())))
    return {
        model: _scatter(shown, column, (both, both), LARGE if model == FINETUNED else SMALL)
        for model, column in models.items()
    }


def _scatter(rows: pl.DataFrame, column: str, spans: tuple[Span, Span], size: Size) -> View:
    plot = point_plot(rows["label"].to_numpy(), rows[column].to_numpy(), spans, size)
    (low, high), names = spans[0], {"x_name": "actual", "y_name": "predicted"}
    return plot | names | {"line": line_in(plot, spans, (low, low), (high, high))}


def residual_plot(rows: pl.DataFrame, most: int) -> View:
    """The fine-tuned model's residuals by what it says, with the line on which there is none."""
    shown, none = evenly(rows, most), np.zeros(1)
    spans = span_of(rows["predicted"].to_numpy()), span_of(rows["residual"].to_numpy(), none)
    plot = point_plot(shown["predicted"].to_numpy(), shown["residual"].to_numpy(), spans, LARGE)
    (low, high), names = spans[0], {"x_name": "predicted", "y_name": "residual"}
    return plot | names | {"line": line_in(plot, spans, (low, 0.0), (high, 0.0))}


def ranges(by_range: pl.DataFrame, baselines: list[str]) -> list[View]:
    """A range of the actual score a row: the fine-tuned model's errors, and `against`, others' mean ones."""
    of_model = {
        model: by_range.filter(pl.col("model") == model).rows_by_key("range", named=True, unique=True)
        for model in (FINETUNED, *baselines)
    }
    return [
        {"range": value} | row | {"against": {name: of_model[name][value]["mae"] for name in baselines}}
        for value, row in of_model[FINETUNED].items()
    ]
