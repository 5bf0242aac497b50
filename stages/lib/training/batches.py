"""Which examples each step of training sees: the same whatever the loop, the processes and the passes.

A step's examples depend on the seed and the step's number alone, so a run that goes on after it was killed
sees what it would have seen. Processes and passes share out the examples of one step; the weights that
travel with these add up to one over all of them, so the sum of all losses is the step's mean loss.

Shapes: N training examples, B of them in a step, T tokens in the longest of a batch, C classes.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from torch.utils.data import DataLoader, Dataset

from stages.lib.encoders.padding import padded

# More make lengths more alike, fewer mix the examples better. A small data set is sorted in four parts or
# more: else the same examples would meet in every epoch.
BATCHES_SORTED_TOGETHER = 50
LEAST_PARTS = 4


class Share(NamedTuple):
    """The part that this process has of each step's examples."""

    process: int
    processes: int
    passes: int


class Pick(NamedTuple):
    row: int
    weight: float  # in the step's loss


class Batches:
    """A batch sampler: the picks of one pass after the other, of the epoch `epoch` from `first_step` on."""

    def __init__(
        self,
        lengths_N: np.ndarray,
        weights_N: np.ndarray,
        chances_N: np.ndarray | None,
        batch_size: int,
        seed: int,
        share: Share,
    ) -> None:
        """`chances_N`: with which each example is drawn, again and again; None takes each once an epoch."""
        self.lengths_N, self.weights_N, self.chances_N = lengths_N, weights_N, chances_N
        self.batch_size, self.seed, self.share = batch_size, seed, share
        self.epoch = self.first_step = 0

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.lengths_N) // self.batch_size)

    def __len__(self) -> int:
        return self.steps_per_epoch * self.share.passes

    def __iter__(self) -> Iterator[list[Pick]]:
        for rows_B in self.steps()[self.first_step :]:
            yield from self.passes_of(rows_B)

    def steps(self) -> list[np.ndarray]:
        """The epoch's row numbers, a step at a time: like lengths together, and the longest step first.

        Longest first, so that running out of memory shows at once.
        """
        chance = np.random.default_rng([self.seed, self.epoch])
        count = len(self.lengths_N)
        order_N = (
            chance.permutation(count)
            if self.chances_N is None
            else chance.choice(count, size=count, p=self.chances_N)
        )
        batches = max(1, min(BATCHES_SORTED_TOGETHER, count // self.batch_size // LEAST_PARTS))
        together = self.batch_size * batches
        parts = [order_N[start : start + together] for start in range(0, count, together)]
        sorted_N = np.concatenate([part[np.argsort(-self.lengths_N[part], kind="stable")] for part in parts])
        steps = [sorted_N[start : start + self.batch_size] for start in range(0, count, self.batch_size)]
        mixed = [steps[place] for place in chance.permutation(len(steps))]
        longest = int(np.argmax([self.lengths_N[rows_B].max() for rows_B in mixed]))
        return [mixed.pop(longest), *mixed]

    def passes_of(self, rows_B: np.ndarray) -> Iterator[list[Pick]]:
        """This process's picks of a step. Where a step has too few, a pass holds one of no weight."""
        process, processes, passes = self.share
        for number in range(passes):
            mine = rows_B[process + processes * number :: processes * passes]
            picks = [Pick(int(row), float(self.weights_N[row]) / len(rows_B)) for row in mine]
            yield picks or [Pick(int(rows_B[0]), 0.0)]


class Examples(Dataset[list[Pick]]):
    """Reads the picks of a pass at once; `collate` makes them tensors."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitems__(self, picks: list[Pick]) -> list[Pick]:
        return picks

    def __getitem__(self, pick: Any) -> Any:
        return pick


def loader(train: pa.Table, batches: Batches, columns: list[str], padding_id: int, targets: Any) -> Any:
    """A DataLoader of dicts: the model's inputs, int64 [B, T]; `labels`; `weights`, float32 [B]."""
    collate = partial(
        collated,
        table=train.select([*columns, "label"]).combine_chunks(),
        columns=columns,
        padding_id=padding_id,
        targets=targets,
    )
    return DataLoader(
        Examples(len(train)),
        batch_sampler=batches,
        collate_fn=collate,
        pin_memory=torch.cuda.is_available(),
    )


def collated(
    picks: list[Pick], table: pa.Table, columns: list[str], padding_id: int, targets: Any
) -> dict[str, torch.Tensor]:
    rows = table.take(pa.array([pick.row for pick in picks])).to_pydict()
    labels = rows.pop("label")
    inputs = padded({name: rows[name] for name in columns}, padding_id)
    return inputs | {
        "labels": targets(labels),
        "weights": torch.tensor([pick.weight for pick in picks], dtype=torch.float32),
    }


def balanced_weights(labels_N: np.ndarray) -> np.ndarray:
    """float64 [N], of mean 1: every class weighs as much as any other, however rare."""
    _, inverse_N, counts_C = np.unique(labels_N, return_inverse=True, return_counts=True)
    weights_N: np.ndarray = (len(labels_N) / len(counts_C) / counts_C)[inverse_N]
    return weights_N


def seed_step(seed: int, step: int, process: int) -> None:
    """Dropout's draws of a step depend on its number alone, not on what ran before or was resumed."""
    torch.manual_seed(int(np.random.SeedSequence([seed, step, process]).generate_state(1, np.uint64)[0] >> 1))
