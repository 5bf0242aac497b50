"""What training minimises, an example at a time, so that weights and passes can add it up as they need.

Shapes: B examples of a batch, C classes.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from stages.lib.encoders.onednn import linear_by_onednn
from stages.lib.kinds import Kind

Loss = Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]


def class_loss(logits_BC: torch.Tensor, labels_B: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Cross-entropy; smoothing spreads that share of a label's weight evenly over all classes."""
    return cross_entropy(logits_BC, labels_B, reduction="none", label_smoothing=smoothing)


def number_loss(logits_B1: torch.Tensor, labels_B: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Squared error."""
    return (logits_B1.reshape(-1) - labels_B) ** 2


def label_loss(logits_BC: torch.Tensor, labels_BC: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Binary cross-entropy, the mean over the labels."""
    return binary_cross_entropy_with_logits(logits_BC, labels_BC, reduction="none").mean(dim=1)


LOSS_OF_KINDS: dict[Kind, Loss] = {
    "classification": class_loss,
    "regression": number_loss,
    "multi-label": label_loss,
}


def weighted_loss(kind: Kind, smoothing: float, model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """The sum over a batch's examples, each times its weight: see stages/lib/training/batches.py."""
    inputs = dict(batch)
    labels, weights_B = inputs.pop("labels"), inputs.pop("weights")
    with nullcontext() if computes_again(model) else linear_by_onednn():
        logits_BC = model(**inputs).logits.float()
    losses_B = LOSS_OF_KINDS[kind](logits_BC, labels, smoothing)
    return (losses_B * weights_B).sum()


def computes_again(model: Any) -> bool:
    """Whether backward repeats parts of the forward pass, which must be the same, and outside any context."""
    return any(getattr(module, "gradient_checkpointing", False) for module in model.modules())
