"""Apply the cleaning steps to every text column, in the order of params.yaml, and keep the original beside.

No row is dropped or moved: a text that becomes empty stays, and is counted. Rows stream through, so memory
does not grow with them, in the steps or in what is counted before and after.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
from tqdm import tqdm

from stages.lib.cleaning.cleaning import clean, errors_of_steps
from stages.lib.cleaning.distinct import DistinctTexts
from stages.lib.cleaning.steps import Cleaning, Step, name_of, write_cleaning
from stages.lib.cleaning.word_counts import sampled, word_counts
from stages.lib.params import StageParams, load_params
from stages.lib.parquet_rows import parquet_rows, row_groups
from stages.lib.stage import InPath, OutPath, run
from stages.lib.tables import replacing, scratch_folder, write_json
from stages.lib.task import Task, read_task


class Params(StageParams):
    steps: list[Step]
    language: str


Measures = dict[str, dict[str, float]]  # of each text column


def with_cleaned(table: pl.LazyFrame, text_columns: list[str], cleaning: Cleaning) -> pl.LazyFrame:
    """Each text column cleaned, with `<column>_original` right after it."""
    columns = []
    for name in table.collect_schema().names():
        column = pl.col(name)
        if name in text_columns:
            columns += [clean(column, cleaning), column.alias(original(name))]
        else:
            columns.append(column)
    return table.select(columns)


def original(name: str) -> str:
    return f"{name}_original"


def measure(groups: Iterable[pl.DataFrame], text_columns: list[str], scratch: Path) -> Measures:
    """What cleaning did to each text column of a table in parts; characters are means over its texts."""
    sides = [side for name in text_columns for side in (name, original(name))]
    distinct = {side: DistinctTexts(scratch / side) for side in sides}
    sums = {name: Counter[str]() for name in text_columns}
    for group in groups:
        for name in text_columns:
            sums[name].update(group.select(**_counts(name)).row(0, named=True))
        for side in sides:
            distinct[side].add(group[side])
    return {name: _measures(sums[name], distinct[original(name)], distinct[name]) for name in text_columns}


def _counts(name: str) -> dict[str, pl.Expr]:
    after, before = pl.col(name), pl.col(original(name))
    return {
        "texts": after.count(),
        "changed": (after != before).sum(),
        "became_empty": ((after == "") & (before != "")).sum(),
        "characters_before": before.str.len_chars().sum(),
        "characters_after": after.str.len_chars().sum(),
    }


def _measures(sums: Counter[str], before: DistinctTexts, after: DistinctTexts) -> dict[str, float]:
    texts = max(sums["texts"], 1)
    means = {f"characters_{side}": sums[f"characters_{side}"] / texts for side in ("before", "after")}
    return {**sums, **means, "distinct_before": before.count(), "distinct_after": after.count()}


def count_words(cleaned: Path, task: Task, measured: Measures, rows: int) -> dict[str, Any]:
    """The words before and after, of as many rows as `rows` in it says."""
    characters = sum(int(column["texts"] * column["characters_before"]) for column in measured.values())
    counted = sampled(row_groups(cleaned), rows=rows, characters=characters)
    return {
        "rows": len(counted),
        "before": word_counts(counted.lazy(), [original(name) for name in task.text_columns], task),
        "after": word_counts(counted.lazy(), task.text_columns, task),
    }


def summarise(measured: Measures, steps: list[Step], *, rows: int, counted: int) -> str:
    texts, changed, emptied = (
        sum(column[key] for column in measured.values()) for key in ("texts", "changed", "became_empty")
    )
    by = ", ".join(map(name_of, steps)) if steps else "no steps"
    sample = f"; words counted in a sample of {counted:,} rows" if counted < rows else ""
    return f"clean: {texts:,} texts, {changed:,} changed by {by}; {emptied:,} became empty{sample}"


def written_in_groups(
    ingested: Path, cleaned: Path, text_columns: list[str], cleaning: Cleaning
) -> Iterator[pl.DataFrame]:
    """A group of rows at a time, each on all cores: Polars' own sink holds what it has not written yet."""
    nothing = pl.read_parquet(ingested, n_rows=0).lazy()
    schema = dict(with_cleaned(nothing, text_columns, cleaning).collect().schema)
    with (
        parquet_rows(cleaned, schema) as written,
        tqdm(total=rows_in(ingested), unit="row", delay=2, disable=None) as bar,
    ):
        for group in row_groups(ingested):
            with errors_of_steps():
                result = with_cleaned(group.lazy(), text_columns, cleaning).collect(engine="streaming")
            written.add_table(result)
            bar.update(len(group))
            yield result


def rows_in(table: Path) -> int:
    return int(pq.read_metadata(table).num_rows)


def main(*, task: InPath, ingested: InPath, cleaned: OutPath, cleaning: OutPath, metrics: OutPath) -> None:
    params = load_params("clean", Params)
    chosen = Cleaning(steps=params.steps, language=params.language)
    to_learn = read_task(task)
    columns, rows = to_learn.text_columns, rows_in(ingested)
    with replacing(cleaned) as partial, scratch_folder(cleaned.with_name(".clean.partial")) as scratch:
        measured = measure(written_in_groups(ingested, partial, columns, chosen), columns, scratch)
    write_cleaning(chosen, cleaning)
    words = count_words(cleaned, to_learn, measured, rows)
    write_json({"rows": rows, **measured, "words": words}, metrics)
    print(summarise(measured, params.steps, rows=rows, counted=words["rows"]))


if __name__ == "__main__":
    run(main)
