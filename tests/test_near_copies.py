import itertools
import os
import random
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest

from stages.lib.splits.copy_keys import as_keys
from stages.lib.splits.near_copies import (
    COMPARED,
    MOST_MISSED,
    SLOTS,
    Sketch,
    candidates,
    fewest_in_common,
    find_near_copies,
    slots_per_band,
)
from stages.lib.splits.shingles import words_of
from tests.tiny import ROOT, environment

WORDS = [f"w{n}" for n in range(400)]


def similarities(*texts: str, threshold: float = 0.5) -> dict[tuple[int, int], float]:
    pairs = find_near_copies(pl.DataFrame({"text": texts}, schema={"text": pl.String}), threshold).pairs
    return {(first, second): value for first, second, value in pairs.iter_rows()}


def jaccard(text: str, other: str) -> float:
    """By its definition, on words between spaces."""
    sets = [{*words, *itertools.pairwise(words)} for words in (text.split(), other.split())]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def drawn(rows: int, seed: int) -> list[str]:
    """Half of the texts are edits, small and large, of others."""
    chance = random.Random(seed)
    texts = [" ".join(chance.choices(WORDS, k=chance.randint(4, 25))) for _ in range(rows // 2)]
    for _ in range(rows - len(texts)):
        words = chance.choice(texts).split()
        for _ in range(chance.randint(0, 4)):
            words[chance.randrange(len(words))] = chance.choice(WORDS)
        texts.append(" ".join(words))
    return texts


@pytest.mark.slow
@pytest.mark.parametrize("threshold", [0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
def test_what_is_found_is_what_comparing_every_text_with_every_other_finds(threshold: float) -> None:
    texts = drawn(500, seed=round(threshold * 10))
    meant = {
        (first, second): value
        for first, second in itertools.combinations(range(len(texts)), 2)
        if (value := jaccard(texts[first], texts[second])) >= threshold
    }
    found = similarities(*texts, threshold=threshold)
    assert len(meant) > 10
    assert set(found) <= set(meant)
    assert len(meant.keys() - found.keys()) <= len(meant) * MOST_MISSED
    assert found == {pair: meant[pair] for pair in found}


@pytest.mark.parametrize("threshold", [0.5, 0.66, 0.75, 0.8, 0.9, 0.99, 1.0])
def test_bands_miss_no_more_than_promised_and_are_not_laxer_than_they_must_be(threshold: float) -> None:
    slots = slots_per_band(threshold)
    assert (1 - threshold**slots) ** (SLOTS // slots) <= MOST_MISSED
    assert slots == SLOTS or (1 - threshold ** (slots + 1)) ** (SLOTS // (slots + 1)) > MOST_MISSED


@pytest.mark.parametrize("threshold", [0.5, 0.8, 1.0])
def test_the_sketch_lets_pairs_at_the_threshold_pass_and_few_that_are_unlike(threshold: float) -> None:
    generator, rows, fewest = np.random.default_rng(1), 200_000, fewest_in_common(threshold)
    alike = generator.binomial(SLOTS, (1 + threshold) / 2, size=rows)
    assert (alike >= fewest).all()
    assert (generator.binomial(SLOTS, 0.5, size=rows) >= fewest).mean() < 0.7
    bits_NW = np.packbits(np.arange(SLOTS) >= fewest).view(np.uint64)
    sketch = Sketch(np.stack([np.zeros_like(bits_NW), bits_NW, ~bits_NW]), fewest)
    assert sketch.maybe_alike(np.array([0]), np.array([1])).all()
    assert sketch.maybe_alike(np.array([1]), np.array([2])).any() == (fewest == 0)


def test_a_text_right_at_the_threshold_is_a_copy() -> None:
    eight_of_ten = ("a b c d e", "a b c d")  # 7 of 9 shingles: below
    nine_and_seven = ("a b c d e f", "a b c d e")  # 9 of 11
    assert similarities(*eight_of_ten, threshold=7 / 9) == {(0, 1): 7 / 9}
    assert similarities(*eight_of_ten, threshold=7 / 9 + 1e-9) == {}
    assert similarities(*nine_and_seven, threshold=0.8) == {(0, 1): 9 / 11}


ALIKE = [
    (
        "the wall fell on two of them today",
        "rt @someone: the wall fell on two of them today https://t.co/xyz",
    ),
    ("so this is how it ends for us", "so, this is how it ends for us!!!"),
    ("今天北京发生了一次小地震没有人受伤", "今天北京发生了一次小地震没有人受伤。"),
    ("今天北京发生了一次小地震没有人在家受伤", "今天北京发生了一次大地震没有人在家受伤"),
    ("เกิดแผ่นดินไหวขนาดเล็กที่เชียงใหม่เมื่อเช้านี้", "เกิดแผ่นดินไหวขนาดเล็กที่เชียงใหม่เมื่อเช้านี้!"),
    ("지진이 났어요 모두 조심 하세요 지금", "지진이 났어요, 모두 조심 하세요 지금"),
    ("awesome", "awesome!!"),
    ("soooooo", "sooooooooooo"),
    ("😂😂😂", "😂😂"),
    ("???", "????"),
    ("https://t.co/abcdefghijklmnop", "https://t.co/abcdefghijklmnopp"),
]
UNLIKE = [
    ("the flight was on time :)", "the flight was on time :("),
    ("i love this so much 😍", "i love this so much 💔"),
    ("man bites dog in park", "dog bites man in park"),
    ("今天北京发生了地震", "今天上海发生了水灾"),
    ("good", "bad"),
    ("listen", "silent"),
    ("happy", "unhappy"),
    ("text number 1", "text number 2"),
    ("https://t.co/abcdefgh", "https://example.org/news/today"),
    ("😂", "😭"),
    ("", "!"),
]


@pytest.mark.parametrize(("text", "other"), ALIKE)
def test_texts_that_a_person_would_call_copies(text: str, other: str) -> None:
    assert similarities(text, other, threshold=0.8)


@pytest.mark.parametrize(("text", "other"), UNLIKE)
def test_texts_that_a_person_would_not_call_copies(text: str, other: str) -> None:
    assert not similarities(text, other, threshold=0.8)


def test_a_character_of_an_unspaced_script_is_a_word_and_a_word_of_another_stays_whole() -> None:
    texts = pl.Series(["北京 earthquake 12:30 naïve вода 지진이 :( 👍🏽 #ok don't"])
    words = [*"北京", "earthquake", "12", "30", "naïve", "вода", "지진이", ":(", "👍", "🏽", "ok", "don", "t"]
    assert words_of(texts).to_list() == [words]


def test_of_a_pair_both_texts_must_be_alike() -> None:
    """One premise stands with several hypotheses, and those are what the label is about."""
    premise = "a man in a red shirt is standing on a ladder and cleaning a window of a tall house in the city"
    table = pl.DataFrame(
        {
            "text": [premise, premise, f"{premise} again"],
            "text_pair": ["a man is cleaning", "a dog is asleep", "a man is cleaning"],
        }
    )
    pairs = find_near_copies(table, 0.8).pairs
    assert pairs.select("first", "second").rows() == [(0, 2)]
    assert 0.8 < pairs["similarity"][0] < 1.0


def test_words_of_one_text_are_not_taken_for_words_of_the_other() -> None:
    table = pl.DataFrame({"text": ["a b c d", "e f g h"], "text_pair": ["e f g h", "a b c d"]})
    assert find_near_copies(table, 0.5).pairs.is_empty()


def test_what_is_found_of_two_texts_depends_on_no_third_and_on_no_order() -> None:
    texts = list(dict.fromkeys(drawn(600, seed=1)))
    few = texts[::2]
    among_few = {frozenset((few[a], few[b])): v for (a, b), v in similarities(*few).items()}
    shuffled = random.Random(2).sample(texts, len(texts))
    among_all = {frozenset((shuffled[a], shuffled[b])): v for (a, b), v in similarities(*shuffled).items()}
    assert among_few
    assert among_few == {pair: value for pair, value in among_all.items() if pair <= set(few)}


def test_no_text_and_one_text_have_no_copies() -> None:
    assert similarities() == similarities("alone") == {}


def test_a_crowd_costs_no_square_and_each_of_it_has_a_copy() -> None:
    begun = time.process_time()
    texts = [f"the same long line about a storm that nobody saw coming in number {n}" for n in range(2_000)]
    found = find_near_copies(pl.DataFrame({"text": texts}), 0.8)
    assert set(found.pairs["second"]) == set(range(1, 2_000))
    assert len(found.pairs) < 2_000 * COMPARED * 3
    assert found.crowded > 1_500
    assert time.process_time() - begun < 60


def test_each_pair_of_a_bucket_is_compared_once_and_one_that_a_crowd_hid_in_a_later_bucket() -> None:
    rows = COMPARED + 10
    crowd, few = np.zeros(rows), np.arange(rows, dtype=np.float64)
    few[rows - 2] = few[rows - 1]  # the last two, of which the crowd compares each with the first ones alone
    bands_NB = np.stack([crowd, few, crowd], axis=1).astype(np.uint64)
    places_NB = np.zeros(bands_NB.shape, dtype=np.uint8)
    anything = Sketch(np.zeros((rows, 2), dtype=np.uint64), fewest=0)
    pairs = [pair for found in candidates(bands_NB, places_NB, anything) for pair in zip(*found, strict=True)]
    meant = {(first, second) for second in range(rows) for first in range(min(second, COMPARED))}
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == meant | {(rows - 2, rows - 1)}


PRINT_PAIRS = """
import hashlib, json, sys
import polars as pl
from stages.lib.splits.near_copies import find_near_copies
from tests.test_near_copies import drawn
found = find_near_copies(pl.DataFrame({"text": drawn(3000, seed=5)}), 0.6)
print(len(found.pairs), hashlib.sha256(json.dumps(found.pairs.rows()).encode()).hexdigest())
"""


@pytest.mark.slow
def test_the_same_pairs_on_any_number_of_threads() -> None:
    printed = set()
    for threads in ("1", "5"):
        counts = {"POLARS_MAX_THREADS": threads, "RAYON_NUM_THREADS": threads, "PYTHONHASHSEED": threads}
        told = subprocess.run(
            (sys.executable, "-c", PRINT_PAIRS),
            cwd=ROOT,
            env=environment() | counts | {"PYTHONPATH": os.fspath(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        printed.add(told.stdout)
    assert len(printed) == 1
    assert int(printed.pop().split()[0]) > 500


def test_keys_of_pairs_are_told_apart() -> None:
    assert as_keys(pl.DataFrame({"text": ["a", "a b"], "text_pair": ["b c", "c"]})).n_unique() == 2
