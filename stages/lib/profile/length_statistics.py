"""How long texts are: in tokens, in words and, for scripts that put no space between words, in characters."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from stages.lib.task import Task

UNITS = ("words", "characters")
MEASURED = ("tokens", *UNITS)  # tokens are of a row: of the texts of a pair together
STATISTICS: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "mean": lambda column: column.mean(),
    "p5": lambda column: column.quantile(0.05),
    "p25": lambda column: column.quantile(0.25),
    "median": lambda column: column.median(),
    "p75": lambda column: column.quantile(0.75),
    "p95": lambda column: column.quantile(0.95),
    "max": lambda column: column.max(),
}


def with_lengths(rows: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Adds words and characters: of the texts in these columns together."""
    words = [pl.col(name).str.count_matches(r"\S+") for name in names]
    characters = [pl.col(name).str.len_chars() for name in names]
    return rows.with_columns(
        words=pl.sum_horizontal(words).cast(pl.Int64), characters=pl.sum_horizontal(characters).cast(pl.Int64)
    )


def length_statistics(rows: pl.DataFrame, by: str, units: tuple[str, ...] = MEASURED) -> pl.DataFrame:
    """`by`, count, and for each unit its statistics as words_mean, words_median, ..., characters_max."""
    columns = [
        statistic(pl.col(unit)).cast(pl.Float64).alias(f"{unit}_{name}")
        for unit in units
        for name, statistic in STATISTICS.items()
    ]
    return rows.group_by(by, maintain_order=True).agg(pl.len().cast(pl.Int64).alias("count"), *columns)


def statistics_of_each_text(rows: pl.DataFrame, task: Task) -> pl.DataFrame:
    """As `length_statistics` by `text`, the source's name of the column; without tokens."""
    columns = {"text": task.columns.text_name, "text_pair": task.columns.text_pair}
    return pl.concat(
        length_statistics(with_lengths(rows, [name]).with_columns(text=pl.lit(columns[name])), "text", UNITS)
        for name in task.text_columns
    )


def nested(statistics: pl.DataFrame, by: str, units: tuple[str, ...] = MEASURED) -> dict[str, Any]:
    """The same for a JSON file: `by`, unit, statistic."""
    return {
        row[by]: {"count": row["count"]}
        | {unit: {name: row[f"{unit}_{name}"] for name in STATISTICS} for unit in units}
        for row in statistics.iter_rows(named=True)
    }


def length_histogram(rows: pl.DataFrame, bins: int) -> pl.DataFrame:
    """words (a bin's upper edge), count. The last bin holds the longest hundredth, however long."""
    words = rows["words"].to_numpy()
    last = max(int(np.quantile(words, 0.99)), bins)
    edges = np.unique(np.linspace(0, last, bins + 1).round().astype(int))
    places = np.searchsorted(edges[1:], np.minimum(words, last), side="left")
    counts = np.bincount(places, minlength=len(edges) - 1)
    return pl.DataFrame({"words": edges[1:], "count": counts})
