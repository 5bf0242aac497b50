"""The training loop, by hand: in plain PyTorch on one device, or prepared by Accelerate for many.

`OneDevice` says in PyTorch's own words what Accelerate's `Accelerator` says for any number of devices, so the
loop is written once. transformers' Trainer, in trainer.py, trains on the same batches by the same schedule.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from accelerate.utils import DistributedType

from stages.lib.training.batches import seed_step
from stages.lib.training.checkpoints import journal_of
from stages.lib.training.losses import weighted_loss
from stages.lib.training.optimization import DTYPES, make_optimizer, make_schedule
from stages.lib.training.session import Session, score


class OneDevice:
    """The GPU where there is one."""

    process_index, num_processes, optimizer_step_was_skipped = 0, 1, False
    distributed_type = DistributedType.NO

    def __init__(self, dtype: torch.dtype | None) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.dtype = dtype

    def prepare(self, model: Any, optimizer: Any) -> tuple[Any, Any]:
        self.model, self.optimizer = model.to(self.device), optimizer
        return self.model, self.optimizer

    def autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype is not None)

    def no_sync(self, model: Any) -> AbstractContextManager[Any]:
        return nullcontext()

    def backward(self, loss: torch.Tensor) -> None:
        loss.backward()  # type: ignore[no-untyped-call]

    def clip_grad_norm_(self, parameters: Any, max_norm: float) -> None:
        torch.nn.utils.clip_grad_norm_(parameters, max_norm)

    def unwrap_model(self, model: Any) -> Any:
        return model

    def get_state_dict(self, model: Any) -> dict[str, Any]:
        return dict(model.state_dict())

    def save_state(self, folder: str) -> None:
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        with (Path(folder) / "state.pt").open("wb") as file:
            torch.save(state, file)

    def load_state(self, folder: str) -> None:
        state = torch.load(Path(folder) / "state.pt", map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])


def train_plain(session: Session) -> dict[str, Any]:
    """The trained weights."""
    return train_by_hand(session, OneDevice(DTYPES[session.precision]))


def train_with_accelerate(session: Session) -> dict[str, Any]:
    mixed = "no" if session.precision == "float32" else session.precision
    if session.batches.share.processes == 1:
        AcceleratorState._reset_state(reset_partial_state=True)  # as Trainer does: a search trains many times
    GradientState._reset_state()  # a Trainer that ended between two passes left: no step is to be taken
    return train_by_hand(session, Accelerator(mixed_precision=mixed, cpu=not torch.cuda.is_available()))


class Prepared(NamedTuple):
    place: Accelerator | OneDevice
    model: Any
    optimizer: Any
    schedule: Any


def train_by_hand(session: Session, place: Accelerator | OneDevice) -> dict[str, Any]:
    model, optimizer = place.prepare(session.model, make_optimizer(session.model, session.params))
    schedule = make_schedule(optimizer, session.params, session.journal.plan.steps)
    prepared = Prepared(place, model, optimizer, schedule)
    go_on(session, prepared)
    model.train()
    while not session.journal.is_over:
        for passes in rest_of_epoch(session):
            take_step(session, prepared, passes)
            score_and_save(session, prepared)
            if session.journal.is_over:
                break
    return dict(place.get_state_dict(model))


def go_on(session: Session, prepared: Prepared) -> None:
    """From the last whole checkpoint, where there is one."""
    newest = session.checkpoints.newest()
    state = None if newest is None else journal_of(newest)
    if newest is not None and state is not None:
        prepared.place.load_state(str(newest))
        prepared.schedule.load_state_dict(state["schedule"])
    session.journal.begin(state)


def rest_of_epoch(session: Session) -> Iterator[list[dict[str, torch.Tensor]]]:
    """Each step's passes."""
    batches = session.batches
    batches.epoch, batches.first_step = divmod(session.journal.step, batches.steps_per_epoch)
    loaded = iter(session.loader)
    while passes := list(islice(loaded, batches.share.passes)):
        yield passes


def take_step(session: Session, prepared: Prepared, passes: list[dict[str, torch.Tensor]]) -> None:
    place, model, optimizer, schedule = prepared
    seed_step(session.params.seed, session.journal.step, place.process_index)
    for number, batch in enumerate(passes, start=1):
        inputs = {name: values.to(place.device) for name, values in batch.items()}
        with nullcontext() if number == len(passes) else place.no_sync(model):
            with place.autocast():
                loss = weighted_loss(session.kind, session.params.label_smoothing, model, inputs)
            place.backward(loss * place.num_processes)  # of which DDP takes the mean
        session.journal.add_loss(loss)
    place.clip_grad_norm_(model.parameters(), session.params.max_gradient_norm)
    learning_rate = schedule.get_last_lr()[0]
    optimizer.step()
    if not place.optimizer_step_was_skipped:  # as fp16 does where a gradient overflows
        schedule.step()
    optimizer.zero_grad()
    session.journal.step_done(learning_rate)


def score_and_save(session: Session, prepared: Prepared) -> None:
    """Between two steps, what is due: scores at an epoch's end, a checkpoint."""
    place, model, _, schedule = prepared
    journal = session.journal
    if journal.epoch_is_over:
        sharded = place.distributed_type == DistributedType.FSDP
        with place.autocast():
            score(session, place.unwrap_model(model), lambda: place.get_state_dict(model), whole=sharded)
    if journal.checkpoint_is_due and not journal.is_over:
        state = journal.state() | {"schedule": schedule.state_dict()}
        with session.checkpoints.saving(journal.step, state) as folder:
            place.save_state(str(folder))
