"""An id for every row of a source, unique over all its roles, in memory that does not grow with the rows.

The source's own id; where it repeats, its second row gets `#2`, the third `#3`. Where one stands in two
roles, all ids have their role in front. A row without an id has the hash of its text with its occurrence,
from `-1`. Numbers that the source itself uses so are passed over. Rows that come later change no id.

Occurrences are counted on disk: 64 bits a row, in as many passes as keep each within memory.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from stages.lib.hashes import hash_of
from stages.lib.keys_on_disk import KeysOnDisk

ROWS_AT_ONCE = 2**18  # of a pass
ROWS_WAITING = 2**16  # until they are written
# A row's key: of its id, or of its texts where it has none. Two rows with one key are two occurrences.
KEY = np.dtype([("key", "<u8"), ("role", "<u2"), ("is_hash", "?")])
NUMBERED = re.compile(r"(.*)#([1-9]\d*)", re.DOTALL)
HASHED = re.compile(r"([0-9a-f]{16})-([1-9]\d*)")


class Ids:
    """What makes the ids: fed every row in order, then asked for every id in the same order."""

    def __init__(self, folder: Path) -> None:
        self._keys_path, self._counts = folder / "keys", folder / "occurrences"
        self._keys = KeysOnDisk(self._keys_path, KEY, ROWS_AT_ONCE)
        self._waiting: list[tuple[int, int, bool]] = []
        self._roles: dict[str, int] = {}
        self._marked: list[tuple[str, str]] = []  # role and id, of the source's ids that look like made ones

    def add(self, source_id: str | None, texts: str, role: str) -> None:
        place = self._roles.setdefault(role, len(self._roles))
        if source_id is None:
            key = hash_of(texts)
        else:
            key = hash_of(source_id, b"id")
            if source_id[-1:].isdigit() and ("#" in source_id or "-" in source_id):
                self._marked.append((role, source_id))
        self._waiting.append((key, place, source_id is None))
        if len(self._waiting) == ROWS_WAITING:
            self._write()

    def _write(self) -> None:
        self._keys.add(np.array(self._waiting, dtype=KEY))
        self._waiting = []

    def count(self) -> None:
        """Once every row is added."""
        self._write()
        self._prefixed = _stand_in_two_roles(self._keys)
        self._taken = _taken(self._prefix(role, source_id) for role, source_id in self._marked)
        _count_occurrences(self._keys, self._counts, self._prefixed)

    def _prefix(self, role: str, source_id: str) -> str:
        return f"{role}-{source_id}" if self._prefixed else source_id

    def before(self, tables: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Tables of the rows that were added, with `id` as first column; for once, after `count`."""
        with self._keys_path.open("rb") as keys, self._counts.open("rb") as counts:
            for table in tables:
                key_N = np.fromfile(keys, KEY, len(table))["key"].tolist()
                count_N = np.fromfile(counts, np.uint32, len(table)).tolist()
                rows = zip(table["source_id"], table["role"], key_N, count_N, strict=True)
                ids = pl.Series("id", [self._id(*row) for row in rows], dtype=pl.String)
                yield table.insert_column(0, ids)

    def _id(self, source_id: str | None, role: str, key: int, count: int) -> str:
        if source_id is None:
            base, mark = f"{key:016x}", "-"
        else:
            base, mark = self._prefix(role, source_id), "#"
            if count == 1:
                return base
        for taken in self._taken.get(f"{base}{mark}", ()):
            count += taken <= count
        return f"{base}{mark}{count}"


def _taken(ids: Iterator[str]) -> dict[str, list[int]]:
    """Base with its mark -> the numbers that the source's own ids have behind it, in order."""
    taken = defaultdict(set)
    for source_id in ids:
        for form, mark in ((NUMBERED, "#"), (HASHED, "-")):
            found = form.fullmatch(source_id)
            if found and (mark == "-" or found[2] != "1"):  # the first row of an id has no number
                taken[f"{found[1]}{mark}"].add(int(found[2]))
    return {base: sorted(numbers) for base, numbers in taken.items()}


def _stand_in_two_roles(keys: KeysOnDisk) -> bool:
    for this in range(keys.passes):
        rows = _of_pass(keys, this)
        rows = rows[~rows["is_hash"]]
        rows = rows[np.lexsort((rows["role"], rows["key"]))]
        if np.any((rows["key"][1:] == rows["key"][:-1]) & (rows["role"][1:] != rows["role"][:-1])):
            return True
    return False


def _of_pass(keys: KeysOnDisk, this: int) -> np.ndarray:
    return np.concatenate([chunk[keys.is_of_pass(chunk["key"], this)] for chunk in keys.chunks()])


def _count_occurrences(keys: KeysOnDisk, counts: Path, by_role: bool) -> None:
    """Writes, for each key in order, how often it has occurred so far, itself included, as uint32."""
    with counts.open("wb") as file:
        file.truncate(len(keys) * 4)
    for this in range(keys.passes):
        _lay_in(counts, _occurrences(_of_pass(keys, this), by_role), keys, this)


def _occurrences(rows: np.ndarray, by_role: bool) -> np.ndarray:
    roles = np.where(rows["is_hash"], 0, rows["role"]) if by_role else np.zeros(len(rows), "<u2")
    order = np.lexsort((roles, rows["key"]))  # stable: the rows of one key stay in order
    sorted_keys, sorted_roles = rows["key"][order], roles[order]
    is_first = np.ones(len(rows), dtype=bool)
    is_first[1:] = (sorted_keys[1:] != sorted_keys[:-1]) | (sorted_roles[1:] != sorted_roles[:-1])
    place = np.arange(len(rows))
    counted = np.empty(len(rows), dtype=np.uint32)
    counted[order] = place - np.maximum.accumulate(np.where(is_first, place, 0)) + 1
    return counted


def _lay_in(counts: Path, counted: np.ndarray, keys: KeysOnDisk, this: int) -> None:
    place = done = 0
    with counts.open("r+b") as file:
        for chunk in keys.chunks():
            file.seek(place)
            here = np.fromfile(file, np.uint32, len(chunk))
            is_mine = keys.is_of_pass(chunk["key"], this)
            here[is_mine] = counted[done : done + is_mine.sum()]
            done += is_mine.sum()
            file.seek(place)
            file.write(here.data)
            place = file.tell()
