from typing import Any

import numpy as np
import polars as pl
import pytest

from stages.lib.errors.conditions import Condition, conditions_of, frequent_words, words_of_texts
from stages.lib.errors.slice_tables import weak_parts
from stages.lib.errors.weak_slices import corrected, find_slices, lattice_of, p_of
from stages.lib.errors.weakness import Errors
from stages.lib.kinds import Kind
from stages.lib.task import Task
from tests.error_knobs import knobs
from tests.predicted import task_of

N = 600
TOPICS = ["storms", "cake"]


def condition(name: str, member_N: np.ndarray) -> Condition:
    return Condition("word", name, np.asarray(member_N, dtype=bool))


def random_conditions(rng: np.random.Generator, count: int) -> list[Condition]:
    """Some overlap, some hold others, some exclude each other, as words, lengths and labels do."""
    ground_N = rng.random(N)
    shares = rng.uniform(0.05, 0.5, size=count)
    return [
        condition(f"c{place}", ground_N < share if place % 3 == 0 else rng.random(N) < share)
        for place, share in enumerate(shares)
    ]


def random_errors(kind: Kind, rng: np.random.Generator) -> Errors:
    if kind == "regression":
        error_N = rng.gamma(0.5, size=N)
        return Errors(error_N, np.argsort(np.argsort(error_N)) + 1.0, counts=False)
    wrong_N = (rng.random(N) < 0.15).astype(float)
    return Errors(wrong_N, wrong_N, counts=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_of_random_errors_hardly_any_search_finds_a_slice(kind: Kind) -> None:
    """Where nothing is weak the false discovery rate is the chance of finding anything: 5 %."""
    rng, trials = np.random.default_rng(5), 400
    lattice = lattice_of(random_conditions(rng, 40), N, 20)
    assert len(lattice.n) > 300
    found = [(corrected(p_of(lattice, random_errors(kind, rng))) <= 0.05).any() for _ in range(trials)]
    assert np.mean(found) <= 0.05 + 2 * (0.05 * 0.95 / trials) ** 0.5


def test_without_the_correction_nearly_every_search_would() -> None:
    rng = np.random.default_rng(5)
    lattice = lattice_of(random_conditions(rng, 40), N, 20)
    found = [(p_of(lattice, random_errors("classification", rng)) <= 0.05).any() for _ in range(50)]
    assert np.mean(found) > 0.9


def test_a_lattice_has_each_condition_and_each_two_that_say_more_than_one() -> None:
    place = np.arange(N)
    halves = [
        condition("even", place % 2 == 0),
        condition("low", place < 300),
        condition("high", place >= 300),
    ]
    all_low = condition("nearly low", place < 290)
    lattice = lattice_of([*halves, all_low], N, 20)
    pairs = set(zip(lattice.first.tolist(), lattice.second.tolist(), strict=True))
    small = lattice_of([*halves, condition("few", place < 25)], N, 20)
    assert small.n.min() == 25  # of the 13 that are few and even there is no slice
    assert pairs == {(0, 0), (1, 1), (2, 2), (3, 3), (0, 1), (0, 2), (0, 3)}
    members = lattice.members_of(np.arange(len(lattice.n))).toarray()
    np.testing.assert_array_equal(members.sum(axis=0), lattice.n)
    both = members[:, [*zip(lattice.first, lattice.second, strict=True)].index((0, 1))]
    np.testing.assert_array_equal(both > 0, (place % 2 == 0) & (place < 300))


# --- of texts ----------------------------------------------------------------------------------------------


def rows_of(kind: Kind, rng: np.random.Generator, text_of: Any) -> pl.DataFrame:
    """id, role, label, text, text_original, place: of validation a fifth, of test the rest."""
    label: list[Any] = rng.choice(["calm", "alarm", "other"], N).tolist()
    if kind == "regression":
        label = rng.uniform(0, 5, N).tolist()
    if kind == "multi-label":
        label = [[name, "calm"] if name != "calm" else [] for name in label]
    text = [text_of(rng) for _ in range(N)]
    return pl.DataFrame(
        {
            "id": [f"r{place}" for place in range(N)],
            "role": ["validation"] * (N // 5) + ["test"] * (N - N // 5),
            "label": label,
            "text": text,
            "text_original": text,
            "place": rng.choice(["Oslo", "Lima"], N),
        }
    )


def english(rng: np.random.Generator) -> str:
    return " ".join(rng.choice(["mud", "rain", "tea", "the", "a", "bus", "sun", "old"], 3))


def chinese(rng: np.random.Generator) -> str:
    return "".join(rng.choice(["火灾", "下雨", "喝茶", "公交", "太阳", "今天"], 3))


def with_mistakes(rows: pl.DataFrame, wrong_N: np.ndarray, kind: Kind) -> pl.DataFrame:
    """As data/errors/examples.parquet."""
    wrong = pl.Series(wrong_N)
    if kind == "regression":
        said = rows["label"] + np.where(wrong_N, 2.0, 0.0) + np.linspace(0, 0.1, N)
        return rows.with_columns(predicted=said, loss=(said - rows["label"]).abs())
    other = pl.lit(["other", "alarm", "calm"]) if kind == "multi-label" else pl.lit("unlike")
    return rows.with_columns(predicted=pl.when(wrong).then(other).otherwise("label"))


def search(rows: pl.DataFrame, wrong_N: np.ndarray, kind: Kind, **changes: Any) -> dict[str, pl.DataFrame]:
    task = task_of(kind=kind, kept=("place",))
    clusters = rows.select("id", name=pl.Series(np.array(TOPICS)[np.arange(N) % 2]))
    found = weak_parts(with_mistakes(rows, wrong_N, kind), rows, clusters, task, knobs(**changes))
    return found.tables | {"numbers": pl.DataFrame(list(found.numbers.values()))}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classification", "regression", "multi-label"])
def test_a_planted_weak_slice_is_found_alone_and_by_its_name(kind: Kind) -> None:
    rng = np.random.default_rng(2)
    rows = rows_of(kind, rng, english)
    planted_N = (rows["text"].str.contains(r"\bmud\b") & (rows["place"] == "Oslo")).to_numpy()
    wrong_N = rng.random(N) < np.where(planted_N, 0.7, 0.06)
    found = search(rows, wrong_N, kind)
    test = found["slices"].filter(pl.col("role") == "test")
    assert test.select("name", "kind").rows() == [("place = Oslo and word = mud", "both")]
    (row,) = test.to_dicts()
    within_N = planted_N & (rows["role"] == "test").to_numpy()
    assert row["n"] == within_N.sum()
    assert row["p"] < row["q"] < 0.01
    assert row["low"] < row["difference"] < row["high"]
    assert row["excess"] == pytest.approx(row["n"] * row["difference"])
    assert row["mistakes"] == (None if kind == "regression" else (wrong_N & within_N).sum())
    members = found["slice_members"].filter(pl.col("slice") == row["slice"])["id"]
    assert members.to_list() == rows["id"].filter(within_N).to_list()


def test_chinese_words_are_pairs_of_characters() -> None:
    rng = np.random.default_rng(3)
    rows = rows_of("classification", rng, chinese)
    wrong_N = rng.random(N) < np.where(rows["text"].str.contains("火灾"), 0.6, 0.05)
    found = search(rows, wrong_N, "classification")
    assert found["slices"].filter(pl.col("role") == "test")["name"][0] == "word = 火灾"
    assert found["words"].filter(pl.col("role") == "test")["word"][0] == "火灾"


def test_words_that_few_texts_have_or_lack_are_not_tested() -> None:
    rows = pl.DataFrame({"text": ["the mud", "the tea", "the TEA tea", "the mud", "the bus", "the bus"]})
    words = words_of_texts(rows, task_of(), 2)
    assert words.words == ["bus", "mud", "tea"]
    assert words.members.toarray().T.tolist() == [[0, 0, 0, 0, 1, 1], [1, 0, 0, 1, 0, 0], [0, 1, 1, 0, 0, 0]]


def test_words_that_mistakes_over_use_have_their_counts() -> None:
    rng = np.random.default_rng(4)
    rows = rows_of("classification", rng, english)
    has_N = rows["text"].str.contains(r"\btea\b").to_numpy()
    wrong_N = rng.random(N) < np.where(has_N, 0.5, 0.1)
    words = search(rows, wrong_N, "classification")["words"].filter(pl.col("role") == "test")
    test_N = (rows["role"] == "test").to_numpy()
    (row,) = words.to_dicts()
    assert (row["word"], row["n"]) == ("tea", (has_N & test_N).sum())
    assert row["error"] == pytest.approx(wrong_N[has_N & test_N].mean())
    assert row["rest_error"] == pytest.approx(wrong_N[~has_N & test_N].mean())


@pytest.mark.parametrize("wrong", [0.0, 1.0])
def test_a_model_that_is_always_right_or_always_wrong_has_no_weak_slice(wrong: float) -> None:
    rows = rows_of("classification", np.random.default_rng(0), english)
    found = search(rows, np.full(N, bool(wrong)), "classification")
    assert found["slices"].is_empty()
    assert found["words"].is_empty()
    assert found["slice_members"].schema == {"slice": pl.Int64, "id": pl.String}
    assert (found["numbers"]["tested"] > 40).all()


def test_one_class_and_few_rows_have_none_and_say_that_none_was_tested() -> None:
    task: Task = task_of()
    rows = pl.DataFrame(
        {
            "id": ["a", "b"],
            "role": ["test"] * 2,
            "label": ["calm"] * 2,
            "text": ["tea", ""],
            "place": [None] * 2,
        }
    ).with_columns(text_original="text", predicted=pl.lit("calm"))
    clusters = rows.select("id", name=pl.lit("0"))
    found = weak_parts(rows, rows, clusters, task, knobs())
    assert found.numbers == {"test": {"tested": 0, "found": 0}}
    assert all(table.is_empty() for table in found.tables.values())


def test_conditions_do_not_depend_on_errors_and_leave_enough_examples_on_both_sides() -> None:
    rows = rows_of("classification", np.random.default_rng(0), english)
    task, clusters = task_of(kept=("place",)), pl.Series(np.array(TOPICS)[np.arange(N) % 2])
    words = words_of_texts(rows, task, 20)
    found = conditions_of(rows, words, clusters, task, knobs(slice_least_n=250))
    assert [part.name for part in found if part.kind in ("column", "cluster")] == [
        f"place = {name}" for name in rows["place"].value_counts().sort("count", descending=True)["place"]
    ] + ["cluster = cake", "cluster = storms"]
    assert all(250 <= part.members.sum() <= N - 250 for part in found)
    frequent = frequent_words(words, 3)
    assert len(frequent) == 3
    np.testing.assert_array_equal(
        frequent[0].members, rows["text"].str.contains(rf"\b{frequent[0].name[7:]}\b").to_numpy()
    )


def test_slices_are_numbered_by_role_and_what_mending_them_would_gain_comes_first() -> None:
    rng = np.random.default_rng(6)
    rows = rows_of("classification", rng, english)
    # the rarer one is the surer, and has fewer mistakes too many
    place_N, rare_N = (rows["place"] == "Oslo").to_numpy(), rows["text"].str.contains(r"\bbus\b").to_numpy()
    wrong_N = rng.random(N) < np.where(rare_N, 0.95, np.where(place_N, 0.5, 0.02))
    slices = search(rows, wrong_N, "classification")["slices"]
    assert slices["slice"].n_unique() == len(slices)
    assert slices["role"].unique(maintain_order=True).to_list() == ["validation", "test"]
    for role in ("validation", "test"):
        excess = slices.filter(pl.col("role") == role)["excess"]
        assert excess.to_list() == sorted(excess, reverse=True)


def test_a_search_says_the_same_again() -> None:
    rng = np.random.default_rng(7)
    conditions, errors = random_conditions(rng, 20), random_errors("classification", rng)
    first, second = (find_slices(conditions, errors, knobs(slice_q=0.9)) for _ in range(2))
    assert [part[:2] for part in first.slices] == [part[:2] for part in second.slices]
