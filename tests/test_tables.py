import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from stages.lib.tables import (
    in_use,
    replacing,
    replacing_folder,
    write_json,
    write_parquet,
    write_text,
)

TABLE = pl.DataFrame({"id": ["a", "b"], "text": ["line\nbreak", None]})


def test_the_same_table_is_the_same_bytes(tmp_path: Path) -> None:
    rows = pl.DataFrame({"n": range(200_000)})  # several row groups
    write_parquet(rows, tmp_path / "one.parquet")
    write_parquet(pl.concat([rows[:70_001], rows[70_001:]]), tmp_path / "two.parquet")  # in two chunks
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_a_table_comes_back_as_it_was(tmp_path: Path) -> None:
    write_parquet(TABLE, tmp_path / "new folder/table.parquet")
    assert pl.read_parquet(tmp_path / "new folder/table.parquet").equals(TABLE)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "numbers.json"
    write_json({"n": 1}, path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json({"n": float("nan")}, path)
    assert json.loads(path.read_text()) == {"n": 1}
    assert list(tmp_path.iterdir()) == [path]


def fail_while_replacing(path: Path) -> None:
    with replacing(path) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt


def fail_while_replacing_folder(path: Path) -> None:
    with replacing_folder(path) as partial:
        (partial / "half").touch()
        raise KeyboardInterrupt


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fail_while_replacing(tmp_path / "table")
    assert not list(tmp_path.iterdir())


def test_an_interrupted_folder_leaves_the_old_one(tmp_path: Path) -> None:
    with replacing_folder(tmp_path / "models/encoder") as partial:
        (partial / "whole").touch()
    with pytest.raises(KeyboardInterrupt):
        fail_while_replacing_folder(tmp_path / "models/encoder")
    assert [path.name for path in (tmp_path / "models").rglob("*")] == ["encoder", "whole"]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    for name in ("old", "new"):
        with replacing_folder(tmp_path / "encoder") as partial:
            (partial / name).touch()
    assert [path.name for path in (tmp_path / "encoder").iterdir()] == ["new"]


def test_what_a_killed_process_left_does_not_get_in(tmp_path: Path) -> None:
    (tmp_path / ".encoder.partial").mkdir()
    (tmp_path / ".encoder.partial/half").touch()
    with replacing_folder(tmp_path / "encoder") as partial:
        (partial / "whole").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["encoder", "whole"]


def test_json_has_sorted_keys_and_six_decimals(tmp_path: Path) -> None:
    value = {"b": 1 / 3, "a": {"deep": [np.float32(0.5), np.int64(2), True, None]}, 0: "ü"}
    write_json(value, tmp_path / "numbers.json")
    assert (tmp_path / "numbers.json").read_text(encoding="utf-8").endswith("\n")
    text = " ".join((tmp_path / "numbers.json").read_text(encoding="utf-8").split())
    assert text == '{ "0": "ü", "a": { "deep": [ 0.5, 2, true, null ] }, "b": 0.333333 }'


def test_text_has_unix_line_ends(tmp_path: Path) -> None:
    write_text("one\ntwo\n", tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes() == b"one\ntwo\n"


def test_rows_left_out_are_not_in_use() -> None:
    splits = TABLE.with_columns(left_out=pl.Series([None, "copy of a test example"], dtype=pl.String))
    assert in_use(splits)["id"].to_list() == ["a"]
