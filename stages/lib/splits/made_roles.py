"""The roles that a source lacks, made from its training rows: by a hash, or the newest rows.

By a hash, a row's role depends on its text (or the group that it is of) and the seed alone, so that a new,
edited or relabelled row moves no other one.
"""

import re
from datetime import UTC, datetime
from typing import Any

import polars as pl

from stages.lib.exceptions import ConfigError, DataError
from stages.lib.hashes import hash_of
from stages.lib.task import is_unlabelled

MADE = ("test", "validation")  # in order of precedence
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
TIMES = (
    "ISO dates (2024-03-01, 2024-03-01T09:30:00Z), or numbers in all rows",
    "numbers in all rows, as in the first",
)


def shares_to_make(roles: pl.Series, fractions: dict[str, float]) -> dict[str, float]:
    """Role -> share of training rows, of each that no row has."""
    present = set(roles.unique())
    return {role: fractions[role] for role in MADE if role not in present}


def roles_by_hash(roles: pl.Series, keys: pl.Series, shares: dict[str, float], seed: int) -> pl.Series:
    """Rows with the same key get the same role."""
    chosen = [
        _role_of(key, shares, seed) if role == "train" else role
        for role, key in zip(roles, keys, strict=True)
    ]
    return pl.Series("role", chosen, dtype=pl.String)


def _role_of(key: str, shares: dict[str, float], seed: int) -> str:
    # hash, not shuffle: adding data must not move old test rows
    place = hash_of(f"{seed}\0{key}") / 2**64
    for role, share in shares.items():
        if place < share:
            return role
        place -= share
    return "train"


def column_of(table: pl.DataFrame, knob: str, column: str, known: list[str]) -> pl.Series:
    """The column that a knob names, an empty cell as null. Raises ConfigError where it is none of `known`."""
    if column not in known:
        there = f"there are {', '.join(known)}" if known else "source.yaml keeps none"
        raise ConfigError(
            f"params.yaml: {knob}: no column {column!r}; {there}. A column of your file has to be listed "
            "under keep in source.yaml"
        )
    filled = pl.col(column).str.strip_chars() != ""
    return table.select(pl.when(filled).then(pl.col(column)).alias(column)).to_series()


def group_keys(groups: pl.Series, keys: pl.Series) -> pl.Series:
    """Rows of one group have one key; a row of no group keeps that of its text."""
    rows = pl.DataFrame({"group": groups, "key": keys})
    return rows.select(key=pl.coalesce(pl.format("group\0{}", "group"), "key")).to_series()


def count_groups(roles: pl.Series, groups: pl.Series) -> dict[str, int]:
    """Of rows that somebody has labelled; the roles that a source brings may divide a group."""
    rows = pl.DataFrame({"role": roles, "group": groups}).drop_nulls()
    rows = rows.filter(~pl.col("role").map_elements(is_unlabelled, return_dtype=pl.Boolean))
    found = rows.group_by("group").agg(roles=pl.col("role").n_unique())
    return {"groups": len(found), "groups_in_several_roles": int((found["roles"] > 1).sum())}


def roles_by_time(table: pl.DataFrame, times: pl.Series, shares: dict[str, float]) -> pl.Series:
    """The newest training rows are test, those before them validation. Raises DataError for what is no time.

    Each gets its share of the training rows or, so that rows of one moment stay together, some more. A row
    without a time trains.
    """
    rows = table.select("role").with_row_index("row").with_columns(time=times)
    rows = rows.filter(pl.col("role") == "train", pl.col("time").is_not_null())
    moments = dict(zip(rows["row"], _moments(table, times, rows["row"]), strict=True))
    newest = sorted(moments, key=lambda row: moments[row], reverse=True)
    in_train = int((table["role"] == "train").sum())
    chosen, end = table["role"].to_list(), 0
    for role, share in shares.items():
        wanted = end + max(1, round(share * in_train))
        while end < len(newest) and (end < wanted or moments[newest[end]] == moments[newest[end - 1]]):
            chosen[newest[end]] = role
            end += 1
    return pl.Series("role", chosen, dtype=pl.String)


def _moments(table: pl.DataFrame, times: pl.Series, rows: pl.Series) -> list[Any]:
    """All as numbers or all as dates: the two cannot be put in one order."""
    texts = times.gather(rows).str.strip_chars().to_list()
    are_numbers = bool(texts) and NUMBER.fullmatch(texts[0]) is not None
    moments = []
    for row, text in zip(rows, texts, strict=True):
        moment = _number(text) if are_numbers else _date(text)
        if moment is None:
            raise DataError(
                f"row {table['id'][row]!r}: {times.name} is {text!r}; split.time needs {TIMES[are_numbers]}: "
                "mend the column, or set split.time to null in params.yaml"
            )
        moments.append(moment)
    return moments


def _number(text: str) -> int | float | None:
    if not NUMBER.fullmatch(text):
        return None
    return float(text) if "." in text else int(text)


def _date(text: str) -> datetime | None:
    """In UTC, where the text names no time zone too."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
