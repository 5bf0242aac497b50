from pathlib import Path

import numpy as np
import pytest

from commands.lib.evidence import gather
from commands.lib.planning import (
    Population,
    Rules,
    examples_needed,
    least_drop,
    plan,
    population_of,
    rates,
    worsened,
)
from stages.lib.statistics.resampling import Combinations
from tests.judged import answered
from tests.past_runs import write_run
from tests.predicted import task_of

TASK = task_of(["a", "b"])
RULES = Rules({"accuracy": 0.03}, 0.95, seed=1)


def answers(n: int = 1_000, error: float = 0.1, apart: float = 0.06) -> list[np.ndarray]:
    """Labels and two models' answers that disagree on a share `apart`, each right on half of that."""
    labels_N = np.arange(n) % 2
    place_N = np.arange(n)[np.random.default_rng(1).permutation(n)] / n
    old_wrong_N = (place_N < apart / 2) | (place_N >= 1 - error + apart / 2)
    new_wrong_N = ((place_N >= apart / 2) & (place_N < apart)) | (place_N >= 1 - error + apart / 2)
    return [
        labels_N,
        np.where(old_wrong_N, 1 - labels_N, labels_N),
        np.where(new_wrong_N, 1 - labels_N, labels_N),
    ]


def accuracies(population: Population) -> tuple[float, float]:
    right = population.found.predicted == population.found.labels
    old, new = (float(population.chances[right_K].sum()) for right_K in right)
    return old, new


def test_equal_models_disagree_as_often_as_the_two_that_were_seen() -> None:
    population = population_of(TASK, *answers(apart=0.06))
    assert population.disagreement == pytest.approx(0.06)
    old, new = accuracies(population)
    assert old == pytest.approx(new) == pytest.approx(0.9)


def test_a_better_and_a_worse_model_are_made_equal() -> None:
    labels_N, old_N, _ = answers()
    old, new = accuracies(population_of(TASK, labels_N, old_N, labels_N))
    assert old == pytest.approx(new) == pytest.approx(0.95)


def test_of_one_model_an_equal_one_disagrees_as_often_as_it_errs() -> None:
    labels_N, old_N, _ = answers(error=0.1)
    population = population_of(TASK, labels_N, old_N, old_N)
    assert population.disagreement == pytest.approx(0.1)
    assert accuracies(population) == pytest.approx((0.9, 0.9))


def test_a_flawless_model_disagrees_with_nobody() -> None:
    labels_N, *_ = answers()
    assert population_of(TASK, labels_N, labels_N, labels_N).disagreement == 0


@pytest.mark.parametrize("drop", [0.01, 0.05, 0.06, 0.12])
def test_a_worse_model_is_worse_by_the_drop(drop: float) -> None:
    population = population_of(TASK, *answers(apart=0.06))
    old, new = accuracies(worsened(population, drop))
    assert old - new == pytest.approx(drop, abs=1e-9)
    assert worsened(population, drop).chances.sum() == pytest.approx(1)
    assert worsened(population, drop).disagreement == pytest.approx(max(0.06, drop))


@pytest.mark.slow
def test_equal_models_pass_more_often_on_more_examples_and_are_seldom_worse() -> None:
    population = population_of(TASK, *answers(apart=0.06))
    few, many = (rates(population, n, RULES, test_sets=200) for n in (200, 2_000))
    assert few.passed < 0.6 < 0.95 < many.passed
    assert max(few.worse, many.worse) <= 0.05
    assert sum(many) == pytest.approx(1)


def test_twice_the_margin_is_caught() -> None:
    population = population_of(TASK, *answers(apart=0.06))
    assert rates(worsened(population, 0.06), 2_000, RULES, test_sets=100).worse >= 0.8


@pytest.mark.slow
def test_the_least_drop_that_is_caught_is_caught_and_less_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commands.lib.planning.RESAMPLES", 100)  # accuracy needs none
    population = population_of(TASK, *answers(apart=0.06))
    drop = least_drop(population, 1_000, RULES)
    assert drop is not None
    assert 0.015 <= drop <= 0.04
    assert rates(worsened(population, drop), 1_000, RULES).worse >= 0.8
    assert rates(worsened(population, drop / 2), 1_000, RULES).worse < 0.8


def test_few_examples_catch_nothing() -> None:
    assert least_drop(population_of(TASK, *answers(apart=0.06)), 8, RULES) is None


def test_half_the_margin_needs_four_times_the_examples() -> None:
    population = population_of(TASK, *answers(apart=0.06))
    wide, narrow = (examples_needed(population, 1_000, "accuracy", m, RULES) for m in (0.04, 0.02))
    assert narrow == pytest.approx(4 * wide, abs=4)
    assert wide == pytest.approx((1.96 + 0.84) ** 2 * 0.06 / 0.04**2, rel=0.12)


@pytest.mark.slow
def test_so_many_examples_do_pass_an_equal_model_that_often() -> None:
    population = population_of(TASK, *answers(apart=0.06))
    n = examples_needed(population, 1_000, "accuracy", 0.03, RULES)
    assert rates(population, n, RULES, test_sets=400).passed == pytest.approx(0.8, abs=0.07)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commands.lib.planning.RESAMPLES", 20)
    monkeypatch.setattr("commands.lib.planning.least_drop", lambda *_: None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("other", "how"),
    [(3.0, "taken from the error rate, as both answer alike"), (2.5, "taken from the error rate")],
)
def test_the_page_says_where_the_disagreement_is_from(
    quick: None, tmp_path: Path, other: float, how: str
) -> None:
    """The same answers with other probabilities say as little of an equal model as the same ones."""
    examples = answered(100, 10)
    old, new = write_run(tmp_path / "a", examples), write_run(tmp_path / "b", examples, strength=other)
    page = plan(gather(old, new, "finetuned", "test", accept=False), RULES)
    assert f"disagreement             10.0% ({how}" in page


def test_what_was_seen_is_called_so(quick: None, tmp_path: Path) -> None:
    old, new = write_run(tmp_path / "a", answered(100, 10)), write_run(tmp_path / "b", answered(100, 14))
    page = plan(gather(old, new, "finetuned", "test", accept=False), RULES)
    assert "disagreement             4.0% (observed)" in page


def test_chances_need_not_add_up_to_a_whole_number_of_examples() -> None:
    """106 times these is a hair below 106, and the rarest of them is less than one example."""
    labels_K, said_K = np.array([0, 1, 0, 1, 0]), np.array([[0, 1, 1, 0, 1], [0, 1, 0, 1, 1]])
    chances_K = np.array([0.55, 0.2499, 0.1, 0.1, 0.0001])
    assert (chances_K * 106).sum() < 106
    population = Population(TASK, Combinations(labels_K, said_K, chances_K), chances_K)
    assert examples_needed(population, 106, "accuracy", 0.03, RULES) > 106
