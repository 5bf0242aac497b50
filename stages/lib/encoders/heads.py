"""A fresh head on an encoder, for every kind of task: how it is made, what it is taught, what is put into it.

What training and calibration find out is put into the weights of the head's last layer, so that the model by
itself answers with calibrated scores, and in the labels' own unit.

Shapes: N examples, B of them in a batch, C classes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, set_seed

from stages.lib.exceptions import EncoderError
from stages.lib.kinds import Kind
from stages.lib.task import Task


class Scale(NamedTuple):
    """labels = mean + spread * what the model learns."""

    mean: float
    spread: float


AS_THEY_ARE = Scale(0.0, 1.0)


def scale_of(labels_N: np.ndarray, has_bias: bool) -> Scale:
    """A head without a bias, as decoders have, cannot be moved: its labels keep their mean."""
    return Scale(float(labels_N.mean()) if has_bias else 0.0, float(labels_N.std()) or 1.0)


def load_model(task: Task, encoder: Path, seed: int) -> Any:
    """The encoder with a fresh head for the task, in float32 whatever the checkpoint holds."""
    set_seed(seed)  # before the head is made
    named: dict[str, Any] = {"num_labels": task.outputs}
    if task.facts.has_classes:
        named = {
            "id2label": dict(enumerate(task.labels)),
            "label2id": {name: number for number, name in enumerate(task.labels)},
        }
    model = AutoModelForSequenceClassification.from_pretrained(
        encoder,
        dtype=torch.float32,
        problem_type=task.facts.problem_type,
        trust_remote_code=False,
        **named,
    )
    model.config.use_cache = False  # of a decoder's keys and values, which nobody asks for twice
    return model


def last_layer(model: Any) -> torch.nn.Linear:
    """The head's, whose outputs are the logits. Raises EncoderError."""
    outputs = model.config.num_labels
    linear = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    if not linear or linear[-1].out_features != outputs:
        raise EncoderError(
            f"{type(model).__name__}: its head does not end in a linear layer of {outputs} outputs, and the "
            "calibration goes into that: choose another architecture"
        )
    return linear[-1]


def rescale(layer: torch.nn.Linear, scale: Scale) -> None:
    """Its outputs become mean + spread * what they were."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(scale.spread)
        if layer.bias is not None:
            layer.bias.add_(scale.mean)


def class_targets(labels: list[int], task: Task, scale: Scale) -> torch.Tensor:
    """int64 [B]."""
    return torch.tensor(labels)


def number_targets(labels: list[float], task: Task, scale: Scale) -> torch.Tensor:
    """float32 [B]."""
    return (torch.tensor(labels, dtype=torch.float32) - scale.mean) / scale.spread


def label_targets(labels: list[list[int]], task: Task, scale: Scale) -> torch.Tensor:
    """float32 [B, C], 0 and 1."""
    targets_BC = torch.zeros(len(labels), task.outputs)
    for row_C, places in zip(targets_BC, labels, strict=True):
        row_C[places] = 1
    return targets_BC


TARGETS_OF_KINDS: dict[Kind, Callable[..., torch.Tensor]] = {
    "classification": class_targets,
    "regression": number_targets,
    "multi-label": label_targets,
}
