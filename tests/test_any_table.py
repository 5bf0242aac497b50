"""Whatever a table holds: never a traceback, never a lost or an invented row, always the same bytes twice."""

import csv
import io
import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.graph import read_project
from tests.staged import FIRST_STAGES, run_in_process
from tests.tiny import ROOT

Row = list[str]  # id, text, place, label
Outcome = tuple[dict[str, bytes], str]  # every file written, and what was raised

COLUMNS = ["id", "text", "place", "label"]
SOURCE = """\
title: any
files: {{train: train.{form}}}
columns: {{{id}text: text, label: label}}
keep: [place]
labels: {{"0": calm, "1": alarm, "two words": both}}
task: classification
metrics: [accuracy]
copies: {copies}
"""

KNOBS = {
    "ingest": {"max_rejected_share": 1.0},
    "split": {"validation_fraction": 0.3, "test_fraction": 0.3},
}
SETTINGS = settings(deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
CHARACTERS = st.characters() | st.characters(categories=["Cs"])  # halves of surrogate pairs too
SHAPES = [
    "",
    " ",
    "\0",
    "\ufeff",
    "\x1b[2J",
    "\r",
    "\r\n",
    "<b>&amp;",
    "'; --",
    '"',
    "a" * 1_000_000,
    "\u202e",
    "％ﬁ",
]
TEXTS = (
    st.text(CHARACTERS, max_size=30) | st.sampled_from(SHAPES) | st.sampled_from(["good", "so bad", "GOOD"])
)
LABELS = st.sampled_from(["0", "1", "two words", "", " ", "-1", "0.0", "1.0"])
STRANGE_LABELS = LABELS | st.sampled_from(["2", "nan", "none", "0 ", "\0"])
IDS = st.sampled_from(["1", "2", "1#2", "", "x", "\0"]) | st.text(max_size=3)


def rows(labels: st.SearchStrategy[str], least: int, most: int) -> st.SearchStrategy[list[Row]]:
    return st.lists(st.tuples(IDS, TEXTS, TEXTS, labels).map(list), min_size=least, max_size=most)


TABLES = (
    rows(st.sampled_from(["0", "1", ""]), 20, 40)
    | rows(LABELS, 0, 40)
    | rows(STRANGE_LABELS, 0, 4)
    | rows(st.just("0"), 1, 12)  # a single class
    | st.tuples(rows(st.sampled_from(["0"]), 1, 12), rows(st.sampled_from(["1"]), 1, 1)).map(
        lambda two: two[0] + two[1]
    )
)


def as_csv(table: list[Row]) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([COLUMNS, *table])
    return file.getvalue().encode("utf-8", "surrogatepass")


def as_json_lines(table: list[Row]) -> bytes:
    return "".join(json.dumps(dict(zip(COLUMNS, row, strict=True))) + "\n" for row in table).encode()


def as_json(table: list[Row]) -> bytes:
    return json.dumps([dict(zip(COLUMNS, row, strict=True)) for row in table]).encode()


def as_parquet(table: list[Row]) -> bytes:
    """Which cannot hold half a surrogate pair."""
    whole = [[cell.encode("utf-8", "replace").decode() for cell in row] for row in table]
    file = io.BytesIO()
    pl.DataFrame(whole, schema=dict.fromkeys(COLUMNS, pl.String), orient="row").write_parquet(file)
    return file.getvalue()


FORMS: dict[str, Callable[[list[Row]], bytes]] = {
    "csv": as_csv,
    "jsonl": as_json_lines,
    "json": as_json,
    "parquet": as_parquet,
}


def run(folder: Path, form: str, table: list[Row], **keys: str) -> Outcome:
    """The three stages one after another, as far as they go."""
    lay_out(folder, SOURCE.format(form=form, **keys), {f"train.{form}": FORMS[form](table)})
    before = Path.cwd()
    os.chdir(folder)
    try:
        _, raised = run_in_process(Path("source"))
    finally:
        os.chdir(before)
    return {path.name: path.read_bytes() for path in sorted(folder.glob("out/*"))}, raised


def lay_out(folder: Path, source: str, files: dict[str, bytes]) -> None:
    (folder / "source").mkdir()
    (folder / "source/source.yaml").write_text(source, encoding="utf-8")
    for name, content in files.items():
        (folder / "source" / name).write_bytes(content)
    (folder / "params.yaml").write_text(params(), encoding="utf-8")


@cache
def params() -> str:
    """Of the stages here alone: reading all of params.yaml takes longer than they do."""
    project = read_project(ROOT).params
    return json.dumps({name: project[name] | KNOBS.get(name, {}) for name in FIRST_STAGES})


def check(table: list[Row], form: str, **keys: str) -> bool:
    """Whether all three stages ran to their end."""
    with TemporaryDirectory() as first, TemporaryDirectory() as second:
        written, raised = run(Path(first), form, table, **keys)
        assert run(Path(second), form, table, **keys) == (written, raised)
    assert "\n" not in raised
    assert raised.isprintable()
    if "ingested" not in written:
        assert raised
        assert written == {}
    else:
        check_rows(table, written)
    return not raised


def check_rows(table: list[Row], written: dict[str, bytes]) -> None:
    kept, rejected = (pl.read_parquet(written[name]) for name in ("ingested", "rejected"))
    numbers = json.loads(written["ingest.json"])
    assert numbers["rows_in"] == len(table) == len(kept) + len(rejected)
    assert numbers["rows_kept"] == len(kept)
    assert sum(numbers["rejected_because"].values()) == numbers["rows_rejected"] == len(rejected)
    assert kept["id"].n_unique() == len(kept)
    texts = [row[1] for row in table]
    assert is_in_order(kept["text"].to_list(), [text.encode("utf-8", "replace").decode() for text in texts])
    for name in ("cleaned", "splits"):
        if name in written:
            after = pl.read_parquet(written[name])
            assert after["id"].equals(kept["id"])
            assert after["text_original"].to_list() == kept["text"].to_list()
    if "splits" in written:
        assert pl.read_parquet(written["splits"])["role"].null_count() == 0


def is_in_order(part: list[str], whole: list[str]) -> bool:
    rest = iter(whole)
    return all(any(text == other for other in rest) for text in part)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_no_row_is_lost_or_invented(form: str) -> None:
    ended = []

    @settings(SETTINGS, max_examples=6)
    @given(TABLES, st.sampled_from(["remove", "report"]), st.booleans())
    def holds(table: list[Row], copies: str, with_ids: bool) -> None:
        ended.append(check(table, form, id="id: id, " if with_ids else "", copies=copies))

    holds()
    assert any(ended)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_no_row_is_lost_or_invented_in_hundreds_of_tables(form: str) -> None:
    @settings(SETTINGS, max_examples=100)
    @given(TABLES, st.sampled_from(["remove", "report"]), st.booleans())
    def holds(table: list[Row], copies: str, with_ids: bool) -> None:
        check(table, form, id="id: id, " if with_ids else "", copies=copies)

    holds()
