from typing import Any, get_args

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_rel
from sklearn.metrics import f1_score

from stages.lib.kinds import KINDS, Kind
from stages.lib.statistics.paired import (
    Difference,
    Flips,
    accuracy_difference,
    better,
    bonett_price,
    bootstrap_p,
    compare,
    compare_families,
    example_difference,
    flips,
    holm,
    mcnemar,
)
from stages.lib.statistics.resampling import combinations
from stages.lib.statistics.scores import scores
from tests.predicted import task_of
from tests.test_scores import TASKS, random_examples

each_kind = pytest.mark.parametrize("kind", get_args(Kind))
SETTINGS: dict[str, Any] = {"resamples": 1_000, "confidence": 0.95, "seed": 13}


def random_answers(seed: int) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Classes, labels, and two models' answers; few examples, so that classes are absent or never said."""
    rng = np.random.default_rng(seed)
    classes, n = int(rng.integers(2, 7)), int(rng.integers(1, 60))
    labels_N = rng.integers(0, classes, n)
    old_N, new_N = (np.where(rng.random(n) < 0.7, labels_N, rng.integers(0, classes, n)) for _ in range(2))
    return classes, labels_N, old_N, new_N


def two_models(kind: Kind, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, and what the old and the new model say."""
    labels_N, old_N = random_examples(kind, seed)
    rng = np.random.default_rng(seed)
    if kind == "regression":
        return labels_N, old_N, old_N + rng.normal(size=len(labels_N))
    return labels_N, old_N, np.where(rng.random(labels_N.shape) < 0.7, old_N, rng.permutation(old_N))


@each_kind
@pytest.mark.parametrize("seed", range(20))
def test_both_models_and_their_difference_have_the_plain_scores(kind: Kind, seed: int) -> None:
    task = TASKS[kind]
    labels_N, old_N, new_N = two_models(kind, seed)
    old, new = scores(task, labels_N, old_N), scores(task, labels_N, new_N)
    found = compare(task, labels_N, old_N, new_N, **SETTINGS)
    assert set(found) == {name for name in old if None not in (old[name], new[name])}
    for name, difference in found.items():
        values = np.array([old[name], new[name]], dtype=float)
        assert difference[:3] == pytest.approx((*values, values[1] - values[0]), abs=1e-9)
        assert difference.low <= difference.high
        assert 0 < difference.p <= 1


def test_a_score_that_one_model_lacks_is_left_out() -> None:
    labels_N, predicted_N = np.array([0.0, 1.0, 3.0]), np.array([0.5, 0.5, 2.0])
    found = compare(TASKS["regression"], labels_N, np.full(3, 1.0), predicted_N, **SETTINGS)
    assert set(found) == {"r2", "rmse", "mae"}


@each_kind
def test_a_model_that_is_far_better_is_found_so(kind: Kind) -> None:
    """The new one is the truth: of every score, the right way round, the whole interval is above 0."""
    task, labels_N = TASKS[kind], np.concatenate([random_examples(kind, seed)[0] for seed in range(10)])
    old_N = np.random.default_rng(1).permutation(labels_N)
    found = compare(task, labels_N, old_N, labels_N, **SETTINGS)
    assert {"rmse", "mae"} & set(found) == KINDS[kind].lower_is_better
    for name, difference in found.items():
        turned = better(task, name, difference)
        assert 0 < turned.low <= turned.difference <= turned.high
        assert (turned.old, turned.new, turned.p) == (difference.old, difference.new, difference.p)
        assert turned.p < 0.01


def test_only_a_score_that_should_be_low_is_turned_round() -> None:
    task, raw = TASKS["regression"], Difference(2.0, 1.5, -0.5, -0.75, -0.25, 0.03)
    assert better(task, "mae", raw) == Difference(2.0, 1.5, 0.5, 0.25, 0.75, 0.03)
    assert better(task, "pearson", raw) == raw


@each_kind
def test_the_difference_by_examples_is_that_among_all_scores(kind: Kind) -> None:
    task = TASKS[kind]
    labels_N, old_N, new_N = two_models(kind, seed=9)
    found = example_difference(task, labels_N, old_N, new_N, SETTINGS["confidence"])
    assert found == compare(task, labels_N, old_N, new_N, **SETTINGS)[KINDS[kind].example_score]


def test_mean_absolute_errors_are_compared_by_the_paired_t_test() -> None:
    labels_N, old_N, new_N = two_models("regression", seed=11)
    old_N[:4], new_N[:4], labels_N[:4] = 1.0, 1.5, 0.0  # alike: drawn together
    found = example_difference(TASKS["regression"], labels_N, old_N, new_N, 0.95)
    theirs = ttest_rel(np.abs(new_N - labels_N), np.abs(old_N - labels_N))
    interval = theirs.confidence_interval(0.95)
    assert (found.low, found.high, found.p) == pytest.approx((interval.low, interval.high, theirs.pvalue))


@pytest.mark.parametrize(("shift", "p"), [(0.0, 1), (1.0, 1)])
def test_a_single_example_says_nothing_of_chance(shift: float, p: float) -> None:
    one = np.array([2.0])
    found = example_difference(TASKS["regression"], one, one, one + shift, 0.95)
    assert (found.low, found.high, found.p) == (shift, shift, p)


def test_of_several_labels_the_whole_set_is_right_or_wrong() -> None:
    labels_NC = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], dtype=bool)
    old_NC = np.array([[1, 1], [1, 1], [0, 1], [1, 0]], dtype=bool)
    new_NC = np.array([[1, 0], [1, 0], [0, 1], [1, 1]], dtype=bool)
    task = task_of(["a", "b"], kind="multi-label")
    assert flips(task, labels_NC, old_NC, new_NC) == Flips(changed=3, fixed=1, broken=1)
    found = example_difference(task, labels_NC, old_NC, new_NC, 0.95)
    assert (found.old, found.new, found.p) == (0.25, 0.25, 1)


def test_numbers_do_not_flip() -> None:
    assert flips(TASKS["regression"], *two_models("regression", seed=1)) is None


@pytest.mark.slow
def test_the_bootstrap_interval_is_that_of_resampled_examples() -> None:
    """The same interval, up to chance, by a loop over scikit-learn."""
    rng = np.random.default_rng(5)
    task, n = task_of(["a", "b", "c"]), 150
    labels_N = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    old_N, new_N = (np.where(rng.random(n) < 0.8, labels_N, rng.integers(0, 3, n)) for _ in range(2))
    draws = []
    for _ in range(500):
        some = rng.integers(0, n, n)
        values = [f1_score(labels_N[some], said_N[some], average="macro") for said_N in (old_N, new_N)]
        draws.append(values[1] - values[0])
    found = compare(task, labels_N, old_N, new_N, resamples=4_000, confidence=0.95, seed=1)["macro_f1"]
    width = found.high - found.low
    assert np.quantile(draws, 0.025) == pytest.approx(found.low, abs=0.12 * width)
    assert np.quantile(draws, 0.975) == pytest.approx(found.high, abs=0.12 * width)


def test_the_same_seed_gives_the_same_interval_and_another_one_another() -> None:
    _, labels_N, old_N, new_N = random_answers(3)
    task = task_of([str(number) for number in range(6)])
    first = compare(task, labels_N, old_N, new_N, **SETTINGS)
    assert compare(task, labels_N, old_N, new_N, **SETTINGS) == first
    assert compare(task, labels_N, old_N, new_N, **SETTINGS | {"seed": 14}) != first


def test_flips_are_counted_each_way() -> None:
    labels_N = np.array([0, 0, 0, 1, 1, 2])
    old_N, new_N = np.array([0, 0, 1, 1, 0, 1]), np.array([0, 1, 0, 1, 1, 0])
    assert flips(task_of(), labels_N, old_N, new_N) == Flips(changed=4, fixed=2, broken=1)


def test_mcnemar_is_the_binomial_test_of_those_that_one_model_alone_has_right() -> None:
    assert mcnemar(Flips(30, fixed=5, broken=15)) == pytest.approx(binomtest(5, 20).pvalue)
    assert mcnemar(Flips(0, 0, 0)) == 1


def test_the_interval_of_bonett_and_price_is_that_of_their_paper() -> None:
    """Bonett and Price 2012, formula 6, by hand: 14 fixed, 5 broken, n = 100."""
    p, q = 15 / 102, 6 / 102
    reach = 1.959964 * np.sqrt((p + q - (p - q) ** 2) / 102)
    assert bonett_price(Flips(19, 14, 5), 100, 0.95) == pytest.approx(
        (p - q - reach, p - q + reach), abs=1e-6
    )


def test_models_that_answer_alike_keep_a_width_in_accuracy() -> None:
    labels_N = np.array([0, 1] * 50)
    difference = accuracy_difference(combinations(labels_N, np.stack([labels_N, labels_N])), 0.95)
    assert difference.difference == 0
    assert difference.low < 0 < difference.high
    assert difference.p == 1


@pytest.mark.parametrize("n", [200, 1_000])
def test_the_interval_of_a_difference_in_accuracy_covers(n: int) -> None:
    rng = np.random.default_rng(n)
    fixed, broken = 0.04, 0.08
    covered = []
    for counts in rng.multinomial(n, [fixed, broken, 1 - fixed - broken], size=2_000):
        low, high = bonett_price(Flips(0, int(counts[0]), int(counts[1])), n, 0.95)
        covered.append(low <= fixed - broken <= high)
    assert 0.93 <= np.mean(covered) <= 0.975


def test_p_is_twice_the_share_of_resamples_on_the_rarer_side_and_never_0() -> None:
    assert bootstrap_p(np.array([1.0] * 95 + [-1.0] * 4)) == pytest.approx(2 * 5 / 100)
    assert bootstrap_p(np.ones(99)) == pytest.approx(0.02)
    assert bootstrap_p(np.zeros(99)) == 1


def test_holm_steps_down() -> None:
    """By hand: 0.01 x 3, then 0.03 x 2, then 0.04, which may not fall below the one before."""
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


def families(
    shift: float, seed: int, runs: int = 3, n: int = 400
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, and the answers of two families, whose runs err on examples of their own."""
    rng = np.random.default_rng(seed)
    labels_N = rng.integers(0, 2, n)

    def family(error: float) -> np.ndarray:
        wrong_SN = rng.random((runs, n)) < error
        return np.where(wrong_SN, 1 - labels_N, labels_N)

    return labels_N, family(0.15), family(0.15 + shift)


def test_a_family_is_worth_the_mean_of_its_runs() -> None:
    labels_N, old_SN, new_SN = families(0.1, seed=1)
    task = task_of(["a", "b"])
    found = compare_families(task, labels_N, old_SN, new_SN, **SETTINGS)["macro_f1"]
    means = [
        np.mean([scores(task, labels_N, said_N)["macro_f1"] for said_N in of]) for of in (old_SN, new_SN)
    ]
    assert (found.old, found.new) == pytest.approx(tuple(means))
    assert found.difference == pytest.approx(means[1] - means[0])


def test_seeds_that_differ_widen_the_interval() -> None:
    """The same mean accuracy in both families; in one the runs are alike, in the other far apart."""
    labels_N = np.zeros(300, int)

    def run(mistakes: int) -> np.ndarray:
        return (np.arange(300) < mistakes).astype(int)

    task = task_of(["a", "b"])
    even, uneven = (
        compare_families(
            task, labels_N, np.stack([run(30), run(30)]), np.stack([run(30 - by), run(30 + by)]), **SETTINGS
        )["accuracy"]
        for by in (1, 25)
    )
    assert uneven.high - uneven.low > 2 * (even.high - even.low)


def test_of_a_single_example_families_differ_by_nothing_that_is_sure() -> None:
    old_SN, new_SN = np.array([[0], [0]]), np.array([[0], [1]])
    found = compare_families(task_of(["a", "b"]), np.array([1]), old_SN, new_SN, **SETTINGS)["accuracy"]
    assert found == (0.0, 0.5, 0.5, 0.5, 0.5, 1.0)


@pytest.mark.parametrize(("shift", "least", "most"), [(0.0, 0.0, 0.08), (0.08, 0.6, 1.0)])
def test_equal_families_are_seldom_told_apart_and_unequal_ones_often(
    shift: float, least: float, most: float
) -> None:
    found = []
    for seed in range(100):
        labels_N, old_SN, new_SN = families(shift, seed)
        difference = compare_families(
            task_of(["a", "b"]), labels_N, old_SN, new_SN, resamples=200, confidence=0.95, seed=seed
        )["accuracy"]
        found.append(difference.p < 0.05)
    assert least <= np.mean(found) <= most


@each_kind
def test_families_of_every_kind_are_compared_by_the_means_of_their_runs(kind: Kind) -> None:
    task = TASKS[kind]
    labels_N, first_N, second_N = two_models(kind, seed=4)
    third_N = two_models(kind, seed=4)[1][::-1]
    old, new = np.stack([first_N, second_N]), np.stack([second_N, third_N, first_N])
    found = compare_families(task, labels_N, old, new, **SETTINGS)
    assert list(found) == list(scores(task, labels_N, first_N))
    for name, difference in found.items():
        means = [np.mean([scores(task, labels_N, said_N)[name] for said_N in of]) for of in (old, new)]
        assert (difference.old, difference.new) == pytest.approx(tuple(means))
        assert difference.low < difference.difference < difference.high


def test_families_that_answer_alike_do_not_differ() -> None:
    labels_N = np.array([0, 1] * 20)
    same_SN = np.stack([labels_N, labels_N])
    found = compare_families(task_of(["a", "b"]), labels_N, same_SN, same_SN, **SETTINGS)["accuracy"]
    assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1)
