"""Labels in the three forms that they take on their way, for every kind of task.

                  names (splits.parquet)     numbers (tokens, predictions)     array
classification    String                     Int64, the class's place          int64 [N]
regression        Float64                    Float64                           float64 [N]
multi-label       List(String), [] for none  List(Int64)                       bool [N, C]

A null is a row that nobody has labelled; arrays have none.
"""

import numpy as np
import polars as pl

from stages.lib.kinds import Kind
from stages.lib.task import Task

NAME_TYPE_OF_KINDS: dict[Kind, pl.DataType] = {
    "classification": pl.String(),
    "regression": pl.Float64(),
    "multi-label": pl.List(pl.String),
}
NUMBER_TYPE_OF_KINDS: dict[Kind, pl.DataType] = {
    "classification": pl.Int64(),
    "regression": pl.Float64(),
    "multi-label": pl.List(pl.Int64),
}


def numbers_of(names: pl.Series, task: Task) -> pl.Series:
    """The numbers for names, under the same name; nulls stay."""
    places = {name: place for place, name in enumerate(task.labels)}
    return _exchanged(names, places, NUMBER_TYPE_OF_KINDS[task.kind])


def names_of(numbers: pl.Series, task: Task) -> pl.Series:
    """The names for numbers, under the same name; nulls stay."""
    return _exchanged(numbers, dict(enumerate(task.labels)), NAME_TYPE_OF_KINDS[task.kind])


def _exchanged(values: pl.Series, into: dict[str, int] | dict[int, str], dtype: pl.DataType) -> pl.Series:
    if not into:  # a regression's labels are what they are
        return values.cast(dtype)
    inner = dtype.inner if isinstance(dtype, pl.List) else dtype
    old, new = list(into), pl.Series(list(into.values()), dtype=inner)
    if isinstance(dtype, pl.List):
        element = pl.element().replace_strict(old, new, return_dtype=inner)
        return values.to_frame().select(pl.first().list.eval(element).cast(dtype)).to_series()
    return values.replace_strict(old, new, return_dtype=dtype)


def array_of(numbers: pl.Series, task: Task) -> np.ndarray:
    """Of labelled rows: see the table above."""
    dtype = NUMBER_TYPE_OF_KINDS[task.kind]
    if not isinstance(dtype, pl.List):
        return numbers.cast(dtype).to_numpy()
    array_NC = np.zeros((len(numbers), len(task.labels)), dtype=bool)
    places = numbers.list.explode(empty_as_null=False, keep_nulls=False).to_numpy()
    array_NC[np.repeat(np.arange(len(numbers)), numbers.list.len().to_numpy()), places] = True
    return array_NC


def column_of(array: np.ndarray, task: Task) -> pl.Series:
    """The numbers for an array: the way back."""
    dtype = NUMBER_TYPE_OF_KINDS[task.kind]
    values = [np.flatnonzero(row_C).tolist() for row_C in array] if isinstance(dtype, pl.List) else array
    return pl.Series(values, dtype=dtype)


def array_of_names(names: pl.Series, task: Task) -> np.ndarray:
    return array_of(numbers_of(names, task), task)


def names_of_array(array: np.ndarray, task: Task) -> pl.Series:
    return names_of(column_of(array, task), task)
