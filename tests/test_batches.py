from typing import Any

import numpy as np
import pytest

from stages.lib.training.batches import Batches, Share, balanced_weights, seed_step

LENGTHS_N = np.random.default_rng(5).integers(3, 40, 203)


ALONE = Share(0, 1, 1)


def batches(share: Share = ALONE, epoch: int = 0, **changed: Any) -> Batches:
    options: dict[str, Any] = {
        "weights_N": np.ones(len(LENGTHS_N)),
        "chances_N": None,
        "batch_size": 8,
        "seed": 1,
    }
    made = Batches(LENGTHS_N, share=share, **(options | changed))
    made.epoch = epoch
    return made


def rows_of(made: Batches) -> list[int]:
    """Those that count."""
    return [pick.row for picks in made for pick in picks if pick.weight]


@pytest.mark.parametrize("passes", [1, 2, 8])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_each_example_comes_once_an_epoch_over_all_processes_and_passes(processes: int, passes: int) -> None:
    shares = [batches(Share(process, processes, passes)) for process in range(processes)]
    assert sorted(row for share in shares for row in rows_of(share)) == list(range(len(LENGTHS_N)))
    assert {len(list(share)) for share in shares} == {26 * passes} == {len(share) for share in shares}


@pytest.mark.parametrize(("processes", "passes"), [(1, 1), (2, 1), (1, 3), (2, 4), (3, 5)])
def test_a_step_has_the_same_examples_however_it_is_shared_out_and_weights_of_one(
    processes: int, passes: int
) -> None:
    whole = [sorted(pick.row for pick in picks) for picks in batches()]
    shares = [list(batches(Share(process, processes, passes))) for process in range(processes)]
    for step, rows in enumerate(whole):
        picks = [
            pick for share in shares for part in share[step * passes : (step + 1) * passes] for pick in part
        ]
        assert sorted(pick.row for pick in picks if pick.weight) == rows
        assert sum(pick.weight for pick in picks) == pytest.approx(1)
        assert min(len(part) for share in shares for part in share) >= 1  # processes step together


def test_the_seed_and_the_epoch_decide_the_order_and_nothing_else_does() -> None:
    first = rows_of(batches())
    assert rows_of(batches()) == first
    assert rows_of(batches(epoch=1)) != first
    assert rows_of(batches(seed=2)) != first


def test_a_run_that_goes_on_sees_what_it_would_have_seen() -> None:
    rest = batches(epoch=2)
    rest.first_step = 11
    assert list(rest) == list(batches(epoch=2))[11:]


def test_texts_of_like_length_meet_and_the_longest_come_first() -> None:
    steps = batches().steps()
    assert LENGTHS_N[steps[0]].max() == LENGTHS_N.max()
    padding = sum(len(rows) * LENGTHS_N[rows].max() for rows in steps) / LENGTHS_N.sum()
    at_random = np.random.default_rng(1).permutation(len(LENGTHS_N))
    parts = [at_random[start : start + 8] for start in range(0, len(at_random), 8)]
    assert padding < 1.2 < sum(len(rows) * LENGTHS_N[rows].max() for rows in parts) / LENGTHS_N.sum()


def test_the_same_examples_do_not_meet_in_every_epoch() -> None:
    def pairs(epoch: int) -> set[tuple[int, int]]:
        return {(a, b) for rows in batches(epoch=epoch).steps() for a in rows for b in rows if a < b}

    assert len(pairs(0) & pairs(1)) < 0.5 * len(pairs(0))


def test_the_sampler_draws_every_class_as_often_as_any_other() -> None:
    labels_N = np.array([0] * 190 + [1] * 13)
    weights_N = balanced_weights(labels_N)
    assert weights_N.mean() == pytest.approx(1)
    drawn = [
        labels_N[row]
        for epoch in range(20)
        for row in rows_of(batches(chances_N=weights_N / 203, epoch=epoch))
    ]
    assert np.mean(drawn) == pytest.approx(0.5, abs=0.03)
    assert len(drawn) == 20 * len(labels_N)


def test_dropout_depends_on_the_step_and_the_process() -> None:
    import torch

    def draw(*place: int) -> float:
        seed_step(*place)
        return float(torch.rand(()))

    assert draw(1, 7, 0) == draw(1, 7, 0)
    assert len({draw(1, 7, 0), draw(1, 8, 0), draw(2, 7, 0), draw(1, 7, 1)}) == 4
