"""How many distinct texts a column has, in memory that does not grow with its rows."""

from pathlib import Path

import numpy as np
import polars as pl

from stages.lib.keys_on_disk import KeysOnDisk

HASHES_AT_ONCE = 2**19


class DistinctTexts:
    """Counts the distinct ones of the texts that it is given, nulls aside: exact, unless two share a hash.

    Of 64 bits: among ten million texts that has a chance of three in a million. The hashes stand in the file
    `scratch`.
    """

    def __init__(self, scratch: Path) -> None:
        self._hashes = KeysOnDisk(scratch, np.uint64, HASHES_AT_ONCE)

    def add(self, texts: pl.Series) -> None:
        self._hashes.add(texts.drop_nulls().hash(seed=0).to_numpy())

    def count(self) -> int:
        return sum(len(np.unique(self._of_pass(this))) for this in range(self._hashes.passes))

    def _of_pass(self, this: int) -> np.ndarray:
        hashes = self._hashes
        return np.concatenate([hash_N[hashes.is_of_pass(hash_N, this)] for hash_N in hashes.chunks()])
