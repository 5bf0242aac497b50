import math
import random
from collections import Counter

import numpy as np
import polars as pl
import pytest

from stages.lib.profile.telling_words import telling_words, word_findings
from stages.lib.statistics import words as module
from stages.lib.statistics.words import PRIOR, word_lists


def words_of(text: str | None) -> list[str]:
    rows = pl.DataFrame({"text": [text]}, schema={"text": pl.String})
    (words,) = word_lists(rows, ["text"]).to_list()
    return list(words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The fire, the FIRE!", ["the", "fire"]),
        ("don't stop_it #tag @name", ["don't", "stop_it", "tag", "name"]),
        ("Ёлка café naïve", ["ёлка", "café", "naïve"]),
        ("हिन्दी में", ["हिन्दी", "में"]),  # with its vowel signs
        ("한국어 문장", ["한국어", "문장"]),
        ("很好吃。真的", ["很好", "真的", "好吃"]),
        ("カレー屋", ["カレ", "ー屋", "レー"]),
        ("我love你们", ["love", "你们"]),
        ("", []),
        (None, []),
        ("!!! 😀", []),
    ],
)
def test_words_of_any_script(text: str | None, words: list[str]) -> None:
    assert words_of(text) == words


def made_up(rows: int = 300) -> tuple[pl.DataFrame, dict[str, np.ndarray]]:
    chance = random.Random(3)
    vocabulary = [f"w{n}" for n in range(30)]
    labels = [chance.choice("ab") for _ in range(rows)]
    texts = [" ".join(chance.choices(vocabulary[: 20 if label == "a" else 30], k=8)) for label in labels]
    table = pl.DataFrame({"role": "train", "label": labels, "text": texts})
    return table, {name: (table["label"] == name).to_numpy() for name in "ab"}


def plain_z(table: pl.DataFrame, label: str) -> dict[str, float]:
    """Equations 16 and 22 of Monroe et al., word by word."""
    here, there = Counter[str](), Counter[str]()
    for row in table.iter_rows(named=True):
        (here if row["label"] == label else there).update(set(row["text"].split()))
    total = sum(here.values()) + sum(there.values())
    found = {}
    for word in here:
        prior = PRIOR * (here[word] + there[word]) / total
        odds = [
            math.log((of[word] + prior) / (sum(of.values()) + PRIOR - of[word] - prior))
            for of in (here, there)
        ]
        found[word] = (odds[0] - odds[1]) / math.sqrt(1 / (here[word] + prior) + 1 / (there[word] + prior))
    return found


def test_the_scores_are_those_of_the_paper() -> None:
    table, groups = made_up()
    for group in telling_words(table, groups, ["text"], 99):
        plain = plain_z(table, group["label"])
        expected = {word: z for word, z in plain.items() if z >= 1.96}
        assert {word["word"]: word["z"] for word in group["words"]} == pytest.approx(expected, abs=1e-5)
        assert expected


@pytest.mark.slow
def test_rows_at_once_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    table, groups = made_up()
    whole = telling_words(table, groups, ["text"], 9)
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 7)
    assert telling_words(table, groups, ["text"], 9) == whole


def test_only_training_rows_count() -> None:
    table, groups = made_up()
    more = table.with_columns(role=pl.lit("test"), text=pl.lit("leaked words"))
    both = {name: np.concatenate([member_N, member_N]) for name, member_N in groups.items()}
    assert telling_words(pl.concat([table, more]), both, ["text"], 9) == telling_words(
        table, groups, ["text"], 9
    )


def test_words_of_both_texts_of_a_pair_count_once() -> None:
    table, groups = made_up()
    pairs = table.with_columns(text_pair="text")
    assert telling_words(pairs, groups, ["text", "text_pair"], 9) == telling_words(table, groups, ["text"], 9)


def test_a_row_of_several_labels_counts_for_each() -> None:
    table = pl.DataFrame({"role": "train", "label": "", "text": ["sea fire"] * 40 + ["none"] * 60})
    member_N = np.arange(100) < 40
    found = telling_words(table, {"calm": member_N, "alarm": member_N, "other": ~member_N}, ["text"], 9)
    told = {
        of["label"]: [(word["word"], word["texts"], word["elsewhere"]) for word in of["words"]]
        for of in found
    }
    assert told["calm"] == told["alarm"] == [("fire", 40, 0), ("sea", 40, 0)]
    assert told["other"] == [("none", 60, 0)]


@pytest.mark.parametrize("texts", [["one"], ["one", "one"], ["", ""], ["a b c", "d"]])
def test_little_is_told_of_little(texts: list[str]) -> None:
    table = pl.DataFrame({"role": "train", "label": "a", "text": texts})
    assert telling_words(table, {"a": np.ones(len(texts), bool)}, ["text"], 9)[0]["words"] == []


def test_a_word_that_gives_its_label_away_stands_out() -> None:
    texts = ["label: spam offer"] * 30 + ["label: ham hello"] * 70
    table = pl.DataFrame({"role": "train", "label": ["spam"] * 30 + ["ham"] * 70, "text": texts})
    groups = {name: (table["label"] == name).to_numpy() for name in ("spam", "ham")}
    (finding,) = word_findings(telling_words(table, groups, ["text"], 9))
    assert "spam (spam)" in finding.says
    assert "label (" not in finding.says
    assert word_findings(telling_words(*made_up(), ["text"], 9)) == []
