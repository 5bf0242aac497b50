"""A fixed split survives everything: no old row changes its role, whatever becomes of others or cleaning."""

import csv
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from ruamel.yaml import YAML

from tests.staged import prepare, run_stage, split
from tests.tiny import write_source

KNOBS = {"split": {"validation_fraction": 0.2, "test_fraction": 0.2}}
COPY = "near copy of a "


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("before")
    write_source(folder / "laid/tiny")
    more_rows(folder / "laid/tiny", [long_row(n) for n in range(150)])
    prepare(folder, folder / "laid/tiny", KNOBS)
    split(folder)
    return folder


def long_row(n: int) -> list[str]:
    """No two are near copies of each other."""
    chance = random.Random(n)
    words = [f"word{chance.randrange(2_000)}" for _ in range(16)]
    return [str(3_000 + n), " ".join(words), "Oslo", str(n % 2)]


def more_rows(source: Path, rows: list[list[str]]) -> None:
    write(source, [*read(source), *rows])


def read(source: Path) -> list[list[str]]:
    with (source / "train.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def write(source: Path, rows: list[list[str]]) -> None:
    with (source / "train.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def rows_of(folder: Path) -> dict[str, dict[str, Any]]:
    """By id."""
    table = pl.read_parquet(folder / "data/splits.parquet")
    return {row["id"]: row for row in table.iter_rows(named=True)}


def added(source: Path) -> None:
    """At the start and at the end, some of them near copies of old rows."""
    header, *rows = read(source)
    first = [["9000", "brand new words at the very start of the file", "Lima", "1"]]
    copies = [[str(9_100 + n), f"{row[1]} again", "Lima", row[3]] for n, row in enumerate(rows[-100:])]
    write(source, [header, *first, *rows, *copies])


def removed(source: Path) -> None:
    header, *rows = read(source)
    write(source, [header, *rows[1::3], *rows[2::3]])


def relabelled(source: Path) -> None:
    header, *rows = read(source)
    write(source, [header, *([*row[:3], str(1 - int(row[3]))] for row in rows)])


def reordered(source: Path) -> None:
    header, *rows = read(source)
    random.Random(1).shuffle(rows)
    write(source, [header, *rows])


def labels_renamed(source: Path) -> None:
    yaml, path = YAML(), source / "source.yaml"
    keys = yaml.load(path.read_text(encoding="utf-8"))
    keys["labels"], keys["positive"] = {"1": "danger", "0": "nothing"}, "danger"
    yaml.dump(keys, path)


CLEANED_OTHERWISE = {"clean": {"steps": ["lowercase", "numbers", "punctuation", "short_words", "whitespace"]}}
pytestmark = pytest.mark.slow  # each runs three stages


def test_the_same_bytes_on_any_number_of_threads(before: Path) -> None:
    outs = ("data/splits.parquet", "data/copies.parquet", "metrics/split.json")
    written = {out: (before / out).read_bytes() for out in outs}
    for threads in ("1", "3"):
        run_stage(before, "split", POLARS_MAX_THREADS=threads, RAYON_NUM_THREADS=threads)
        assert written == {out: (before / out).read_bytes() for out in outs}


CHANGES = [added, removed, relabelled, reordered, labels_renamed]


@pytest.mark.parametrize(
    "change", [*CHANGES, None], ids=lambda change: change.__name__ if change else "cleaned"
)
def test_every_old_row_is_where_it_was(before: Path, tmp_path: Path, change: Any) -> None:
    laid = tmp_path / "laid/tiny"
    laid.parent.mkdir()
    (tmp_path / "run").mkdir()
    write_source(laid)
    more_rows(laid, [long_row(n) for n in range(150)])
    if change:
        change(laid)
    prepare(tmp_path / "run", laid, KNOBS if change else KNOBS | CLEANED_OTHERWISE)
    split(tmp_path / "run")
    old, new = rows_of(before), rows_of(tmp_path / "run")
    common = old.keys() & new.keys()
    assert len(common) > 150
    assert {old[name]["role"] for name in common} == {"train", "validation", "test", "unlabelled"}
    for name in common:
        assert new[name]["role"] == old[name]["role"], name
        became, was = new[name]["left_out"], old[name]["left_out"]
        if became != was and was is None:
            assert change is added
            assert became.startswith(COPY)
            assert old[name]["role"] in ("train", "validation")
        if became != was and was is not None:
            assert change is removed
    if change is added:
        assert any(new[name]["left_out"] != old[name]["left_out"] for name in common)
    if change is None:
        assert any(new[name]["text"] != old[name]["text"] for name in common)
