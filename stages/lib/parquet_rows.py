"""Rows written as Parquet while they come, so that memory does not grow with their number."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from stages.lib.tables import ROWS_PER_GROUP

CHARACTERS_PER_GROUP = 32 * 2**20  # of long documents fewer rows make a group


class ParquetRows:
    """A table in the making: the same rows always become the same bytes."""

    def __init__(self, writer: pq.ParquetWriter, schema: dict[str, pl.DataType]) -> None:
        self._writer = writer
        self._schema = schema
        self._rows: list[Sequence[Any]] = []
        self._characters = 0

    def add(self, row: Sequence[Any]) -> None:
        """One value a column."""
        self._rows.append(row)
        self._characters += sum(len(value) for value in row if isinstance(value, str))
        if len(self._rows) == ROWS_PER_GROUP or self._characters >= CHARACTERS_PER_GROUP:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            columns = zip(self._schema.items(), zip(*self._rows, strict=True), strict=True)
            # not pa.array, which imports pandas
            series = [pl.Series(name, values, dtype=dtype) for (name, dtype), values in columns]
            self._rows, self._characters = [], 0
            self.add_table(pl.DataFrame(series))

    def add_table(self, table: pl.DataFrame) -> None:
        """As a group of its own, behind the rows so far."""
        self.flush()
        # in one piece: pages end where pieces do, and those depend on the number of threads
        self._writer.write_table(_as_arrow(table.rechunk()))


def _as_arrow(table: pl.DataFrame) -> pa.Table:
    return table.to_arrow(compat_level=pl.CompatLevel.oldest())  # string views are not all readers' thing


@contextmanager
def parquet_rows(path: Path, schema: dict[str, pl.DataType]) -> Iterator[ParquetRows]:
    """Whatever is added in the block stands at `path` after it."""
    fields = _as_arrow(pl.DataFrame(schema=schema)).schema
    with pq.ParquetWriter(path, fields, compression="zstd") as writer:
        rows = ParquetRows(writer, schema)
        yield rows
        rows.flush()


def row_groups(path: Path) -> Iterator[pl.DataFrame]:
    """The table in the parts in which it was written; at least one, which may be empty."""
    with pq.ParquetFile(path, memory_map=False, pre_buffer=False) as file:
        if not file.num_row_groups:
            yield pl.DataFrame(schema=pl.read_parquet_schema(path))  # not empty_table, which imports pandas
        for group in range(file.num_row_groups):
            yield _as_polars(file.read_row_group(group))


def _as_polars(table: pa.Table) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(table))
