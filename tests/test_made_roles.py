"""Roles that a source lacks, made by group or by time; by text, see tests/test_split.py."""

from datetime import datetime, timedelta

import polars as pl
import pytest

from stages.lib.exceptions import ConfigError, DataError
from stages.lib.splits.copies import find_copies
from stages.lib.splits.copy_keys import copy_keys, normalised
from stages.lib.splits.described import describe
from stages.split import choose_roles, count, count_made_by, reasons_to_leave_out
from tests.predicted import task_of
from tests.test_split import PARAMS

TASK = task_of(kept=("author", "posted"))
BY_GROUP = PARAMS.model_copy(update={"group": "author"})
BY_TIME = PARAMS.model_copy(update={"time": "posted"})


def rows_of(
    authors: list[str | None], times: list[str | None] | None = None, role: str = "train"
) -> pl.DataFrame:
    names = [f"{role}{n}" for n in range(len(authors))]
    return pl.DataFrame(
        {
            "id": names,
            "text_original": [f"text {name}" for name in names],
            "text": names,
            "label": ["calm", "alarm"] * (len(names) // 2) + ["calm"] * (len(names) % 2),
            "role": role,
            "author": pl.Series(authors, dtype=pl.String),
            "posted": pl.Series(times or [None] * len(authors), dtype=pl.String),
        }
    )


def made(table: pl.DataFrame, params: object = BY_GROUP) -> pl.Series:
    return choose_roles(table, copy_keys(table, TASK), TASK, params)  # type: ignore[arg-type]


# --- by group -----------------------------------------------------------------------------------------------


def test_rows_of_a_group_stay_together_and_groups_are_shared_out() -> None:
    authors: list[str | None] = [f"author {n % 200}" for n in range(2_000)]
    table = rows_of(authors)
    found = table.with_columns(role=made(table)).group_by("author").agg(pl.col("role").n_unique(), of="role")
    assert found["role"].max() == 1
    shares = found["of"].list.first().value_counts(normalize=True)
    assert dict(shares.iter_rows())["test"] == pytest.approx(0.2, abs=0.08)
    assert set(shares["of"]) == {"train", "validation", "test"}


def test_rows_of_no_group_go_by_their_text_and_copies_of_them_together() -> None:
    table = rows_of([None, "", "  "] * 100)
    assert made(table).to_list() == made(table, PARAMS).to_list()


def test_a_group_that_has_the_name_of_a_text_is_no_copy_of_it() -> None:
    groups = pl.Series([f"text {n}" for n in range(300)])
    table = rows_of(groups.to_list())
    by_text = table.with_columns(text_original=groups, author=pl.lit(None, pl.String))
    assert made(table).to_list() != made(by_text).to_list()


def test_new_rows_move_no_group() -> None:
    table = rows_of([f"author {n % 50}" for n in range(300)])
    before = dict(zip(table["author"], made(table), strict=True))
    more = pl.concat([rows_of(["author 7", "new"] * 20).with_columns(label=pl.lit("alarm")), table[::2]])
    after = dict(zip(more["author"], made(more), strict=True))
    assert all(after[author] == role for author, role in before.items() if author in after)


def test_a_copy_in_another_group_that_trains_goes() -> None:
    table = rows_of([f"author {n}" for n in range(60)]).with_columns(text_original=pl.lit("one text of many"))
    table = table.with_columns(role=made(table))
    reasons = reasons_to_leave_out(table, find_copies(table, normalised(table, TASK), None), TASK)
    assert set(table["role"]) == {"train", "validation", "test"}
    assert (reasons == "copy of a test example").sum() == (table["role"] != "test").sum()


def test_id_is_a_group_too() -> None:
    table = rows_of([None] * 90)
    assert set(made(table, PARAMS.model_copy(update={"group": "id"}))) == {"train", "validation", "test"}


@pytest.mark.parametrize(
    ("knob", "column", "kept", "message"),
    [
        (
            "group",
            "auther",
            ("author", "posted"),
            r"split.group: no column 'auther'; there are id, author, posted",
        ),
        (
            "time",
            "author",
            (),
            r"split.time: no column 'author'; source.yaml keeps none. .* keep in source.yaml",
        ),
        ("time", "label", ("posted",), r"split.time: no column 'label'; there are posted"),
    ],
)
def test_a_column_that_is_not_kept_is_refused(
    knob: str, column: str, kept: tuple[str, ...], message: str
) -> None:
    table, task = rows_of(["x"] * 4), task_of(kept=kept)
    with pytest.raises(ConfigError, match=message):
        choose_roles(table, copy_keys(table, task), task, PARAMS.model_copy(update={knob: column}))


def test_group_and_time_together_are_refused() -> None:
    both = BY_GROUP.model_copy(update={"time": "posted"})
    with pytest.raises(
        ConfigError, match=r"split.group and split.time are both set.*set one of the two to null"
    ):
        made(rows_of(["x"] * 4), both)


def test_groups_that_the_sources_roles_divide_are_counted_and_told() -> None:
    parts = [
        rows_of(["a", "b", None, "c"]),
        rows_of(["a", "d"], role="test"),
        rows_of(["b"], role="unlabelled"),
    ]
    table = pl.concat(parts)
    numbers = count_made_by(table, table["role"], TASK, BY_GROUP)
    assert numbers == {"group": "author", "rows_without": 1, "groups": 4, "groups_in_several_roles": 1}
    table = table.with_columns(left_out=pl.lit(None, pl.String))
    copies = find_copies(table, normalised(table, TASK), None)
    told = describe(count(table, table["role"], copies, TASK, numbers))
    assert "1 rows without author go by their texts; 1 groups stand in several roles" in told


# --- by time ------------------------------------------------------------------------------------------------


def days(count: int) -> list[str | None]:
    return [str((datetime(2024, 1, 1) + timedelta(days=n)).date()) for n in range(count)]


def roles_by_age(table: pl.DataFrame) -> list[str]:
    return table.with_columns(role=made(table, BY_TIME)).sort("posted")["role"].to_list()


def test_the_newest_rows_are_test_and_those_before_them_validation() -> None:
    table = rows_of([None] * 100, days(100)).sample(100, shuffle=True, seed=3)
    assert roles_by_age(table) == ["train"] * 60 + ["validation"] * 20 + ["test"] * 20


def test_only_training_rows_are_shared_out_and_only_roles_that_lack() -> None:
    brought = rows_of([None] * 10, ["2030-01-01"] * 10, role="test")
    table = pl.concat([rows_of([None] * 50, days(50)), brought, rows_of([None] * 5, role="unlabelled")])
    assert (
        made(table, BY_TIME).to_list()
        == ["train"] * 40 + ["validation"] * 10 + ["test"] * 10 + ["unlabelled"] * 5
    )


def test_rows_of_one_moment_stay_together() -> None:
    times: list[str | None] = [f"2024-01-{1 + n // 15:02}" for n in range(60)]
    assert roles_by_age(rows_of([None] * 60, times)) == ["train"] * 30 + ["validation"] * 15 + ["test"] * 15


def test_few_rows_still_make_a_role() -> None:
    assert roles_by_age(rows_of([None] * 3, days(3))) == ["train", "validation", "test"]


@pytest.mark.parametrize(
    "times",
    [
        ["9", "10", "100", "1000.5", "-3", "1"],
        ["1700000000123456789", "1700000000123456788"],
        ["2024-03-01", "2024-03-01T00:00:01", "2024-02-29T23:59:59Z", "2024-03-01T01:00:00+02:00"],
    ],
)
def test_times_are_compared_as_what_they_are(times: list[str | None]) -> None:
    newest = {
        "9": "1000.5",
        "1700000000123456789": "1700000000123456789",
        "2024-03-01": "2024-03-01T00:00:01",
    }
    table = rows_of([None] * len(times), times)
    roles = made(table, BY_TIME.model_copy(update={"test_fraction": 0.01, "validation_fraction": 0.01}))
    assert table.filter(roles == "test")["posted"].to_list() == [newest[str(times[0])]]


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (
            ["2024-01-01", "yesterday"],
            r"row 'train1': posted is 'yesterday'; split.time needs ISO dates .*or numbers in all rows",
        ),
        (["2024-01-01", "1700000000"], r"row 'train1': posted is '1700000000'; split.time needs ISO dates"),
        (
            ["17", "2024-01-01"],
            r"row 'train1': posted is '2024-01-01'; split.time needs numbers in all rows, as in the first",
        ),
        (["17", "nan"], r"row 'train1': posted is 'nan'"),
        (
            ["03/01/2024", None],
            r"row 'train0': posted is '03/01/2024'.* mend the column, or set split.time to null",
        ),
    ],
)
def test_what_is_no_time_is_refused_with_its_row(times: list[str | None], message: str) -> None:
    with pytest.raises(DataError, match=message):
        made(rows_of([None] * 2, times), BY_TIME)


def test_times_of_rows_that_are_not_shared_out_are_not_read() -> None:
    table = pl.concat([rows_of([None] * 9, days(9)), rows_of([None], ["soon"], role="unlabelled")])
    assert "test" in made(table, BY_TIME).to_list()


def test_rows_without_a_time_train_and_are_counted_and_told() -> None:
    table = rows_of([None] * 10, [*days(8), None, " "])
    roles = made(table, BY_TIME)
    assert roles.tail(2).to_list() == ["train", "train"]
    numbers = count_made_by(table, table["role"], TASK, BY_TIME)
    assert numbers == {"time": "posted", "rows_without": 2}
    table = table.with_columns(role=roles, left_out=pl.lit(None, pl.String))
    copies = find_copies(table, normalised(table, TASK), None)
    told = describe(count(table, table["role"], copies, TASK, numbers))
    assert told.endswith("; 2 rows without posted train")


def test_without_any_time_all_rows_train() -> None:
    assert set(made(rows_of([None] * 5), BY_TIME)) == {"train"}
