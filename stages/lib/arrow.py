"""Arrow stream files, opened by memory map: what `datasets.Dataset.from_file` reads too."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from stages.lib.tables import replacing


def write_stream(schema: pa.Schema, batches: Iterable[pa.RecordBatch], path: Path) -> int:
    """Write the batches as they come; returns the number of rows."""
    rows = 0
    with replacing(path) as partial, pa.ipc.new_stream(str(partial), schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def open_stream(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_stream(source).read_all()


def write_vectors(examples: pa.Table, vectors_NH: np.ndarray, path: Path) -> None:
    """id, role, label of `examples`, and a fixed-size list of float32 for each."""
    count, hidden = vectors_NH.shape
    flat = arrow_of(np.ascontiguousarray(vectors_NH, dtype=np.float32).reshape(count * hidden))
    table = examples.select(["id", "role", "label"]).append_column(
        "vector", pa.FixedSizeListArray.from_arrays(flat, hidden)
    )
    write_stream(table.schema, table.to_batches(), path)


def vectors_of(table: pa.Table) -> np.ndarray:
    """float32 [N, H]."""
    column = table["vector"].combine_chunks()
    return numpy_of(column.flatten()).reshape(len(table), column.type.list_size)


def arrow_of(numbers: np.ndarray) -> pa.Array:
    """Without a copy; pa.array would import pandas to see whether it was given some of its own."""
    buffer = pa.py_buffer(np.ascontiguousarray(numbers))
    return pa.Array.from_buffers(pa.from_numpy_dtype(numbers.dtype), len(numbers), [None, buffer])


def numpy_of(numbers: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Through Polars; NumPy's own way to an Arrow column imports pandas."""
    return pl.Series(pl.from_arrow(numbers)).to_numpy()
