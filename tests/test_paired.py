from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from stages.lib.paired import (
    Flips,
    accuracy_difference,
    bonett_price,
    bootstrap_p,
    combinations,
    compare,
    compare_families,
    counts_of,
    flips_of,
    holm,
    mcnemar,
    resampled,
)
from stages.lib.scores import scores
from tests.test_scores import a_task

SETTINGS: dict[str, Any] = {"resamples": 1_000, "confidence": 0.95, "seed": 13}


def random_answers(seed: int) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Classes, labels, and two models' answers; few examples, so that classes are absent or never said."""
    rng = np.random.default_rng(seed)
    classes, n = int(rng.integers(2, 7)), int(rng.integers(1, 60))
    labels_N = rng.integers(0, classes, n)
    old_N, new_N = (np.where(rng.random(n) < 0.7, labels_N, rng.integers(0, classes, n)) for _ in range(2))
    return classes, labels_N, old_N, new_N


@pytest.mark.parametrize("seed", range(30))
def test_both_models_and_their_difference_have_the_plain_scores(seed: int) -> None:
    classes, labels_N, old_N, new_N = random_answers(seed)
    task = a_task([str(number) for number in range(classes)], positive="1")
    old, new = scores(task, labels_N, old_N), scores(task, labels_N, new_N)
    found = compare(task, labels_N, old_N, new_N, **SETTINGS)
    assert set(found) == set(old)
    for name, difference in found.items():
        assert difference.old == pytest.approx(old[name], abs=1e-12)
        assert difference.new == pytest.approx(new[name], abs=1e-12)
        assert difference.difference == pytest.approx(new[name] - old[name], abs=1e-12)
        assert difference.low <= difference.high


@pytest.mark.parametrize("seed", range(10))
def test_a_resample_of_counts_has_the_scores_of_the_same_resample_of_examples(seed: int) -> None:
    classes, labels_N, old_N, new_N = random_answers(seed)
    task = a_task([str(number) for number in range(classes)], positive="1")
    drawn = np.random.default_rng(seed).integers(0, len(labels_N), len(labels_N))
    found = combinations(labels_N, np.stack([old_N, new_N]))
    rows = np.vstack([found.labels, found.predicted]).T.tolist()
    counts = np.zeros((1, len(rows)))
    for row in np.stack([labels_N, old_N, new_N])[:, drawn].T.tolist():
        counts[0, rows.index(row)] += 1
    from stages.lib.intervals import all_scores

    for said_N, of_model in zip((old_N, new_N), counts_of(found, counts, classes), strict=True):
        plain = scores(task, labels_N[drawn], said_N[drawn])
        vectorised = {name: values.item() for name, values in all_scores(task, of_model).items()}
        assert vectorised == pytest.approx(plain, abs=1e-12)


def test_the_bootstrap_interval_is_that_of_resampled_examples() -> None:
    """The same interval, up to chance, by a loop over scikit-learn."""
    rng = np.random.default_rng(5)
    task, n = a_task(["a", "b", "c"]), 150
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


def test_both_models_are_drawn_on_the_same_resamples() -> None:
    rng = np.random.default_rng(2)
    labels_N = rng.integers(0, 2, 80)
    said_N = np.where(rng.random(80) < 0.7, labels_N, 1 - labels_N)
    found = combinations(labels_N, np.stack([said_N, said_N]))
    old, new = resampled(a_task(["a", "b"]), found, 200, seed=3)
    assert (old["macro_f1"] == new["macro_f1"]).all()
    assert old["macro_f1"].std() > 0


def test_more_resamples_than_are_drawn_at_once_are_all_there() -> None:
    found = combinations(np.array([0, 1, 1]), np.array([[0, 1, 0], [0, 0, 1]]))
    assert len(resampled(a_task(["a", "b"]), found, 2_345, seed=3)[0]["accuracy"]) == 2_345


def test_the_same_seed_gives_the_same_interval_and_another_one_another() -> None:
    _, labels_N, old_N, new_N = random_answers(3)
    task = a_task([str(number) for number in range(6)])
    first = compare(task, labels_N, old_N, new_N, **SETTINGS)
    assert compare(task, labels_N, old_N, new_N, **SETTINGS) == first
    assert compare(task, labels_N, old_N, new_N, **SETTINGS | {"seed": 14}) != first


def test_flips_are_counted_each_way() -> None:
    labels_N = np.array([0, 0, 0, 1, 1, 2])
    old_N, new_N = np.array([0, 0, 1, 1, 0, 1]), np.array([0, 1, 0, 1, 1, 0])
    assert flips_of(combinations(labels_N, np.stack([old_N, new_N]))) == Flips(changed=4, fixed=2, broken=1)


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
    task = a_task(["a", "b"])
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

    task = a_task(["a", "b"])
    even, uneven = (
        compare_families(
            task, labels_N, np.stack([run(30), run(30)]), np.stack([run(30 - by), run(30 + by)]), **SETTINGS
        )["accuracy"]
        for by in (1, 25)
    )
    assert uneven.high - uneven.low > 2 * (even.high - even.low)


@pytest.mark.parametrize(("shift", "least", "most"), [(0.0, 0.0, 0.08), (0.08, 0.6, 1.0)])
def test_equal_families_are_seldom_told_apart_and_unequal_ones_often(
    shift: float, least: float, most: float
) -> None:
    found = []
    for seed in range(100):
        labels_N, old_SN, new_SN = families(shift, seed)
        difference = compare_families(
            a_task(["a", "b"]), labels_N, old_SN, new_SN, resamples=200, confidence=0.95, seed=seed
        )["accuracy"]
        found.append(difference.p < 0.05)
    assert least <= np.mean(found) <= most


def test_families_that_answer_alike_do_not_differ() -> None:
    labels_N = np.array([0, 1] * 20)
    same_SN = np.stack([labels_N, labels_N])
    found = compare_families(a_task(["a", "b"]), labels_N, same_SN, same_SN, **SETTINGS)["accuracy"]
    assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1)
