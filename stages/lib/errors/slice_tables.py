"""slices.parquet, slice_members.parquet and words.parquet: of every evaluation role by itself."""

from typing import NamedTuple

import polars as pl

from stages.lib.errors.conditions import conditions_of, words_of_texts
from stages.lib.errors.knobs import Params
from stages.lib.errors.weak_slices import NUMBERS, SLICES, WORDS, find_slices, slice_table, word_table
from stages.lib.errors.weakness import errors_of
from stages.lib.statistics.predictions import evaluation_roles
from stages.lib.task import Task


class WeakParts(NamedTuple):
    tables: dict[str, pl.DataFrame]  # slices, slice_members, words
    numbers: dict[str, dict[str, int]]  # by role: how many slices were tested, how many found


def weak_parts(
    examples: pl.DataFrame, rows: pl.DataFrame, clusters: pl.DataFrame, task: Task, params: Params
) -> WeakParts:
    """`examples` are of data/errors, `rows` of data/splits.parquet with `cut_share`; `clusters` are by id."""
    slices, members = [pl.DataFrame(schema=SLICES | NUMBERS)], []
    words, numbers = [pl.DataFrame(schema=WORDS)], {}
    for role in evaluation_roles(examples):
        of_role = examples.filter(pl.col("role") == role)
        ids = of_role.select("id")
        texts, named = (ids.join(of, on="id", how="left", maintain_order="left") for of in (rows, clusters))
        errors, known_words = errors_of(of_role, task), words_of_texts(texts, task, params.slice_least_n)
        conditions = conditions_of(texts, known_words, named["name"], task, params)
        found = find_slices(conditions, errors, params)
        slices.append(slice_table(found, errors, role, params.confidence))
        members += [texts["id"].filter(member_N).to_list() for _, _, member_N in found.slices]
        words.append(word_table(known_words, errors, role, params))
        numbers[role] = {"tested": found.tested, "found": len(found.slices)}
    table = pl.concat(slices).with_columns(slice=pl.int_range(pl.len(), dtype=pl.Int64))
    each = pl.DataFrame(
        {"slice": table["slice"], "id": members}, schema={"slice": pl.Int64, "id": pl.List(pl.String)}
    )
    return WeakParts(
        {
            "slices": in_order(table),
            "slice_members": each.explode("id", empty_as_null=False, keep_nulls=False),
            "words": pl.concat(words),
        },
        numbers,
    )


def in_order(slices: pl.DataFrame) -> pl.DataFrame:
    """Role by role, what would be gained most by mending it first."""
    place = pl.col("role").rle_id()
    ordered = slices.with_columns(place=place).sort(
        "place", "excess", "slice", descending=[False, True, False]
    )
    return ordered.select("slice", pl.exclude("slice", "place"))
