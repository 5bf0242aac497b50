"""Who copies whom: the sample's planted copies, the policy, the list and the counts."""

import csv
from typing import Any

import polars as pl
import pytest

from stages.lib.kinds import Kind
from stages.lib.labels import NAME_TYPE_OF_KINDS
from stages.lib.splits.copies import LINKS, Copies, find_copies, linked, why_copies_go
from stages.lib.splits.copy_counts import count_copies
from stages.lib.splits.copy_keys import normalised
from tests.predicted import task_of
from tests.tiny import ROOT

SAMPLE = ROOT / "data/sources/sample"
THRESHOLD = 0.8  # params.yaml's
LONG = "a wall of the old town hall fell on two parked cars last night and nobody was hurt"


def rows_of(*rows: tuple[str, Any, str], kind: Kind = "classification") -> pl.DataFrame:
    """Rows of text, label, role; their ids are a, b, c ..."""
    texts, labels, roles = zip(*rows, strict=True)
    return pl.DataFrame(
        {
            "id": [chr(ord("a") + n) if len(rows) < 26 else str(n) for n in range(len(rows))],
            "text_original": texts,
            "label": pl.Series(labels, dtype=NAME_TYPE_OF_KINDS[kind]),
            "role": roles,
        }
    )


def copies_of(table: pl.DataFrame, threshold: float | None = THRESHOLD) -> Copies:
    return find_copies(table, normalised(table, task_of()), threshold)


def with_reasons(table: pl.DataFrame, threshold: float | None = THRESHOLD) -> pl.DataFrame:
    return table.with_columns(left_out=why_copies_go(copies_of(table, threshold)))


def listed(table: pl.DataFrame, threshold: float | None = THRESHOLD) -> pl.DataFrame:
    return linked(with_reasons(table, threshold), copies_of(table, threshold))


def counted(table: pl.DataFrame, threshold: float | None = THRESHOLD, kind: Kind = "classification") -> Any:
    return count_copies(with_reasons(table, threshold), copies_of(table, threshold), task_of(kind=kind))


# --- the sample ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample() -> pl.DataFrame:
    parts = [
        pl.read_csv(SAMPLE / f"{role}.csv", infer_schema=False).with_columns(role=pl.lit(role))
        for role in ("train", "validation", "test", "unlabelled")
    ]
    table = pl.concat(parts, how="diagonal")
    return table.select("id", "role", text_original="text", label="target")


@pytest.fixture(scope="module")
def planted() -> dict[frozenset[str], dict[str, str]]:
    with (SAMPLE / "planted_faults.csv").open(encoding="utf-8", newline="") as file:
        faults = [row for row in csv.DictReader(file) if row["other_id"]]
    return {frozenset((row["id"], row["other_id"])): row for row in faults}


def pairs_in(table: pl.DataFrame) -> set[frozenset[str]]:
    return {frozenset(pair) for pair in table.select("id", "other_id").iter_rows()}


def test_the_planted_copies_of_the_sample_are_found_and_nothing_else_is_called_a_copy(
    sample: pl.DataFrame, planted: dict[frozenset[str], dict[str, str]]
) -> None:
    found = pairs_in(listed(sample))
    assert len(planted) == 155
    assert len(found & planted.keys()) >= 0.95 * len(planted)
    assert len(found - planted.keys()) <= 0.01 * len(found)


def test_copies_of_each_kind_of_edit_are_found(
    sample: pl.DataFrame, planted: dict[frozenset[str], dict[str, str]]
) -> None:
    found = pairs_in(listed(sample))
    edits = {row["edit"] for row in planted.values()}
    assert len(edits) == 9
    for edit in edits:
        pairs = {pair for pair, row in planted.items() if row["edit"] == edit}
        assert len(found & pairs) >= 0.85 * len(pairs)


def test_planted_copies_with_the_opposite_label_are_listed_as_disagreeing(
    sample: pl.DataFrame, planted: dict[frozenset[str], dict[str, str]]
) -> None:
    disagreeing = pairs_in(listed(sample).filter(~pl.col("agree")))
    opposite = {pair for pair, row in planted.items() if row["fault"] == "opposite copy"}
    assert len(opposite) == 12
    assert len(opposite & disagreeing) >= 11


def test_of_the_sample_just_the_training_copies_of_evaluation_rows_go(
    sample: pl.DataFrame, planted: dict[frozenset[str], dict[str, str]]
) -> None:
    table = with_reasons(sample)
    gone = set(table.filter(pl.col("left_out").is_not_null())["id"])
    meant = {row["id"] for row in planted.values() if row["role"] == "train" and row["other_role"] != "train"}
    assert gone <= meant
    assert len(gone) >= 0.95 * len(meant)


# --- the policy ---------------------------------------------------------------------------------------------


def test_the_near_copy_in_training_goes_then_the_one_in_validation() -> None:
    table = rows_of(
        (LONG, "calm", "train"),
        (f"{LONG} they say", "calm", "validation"),
        (f"{LONG} i heard", "alarm", "test"),
        (f"{LONG} again", "calm", "unlabelled"),
        ("something else entirely", "calm", "train"),
    )
    assert with_reasons(table)["left_out"].to_list() == [
        "near copy of a test example",
        "near copy of a test example",
        None,
        None,
        None,
    ]
    assert with_reasons(table, None)["left_out"].null_count() == 5


def test_an_exact_copy_is_called_one_also_where_there_is_a_near_one_too() -> None:
    table = rows_of((LONG, "calm", "train"), (LONG.upper(), "calm", "test"), (f"{LONG} now", "calm", "test"))
    assert with_reasons(table)["left_out"].to_list() == ["copy of a test example", None, None]


def test_a_row_goes_for_its_own_likeness_and_not_for_that_of_a_copy_of_it() -> None:
    chain = [LONG, f"{LONG} they say now", f"{LONG} they say now and it rained"]
    table = rows_of(
        *((text, "calm", role) for text, role in zip(chain, ("test", "train", "train"), strict=True))
    )
    assert with_reasons(table)["left_out"].to_list() == [None, "near copy of a test example", None]
    assert pairs_in(listed(table)) == {frozenset("ab"), frozenset("bc")}


def test_near_copies_of_unlabelled_rows_and_of_rows_without_a_label_cost_nothing() -> None:
    table = rows_of(
        (LONG, "calm", "train"), (f"{LONG} now", None, "unlabelled"), (f"{LONG} here", None, "test")
    )
    assert with_reasons(table)["left_out"].null_count() == 3
    assert len(listed(table)) == 3


def test_every_row_with_the_text_of_a_near_copy_goes() -> None:
    table = rows_of((LONG, "calm", "train"), (LONG, "calm", "train"), (f"{LONG} now", "calm", "validation"))
    assert with_reasons(table)["left_out"].to_list() == ["near copy of a validation example"] * 2 + [None]


# --- the list -----------------------------------------------------------------------------------------------


def test_the_list_has_both_ids_roles_and_labels_and_what_became_of_the_row() -> None:
    table = rows_of((LONG, "calm", "train"), (LONG, "alarm", "test"), (f"{LONG} now", "calm", "train"))
    exact, near = listed(table).rows(named=True)
    assert exact == {
        "id": "a",
        "role": "train",
        "label": "calm",
        "left_out": "copy of a test example",
        "other_id": "b",
        "other_role": "test",
        "other_label": "alarm",
        "exact": True,
        "similarity": 1.0,
        "agree": False,
    }
    assert (near["id"], near["other_id"], near["exact"], near["agree"]) == ("c", "b", False, False)
    assert 0.8 < near["similarity"] < 1.0


def test_ten_thousand_copies_of_one_text_are_each_beside_the_first() -> None:
    table = rows_of(*[(LONG, "calm", "train")] * 10_000)
    found = listed(table)
    assert len(found) == 9_999
    assert found["other_id"].unique().to_list() == ["0"]


def test_of_many_near_copies_the_list_holds_few_of_each_text_and_one_that_disagrees() -> None:
    table = rows_of(*((f"{LONG} number {n}", "alarm" if n == 35 else "calm", "train") for n in range(40)))
    found = listed(table)
    assert found.group_by("id").len()["len"].max() == LINKS
    against = found.filter(~pl.col("agree"))
    behind = {"36", "37", "38", "39", "4", "5", "6", "7", "8", "9"}  # in the order of texts
    assert behind == set(against.filter(pl.col("other_id") == "35")["id"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "labels", "agree"),
    [
        ("classification", ["calm", "calm"], True),
        ("classification", ["calm", None], None),
        ("regression", [1.0, 1.0], True),
        ("regression", [1.0, 1.0000001], False),
        ("multi-label", [["calm", "alarm"], ["alarm", "calm"]], True),
        ("multi-label", [["calm"], []], False),
        ("multi-label", [[], []], True),
    ],
)
@pytest.mark.parametrize("other", [LONG, f"{LONG} now"])
def test_labels_of_every_kind_agree_or_not(
    kind: Kind, labels: list[Any], agree: bool | None, other: str
) -> None:
    table = rows_of((LONG, labels[0], "train"), (other, labels[1], "train"), kind=kind)
    assert listed(table)["agree"].to_list() == [agree]
    assert counted(table, kind=kind)["near_copies"]["pairs_with_contradicting_labels"] == (
        other != LONG and agree is False
    )


def test_an_empty_list_has_its_columns() -> None:
    found = listed(rows_of(("one", "calm", "train"), ("two", "alarm", "train")))
    assert found.is_empty()
    assert found.schema["agree"] == pl.Boolean
    assert found.schema["similarity"] == pl.Float64


# --- the counts ---------------------------------------------------------------------------------------------


def test_copies_are_counted_as_written_and_as_they_read() -> None:
    table = rows_of(
        ("Fire!", "alarm", "train"),
        ("Fire!", "calm", "train"),
        ("fire! ", "alarm", "train"),
        ("so", "calm", "test"),
    )
    numbers = counted(table)
    assert (numbers["copies"], numbers["texts_with_contradicting_labels"]) == (2, 1)
    assert numbers["as_written"] == {"copies": 1, "texts_with_contradicting_labels": 1}
    assert numbers["copies_within"]["train"] == {"texts_as_written": 1, "texts": 1, "near_copies": 0}


def test_copies_between_roles_are_counted_and_so_are_the_rows_that_went() -> None:
    table = rows_of(
        (LONG, "calm", "train"),
        (LONG, "calm", "train"),
        ("fire", "calm", "train"),
        (LONG, "calm", "test"),
        ("Fire", "calm", "test_other"),
        (f"{LONG} now", "calm", "validation"),
        (LONG, None, "unlabelled"),
    )
    between = counted(table)["copies_between"]
    assert list(between["train"]) == ["test", "test_other", "validation"]
    assert between["train"]["test"] == {
        "texts_as_written": 1,
        "texts": 1,
        "near_copies": 0,
        "rows_left_out": 2,
        "near_copies_left_out": 0,
    }
    assert (between["train"]["test_other"]["texts_as_written"], between["train"]["test_other"]["texts"]) == (
        0,
        1,
    )
    assert between["train"]["validation"]["near_copies"] == 1
    assert between["validation"]["test"]["near_copies_left_out"] == 1
    assert between["unlabelled"]["train"]["texts"] == 1
    assert sum(one["rows_left_out"] for one in between["unlabelled"].values()) == 0


def test_left_out_rows_are_counted_once_whatever_they_copy() -> None:
    table = rows_of((LONG, "calm", "train"), (LONG, "calm", "validation"), (f"{LONG} now", "calm", "test"))
    table = with_reasons(table)
    between = counted(table)["copies_between"]
    went = [
        one[name]
        for of in between.values()
        for one in of.values()
        for name in one
        if name.endswith("left_out")
    ]
    assert table["left_out"].to_list() == [
        "copy of a validation example",
        "near copy of a test example",
        None,
    ]
    assert sum(went) == 2
