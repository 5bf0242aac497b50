"""How a model in training scores on validation: each process infers a part, and all know the whole.

Shapes: N validation examples, C classes.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from accelerate.utils import gather_object

from stages.lib.encoders.heads import Scale
from stages.lib.encoders.inference import infer
from stages.lib.exceptions import ConfigError
from stages.lib.kinds import Kind
from stages.lib.training.losses import LOSS_OF_KINDS
from stages.lib.training.metrics import TaskScores


class Validation:
    """`targets` are what training is taught of the labels: stages/lib/encoders/heads.py."""

    def __init__(
        self,
        table: pa.Table,
        metric: TaskScores,
        targets: Callable[[list[Any]], torch.Tensor],
        scale: Scale,
        batch_tokens: int,
    ) -> None:
        self.table, self.metric, self.scale, self.batch_tokens = table, metric, scale, batch_tokens
        self.targets = targets(table["label"].to_pylist())

    def scores(self, model: Any, process: int, processes: int) -> dict[str, float]:
        """By name, and `loss`; several labels a text count from a probability of 0.5. Undefined is 0.

        Raises ConfigError where the model answers with what is no number.
        """
        logits_NC = self._logits(model, process, processes)
        kind = self.metric.task.kind
        loss = LOSS_OF_KINDS[kind](torch.from_numpy(logits_NC), self.targets, 0.0).mean()
        if not math.isfinite(loss):
            raise ConfigError(
                "params.yaml: finetune.learning_rate: training diverged, its loss is no number any more: "
                "lower it, or raise finetune.warmup_fraction"
            )
        answered, told = JUDGED_OF_KINDS[kind](logits_NC, self.targets.numpy(), self.scale)
        values = self.metric.compute(predictions=answered, references=told)
        return {"loss": float(loss)} | {name: value or 0.0 for name, value in values.items()}

    def _logits(self, model: Any, process: int, processes: int) -> np.ndarray:
        """float32 [N, C]; every example comes from one process alone."""
        mine = np.arange(process, len(self.table), processes)
        was_training = model.training
        model.eval()
        found = infer(model, self.table.take(pa.array(mine)), self.batch_tokens, _logits_of, title=None)
        model.train(was_training)
        parts = gather_object([(mine, part) for part in found])
        logits_NC = np.empty((len(self.table), parts[0][1].shape[1]), np.float32)
        for rows, part in parts:
            logits_NC[rows] = part
        return logits_NC


def _logits_of(outputs: Any, mask_BT: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return (outputs.logits,)


JUDGED_OF_KINDS: dict[Kind, Callable[[np.ndarray, np.ndarray, Scale], tuple[np.ndarray, np.ndarray]]] = {
    "classification": lambda logits_NC, label_N, _: (logits_NC.argmax(axis=1), label_N),
    "regression": lambda logits_N1, label_N, scale: (
        scale.mean + scale.spread * logits_N1.reshape(-1).astype(np.float64),
        scale.mean + scale.spread * label_N.astype(np.float64),
    ),
    "multi-label": lambda logits_NC, label_NC, _: (logits_NC > 0, label_NC > 0.5),
}
