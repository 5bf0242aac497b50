"""Parquet and Arrow files as rows, some thousand at a time. A row's line is its number, from 1.

Nested columns and bytes are read where source.yaml names them, or the layout asks for all; else they are left
out, also of what a rejected row held. A time is written as a CSV would write it.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stages.lib.exceptions import SourceError
from stages.lib.readers.archives import open_seekable
from stages.lib.readers.rows import ESCAPE, Layout, Row, check_columns, check_names, escaped, shortest

ROWS_AT_ONCE = 1_000
ARROW_FILE = b"ARROW1"
NARROW: dict[str, type[np.floating[Any]]] = {"float": np.float32, "halffloat": np.float16}  # Arrow's names
BYTES = "bytes, which are no text"


def read_parquet(path: Path, layout: Layout, wanted: list[str]) -> Iterator[Row]:
    with _explained(path, "Parquet"), open_seekable(path) as file, pq.ParquetFile(file) as table:
        columns = _chosen(path, table.schema_arrow, wanted, layout)
        yield from _rows(table.iter_batches(batch_size=ROWS_AT_ONCE, columns=columns))


def read_arrow(path: Path, layout: Layout, wanted: list[str]) -> Iterator[Row]:
    """Both of Arrow's formats: the file, also known as Feather, and the stream."""
    with _explained(path, "Arrow"), open_seekable(path) as file:
        is_file = file.read(len(ARROW_FILE)) == ARROW_FILE
        file.seek(0)
        with pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file) as table:
            columns = _chosen(path, table.schema, wanted, layout)
            whole = (table.get_batch(n) for n in range(table.num_record_batches)) if is_file else table
            yield from _rows(batch.select(columns) for batch in whole)


def _chosen(path: Path, schema: Any, wanted: list[str], layout: Layout) -> list[str]:
    check_names(str(path), schema.names)
    check_columns(str(path), schema.names, wanted)
    return [field.name for field in schema if layout.whole or field.name in wanted or _is_flat(field.type)]


def _is_flat(kind: Any) -> bool:
    return not (bool(pa.types.is_nested(kind)) or _is_binary(kind))


def _is_binary(kind: Any) -> bool:
    types = pa.types
    known = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_binary_view)
    return any(is_this(kind) for is_this in known)


def _rows(batches: Iterable[Any]) -> Iterator[Row]:
    number = 0
    for large in batches:
        for start in range(0, large.num_rows, ROWS_AT_ONCE):
            batch = large.slice(start, ROWS_AT_ONCE)
            columns = [_values(column) for column in batch.columns]
            for values in zip(*columns, strict=True):
                number += 1
                yield _as_row(number, batch.schema.names, values)


def _as_row(number: int, names: list[str], values: tuple[Any, ...]) -> Row:
    cells = dict(zip(names, values, strict=True))
    for name, value in cells.items():
        if isinstance(value, bytes):
            held = {
                key: escaped(cell.decode("ascii", ESCAPE)) if isinstance(cell, bytes) else cell
                for key, cell in cells.items()
            }
            return Row(number, {}, held, f"{name} is {BYTES}")
    return Row(number, cells, cells)


def _values(column: Any) -> list[Any]:
    """As Python's own: text, whole numbers, numbers, truth values, lists, None for null and NaN."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _values(column.cast(kind.value_type))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _texts(column)
    if pa.types.is_floating(kind):
        numbers = column.to_pylist()
        narrow = NARROW.get(str(kind))
        return [None if n is None or n != n else shortest(n, narrow) if narrow else n for n in numbers]
    if pa.types.is_temporal(kind):
        return [None if text is None else _as_in_csv(text) for text in column.cast(pa.string()).to_pylist()]
    if pa.types.is_decimal(kind):
        return [None if number is None else str(number) for number in column.to_pylist()]
    if _is_list(kind):
        return _lists(column)
    return list(column.to_pylist())


def _lists(column: Any) -> list[Any]:
    inner = _values(column.flatten())
    lengths = [None if length is None else int(length) for length in pc.list_value_length(column).to_pylist()]
    found, place = [], 0
    for length in lengths:
        found.append(None if length is None else inner[place : place + length])
        place += length or 0
    return found


def _is_list(kind: Any) -> bool:
    return any(is_this(kind) for is_this in (pa.types.is_list, pa.types.is_large_list))


def _texts(column: Any) -> list[Any]:
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:  # a writer did not check; the values that are text are still good
        raw = column.cast(pa.large_binary()).to_pylist()
        return [value if value is None else _text_or_bytes(value) for value in raw]


def _text_or_bytes(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _as_in_csv(written: str) -> str:
    """`2024-01-05 10:00:00.000000` without the fraction that says nothing."""
    written = re.sub(r"(\.\d*?)0+(Z?)$", r"\1\2", written)
    return re.sub(r"\.(Z?)$", r"\1", written)


@contextmanager
def _explained(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, EOFError) as error:
        reason = str(error).strip().split("\n")[0]
        raise SourceError(f"{path}: no {what} that can be read, or cut short ({reason})") from None
