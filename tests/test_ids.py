"""Ids: unique over a source's roles, the source's own where it has one, and never dependent on later rows."""

import errno
import hashlib
import re
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.lib.sources import ids as module
from stages.lib.sources.ids import Ids

Row = tuple[str | None, str, str]  # source_id, role, text


def ids(*rows: Row) -> list[str]:
    table = pl.DataFrame(rows, schema=dict.fromkeys(["source_id", "role", "text"], pl.String), orient="row")
    with TemporaryDirectory() as folder:
        made = Ids(Path(folder))
        for source_id, role, text in rows:
            made.add(source_id, text, role)
        made.count()
        return [name for part in made.before(table.iter_slices(3)) for name in part["id"]]


def plainly(rows: list[Row]) -> list[str]:
    """The same rule, row by row, with everything in memory."""
    raw = {(source_id, role) for source_id, role, _ in rows if source_id is not None}
    prefixed = len({source_id for source_id, _ in raw}) < len(raw)
    bases = [
        hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        if source_id is None
        else f"{role}-{source_id}"
        if prefixed
        else source_id
        for source_id, role, text in rows
    ]
    taken = {base for base, row in zip(bases, rows, strict=True) if row[0] is not None}
    seen, made = Counter[tuple[bool, str]](), []
    for base, (source_id, _, _) in zip(bases, rows, strict=True):
        key = (source_id is None, base)
        seen[key] += 1
        if source_id is not None and seen[key] == 1:
            made.append(base)
            continue
        mark = "-" if source_id is None else "#"
        while f"{base}{mark}{seen[key]}" in taken:
            seen[key] += 1
        made.append(f"{base}{mark}{seen[key]}")
    return made


HASH_OF_A = hashlib.blake2b(b"a", digest_size=8).hexdigest()
SOURCE_IDS = st.sampled_from(
    [
        None,
        "1",
        "1#2",
        "1#3",
        "1#2#2",
        "1#1",
        "1#02",
        "x",
        f"{HASH_OF_A}-1",
        f"{HASH_OF_A}-2",
        HASH_OF_A,
        "1#-2",
    ]
)
ROLES = st.sampled_from(["train", "test", "test_far"])
ROWS = st.lists(st.tuples(SOURCE_IDS, ROLES, st.sampled_from(["a", "b", "", "1"])), max_size=25)


@pytest.mark.slow
@pytest.mark.parametrize("rows_at_once", [1, 4, 2**18])
def test_they_are_those_of_the_plain_rule(rows_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS_AT_ONCE", rows_at_once)
    monkeypatch.setattr(module, "ROWS_WAITING", min(rows_at_once, 2**16))

    @settings(max_examples=60, deadline=None, derandomize=True, database=None)
    @given(ROWS)
    def compare(rows: list[Row]) -> None:
        made = ids(*rows)
        assert made == plainly(rows)
        assert len(set(made)) == len(rows)

    compare()


def test_an_id_in_two_roles_prefixes_every_id_with_its_role() -> None:
    assert ids(("1", "train", "a"), ("2", "train", "b"), ("1", "test", "c")) == [
        "train-1",
        "train-2",
        "test-1",
    ]


def test_a_repeated_id_is_numbered_from_its_second_row() -> None:
    assert ids(("1", "train", "a"), ("1", "train", "b"), ("1", "train", "c")) == ["1", "1#2", "1#3"]
    assert ids(("1", "train", "a"), ("1", "train", "b"), ("1#2", "train", "c")) == ["1", "1#3", "1#2"]


def test_without_an_id_the_text_and_its_occurrence_are_the_id() -> None:
    first, second, other = ids((None, "train", "a"), (None, "test", "a"), (None, "train", "b"))
    assert (first[-2:], second[-2:], other[-2:]) == ("-1", "-2", "-1")
    assert first[:-2] == second[:-2] != other[:-2]
    assert re.fullmatch("[0-9a-f]{16}-1", first)


def test_an_id_that_reads_like_a_text_is_no_occurrence_of_it() -> None:
    assert ids(("a", "train", "b"), (None, "train", "a")) == ["a", f"{HASH_OF_A}-1"]


def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    """numpy's `tofile` raises an OSError without a number there, which nobody takes for a full disk."""
    (tmp_path / "keys").symlink_to("/dev/full")
    made = Ids(tmp_path)
    made.add(None, "a text", "train")
    with pytest.raises(OSError, match="No space left") as raised:
        made.count()
    assert raised.value.errno == errno.ENOSPC
