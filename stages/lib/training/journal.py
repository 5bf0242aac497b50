"""What a training has been through: where it stands, its curve, and how it scored on validation.

All of it goes into each checkpoint, so a run that goes on after it was killed has its whole curve.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from accelerate.utils import reduce

from stages.lib.disk import told_of
from stages.lib.training.launching import end_if_orphaned
from stages.lib.training.progress import Progress


class Plan(NamedTuple):
    """How long a training is, and what it does on the way."""

    steps: int
    steps_per_epoch: int
    examples_per_epoch: int
    log_every_steps: int
    checkpoint_every_steps: int
    patience: int | None  # epochs without a better score after which it ends
    metric: str  # which decides what is better
    lower_is_better: bool


class Watchers(NamedTuple):
    """Who is told, on the process that writes: a DVCLive `Live`, a bar or log, and a search."""

    live: Any | None = None
    shown: bool = False
    on_score: Callable[[int, float], None] | None = None  # epoch, score; may raise to end the training


class Journal:
    """Every process of a training keeps one and reaches the same decisions by it.

    A loss in the curve is the mean over the steps since the last one; its learning rate is that of its step.
    """

    def __init__(self, plan: Plan, watchers: Watchers, is_main: bool) -> None:
        self.plan, self.watchers, self.is_main = plan, watchers, is_main
        self.step = 0
        self.curve: list[tuple[int, dict[str, float]]] = []  # what was logged, by step
        self.scores: list[tuple[int, float]] = []  # of plan.metric on validation, by step
        self._loss = torch.zeros(())  # stays on the device: to look at it at every step would wait for that
        self._progress: Progress | None = None
        self._parent = os.getppid()

    @property
    def epochs(self) -> float:
        return self.step / self.plan.steps_per_epoch

    @property
    def epoch_is_over(self) -> bool:
        return self.step % self.plan.steps_per_epoch == 0 or self.step == self.plan.steps

    @property
    def is_over(self) -> bool:
        """All steps are done, or validation has not become better for `patience` epochs."""
        stale = len(self.scores) - 1 - self._best_place if self.scores else 0
        return self.step >= self.plan.steps or (
            self.plan.patience is not None and stale >= self.plan.patience
        )

    @property
    def best_step(self) -> int | None:
        """The first with the best score on validation; None before the first epoch is over."""
        return self.scores[self._best_place][0] if self.scores else None

    def selected_score(self, select: Literal["last", "best"]) -> float:
        return self.scores[self._best_place if select == "best" else -1][1]

    @property
    def _best_place(self) -> int:
        sign = -1 if self.plan.lower_is_better else 1
        return max(range(len(self.scores)), key=lambda place: sign * self.scores[place][1])

    @property
    def checkpoint_is_due(self) -> bool:
        return self.step % self.plan.checkpoint_every_steps == 0

    def begin(self, state: dict[str, Any] | None) -> None:
        """From the start, or from what a checkpoint holds."""
        if state is not None:
            self.step, self.curve, self.scores = state["step"], state["curve"], state["scores"]
            self._loss = torch.tensor(state["loss"] if self.is_main else 0.0)
        for step, values in self.curve:
            self._show(step, values)
        for epoch, (_, score) in enumerate(self.scores, start=1):
            self._report(epoch, score)
        self._progress = Progress(
            self._examples(self.plan.steps), self._examples(self.step), self.is_main and self.watchers.shown
        )

    def state(self) -> dict[str, Any]:
        """JSON; every process has to ask for it at the same time."""
        loss = float(reduce(self._loss, reduction="sum"))
        return {
            "step": self.step,
            "curve": self.curve,
            "scores": self.scores,
            "best_step": self.best_step,
            "loss": loss,
        }

    def add_loss(self, loss: torch.Tensor) -> None:
        """Of a pass; those of all passes and processes add up to a step's mean loss."""
        self._loss = self._loss.to(loss.device) + loss.detach().float()

    def step_done(self, learning_rate: float) -> None:
        end_if_orphaned(self._parent)
        self.step += 1
        if self._progress is not None:
            self._progress.reach(self._examples(self.step))
        if self.step % self.plan.log_every_steps == 0:
            loss = float(reduce(self._loss, reduction="sum")) / self.plan.log_every_steps
            self._loss = torch.zeros_like(self._loss)
            self._log({"train/loss": loss, "train/learning_rate": learning_rate})
            if self._progress is not None:
                self._progress.tell(loss, learning_rate)

    def evaluated(self, scores: dict[str, float]) -> None:
        self._log({f"validation/{name}": value for name, value in scores.items()})
        self.scores.append((self.step, scores[self.plan.metric]))
        self._report(len(self.scores), scores[self.plan.metric])

    def end(self) -> None:
        if self._progress is not None:
            self._progress.close()

    def _log(self, values: dict[str, float]) -> None:
        self.curve.append((self.step, values))
        self._show(self.step, values)

    def _show(self, step: int, values: dict[str, float]) -> None:
        live = self.watchers.live if self.is_main else None
        if live is None:
            return
        live.step = step
        with told_of(Path(live.dir)):
            for name, value in values.items():
                live.log_metric(name, value)
            live.make_summary()  # else nobody sees a number before the end

    def _report(self, epoch: int, score: float) -> None:
        if self.watchers.on_score is not None:
            self.watchers.on_score(epoch, score)

    def _examples(self, step: int) -> int:
        return round(step * self.plan.examples_per_epoch / self.plan.steps_per_epoch)
