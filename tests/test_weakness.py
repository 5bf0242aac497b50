import numpy as np
import polars as pl
import pytest
from scipy import sparse
from scipy.stats import fisher_exact, mannwhitneyu

from stages.lib.errors.weakness import (
    Errors,
    difference_interval,
    errors_of,
    p_of_sums,
    p_within_strata,
    part_of,
)
from stages.lib.kinds import KINDS
from stages.lib.statistics.wilson import wilson
from tests.predicted import task_of


def mistakes(wrong: list[bool] | np.ndarray) -> Errors:
    wrong_N = np.asarray(wrong, dtype=np.float64)
    return Errors(wrong_N, wrong_N, counts=True)


def examples(kind: str, labels: list[object], predicted: list[object]) -> pl.DataFrame:
    table = pl.DataFrame({"label": labels, "predicted": predicted}, strict=False)
    return (
        table.with_columns(loss=(pl.col("label") - pl.col("predicted")).abs())
        if kind == "regression"
        else table
    )


def test_every_kind_says_how_wrong_an_example_is() -> None:
    cases = {
        "classification": (["calm", "alarm"], ["calm", "calm"], [0, 1]),
        "regression": ([1.0, 4.0], [1.5, 1.0], [0.5, 3.0]),
        "multi-label": ([["calm"], []], [["calm"], ["alarm"]], [0, 1]),
    }
    assert set(cases) == set(KINDS)
    for kind, (labels, predicted, expected) in cases.items():
        found = errors_of(examples(kind, labels, predicted), task_of(kind=kind))  # type: ignore[arg-type]
        assert found.error.tolist() == expected
        assert found.counts == (kind != "regression")


def test_p_of_mistakes_is_fishers_exact_test_of_more() -> None:
    rng = np.random.default_rng(0)
    wrong_N, member_N = rng.random(200) < 0.2, rng.random(200) < 0.3
    wrong_N |= member_N & (rng.random(200) < 0.2)
    (p,) = p_of_sums(mistakes(wrong_N), np.array([member_N.sum()]), np.array([wrong_N[member_N].sum()]))
    table = [[(wrong_N[side] == hit).sum() for hit in (True, False)] for side in (member_N, ~member_N)]
    assert p == pytest.approx(fisher_exact(table, alternative="greater").pvalue)


def test_p_of_errors_is_mann_and_whitneys_of_larger_ones_ties_included() -> None:
    rng = np.random.default_rng(1)
    error_N, member_N = rng.gamma(1, size=200).round(1), rng.random(200) < 0.3
    error_N[member_N] += 0.2
    table = pl.DataFrame({"label": error_N, "predicted": np.zeros(200), "loss": error_N})
    errors = errors_of(table, task_of(kind="regression"))
    (p,) = p_of_sums(errors, np.array([member_N.sum()]), np.array([errors.score[member_N].sum()]))
    expected = mannwhitneyu(error_N[member_N], error_N[~member_N], alternative="greater", method="asymptotic")
    assert p == pytest.approx(expected.pvalue)


def test_equal_errors_show_nothing() -> None:
    errors = Errors(np.ones(10), np.full(10, 5.5), counts=False)
    assert p_of_sums(errors, np.array([4]), np.array([22.0])).tolist() == [1.0]
    assert p_of_sums(mistakes([True] * 10), np.array([4]), np.array([4])).tolist() == pytest.approx([1.0])


def test_a_part_with_the_errors_of_its_stratum_shows_nothing_more() -> None:
    stratum_N = np.arange(400) < 100
    wrong_N = stratum_N & (np.arange(400) % 2 == 0)  # half of the stratum, none elsewhere
    within_N, narrower_N = stratum_N & (np.arange(400) < 40), wrong_N & (np.arange(400) < 40)
    members = sparse.csr_array(np.stack([stratum_N, within_N, narrower_N], axis=1).astype(float))
    same, half, all_wrong = p_within_strata(mistakes(wrong_N), members, stratum_N.astype(int))
    assert same == 1
    assert half > 0.4
    assert all_wrong < 1e-4


def test_a_part_tells_its_mistakes_against_the_rest() -> None:
    part = part_of(mistakes([True, True, False, True, False, False]), np.arange(6) < 3, 0.95)
    assert part[:2] == (3, 2)
    assert part[2:5] == pytest.approx((2 / 3, 1 / 3, 1 / 3))
    assert -1 <= part.low < part.difference < part.high <= 1
    sizes = part_of(Errors(np.array([2.0, 4, 1, 1]), np.arange(4.0), counts=False), np.arange(4) < 2, 0.95)
    assert (sizes.mistakes, sizes.error, sizes.rest_error) == (None, 3, 1)


def test_the_interval_is_newcombes() -> None:
    # 1998, table II, (a), method 10: 56/70 - 48/80
    first, second = wilson(56, 70, 0.95), wilson(48, 80, 0.95)
    assert first is not None
    assert second is not None
    low, high = difference_interval(56 / 70, first, 48 / 80, second)
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)
