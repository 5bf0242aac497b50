from pathlib import Path

import polars as pl
import pytest

from stages.lib.exceptions import DataError
from stages.lib.tables import in_use
from stages.split import (
    Params,
    check_trainable,
    choose_roles,
    copy_keys,
    count,
    main,
    reasons_to_leave_out,
)
from tests.predicted import task_of

PARAMS = Params(seed=13, validation_fraction=0.2, test_fraction=0.2)


def table_of(*rows: tuple[str, str | None, str]) -> pl.DataFrame:
    """Rows of text, label, role."""
    texts, labels, roles = zip(*rows, strict=True)
    columns = {"text_original": texts, "text": texts, "label": labels, "role": roles}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def many(count: int, role: str = "train") -> pl.DataFrame:
    return table_of(*((f"text number {n}", "ab"[n % 2], role) for n in range(count)))


def roles_of(table: pl.DataFrame, params: Params = PARAMS) -> pl.Series:
    return choose_roles(table["role"], copy_keys(table, task_of()), params)


def left_out(table: pl.DataFrame, copies: str = "remove") -> list[str | None]:
    task = task_of().model_copy(update={"copies": copies})
    return reasons_to_leave_out(table, copy_keys(table, task), task).to_list()


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
    keys = copy_keys(table, task_of())
    table = table.with_columns(left_out=pl.Series(left_out(table), dtype=pl.String))
    numbers = count(table, table["role"], keys)
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
        check_trainable(table)


def test_the_stage_keeps_every_row_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stages.lib.tables import write_parquet
    from stages.lib.task import write_task

    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("split: {seed: 1, validation_fraction: 0.2, test_fraction: 0.2}\n")
    write_task(task_of(), Path("task.json"))
    write_parquet(many(200), Path("cleaned.parquet"))
    main(
        task=Path("task.json"),
        cleaned=Path("cleaned.parquet"),
        splits=Path("s.parquet"),
        metrics=Path("m.json"),
    )
    splits = pl.read_parquet("s.parquet")
    assert splits["text"].to_list() == many(200)["text"].to_list()
    assert len(in_use(splits)) == 200
    assert splits["role"].null_count() == 0
