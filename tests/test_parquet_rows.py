"""Rows on their way to the disk: never more of them in memory than make a group."""

from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from stages.lib import parquet_rows as module
from stages.lib.parquet_rows import parquet_rows, row_groups

SCHEMA: dict[str, pl.DataType] = {"text": pl.String(), "label": pl.List(pl.String)}


def groups_of(path: Path) -> list[int]:
    metadata = pq.ParquetFile(path).metadata
    return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]


def test_a_group_ends_by_its_rows_or_by_its_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS_PER_GROUP", 3)
    monkeypatch.setattr(module, "CHARACTERS_PER_GROUP", 100)
    texts = ["a", "b", None, "c", "d" * 99, "e", "f" * 200, "g"]
    with parquet_rows(tmp_path / "rows", SCHEMA) as rows:
        for text in texts:
            rows.add([text, [] if text is None else [text]])
    assert groups_of(tmp_path / "rows") == [3, 2, 2, 1]
    tables = list(row_groups(tmp_path / "rows"))
    assert [len(table) for table in tables] == [3, 2, 2, 1]
    assert pl.concat(tables)["text"].to_list() == texts
    assert pl.concat(tables).schema == pl.Schema(SCHEMA)


def test_tables_stand_behind_the_rows_so_far(tmp_path: Path) -> None:
    with parquet_rows(tmp_path / "rows", SCHEMA) as rows:
        rows.add(["a", None])
        rows.add_table(pl.DataFrame({"text": ["b"], "label": [["x"]]}))
    assert pl.read_parquet(tmp_path / "rows").rows() == [("a", None), ("b", ["x"])]


def test_no_rows_are_a_table_too(tmp_path: Path) -> None:
    with parquet_rows(tmp_path / "rows", SCHEMA):
        pass
    assert pl.read_parquet(tmp_path / "rows").schema == pl.Schema(SCHEMA)
    (table,) = row_groups(tmp_path / "rows")
    assert table.is_empty()
    assert table.schema == pl.Schema(SCHEMA)
