import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies
from scipy.stats import fisher_exact, ks_2samp

from stages.lib.exceptions import DataError
from stages.lib.kinds import KINDS, Kind
from stages.lib.labels import NAME_TYPE_OF_KINDS
from stages.lib.splits.copies import find_copies, linked
from stages.lib.splits.copy_keys import copy_keys, normalised
from stages.lib.splits.described import describe
from stages.lib.splits.trainable import FAULT_OF_KINDS, check_trainable
from stages.lib.tables import in_use
from stages.lib.task import Task
from stages.split import Params, choose_roles, count, keep_train_rows, main, reasons_to_leave_out
from tests.predicted import task_of

PARAMS = Params(
    seed=13,
    validation_fraction=0.2,
    test_fraction=0.2,
    group=None,
    time=None,
    near_copies=None,
    train_rows=None,
)


def table_of(*rows: tuple[str, str | None, str]) -> pl.DataFrame:
    """Rows of text, label, role."""
    texts, labels, roles = zip(*rows, strict=True)
    ids = [str(n) for n in range(len(rows))]
    columns = {"id": ids, "text_original": texts, "text": texts, "label": labels, "role": roles}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def many(count: int, role: str = "train") -> pl.DataFrame:
    return table_of(*((f"text number {n}", "ab"[n % 2], role) for n in range(count)))


def roles_of(table: pl.DataFrame, params: Params = PARAMS) -> pl.Series:
    return choose_roles(table, copy_keys(table, task_of()), task_of(), params)


def left_out(table: pl.DataFrame, copies: str = "remove", threshold: float | None = None) -> list[str | None]:
    task = task_of().model_copy(update={"copies": copies})
    found = find_copies(table, normalised(table, task), threshold)
    return reasons_to_leave_out(table, found, task).to_list()


def counted(table: pl.DataFrame, task: Task, before: pl.Series | None = None) -> dict[str, Any]:
    found = find_copies(table, normalised(table, task), None)
    return count(table, table["role"] if before is None else before, found, task, {})


def test_missing_roles_are_made_in_the_shares_asked_for() -> None:
    counts = dict(roles_of(many(5_000)).value_counts().iter_rows())
    assert counts["test"] == pytest.approx(1_000, abs=120)
    assert counts["validation"] == pytest.approx(1_000, abs=120)


def test_roles_that_the_source_brings_stay() -> None:
    table = pl.concat([many(300), many(50, "test"), many(20, "unlabelled")])
    roles = roles_of(table)
    assert roles.tail(70).to_list() == ["test"] * 50 + ["unlabelled"] * 20
    assert set(roles.head(300)) == {"train", "validation"}


def test_rows_added_removed_relabelled_or_cleaned_move_no_other() -> None:
    table = many(400)
    before = dict(zip(table["text_original"], roles_of(table), strict=True))
    changed = pl.concat([table_of(("new", "a", "train")), table[::3], table_of(("newer", "b", "train"))])
    changed = changed.with_columns(label=pl.lit("b"), text=pl.lit("cleaned away"))
    after = dict(zip(changed["text_original"], roles_of(changed), strict=True))
    assert all(after[text] == role for text, role in before.items() if text in after)


def test_copies_fall_together_whatever_their_case_space_or_unicode_form() -> None:
    base = [f"Café number {n}" for n in range(200)]
    shown = [text.upper().replace(" ", "  ").replace("É", "E\u0301") for text in base]
    roles = roles_of(table_of(*((text, "a", "train") for text in base + shown)))
    assert roles.head(200).to_list() == roles.tail(200).to_list()
    assert roles.n_unique() == 3


def test_a_pair_is_a_copy_only_where_both_texts_are() -> None:
    table = pl.DataFrame(
        {"text_original": ["a", "a", "a"], "text_pair_original": ["x", "y", "X"]}, schema_overrides={}
    )
    keys = copy_keys(table, task_of(pair="second"))
    assert keys[0] == keys[2] != keys[1]


def test_another_seed_makes_another_split() -> None:
    table = many(300)
    assert roles_of(table).to_list() != roles_of(table, PARAMS.model_copy(update={"seed": 14})).to_list()


def test_the_copy_in_training_goes_then_the_one_in_validation() -> None:
    table = table_of(
        ("one", "a", "train"),
        ("One ", "a", "validation"),
        ("one", "b", "test"),
        ("two", "a", "train"),
        ("two", "a", "validation"),
        ("three", "a", "train"),
        ("three", "a", "train"),
    )
    expected = [
        "copy of a test example",
        "copy of a test example",
        None,
        "copy of a validation example",
        None,
        None,
        None,
    ]
    assert left_out(table) == expected
    assert left_out(table, copies="report") == [None] * 7


def test_a_copy_among_unlabelled_rows_costs_nothing() -> None:
    assert left_out(table_of(("one", "a", "train"), ("one", None, "unlabelled"))) == [None, None]


def test_conservation_and_the_count_of_contradictions() -> None:
    table = table_of(
        ("one", "a", "train"),
        ("one", "b", "train"),
        ("two", "a", "test"),
        ("two", "a", "train"),
        ("3", "b", "train"),
    )
    table = table.with_columns(left_out=pl.Series(left_out(table), dtype=pl.String))
    numbers = counted(table, task_of(["a", "b"]))
    assert numbers["rows"] == numbers["in_use"] + numbers["left_out"] == 5
    assert (numbers["copies"], numbers["texts_with_contradicting_labels"]) == (2, 1)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [("1", "a", "train"), ("2", "a", "train"), ("3", "a", "test"), ("4", "a", "validation")],
            "at least two classes",
        ),
        (
            [("1", "a", "train"), ("2", "b", "train"), ("3", "a", "validation")],
            "role test: no example is left",
        ),
        ([("1", "a", "test"), ("2", "b", "validation")], "role train: no example is left"),
    ],
)
def test_what_nothing_can_be_learned_from_is_refused(rows: list[tuple[str, str, str]], message: str) -> None:
    table = table_of(*rows).with_columns(left_out=pl.lit(None, dtype=pl.String))
    with pytest.raises(DataError, match=message):
        check_trainable(table, task_of(["a", "b"]))


def labelled(kind: Kind, labels: list[Any], roles: list[str] | None = None) -> pl.DataFrame:
    """One row a label, all texts different, none left out."""
    texts = [f"text {n}" for n in range(len(labels))]
    return pl.DataFrame(
        {
            "id": [str(n) for n in range(len(labels))],
            "text_original": texts,
            "text": texts,
            "label": pl.Series(labels, dtype=NAME_TYPE_OF_KINDS[kind]),
            "role": roles or ["train"] * len(labels),
            "left_out": pl.Series([None] * len(labels), dtype=pl.String),
        }
    )


def test_every_kind_of_task_says_what_cannot_be_learned() -> None:
    assert set(FAULT_OF_KINDS) == set(KINDS)


@pytest.mark.parametrize(
    ("kind", "labels", "message"),
    [
        ("regression", [2.5, 2.5], r"all 2 examples have the score 2.5; a regression needs at least two"),
        ("multi-label", [["calm"], ["calm"]], r"every label that occurs stands at all 2 examples"),
        ("multi-label", [[], []], r"every label that occurs stands at all 2 examples"),
        ("multi-label", [["calm", "alarm"]] * 2, r"every label that occurs stands at all 2 examples"),
    ],
)
def test_labels_that_do_not_vary_are_refused(kind: Kind, labels: list[Any], message: str) -> None:
    table = pl.concat([labelled(kind, labels), labelled(kind, labels, ["test", "validation"])])
    with pytest.raises(DataError, match=message):
        check_trainable(table, task_of(kind=kind))


@pytest.mark.parametrize(("kind", "labels"), [("regression", [2.5, 2.0]), ("multi-label", [["calm"], []])])
def test_labels_that_vary_can_be_learned(kind: Kind, labels: list[Any]) -> None:
    table = pl.concat([labelled(kind, labels), labelled(kind, labels, ["test", "validation"])])
    check_trainable(table, task_of(kind=kind))


@pytest.mark.parametrize(
    ("kind", "labels", "contradicting"),
    [
        ("regression", [1.0, 1.0, 2.0, 2.5], 1),
        ("multi-label", [["calm", "alarm"], ["alarm", "calm"], ["calm"], []], 1),
    ],
)
def test_copies_contradict_where_score_or_set_is_another(
    kind: Kind, labels: list[Any], contradicting: int
) -> None:
    table = labelled(kind, labels).with_columns(text_original=pl.Series(["one", "One", "two", "two"]))
    task = task_of(kind=kind)
    numbers = counted(table, task)
    assert (numbers["copies"], numbers["texts_with_contradicting_labels"]) == (2, contradicting)


def test_labels_are_counted_by_role_each_of_several() -> None:
    task = task_of(kind="multi-label")
    table = labelled("multi-label", [["calm", "alarm"], ["calm"], [], None], ["train", "train", "test", "x"])
    numbers = counted(table, task)
    assert numbers["labels"] == {"test": {}, "train": {"calm": 2, "alarm": 1}}
    assert numbers["lacking"] == {"test": ["calm", "alarm", "other"], "train": ["other"]}
    assert describe(numbers).endswith("; test lacks calm, alarm, other; train lacks other")


def test_many_lacking_labels_are_told_in_short() -> None:
    task = task_of([f"label {n}" for n in range(9)])
    table = labelled("classification", ["label 0"])
    told = describe(counted(table, task))
    assert told.endswith("; train lacks label 1, label 2, label 3, label 4, label 5 and 3 more")


def shares_of(kind: Kind, train: list[Any], made: list[Any], before: str = "train") -> dict[str, Any]:
    """As split made the role test of training rows, or as the source brought it."""
    roles = ["train"] * len(train) + ["test"] * len(made)
    table, task = labelled(kind, train + made, roles), task_of(kind=kind)
    brought = pl.Series(["train"] * len(train) + [before] * len(made))
    shares: dict[str, Any] = counted(table, task, brought)["shares"]
    return shares


def test_the_label_whose_share_differs_most_has_its_p() -> None:
    found = shares_of("classification", ["calm"] * 40 + ["alarm"] * 40 + ["other"] * 20, ["calm"] * 10)
    expected = 3 * fisher_exact([[10, 0], [40, 60]]).pvalue
    assert found["test"] == {
        "label": "calm",
        "share": 1.0,
        "share_in_train": 0.4,
        "p": pytest.approx(expected),
    }


def test_each_of_several_labels_is_held_against_the_rows_without_it() -> None:
    train: list[Any] = [["calm", "alarm"]] * 30 + [["calm"]] * 30
    found = shares_of("multi-label", train, [["calm", "other"]] * 8)["test"]
    assert (found["label"], found["share"], found["share_in_train"]) == ("other", 1.0, 0.0)
    assert found["p"] == pytest.approx(3 * fisher_exact([[8, 0], [0, 60]]).pvalue)


def test_scores_are_compared_as_a_whole() -> None:
    train, made = [0.1 * n for n in range(50)], [4.0 + 0.01 * n for n in range(20)]
    found = shares_of("regression", train, made)["test"]
    expected = ks_2samp(made, train)
    assert (found["largest_gap"], found["p"]) == (expected.statistic, expected.pvalue)
    assert found["at"] == pytest.approx(3.9)


def test_roles_that_the_source_brings_are_not_held_against_chance() -> None:
    assert shares_of("classification", ["calm", "alarm"], ["calm"], before="test") == {}


@pytest.mark.slow
def test_shares_of_random_roles_seldom_differ() -> None:
    generator = np.random.default_rng(3)
    p = []
    for seed in range(60):
        labels = generator.choice(["calm", "alarm", "other"], 400).tolist()
        table = labelled("classification", labels)
        params = PARAMS.model_copy(update={"seed": seed})
        made = table.with_columns(role=roles_of(table, params))
        p += [share["p"] for share in counted(made, task_of(), table["role"])["shares"].values()]
    assert sum(value < 0.05 for value in p) <= 0.05 * len(p) + 5


def kept(table: pl.DataFrame, rows: int | None) -> list[bool]:
    params = PARAMS.model_copy(update={"train_rows": rows})
    reasons = keep_train_rows(table, copy_keys(table, task_of()), params)
    assert set(reasons.drop_nulls()) <= {"beyond split.train_rows", "no label"}
    return reasons.is_null().to_list()


def test_fewer_training_rows_are_a_part_of_more_and_other_roles_stay() -> None:
    table = pl.concat([many(60), many(10, "test"), many(5, "unlabelled")])
    table = table.with_columns(left_out=pl.lit(None, dtype=pl.String))
    for few, more in [(1, 7), (7, 40), (40, 60), (60, 600)]:
        fewer, others = kept(table, few), kept(table, more)
        assert sum(fewer[:60]) == few
        assert sum(others[:60]) == min(more, 60)
        assert all(there for there, here in zip(others, fewer, strict=True) if here)
        assert all(fewer[60:])
    assert all(kept(table, None))


def test_rows_left_out_before_count_for_nothing() -> None:
    table = many(20).with_columns(left_out=pl.Series(["no label"] * 10 + [None] * 10, dtype=pl.String))
    assert kept(table, 4)[:10] == [False] * 10
    assert sum(kept(table, 4)) == 4


def test_which_training_rows_are_kept_depends_on_text_and_seed_alone() -> None:
    table = many(50).with_columns(left_out=pl.lit(None, dtype=pl.String))
    chosen = set(table["text_original"].filter(pl.Series(kept(table, 10))))
    again = table.reverse().with_columns(label=pl.lit("b"))
    assert set(again["text_original"].filter(pl.Series(kept(again, 10)))) == chosen
    other = PARAMS.model_copy(update={"train_rows": 10, "seed": 14})
    others = keep_train_rows(table, copy_keys(table, task_of()), other).is_null()
    assert set(table["text_original"].filter(others)) != chosen


@pytest.mark.parametrize("role", ["unlabelled", "unlabelled_mismatched"])
def test_every_unlabelled_role_is_meant_to_have_no_labels(role: str) -> None:
    assert left_out(table_of(("one", "a", "train"), ("one", None, role))) == [None, None]


def test_the_stage_keeps_every_row_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stages.lib.tables import write_parquet
    from stages.lib.task import write_task

    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(json.dumps({"split": PARAMS.model_dump()}))
    write_task(task_of(["a", "b"]), Path("task.json"))
    write_parquet(many(200), Path("cleaned.parquet"))
    main(
        task=Path("task.json"),
        cleaned=Path("cleaned.parquet"),
        splits=Path("s.parquet"),
        copies=Path("c.parquet"),
        metrics=Path("m.json"),
    )
    splits = pl.read_parquet("s.parquet")
    assert splits["text"].to_list() == many(200)["text"].to_list()
    assert len(in_use(splits)) == 200
    assert splits["role"].null_count() == 0


ANY_TEXT = strategies.text(strategies.characters(exclude_categories=["Cs"]), max_size=40)
ALIKE = strategies.sampled_from(
    ["fire in the old town now", "fire in the old town now!", "FIRE in the old town", "\0", " "]
)
ROLES = strategies.sampled_from(["train", "validation", "test", "test_other", "unlabelled"])
ROWS = strategies.tuples(ANY_TEXT | ALIKE, strategies.sampled_from(["calm", "alarm", None]), ROLES)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, derandomize=True)
@given(rows=strategies.lists(ROWS, max_size=30), threshold=strategies.sampled_from([None, 0.5, 0.8, 1.0]))
def test_whatever_the_texts_no_row_is_lost_and_only_rows_that_go_after_others_are_left_out(
    rows: list[tuple[str, str | None, str]], threshold: float | None
) -> None:
    task = task_of()
    table = table_of(*rows) if rows else table_of(("", None, "train")).clear()
    table = table.with_columns(role=roles_of(table))
    copies = find_copies(table, normalised(table, task), threshold)
    table = table.with_columns(left_out=reasons_to_leave_out(table, copies, task))
    numbers = count(table, table["role"], copies, task, {})
    pairs = linked(table, copies)
    assert len(table) == numbers["in_use"] + numbers["left_out"] == len(rows)
    gone = table.filter(pl.col("left_out").str.contains("copy of a"))
    assert set(gone["role"]) <= {"train", "validation"}
    assert set(gone["id"]) <= set(pairs["id"])
    assert pairs["similarity"].is_between(threshold or 1.0, 1.0).all()
    assert (pairs["id"] != pairs["other_id"]).all()
    assert describe(numbers).startswith("split: ")
