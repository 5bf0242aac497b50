from typing import get_args

import numpy as np
import pytest

from stages.lib.kinds import Kind
from stages.lib.statistics.resampling import combinations, draws, jackknifed, resampled, scores_of
from stages.lib.statistics.scores import scores
from stages.lib.statistics.weighted import weighted_scores
from tests.test_scores import ALL_EXAMPLES, TASKS, random_examples

each_kind = pytest.mark.parametrize("kind", get_args(Kind))


def plain(kind: Kind, labels_N: np.ndarray, predicted_N: np.ndarray) -> dict[str, float]:
    """NaN where they are undefined."""
    values = scores(TASKS[kind], labels_N, predicted_N)
    return {name: np.nan if value is None else value for name, value in values.items()}


@pytest.mark.parametrize(("kind", "labels_N", "predicted_N"), ALL_EXAMPLES)
def test_weights_of_1_give_the_plain_scores(
    kind: Kind, labels_N: np.ndarray, predicted_N: np.ndarray
) -> None:
    found = weighted_scores(TASKS[kind], labels_N, predicted_N, np.ones((1, len(labels_N))))
    values = {name: value.item() for name, value in found.items()}
    assert values == pytest.approx(plain(kind, labels_N, predicted_N), abs=1e-9, nan_ok=True)


@each_kind
@pytest.mark.parametrize("seed", range(15))
def test_the_scores_of_a_resample_are_the_plain_ones_of_the_examples_drawn(kind: Kind, seed: int) -> None:
    labels_N, predicted_N = random_examples(kind, seed)
    rows_RN = np.random.default_rng(seed).integers(len(labels_N), size=(20, len(labels_N)))
    weights_RN = np.array([np.bincount(rows_N, minlength=len(labels_N)) for rows_N in rows_RN], dtype=float)
    found = weighted_scores(TASKS[kind], labels_N, predicted_N, weights_RN)
    for place, rows_N in enumerate(rows_RN):
        values = {name: values_R[place] for name, values_R in found.items()}
        expected = plain(kind, labels_N[rows_N], predicted_N[rows_N])
        assert values == pytest.approx(expected, abs=1e-9, nan_ok=True)


@each_kind
def test_examples_that_are_alike_are_counted_and_none_is_lost(kind: Kind) -> None:
    labels_N, predicted_N = random_examples(kind, seed=3)
    found = combinations(np.repeat(labels_N, 2, axis=0), np.repeat(predicted_N[None], 2, axis=1))
    assert found.counts.sum() == 2 * len(labels_N)
    assert (found.counts % 2 == 0).all()
    (values,) = scores_of(TASKS[kind], found, found.counts[None])
    expected = plain(kind, labels_N, predicted_N)
    assert {name: value.item() for name, value in values.items()} == pytest.approx(expected, nan_ok=True)


@each_kind
def test_all_resamples_are_there_and_each_has_as_many_examples(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels_N, predicted_N = random_examples(kind, seed=4)
    found = combinations(labels_N, predicted_N[None])
    whole = np.concatenate(list(draws(found, 57, seed=1)))
    assert whole.shape == (57, len(found.counts))
    assert (whole.sum(axis=1) == len(labels_N)).all()
    monkeypatch.setattr("stages.lib.statistics.resampling.CELLS_AT_ONCE", 5 * len(found.counts))
    assert [len(block) for block in draws(found, 12, seed=1)] == [5, 5, 2]
    assert (np.concatenate(list(draws(found, 57, seed=1))) == whole).all()


@each_kind
def test_all_models_are_drawn_on_the_same_resamples(kind: Kind) -> None:
    labels_N, predicted_N = random_examples(kind, seed=5)
    found = combinations(labels_N, np.stack([predicted_N, predicted_N]))
    first, second = resampled(TASKS[kind], found, 100, seed=2)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
        assert np.nanstd(first[name]) > 0


def test_a_jackknife_leaves_out_each_example_once() -> None:
    labels_N, predicted_N = random_examples("regression", seed=6)
    labels_N, predicted_N = np.append(labels_N, labels_N[:3]), np.append(predicted_N, predicted_N[:3])
    (found,), alike_G = jackknifed(TASKS["regression"], combinations(labels_N, predicted_N[None]), seed=1)
    expected = [
        plain("regression", np.delete(labels_N, place), np.delete(predicted_N, place))["spearman"]
        for place in range(len(labels_N))
    ]
    assert np.sort(np.repeat(found["spearman"], alike_G)) == pytest.approx(np.sort(expected))


def test_a_jackknife_of_many_examples_leaves_out_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its standard error is that of single ones, up to the chance in who is grouped with whom."""
    rng = np.random.default_rng(1)
    labels_N = rng.normal(size=1_500)
    found = combinations(labels_N, (labels_N + rng.normal(size=1_500))[None])

    def error() -> float:
        (values,), alike_G = jackknifed(TASKS["regression"], found, seed=1)
        groups = alike_G.sum()
        return float(np.sqrt((groups - 1) ** 2 / groups) * np.std(values["pearson"]))

    single = error()
    monkeypatch.setattr("stages.lib.statistics.resampling.MOST_GROUPS", 300)
    assert len(jackknifed(TASKS["regression"], found, seed=1)[1]) == 300
    assert error() == pytest.approx(single, rel=0.15)
