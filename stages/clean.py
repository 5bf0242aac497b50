"""Apply the cleaning steps to every text column, in the order of params.yaml, and keep the original beside.

No row is dropped or moved: a text that becomes empty stays, and is counted. Rows stream through, so memory
does not grow with them, in the steps or in what is counted before and after.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
from tqdm import tqdm

from stages.lib.cleaning.cleaning import clean, errors_of_steps
from stages.lib.cleaning.distinct import distinct_counts
from stages.lib.cleaning.steps import Cleaning, Step, name_of, write_cleaning
from stages.lib.cleaning.word_counts import sampled, word_counts
from stages.lib.params import StageParams, load_params
from stages.lib.stage import InPath, OutPath, run
from stages.lib.tables import ROWS_PER_GROUP, replacing, write_json
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


def measure(table: pl.LazyFrame, text_columns: list[str], scratch: Path) -> Measures:
    """What cleaning did to each text column; characters are means over its texts."""
    measures = {name: _measures(name) for name in text_columns}
    numbers = table.select(
        value.alias(f"{name}/{key}") for name in measures for key, value in measures[name].items()
    ).collect(engine="streaming")
    counts = distinct_counts(table, [*text_columns, *map(original, text_columns)], scratch)
    return {
        name: {key: numbers[f"{name}/{key}"].item() for key in measures[name]}
        | {"distinct_before": counts[original(name)], "distinct_after": counts[name]}
        for name in measures
    }


def _measures(name: str) -> dict[str, pl.Expr]:
    after, before = pl.col(name), pl.col(original(name))
    # sums, not means: a mean of floats depends on how threads share the rows
    texts = pl.max_horizontal(after.count(), 1)
    return {
        "texts": after.count(),
        "changed": (after != before).sum(),
        "became_empty": ((after == "") & (before != "")).sum(),
        "characters_before": before.str.len_chars().sum() / texts,
        "characters_after": after.str.len_chars().sum() / texts,
    }


def count_words(table: pl.LazyFrame, task: Task, measured: Measures, rows: int) -> dict[str, Any]:
    """The words before and after, of as many rows as `rows` in it says."""
    characters = sum(int(column["texts"] * column["characters_before"]) for column in measured.values())
    counted = sampled(table, rows=rows, characters=characters)
    return {
        "rows": counted.select(pl.len()).collect(engine="streaming").item(),
        "before": word_counts(counted, [original(name) for name in task.text_columns], task),
        "after": word_counts(counted, task.text_columns, task),
    }


def summarise(measured: Measures, steps: list[Step], *, rows: int, counted: int) -> str:
    texts, changed, emptied = (
        sum(column[key] for column in measured.values()) for key in ("texts", "changed", "became_empty")
    )
    by = ", ".join(map(name_of, steps)) if steps else "no steps"
    sample = f"; words counted in a sample of {counted:,} rows" if counted < rows else ""
    return f"clean: {texts:,} texts, {changed:,} changed by {by}; {emptied:,} became empty{sample}"


def write_in_groups(table: pl.LazyFrame, path: Path, rows: int) -> None:
    """A group of rows at a time, each on all cores: Polars' own sink holds what it has not written yet."""
    with ExitStack() as opened, tqdm(total=rows, unit="row", delay=2, disable=None) as bar:
        writer = None
        for start in range(0, max(rows, 1), ROWS_PER_GROUP):
            with errors_of_steps():
                group = table.slice(start, ROWS_PER_GROUP).collect(engine="streaming").to_arrow()
            if writer is None:
                writer = opened.enter_context(pq.ParquetWriter(path, group.schema, compression="zstd"))
            writer.write_table(group)
            bar.update(len(group))


def main(*, task: InPath, ingested: InPath, cleaned: OutPath, cleaning: OutPath, metrics: OutPath) -> None:
    params = load_params("clean", Params)
    chosen = Cleaning(steps=params.steps, language=params.language)
    to_learn = read_task(task)
    text_columns = to_learn.text_columns
    table = pl.scan_parquet(ingested)
    rows = table.select(pl.len()).collect().item()
    result = with_cleaned(table, text_columns, chosen)
    with replacing(cleaned) as partial:
        write_in_groups(result, partial, rows)
    write_cleaning(chosen, cleaning)
    written = pl.scan_parquet(cleaned)
    measured = measure(written, text_columns, cleaned.with_name(f".{cleaned.name}.hashes"))
    words = count_words(written, to_learn, measured, rows)
    write_json({"rows": rows, **measured, "words": words}, metrics)
    print(summarise(measured, params.steps, rows=rows, counted=words["rows"]))


if __name__ == "__main__":
    run(main)
