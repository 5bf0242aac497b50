"""When two rows are exact copies: their original texts read the same, a pair's both."""

import unicodedata

import polars as pl

from stages.lib.task import Task


def normalised(table: pl.DataFrame, task: Task) -> pl.DataFrame:
    """The texts as they were written, by their columns, alike in case, white space and Unicode form."""
    return pl.DataFrame(
        {
            column: pl.Series([_normalised(text) for text in table[f"{column}_original"]], dtype=pl.String)
            for column in task.text_columns
        }
    )


def _normalised(text: str | None) -> str:
    return " ".join(unicodedata.normalize("NFKC", text or "").casefold().split())


def as_keys(texts: pl.DataFrame) -> pl.Series:
    """One string a row."""
    return texts.select(key=pl.concat_str(pl.all(), separator="\0")).to_series()


def copy_keys(table: pl.DataFrame, task: Task) -> pl.Series:
    """One string a row, equal for exact copies."""
    return as_keys(normalised(table, task))
