"""How many distinct texts a column has, in memory that does not grow with its rows."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

HASHES_AT_ONCE = 2**19


class DistinctTexts:
    """Counts the distinct ones of the texts that it is given, nulls aside: exact, unless two share a hash.

    Of 64 bits: among ten million texts that has a chance of three in a million. The hashes stand in the file
    `scratch`, and are counted in as many passes as it takes to hold about HASHES_AT_ONCE of them at a time.
    """

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._texts = 0

    def add(self, texts: pl.Series) -> None:
        hashes_N = texts.drop_nulls().hash(seed=0).to_numpy()
        self._texts += len(hashes_N)
        with self._scratch.open("ab") as file:
            hashes_N.tofile(file)

    def count(self) -> int:
        passes = self._texts // HASHES_AT_ONCE + 1
        return sum(len(np.unique(self._of_pass(number, passes))) for number in range(passes))

    def _of_pass(self, number: int, passes: int) -> np.ndarray:
        return np.concatenate([hashes_N[hashes_N % passes == number] for hashes_N in self._stored()])

    def _stored(self) -> Iterator[np.ndarray]:
        yield np.empty(0, dtype=np.uint64)
        if self._texts:
            with self._scratch.open("rb") as file:
                while len(hashes_N := np.fromfile(file, dtype=np.uint64, count=HASHES_AT_ONCE)):
                    yield hashes_N
