"""Examples whose texts are changed, one row for each change that found something to change.

A row has the example's place, the change, its kind and the texts as they stand then, before any cleaning.
"""

from collections.abc import Iterator

import polars as pl

from stages.lib.behaviour.changes import CHANGES, Change, ChangeName
from stages.lib.cleaning.expressions import replaced
from stages.lib.hashes import hash_of
from stages.lib.sources.expectations import Expectation

INVARIANCE, DIRECTION = "invariance", "direction"


def varied(examples: pl.DataFrame, columns: list[str], names: list[ChangeName], seed: int) -> pl.DataFrame:
    """By changes that should not matter. Of a pair one text changes, which one the id decides."""
    rows = [
        (place, name, INVARIANCE, *texts)
        for name in names
        for place, (id_, *before) in enumerate(examples.select("id", *columns).rows())
        for texts in _changed(CHANGES[name], before, hash_of(f"{seed} {name} {id_}"))
    ]
    return pl.DataFrame(rows, schema=schema(columns), orient="row")


def directed(examples: pl.DataFrame, columns: list[str], expectations: list[Expectation]) -> pl.DataFrame:
    """By the source's own changes, where they can do what is expected: see `can_move`."""
    tables = [pl.DataFrame(schema=schema(columns))]
    for expectation in expectations:
        changed = examples.select(*columns).with_columns(replaced(pl.col(expectation.column), expectation))
        differs = changed[expectation.column].ne_missing(examples[expectation.column])
        described = changed.select(
            pl.int_range(pl.len()).alias("place"),
            pl.lit(expectation.name).alias("change"),
            pl.lit(DIRECTION).alias("kind"),
            *columns,
        )
        tables.append(described.filter(differs & can_move(examples["label"], expectation)))
    return pl.concat(tables)


def can_move(labels: pl.Series, expectation: Expectation) -> pl.Series:
    """A label can go where the text has it, and come where it lacks it; a score can move anywhere."""
    of = expectation.expect.of
    if of is None:
        return pl.Series([True] * len(labels), dtype=pl.Boolean)
    has_it = labels.list.contains(of) if isinstance(labels.dtype, pl.List) else labels == of
    return has_it if expectation.expect.moves == "down" else ~has_it


def schema(columns: list[str]) -> dict[str, pl.DataType]:
    texts = dict.fromkeys(columns, pl.String())
    return {"place": pl.Int64(), "change": pl.String(), "kind": pl.String(), **texts}


def _changed(change: Change, texts: list[str | None], number: int) -> Iterator[list[str | None]]:
    """The texts with one of them changed, the other where the first has nothing to change; or nothing."""
    first = (number >> 63) % len(texts)
    for place in (first, len(texts) - 1 - first):
        after = change(texts[place] or "", number)
        if after is not None:
            yield [*texts[:place], after, *texts[place + 1 :]]
            return
