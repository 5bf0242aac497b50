"""Time to an accuracy, told from kept runs: one that never had it is neither left out nor taken for fast."""

from collections.abc import Iterator

import pytest

from bench.measuring import Row
from bench.quality import ACCURACY, SEEDS, Mark, Run
from bench.training import Measured, time_to_accuracy

BELOW = ACCURACY - 0.01
MEASURED = Measured(
    epochs={"float32": [60.0, 90.0, 60.0], "peer-32": [300.0, 300.0, 400.0]},
    limits={"float32": [1.0, 1.0, 1.0]},
    operations=1.0,
    auto="float32",
)


def run(way: str, seed: int, *accuracies: float) -> Run:
    marks = [
        Mark(step=10 * n, epoch=n / 4, seconds=0, accuracy=accuracy, predicted=[])
        for n, accuracy in enumerate(accuracies, 1)
    ]
    return Run(way=way, seed=seed, epochs=3, learning_rate=1e-4, commit="abc1234", marks=marks)


def rows(*runs: Run) -> Iterator[Row]:
    return time_to_accuracy(MEASURED, {(run.way, run.seed): run for run in runs})


def test_seconds_are_steps_at_the_measured_pace() -> None:
    against_the_peer, under_ten_minutes = rows(
        run("ours", 1, BELOW, ACCURACY), run("peer-32", 1, BELOW, BELOW, ACCURACY)
    )
    assert (against_the_peer.ours, against_the_peer.theirs) == ([30.0], [225.0])
    assert against_the_peer.figures == [7.5]
    assert under_ten_minutes.figures == [30.0]


def test_a_peer_that_never_had_it_counts_with_all_of_its_epochs_and_is_named() -> None:
    row, _ = rows(run("ours", 1, ACCURACY), run("peer-32", 1, BELOW, BELOW))
    assert row.figures == [10.0]
    assert "peer-32 of seed 1 never had it" in row.data


def test_ours_that_never_had_it_has_won_nothing() -> None:
    ours, peers = (
        [run("ours", seed, BELOW) for seed in SEEDS],
        [run("peer-32", seed, ACCURACY) for seed in SEEDS],
    )
    against_the_peer, under_ten_minutes = rows(*ours, *peers)
    assert against_the_peer.figures == [0.0, 0.0, 0.0]
    assert not under_ten_minutes.won


@pytest.mark.parametrize("way", ["ours", "peer-32"])
def test_a_seed_that_one_way_was_not_trained_with_has_no_row(way: str) -> None:
    assert [*rows(run(way, 1, ACCURACY))] == []
