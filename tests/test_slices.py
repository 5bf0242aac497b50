from typing import Any

import numpy as np
import polars as pl
import pytest

from stages.lib.kinds import Kind
from stages.lib.statistics.slices import by_range, counted, frequent, lengths, round_step, scripts, slices_of
from tests.predicted import task_of


def rows(texts: list[str], labels: list[Any], **kept: list[str | None]) -> pl.DataFrame:
    return pl.DataFrame({"text_original": texts, "label": labels} | kept)


def test_the_bands_of_length_meet_without_a_gap() -> None:
    texts = pl.Series(["a" * n for n in (1, 20, 21, 50, 51, 500, 501)])
    assert lengths(texts).to_list() == ["1-20", "1-20", "21-50", "21-50", "51-100", "201-500", "over 500"]


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("hello привет привет", "Cyrillic"),
        ("今日は地震です", "Han"),
        ("ありがとう", "Hiragana"),
        ("مرحبا @user", "Arabic"),
        ("नमस्ते", "Devanagari"),
        ("สวัสดี", "Thai"),
        ("naïve", "Latin"),
        ("12:30 🔥", "(none)"),
    ],
)
def test_a_text_is_of_the_script_of_most_of_its_letters(text: str, script: str) -> None:
    assert scripts(pl.Series([text])).to_list() == [script]


def test_the_most_frequent_values_count_and_an_absent_one_is_a_value() -> None:
    values = pl.Series(["x", None, "x", "y", None, "z"])
    assert frequent(values, 2).to_list() == ["x", "(none)", "x", None, "(none)", None]


def test_numbers_are_sliced_as_they_are_written() -> None:
    assert frequent(pl.Series([1, 1, 2]), 1).to_list() == ["1", "1", None]


def test_equal_counts_are_in_the_order_of_the_names() -> None:
    assert counted(pl.Series(["b", "a", "c", "c"])) == [("c", 2), ("a", 1), ("b", 1)]


def test_a_slice_knows_its_members() -> None:
    table = rows(["a", "b" * 30, "c"], ["calm", "alarm", "calm"], place=["Oslo", "Lima", "Oslo"])
    found = {
        s.name: s.members.tolist()
        for s in slices_of(table, task_of(kept=("place",)), most_values=5, least_n=1)
    }
    assert found == {
        "label = calm": [True, False, True],
        "label = alarm": [False, True, False],
        "length = 1-20": [True, False, True],
        "length = 21-50": [False, True, False],
        "place = Oslo": [True, False, True],
        "place = Lima": [False, True, False],
    }


def test_a_slice_that_is_too_small_or_holds_everything_is_none() -> None:
    table = rows(["a", "b", "c"], ["calm", "alarm", "calm"])
    assert [s.name for s in slices_of(table, task_of(), most_values=5, least_n=2)] == ["label = calm"]


def test_a_kept_column_may_have_the_name_of_ours() -> None:
    table = rows(["a", "b"], ["calm", "calm"], script=["x", "y"])
    names = [s.name for s in slices_of(table, task_of(kept=("script",)), most_values=5, least_n=1)]
    assert names == ["script = x", "script = y"]


def named(table: pl.DataFrame, kind: Kind, least_n: int = 1) -> dict[str, list[bool]]:
    slices = slices_of(table, task_of(kind=kind), most_values=5, least_n=least_n)
    return {part.name: part.members.tolist() for part in slices if part.column in ("label", "truncated")}


def test_numbers_are_sliced_by_ranges_with_round_bounds_and_the_last_holds_its_end() -> None:
    table = rows(["a"] * 6, [0.0, 0.9, 1.0, 3.2, 4.0, 5.0])
    assert named(table, "regression") == {
        "label = 0 to 1": [True, True, False, False, False, False],
        "label = 1 to 2": [False, False, True, False, False, False],
        "label = 3 to 4": [False, False, False, True, False, False],
        "label = 4 to 5": [False, False, False, False, True, True],
    }


@pytest.mark.parametrize("seed", range(20))
def test_every_number_is_in_one_range_and_there_are_about_five(seed: int) -> None:
    chance = np.random.default_rng(seed)
    values = chance.normal(scale=10.0 ** chance.integers(-4, 5), size=200) + chance.normal(scale=100)
    slices = by_range(pl.Series(values))
    assert (np.sum([part.members for part in slices], axis=0) == 1).all()
    assert 3 <= len(slices) <= 7
    for part in slices:
        low, high = (float(bound) for bound in part.value.split(" to "))
        reach = 1e-5 * np.abs(values).max()  # names are rounded to six digits
        assert ((values[part.members] >= low - reach) & (values[part.members] <= high + reach)).all()


def test_a_bound_that_is_no_binary_fraction_is_in_the_range_that_it_starts() -> None:
    slices = by_range(pl.Series([0.0, 0.2, 0.4, 0.6, 0.8, 1.0]))
    assert [part.members.sum() for part in slices] == [1, 1, 1, 1, 2]


def test_equal_numbers_have_no_range() -> None:
    assert named(rows(["a", "b"], [2.0, 2.0]), "regression") == {}


@pytest.mark.parametrize(("width", "step"), [(1.0, 1), (0.9, 1), (1.1, 2), (2.1, 5), (5.5, 10), (0.03, 0.05)])
def test_a_step_is_round(width: float, step: float) -> None:
    assert round_step(width) == pytest.approx(step)


def test_each_of_several_labels_is_a_slice_and_so_is_having_none() -> None:
    table = rows(["a"] * 4, [["calm", "alarm"], ["alarm"], [], ["other"]])
    assert named(table, "multi-label") == {
        "label = alarm": [True, True, False, False],
        "label = calm": [True, False, False, False],
        "label = other": [False, False, False, True],
        "label = (none)": [False, False, True, False],
    }
    assert set(named(table, "multi-label", least_n=2)) == {"label = alarm"}


def test_texts_that_were_cut_are_a_slice_where_that_is_known() -> None:
    table = rows(["a"] * 4, ["calm"] * 4)
    assert named(table, "classification") == {}
    cut = table.with_columns(cut_share=pl.Series([0.0, 0.2, 0.5, 0.75]))
    assert named(cut, "classification") == {
        "truncated = cut": [False, True, True, True],
        "truncated = cut by more than half": [False, False, False, True],
    }
