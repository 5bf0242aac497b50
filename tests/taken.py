"""A source taken in without the ingest stage: its examples, and the rows that were rejected."""

from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from stages.lib.sources.parts import find_parts
from stages.lib.sources.source import read_source
from stages.lib.sources.taking import take


def taken_from(source: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    what = read_source(source)
    with TemporaryDirectory() as folder:
        take(what, find_parts(source, what), Path(folder))
        ingested, rejected = (pl.read_parquet(f"{folder}/{name}") for name in ("ingested", "rejected"))
    return ingested, rejected
