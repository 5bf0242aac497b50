"""How many distinct texts a table has, in memory that does not grow with its rows."""

from pathlib import Path

import polars as pl

HASHES_AT_ONCE = 2**20


def distinct_counts(table: pl.LazyFrame, columns: list[str], scratch: Path) -> dict[str, int]:
    """Column -> how many distinct texts, nulls aside: exact, unless two of them share a hash of 64 bits.

    Among ten million texts that has a chance of three in a million. Their hashes stand in the file `scratch`
    meanwhile, and are counted in as many passes as it takes to hold about a million of them at a time.
    """
    hashes = [pl.when(pl.col(name).is_not_null()).then(pl.col(name).hash(seed=0)) for name in columns]
    try:
        table.select(hash.alias(name) for hash, name in zip(hashes, columns, strict=True)).sink_parquet(
            scratch, compression="uncompressed", statistics=False, engine="streaming"
        )
        stored = pl.scan_parquet(scratch)
        passes = stored.select(pl.len()).collect().item() // HASHES_AT_ONCE + 1
        return {
            name: sum(_distinct(stored, name, part, passes) for part in range(passes)) for name in columns
        }
    finally:
        scratch.unlink(missing_ok=True)


def _distinct(stored: pl.LazyFrame, name: str, part: int, parts: int) -> int:
    hashes = stored.select(name).filter(pl.col(name) % parts == part)  # null is in no part
    return int(hashes.select(pl.col(name).n_unique()).collect(engine="streaming").item())
