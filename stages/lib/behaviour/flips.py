"""What changed texts do to what the model says: a row a changed text, and figures a change.

Legend: N changed texts, C what the model says of each (labelling.labeller: probabilities, or one score).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from stages.lib.arrow import arrow_of
from stages.lib.behaviour.changed_texts import DIRECTION
from stages.lib.behaviour.said import names_said
from stages.lib.encoders.served import Served
from stages.lib.sources.expectations import Expectation
from stages.lib.statistics.wilson import wilson

SIGN = {"up": 1, "down": -1}


def told_apart(tokens: pa.Table) -> np.ndarray:
    """int [rows]: equal numbers where the model reads the same tokens."""
    columns = [tokens[name].to_pylist() for name in tokens.column_names if name != "length"]
    number_of: dict[tuple[tuple[int, ...], ...], int] = {}
    keys = (tuple(map(tuple, lists)) for lists in zip(*columns, strict=True))
    return np.array([number_of.setdefault(key, len(number_of)) for key in keys], dtype=np.int64)


def said_once(tokens: pa.Table, numbers: np.ndarray, say: Callable[[pa.Table], np.ndarray]) -> np.ndarray:
    """[rows, C]. What reads the same is put to the model once, so that rounding makes no difference of it."""
    firsts = np.unique(numbers, return_index=True)[1]
    said_NC = say(tokens.take(arrow_of(firsts)))
    return np.asarray(said_NC[numbers])


def compared(
    changed: pl.DataFrame,
    before_NC: np.ndarray,
    after_NC: np.ndarray,
    served: Served,
    expectations: list[Expectation],
    tolerance: float,
) -> pl.DataFrame:
    """`changed` with before, after, probability_before, probability_after, flipped and as_expected.

    Flipped is another class, another set of labels, or a score moved by more than the tolerance. The
    probabilities are those of the classes said, and of a direction those of the label that it is about; null
    where there is no such thing.
    """
    before, after = names_said(served, before_NC), names_said(served, after_NC)
    if served.kind == "regression":
        flipped = pl.Series(np.abs(after_NC[:, 0] - before_NC[:, 0]) > tolerance, dtype=pl.Boolean)
    else:
        flipped = before != after
    table = changed.with_columns(
        before=before,
        after=after,
        probability_before=_sureness(before_NC, served),
        probability_after=_sureness(after_NC, served),
        flipped=flipped,
        as_expected=pl.lit(None, pl.Boolean),
    )
    for expectation in expectations:
        here = (changed["kind"] == DIRECTION) & (changed["change"] == expectation.name)
        place = served.labels.index(expectation.expect.of) if expectation.expect.of else 0
        table = _as_expected(table, here, before_NC[:, place], after_NC[:, place], expectation)
    return table


def _sureness(said_NC: np.ndarray, served: Served) -> pl.Series:
    known = served.kind == "classification"
    return pl.Series(said_NC.max(axis=1) if known else [None] * len(said_NC), dtype=pl.Float64)


def _as_expected(
    table: pl.DataFrame, here: pl.Series, before_N: np.ndarray, after_N: np.ndarray, expectation: Expectation
) -> pl.DataFrame:
    """The rows `here` judged; a tie is no move."""
    expect = expectation.expect
    if expect.moves is not None:
        fulfilled = pl.Series((after_N - before_N) * SIGN[expect.moves] > 0, dtype=pl.Boolean)
    elif isinstance(table.schema["after"], pl.List):
        fulfilled = table["after"].list.contains(expect.becomes)
    else:
        fulfilled = table["after"] == expect.becomes
    columns = {"as_expected": fulfilled}
    if expect.of is not None:
        columns["probability_before"] = pl.Series(before_N, dtype=pl.Float64)
        columns["probability_after"] = pl.Series(after_N, dtype=pl.Float64)
    return table.with_columns(
        pl.when(here).then(values).otherwise(pl.col(name)).alias(name) for name, values in columns.items()
    )


def figures(
    table: pl.DataFrame, unread: pl.Series, changes: dict[str, str], confidence: float
) -> dict[str, Any]:
    """By change of `changes` (name -> kind): n, flips with rate and interval, and how many are `unread`.

    Unread are the texts that reach the model as the unchanged ones do: cleaning undoes the change, or the
    tokenizer does not tell it apart or cuts it off.
    """
    counted = table.with_columns(unread=unread)
    return {
        name: _figures_of(counted.filter(pl.col("change") == name), kind, confidence)
        for name, kind in changes.items()
    }


def _figures_of(rows: pl.DataFrame, kind: str, confidence: float) -> dict[str, Any]:
    flips = int(rows["flipped"].sum())
    found = {"kind": kind, "n": len(rows), "unread": int(rows["unread"].sum()), "flips": flips}
    found |= _share(flips, len(rows), confidence)
    if kind == DIRECTION:
        fulfilled = int(rows["as_expected"].sum())
        found["as_expected"] = fulfilled
        found |= {f"as_expected_{key}": of for key, of in _share(fulfilled, len(rows), confidence).items()}
    return found


def _share(hits: int, n: int, confidence: float) -> dict[str, float | None]:
    low, high = wilson(hits, n, confidence) or (None, None)
    return {"rate": hits / n if n else None, "low": low, "high": high}
