"""Apply the cleaning steps to every text column, in the order of params.yaml, and keep the original beside.

No row is dropped or moved: a text that becomes empty stays, and is counted.
"""

import polars as pl
from tqdm import tqdm

from stages.lib.cleaning import Cleaning, Step, clean, write_cleaning
from stages.lib.params import StageParams, load_params
from stages.lib.stage import InPath, OutPath, run
from stages.lib.tables import ROWS_PER_GROUP, replacing, write_json
from stages.lib.task import read_task


class Params(StageParams):
    steps: list[Step]
    language: str


def with_cleaned(table: pl.LazyFrame, text_columns: list[str], cleaning: Cleaning) -> pl.LazyFrame:
    """Each text column cleaned, with `<column>_original` right after it."""
    columns = []
    for name in table.collect_schema().names():
        column = pl.col(name)
        if name in text_columns:
            columns += [clean(column, cleaning), column.alias(f"{name}_original")]
        else:
            columns.append(column)
    return table.select(columns)


def measure(table: pl.LazyFrame, text_columns: list[str]) -> dict[str, dict[str, float]]:
    """What cleaning did to each text column; characters are means over its texts."""
    measures = {name: _measures(name) for name in text_columns}
    numbers = table.select(
        value.alias(f"{name}/{key}") for name in measures for key, value in measures[name].items()
    ).collect(engine="streaming")
    return {name: {key: numbers[f"{name}/{key}"].item() for key in measures[name]} for name in measures}


def _measures(name: str) -> dict[str, pl.Expr]:
    after, before = pl.col(name), pl.col(f"{name}_original")
    # sums, not means: a mean of floats depends on how threads share the rows
    texts = pl.max_horizontal(after.count(), 1)
    return {
        "texts": after.count(),
        "changed": (after != before).sum(),
        "became_empty": ((after == "") & (before != "")).sum(),
        "characters_before": before.str.len_chars().sum() / texts,
        "characters_after": after.str.len_chars().sum() / texts,
        "distinct_before": before.drop_nulls().n_unique(),
        "distinct_after": after.drop_nulls().n_unique(),
    }


def summarise(measured: dict[str, dict[str, float]], steps: list[Step]) -> str:
    texts, changed, emptied = (
        sum(column[key] for column in measured.values()) for key in ("texts", "changed", "became_empty")
    )
    by = ", ".join(steps) if steps else "no steps"
    return f"clean: {texts:,} texts, {changed:,} changed by {by}; {emptied:,} became empty"


def counting(column: pl.Expr, bar: "tqdm[None]") -> pl.Expr:
    """The column as it is; the bar moves as its rows come by."""

    def count(values: pl.Series) -> pl.Series:
        bar.update(len(values))
        return values

    return column.map_batches(count, return_dtype=pl.String, is_elementwise=True)


def main(*, task: InPath, ingested: InPath, cleaned: OutPath, cleaning: OutPath, metrics: OutPath) -> None:
    params = load_params("clean", Params)
    chosen = Cleaning(steps=params.steps, language=params.language)
    text_columns = read_task(task).text_columns
    table = pl.scan_parquet(ingested)
    rows = table.select(pl.len()).collect().item()
    with replacing(cleaned) as partial, tqdm(total=rows, unit="row", delay=2, disable=None) as bar:
        result = with_cleaned(table, text_columns, chosen).with_columns(counting(pl.col("text"), bar))
        result.sink_parquet(partial, row_group_size=ROWS_PER_GROUP, engine="streaming")
    write_cleaning(chosen, cleaning)
    measured = measure(pl.scan_parquet(cleaned), text_columns)
    write_json({"rows": rows, **measured}, metrics)
    print(summarise(measured, params.steps))


if __name__ == "__main__":
    run(main)
