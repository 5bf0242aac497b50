"""How well ours and the Trainer's peers learn the emotion tweets, epoch by epoch, over three seeds.

`python -m bench.quality [WAY SEED]`. Each run's accuracy on test, at every quarter of an epoch, is kept in
.textrail/bench/quality as soon as the run is over, so a second call trains only what is missing. All of it
takes an hour on two cores. Seconds are not told from it: bench/training.py measures those in pairs.

The peers' runs differ from the peers in what changes no gradient but by rounding: each batch of random texts
is cut into passes of like length, since padding costs time and teaches nothing, and linear layers run by
oneDNN.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from pydantic import BaseModel, ConfigDict
from torch.nn.functional import cross_entropy
from transformers import PrinterCallback, TrainerCallback

from bench import emotion
from bench.measuring import KEPT, commit
from bench.peers import training as peers
from stages.lib.allocation import keep_memory
from stages.lib.encoders.heads import AS_THEY_ARE
from stages.lib.encoders.inference import infer, quieten_transformers
from stages.lib.encoders.onednn import linear_by_onednn
from stages.lib.params import load_params
from stages.lib.statistics.paired import compare_families
from stages.lib.tables import write_text
from stages.lib.training.adapting import make_model
from stages.lib.training.checkpoints import Checkpoints
from stages.lib.training.dropout import cheapen_dropout
from stages.lib.training.journal import Journal, Plan, Watchers
from stages.lib.training.knobs import Params
from stages.lib.training.training import LOOPS, make_session

KEPT_RUNS = KEPT / "quality"
EPOCHS = 3  # as params.yaml has it
ACCURACY = 0.93  # a run ends where it has that much of test right, but not before EPOCHS_COMPARED
EPOCHS_COMPARED = 2
SEEDS = (1, 2, 3)
MARKS_PER_EPOCH = 4
BATCH_TOKENS = 4096
RESAMPLES, CONFIDENCE = 2000, 0.95


class Mark(BaseModel):
    """What test says at one moment of a training."""

    model_config = ConfigDict(frozen=True)

    step: int
    epoch: float
    seconds: float  # of training so far; of use where nothing else ran
    accuracy: float
    predicted: list[int]


class Run(BaseModel):
    model_config = ConfigDict(frozen=True)

    way: str
    seed: int
    epochs: float  # of the schedule
    learning_rate: float
    commit: str
    marks: list[Mark]

    def at_epoch(self, epoch: float) -> Mark | None:
        return next((mark for mark in self.marks if mark.epoch == epoch), None)

    def first_at(self, accuracy: float) -> Mark | None:
        return next((mark for mark in self.marks if mark.accuracy >= accuracy), None)


class Marker:
    """Looks at test whenever a mark is due, with the clock stopped."""

    def __init__(self, model: Any, test: pa.Table, steps_per_epoch: int) -> None:
        self.model, self.test, self.steps_per_epoch = model, test, steps_per_epoch
        self.labels_N = np.asarray(test["label"])
        self.marks: list[Mark] = []
        self.begun = time.perf_counter()

    def step_done(self, step: int) -> None:
        if step % (self.steps_per_epoch // MARKS_PER_EPOCH):
            return
        seconds = time.perf_counter() - self.begun
        self.model.eval()
        (logits_NC,) = infer(
            self.model, self.test, BATCH_TOKENS, lambda outputs, _: (outputs.logits,), title=None
        )
        self.model.train()
        predicted_N = logits_NC.argmax(axis=1)
        accuracy = float((predicted_N == self.labels_N).mean())
        epoch = step / self.steps_per_epoch
        print(f"  epoch {epoch:g}: {accuracy:.4f} on test, {seconds:.0f} s", flush=True)
        self.marks.append(
            Mark(step=step, epoch=epoch, seconds=seconds, accuracy=accuracy, predicted=predicted_N.tolist())
        )
        self.begun = time.perf_counter() - seconds

    @property
    def has_seen_enough(self) -> bool:
        reached = any(mark.accuracy >= ACCURACY for mark in self.marks)
        return reached and self.marks[-1].epoch >= EPOCHS_COMPARED


class Enough(Exception):  # noqa: N818  # no error
    pass


class MarkingJournal(Journal):
    def __init__(self, plan: Plan, marker: Marker) -> None:
        super().__init__(plan, Watchers(), is_main=True)
        self.marker = marker

    def step_done(self, learning_rate: float) -> None:
        super().step_done(learning_rate)
        self.marker.step_done(self.step)
        if self.marker.has_seen_enough:
            raise Enough


def ours(tweets: emotion.Tweets, params: Params) -> list[Mark]:
    """By the loop that params.yaml names, as stage finetune has it."""
    material = tweets.material
    with tempfile.TemporaryDirectory() as folder:
        model = make_model(material.task, material.encoder, params)
        cheapen_dropout(model)
        session = make_session(material, params, Watchers(), Checkpoints(Path(folder)), model, AS_THEY_ARE, 1)
        marker = Marker(model, tweets.test, session.batches.steps_per_epoch)
        with suppress(Enough):
            LOOPS[params.loop](session._replace(journal=MarkingJournal(session.journal.plan, marker)))
    return marker.marks


def peer(tweets: emotion.Tweets, params: Params, batch_size: int, passes: int, epochs: int) -> list[Mark]:
    """`passes` of like length, into which a batch is cut here; it ends after `epochs` of its schedule's."""
    encoder, texts = tweets.material.encoder, tweets.texts["train"]
    dataset = peers.unpadded(encoder, texts["text"].to_list(), texts["label"].to_list())
    if dataset["input_ids"][:] != tweets.material.train["input_ids"].to_pylist():
        raise AssertionError("the peer reads other tokens")
    watch = Watch(tweets.test, len(dataset) // batch_size, epochs)
    with tempfile.TemporaryDirectory() as folder:
        args = peers.arguments(
            Path(folder),
            batch_size // passes,
            gradient_accumulation_steps=passes,
            learning_rate=params.learning_rate,
            warmup_steps=params.warmup_fraction,
            num_train_epochs=params.epochs,
            seed=params.seed,
            logging_strategy="no",
        )
        trainer = peers.make_trainer(encoder, dataset, args, [watch])
        order = InPasses(np.array([len(ids) for ids in dataset["input_ids"]]), batch_size, params.seed)
        trainer._get_train_sampler = lambda *_: order
        trainer.compute_loss_func = mean_over_passes
        trainer.remove_callback(PrinterCallback)
        with linear_by_onednn():
            trainer.train()
    return watch.marker.marks


class InPasses(torch.utils.data.Sampler[int]):
    """Random batches, the texts of each from long to short, so that its passes are of like length."""

    def __init__(self, lengths_N: np.ndarray, batch_size: int, seed: int) -> None:
        self.lengths_N, self.batch_size = lengths_N, batch_size
        self.chance = np.random.default_rng(seed)

    def __len__(self) -> int:
        return len(self.lengths_N)

    def __iter__(self) -> Iterator[int]:
        order_N = self.chance.permutation(len(self))
        for start in range(0, len(self), self.batch_size):
            rows_B = order_N[start : start + self.batch_size]
            yield from rows_B[np.argsort(-self.lengths_N[rows_B], kind="stable")].tolist()


def mean_over_passes(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
    sum_of_losses = cross_entropy(outputs["logits"], labels, reduction="sum")
    return sum_of_losses / int(num_items_in_batch)


class Watch(TrainerCallback):  # type: ignore[misc]  # transformers has no types here
    def __init__(self, test: pa.Table, steps_per_epoch: int, epochs: int) -> None:
        self.test, self.steps_per_epoch, self.epochs = test, steps_per_epoch, epochs

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.marker = Marker(kwargs["model"], self.test, self.steps_per_epoch)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.marker.step_done(state.global_step)
        is_over = state.global_step == self.epochs * self.steps_per_epoch
        control.should_training_stop = is_over or self.marker.has_seen_enough


WAYS: dict[str, Callable[[emotion.Tweets, Params], list[Mark]]] = {
    "ours": ours,
    "peer-32": partial(peer, batch_size=32, passes=4, epochs=EPOCHS),
    "peer-8": partial(peer, batch_size=8, passes=2, epochs=1),
}


def kept_runs() -> dict[tuple[str, int], Run]:
    """By way and seed; none where nothing was trained yet."""
    runs = [Run.model_validate_json(path.read_bytes()) for path in sorted(KEPT_RUNS.glob("*.json"))]
    return {(run.way, run.seed): run for run in runs}


def make_run(way: str, seed: int, tweets: emotion.Tweets) -> Run:
    knobs = {"seed": seed, "epochs": EPOCHS, "select": "last", "patience": None}
    params = load_params("finetune", Params).model_copy(update=knobs)
    print(f"quality: {way}, seed {seed}", flush=True)
    return Run(
        way=way,
        seed=seed,
        epochs=params.epochs,
        learning_rate=params.learning_rate,
        commit=commit(),
        marks=WAYS[way](tweets, params),
    )


def details(runs: dict[tuple[str, int], Run], tweets: emotion.Tweets) -> str:
    """Accuracy after each epoch, seed by seed, and how ours differs from each peer after one."""
    lines = ["| way | seed | " + " | ".join(f"epoch {mark}" for mark in marks_told()) + " |"]
    lines.append("|---|---|" + "---|" * len(marks_told()))
    for (way, seed), run in sorted(runs.items()):
        found = [run.at_epoch(epoch) for epoch in marks_told()]
        cells = [f"{mark.accuracy:.4f}" if mark else "" for mark in found]
        lines.append(f"| {way} | {seed} | {' | '.join(cells)} |")
    return "\n".join(["", *lines, "", *(differences(runs, tweets))]) + "\n" if runs else ""


def marks_told() -> list[float]:
    return [number / MARKS_PER_EPOCH for number in range(1, EPOCHS * MARKS_PER_EPOCH + 1)]


def differences(runs: dict[tuple[str, int], Run], tweets: emotion.Tweets) -> Iterator[str]:
    """Families of seeds on the same examples: stages/lib/statistics/paired.py."""
    for way, epoch in (("peer-8", 1), ("peer-32", 1), ("peer-32", EPOCHS_COMPARED)):
        answers = {name: predicted_after(runs, name, epoch) for name in ("ours", way)}
        if min(map(len, answers.values())) < 2:
            continue
        found = compare_families(
            tweets.material.task,
            np.asarray(tweets.test["label"]),
            np.array(answers[way]),
            np.array(answers["ours"]),
            resamples=RESAMPLES,
            confidence=CONFIDENCE,
            seed=1,
        )["accuracy"]
        yield (
            f"After {epoch} of {EPOCHS} epochs ours has {found.new:.4f} of test right "
            f"({len(answers['ours'])} seeds), {way} {found.old:.4f} ({len(answers[way])}): "
            f"a difference of {found.difference:+.4f}, 95 % of it between "
            f"{found.low:+.4f} and {found.high:+.4f}, p {found.p:.2f}.\n"
        )


def predicted_after(runs: dict[tuple[str, int], Run], way: str, epoch: float) -> list[list[int]]:
    marks = [run.at_epoch(epoch) for (name, _), run in sorted(runs.items()) if name == way]
    return [mark.predicted for mark in marks if mark]


def main() -> None:
    if not emotion.is_here():
        print(f"quality: {emotion.TEXTS} is not here, and nothing is trained")
        return
    quieten_transformers()
    keep_memory()
    tweets = emotion.emotion()
    asked = (
        [(sys.argv[1], int(sys.argv[2]))] if sys.argv[1:] else [(way, seed) for seed in SEEDS for way in WAYS]
    )
    for way, seed in asked:
        path = KEPT_RUNS / f"{way}-{seed}.json"
        if not path.exists():
            KEPT_RUNS.mkdir(parents=True, exist_ok=True)
            write_text(make_run(way, seed, tweets).model_dump_json(), path)


if __name__ == "__main__":
    main()
