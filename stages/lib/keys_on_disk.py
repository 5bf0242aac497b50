"""Keys of rows in a file, in passes that each hold about so many: memory does not grow with the rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np


class KeysOnDisk:
    """An empty file at first; what is added stays in its order."""

    def __init__(self, path: Path, dtype: Any, at_once: int) -> None:
        self._path, self._dtype, self._at_once = path, np.dtype(dtype), at_once
        path.write_bytes(b"")

    def add(self, keys: np.ndarray) -> None:
        with self._path.open("ab") as file:
            file.write(keys.data)  # tofile would not say that the disk is full

    def __len__(self) -> int:
        return int(self._path.stat().st_size // self._dtype.itemsize)

    @property
    def passes(self) -> int:
        return max(1, -(-len(self) // self._at_once))

    def is_of_pass(self, hashes_N: np.ndarray, this: int) -> np.ndarray:
        """bool [N]: equal hashes are of one pass."""
        mine: np.ndarray = hashes_N % self.passes == this
        return mine

    def chunks(self) -> Iterator[np.ndarray]:
        """At least one, which may be empty."""
        with self._path.open("rb") as file:
            yield (chunk := np.fromfile(file, self._dtype, self._at_once))
            while len(chunk) == self._at_once:
                yield (chunk := np.fromfile(file, self._dtype, self._at_once))
