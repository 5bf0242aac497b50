"""What a CSV from elsewhere says of its examples, as logits [N, C]: from labels, or from probabilities."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from scipy.special import logit

from stages.lib.exceptions import DataError, SourceError
from stages.lib.kinds import Kind
from stages.lib.labels import NUMBER_TYPE_OF_KINDS, array_of
from stages.lib.task import Task

LEAST = 1e-12  # of a probability, so that a certain miss has a finite loss
TOLERANCE = 0.02  # to which the probabilities of a row add up to 1: they come rounded
COMMA = ","  # between several labels, where the source has no separator of its own

Number = int | float | list[int]


def logits_of_labels(path: Path, table: pl.DataFrame, task: Task) -> np.ndarray:
    """Such that they say the label: the largest, the number itself, or above 0. Raises SourceError."""
    read = reader(task)
    numbers: list[Number] = []
    for row, cell in table.select("id", "label").iter_rows():
        try:
            numbers.append(read(cell))
        except ValueError as error:
            raise SourceError(f"{path}: id {row!r}: label {cell!r} {error}") from None
    labels_N = array_of(pl.Series(numbers, dtype=NUMBER_TYPE_OF_KINDS[task.kind]), task)
    return np.asarray(SAYING_OF_KINDS[task.kind](labels_N, task), dtype=np.float32)


def reader(task: Task) -> Callable[[str | None], Number]:
    """What turns a cell into a number of stages/lib/labels.py, or raises ValueError with what is wrong."""
    return READER_OF_KINDS[task.kind](task)


def _class(task: Task) -> Callable[[str | None], int]:
    numbers = {str(raw): number for number, raw in enumerate(task.raw_labels)}
    numbers |= {name: number for number, name in enumerate(task.labels)}

    def read(cell: str | None) -> int:
        if cell not in numbers:
            raise ValueError(f"is no class; expected one of {', '.join(task.labels)}")
        return numbers[cell]

    return read


def _number(task: Task) -> Callable[[str | None], float]:
    def read(cell: str | None) -> float:
        try:
            number = float(cell or "")
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ValueError("is no number; expected one, such as 3.4")
        return number

    return read


def _classes(task: Task) -> Callable[[str | None], list[int]]:
    read_one, separator = _class(task), task.separator or COMMA

    def read(cell: str | None) -> list[int]:
        parts = [part.strip() for part in (cell or "").split(separator)]
        return sorted({read_one(part) for part in parts if part})  # an empty cell: none

    return read


READER_OF_KINDS: dict[Kind, Callable[[Task], Callable[[str | None], Number]]] = {
    "classification": _class,
    "regression": _number,
    "multi-label": _classes,
}
SAYING_OF_KINDS: dict[Kind, Callable[[np.ndarray, Task], np.ndarray]] = {
    "classification": lambda labels_N, task: np.eye(len(task.labels))[labels_N],
    "regression": lambda labels_N, task: labels_N[:, None],
    "multi-label": lambda labels_NC, task: np.where(labels_NC, 1.0, -1.0),
}


def logits_of_probabilities(path: Path, table: pl.DataFrame, task: Task) -> np.ndarray:
    """Raises SourceError."""
    missing = [name for name in task.labels if name not in table.columns]
    if missing or not task.facts.has_classes:
        others = f", and none of probabilities for {', '.join(missing)}" if missing else ""
        raise SourceError(f"{path}: no column 'label'{others}; it has {', '.join(table.columns)}")
    values_NC = table.select(pl.col(task.labels).cast(pl.Float64, strict=False).fill_null(np.nan)).to_numpy()
    wrong_N = ~((values_NC >= 0) & (values_NC <= 1)).all(axis=1)
    if task.facts.has_probabilities:
        wrong_N |= ~(np.abs(values_NC.sum(axis=1) - 1) <= TOLERANCE)
    if wrong_N.any():
        row = int(np.flatnonzero(wrong_N)[0])
        raise SourceError(
            f"{path}: id {table['id'][row]!r}: {table.select(task.labels).row(row)} are no probabilities; "
            f"expected numbers from 0 to 1{' that add up to 1' if task.facts.has_probabilities else ''}"
        )
    return np.asarray(LOGITS_OF_KINDS[task.kind](values_NC), dtype=np.float32)


def _of_one_number(values_NC: np.ndarray) -> np.ndarray:
    raise DataError("a regression has no probabilities: its predictions stand in the column 'label'")


LOGITS_OF_KINDS: dict[Kind, Callable[[np.ndarray], np.ndarray]] = {
    "classification": lambda values_NC: np.log(np.maximum(values_NC, LEAST)),
    "regression": _of_one_number,
    "multi-label": lambda values_NC: logit(np.clip(values_NC, LEAST, 1 - LEAST)),
}
