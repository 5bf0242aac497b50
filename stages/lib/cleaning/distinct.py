"""How many distinct texts a table has, in memory that does not grow with its rows."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from stages.lib.tables import ROWS_PER_GROUP

HASHES_AT_ONCE = 2**20


def distinct_counts(table: pl.LazyFrame, columns: list[str], scratch: Path) -> dict[str, int]:
    """Column -> how many distinct texts, nulls aside: exact, unless two of them share a hash of 64 bits.

    Among ten million texts that has a chance of three in a million. A column's hashes stand in the file
    `scratch` meanwhile, and are counted in as many passes as it takes to hold about a million at a time.
    """
    rows = table.select(pl.len()).collect().item()
    try:
        return {name: _distinct(table.select(name), rows, scratch) for name in columns}
    finally:
        scratch.unlink(missing_ok=True)


def _distinct(texts: pl.LazyFrame, rows: int, scratch: Path) -> int:
    with scratch.open("wb") as file:
        for start in range(0, rows, ROWS_PER_GROUP):
            group = texts.slice(start, ROWS_PER_GROUP).collect().to_series()
            group.drop_nulls().hash(seed=0).to_numpy().tofile(file)
    passes = rows // HASHES_AT_ONCE + 1
    return sum(len(np.unique(_part(scratch, part, passes))) for part in range(passes))


def _part(scratch: Path, part: int, parts: int) -> np.ndarray:
    return np.concatenate([hashes_N[hashes_N % parts == part] for hashes_N in _stored(scratch)])


def _stored(scratch: Path) -> Iterator[np.ndarray]:
    with scratch.open("rb") as file:
        while len(hashes_N := np.fromfile(file, dtype=np.uint64, count=HASHES_AT_ONCE)):
            yield hashes_N
    yield np.empty(0, dtype=np.uint64)
