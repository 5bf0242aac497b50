"""Artifacts on disk: written whole or not at all, and the same values always as the same bytes."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from stages.lib.disk import told_of

ROWS_PER_GROUP = 65_536  # fixed: otherwise Parquet's bytes depend on the number of threads


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path`, moved over it when the block ends well and removed when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with told_of(path):
            yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """A folder for the time of the block; what a killed run left there is removed first."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        with told_of(path):
            yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """As `replacing`, for a folder and all that the block writes into it."""
    with scratch_folder(path.with_name(f".{path.name}.partial")) as partial:
        with told_of(path):
            yield partial
        shutil.rmtree(path, ignore_errors=True)
        partial.replace(path)


def write_parquet(table: pl.DataFrame, path: Path) -> None:
    with replacing(path) as partial:
        table.write_parquet(partial, compression="zstd", row_group_size=ROWS_PER_GROUP)


def write_json(value: Any, path: Path) -> None:
    """JSON with sorted keys and floats to six decimals. Raises ValueError on NaN or infinity."""
    with replacing(path) as partial:
        text = json.dumps(_rounded(value), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
        partial.write_text(text + "\n", encoding="utf-8")


def write_text(text: str, path: Path) -> None:
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def in_use(splits: pl.DataFrame) -> pl.DataFrame:
    """The rows of data/splits.parquet that later stages work on: all but those that split left out."""
    return splits.filter(pl.col("left_out").is_null())


def _rounded(value: Any) -> Any:
    match value:
        case dict():
            return {str(key): _rounded(item) for key, item in value.items()}
        case list() | tuple():
            return [_rounded(item) for item in value]
        case float():
            return round(value, 6)
        case _:
            return value.item() if hasattr(value, "item") else value
