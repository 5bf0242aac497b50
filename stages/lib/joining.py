"""Tables of one run joined by id; those of different runs are refused."""

import polars as pl

from stages.lib.exceptions import DataError

SPLITS = "the table of splits"  # data/splits.parquet, as an error calls it


def join_by_id(left: pl.DataFrame, right: pl.DataFrame, source: str, rows: str = "examples") -> pl.DataFrame:
    """Adds the columns of `right`, in the order of `left`. Raises DataError where it lacks one of the ids.

    `source` and `rows` are what the error calls `right` and the rows of `left`.
    """
    lacking = left.join(right, on="id", how="anti")
    if len(lacking):
        raise DataError(
            f"{source} lacks {len(lacking):,} of the {len(left):,} {rows}: {lacking['id'][0]!r} is the "
            "first; the files are not of one run, so run `dvc repro`"
        )
    return left.join(right, on="id", how="left", maintain_order="left", validate="1:1")
