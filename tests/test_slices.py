import polars as pl
import pytest

from stages.lib.slices import counted, frequent, lengths, scripts, slices_of
from tests.predicted import task_of


def rows(texts: list[str], labels: list[str], **kept: list[str | None]) -> pl.DataFrame:
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
