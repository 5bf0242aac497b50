"""The words before and after cleaning, how many rows they are counted in, and distinct texts."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.lib.cleaning import distinct, word_counts
from stages.lib.cleaning.distinct import DistinctTexts
from stages.lib.cleaning.word_counts import sampled
from stages.lib.kinds import KINDS, Kind
from stages.lib.task import SourceColumns, Submission, Task


def a_task(kind: Kind = "classification") -> Task:
    return Task(
        title="a test",
        kind=kind,
        labels=["no", "yes"] if KINDS[kind].has_classes else [],
        raw_labels=["0", "1"] if KINDS[kind].has_classes else [],
        separator=None,
        positive=None,
        metrics=["accuracy"],
        columns=SourceColumns(id=None, text="text", text_pair=None, label="label"),
        kept=[],
        copies="remove",
        submission=Submission(delimiter=",", id="id", label="label", files={}),
    )


def counted(kind: Kind = "classification", **columns: list[Any]) -> dict[str, Any]:
    texts = [name for name in columns if name.startswith("text")]
    table = pl.LazyFrame(columns, schema_overrides=dict.fromkeys(texts, pl.String))
    return word_counts.word_counts(table, texts, a_task(kind))


def test_tokens_distinct_and_frequent_by_class() -> None:
    numbers = counted(
        text=["b a\tb", "a\x1cc", None, "", "b B."], label=["yes", "no", "no", "yes", "yes"], role=[None] * 5
    )
    assert numbers == {
        "tokens": 7,
        "distinct": 4,
        "frequent": {"no": [("a", 1), ("c", 1)], "yes": [("b", 3), ("B.", 1), ("a", 1)]},
    }


def test_only_training_rows_with_a_label_have_frequent_words() -> None:
    numbers = counted(
        text=["a", "b", "c", "d"],
        label=["yes", "yes", None, "no"],
        role=["train", "test", "unlabelled", None],
    )
    assert numbers["tokens"] == 4
    assert numbers["frequent"] == {"no": [("d", 1)], "yes": [("a", 1)]}


def test_both_texts_of_a_pair_count() -> None:
    numbers = counted(text=["a", None], text_pair=["b", "a"], label=["no", "no"])
    assert (numbers["tokens"], numbers["frequent"]["no"]) == (3, [("a", 2), ("b", 1)])


def test_several_labels_each_count() -> None:
    numbers = counted("multi-label", text=["a", "b", "c"], label=[["no", "yes"], ["yes"], []])
    assert numbers["frequent"] == {"no": [("a", 1)], "yes": [("a", 1), ("b", 1)]}


def test_a_regression_has_all_words_together() -> None:
    numbers = counted("regression", text=["a b", "b", "c"], label=[0.5, 1.0, None])
    assert numbers["frequent"] == {"all": [("b", 2), ("a", 1)]}


def test_no_rows_and_no_labels() -> None:
    assert counted(text=[]) == {"tokens": 0, "distinct": 0, "frequent": {"no": [], "yes": []}}


def test_twenty_frequent_words_ties_by_the_word() -> None:
    words = [f"w{number:02}" for number in range(30)]
    numbers = counted(text=[" ".join([*reversed(words), "w29"])], label=["yes"])
    assert numbers["frequent"]["yes"] == [("w29", 2), *((word, 1) for word in words[:19])]


def test_where_scripts_have_no_spaces_each_character_counts() -> None:
    numbers = counted(text=["今天天气好 ok，น้ำ 안녕"], label=["yes"])
    assert dict(numbers["frequent"]["yes"]) == {
        "天": 2, "今": 1, "气": 1, "好": 1, "ok，": 1, "น้": 1, "ำ": 1, "안녕": 1
    }  # fmt: skip


def test_a_word_of_a_million_characters_is_cut() -> None:
    numbers = counted(text=["x" * 1_000_000], label=["yes"])
    assert numbers["frequent"]["yes"] == [("x" * 100, 1)]


def test_small_tables_are_counted_whole() -> None:
    table = pl.DataFrame({"text": ["a", "b"]})
    assert sampled(table.iter_slices(1), rows=2, characters=2).equals(table)


@pytest.mark.slow
def test_large_tables_are_sampled_evenly_and_always_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_counts, "MOST_ROWS", 1_000)
    labels = ["no", "yes"] * 5_000  # in step with any fixed stride
    table = pl.DataFrame({"place": range(10_000), "label": labels})
    rows = sampled(table.iter_slices(3_000), rows=10_000, characters=10)
    assert abs(rows.height - 1_000) < 20
    assert 450 < (rows["label"] == "yes").sum() < 550
    assert all(80 < (rows["place"] // 1_000 == part).sum() < 120 for part in range(10))
    assert rows.equals(sampled(table.iter_slices(7), rows=10_000, characters=10))


def test_long_texts_are_sampled_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_counts, "MOST_CHARACTERS", 1_000)
    table = pl.DataFrame({"n": range(1_000)})
    assert 80 < sampled(table.iter_slices(), rows=1_000, characters=10_000).height < 120


@pytest.mark.parametrize("at_once", [1, 7, 1_000])
def test_distinct_texts_are_counted_exactly_in_any_number_of_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(distinct, "HASHES_AT_ONCE", at_once)
    texts = [None, "", "a", None, *(str(number % 37) for number in range(90))]
    counted = DistinctTexts(tmp_path / "hashes")
    for start in range(0, len(texts), 20):
        counted.add(pl.Series(texts[start : start + 20], dtype=pl.String))
    assert counted.count() == 39


def test_no_distinct_texts(tmp_path: Path) -> None:
    counted = DistinctTexts(tmp_path / "hashes")
    assert counted.count() == 0
    counted.add(pl.Series([None], dtype=pl.String))
    assert counted.count() == 0
