"""Dropout that costs a CPU little, in layers and in attention, instead of torch's: a fifth of the time.

torch draws a number in floating point for each value. Here one draw of 64 bits serves four values (two in
float32), and a value is kept or dropped by a bitwise and, which needs no conversion. Values are kept with the
chance of 1 - p to within 2^-17, each apart from all others, and scaled by 1 / (1 - p), as torch does it; only
the draws are others. They are seeded from torch's generator, so seed_step and a checkpoint of it hold.

torch's attention kernels for CPUs know no dropout, and it then computes all of attention in float32, softmax
three times over. Here the products are in the dtype that they came in, and softmax alone is in float32.

Shapes: B examples, A heads, T tokens, D a head's size.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import dropout as torch_dropout
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

ATTENTION = "textrail_cpu"
# what a model may hand to attention that changes nothing in it
ASIDE = {"is_causal", "use_cache", "output_hidden_states", "return_dict", "num_items_in_batch"}
LANES: dict[int, Any] = {2: np.int16, 4: np.int32}  # by the bytes of a value


def cheapen_dropout(model: Any) -> None:
    """In place, where the model is trained on a CPU. Its weights and their names stay as they are."""
    if torch.cuda.is_available():
        return
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, Dropout(child.p))
    if model.config._attn_implementation == "sdpa":
        AttentionInterface.register(ATTENTION, attend)
        AttentionMaskInterface.register(ATTENTION, sdpa_mask)
        model.set_attn_implementation(ATTENTION)


class Dropout(nn.Dropout):
    def forward(self, input: torch.Tensor) -> torch.Tensor:  # torch's name
        if not self.training or not 0 < self.p < 1 or not is_served(input):
            return torch_dropout(input, self.p, self.training, self.inplace)
        dropped: torch.Tensor = Drop.apply(input, self.p)  # type: ignore[no-untyped-call]
        return dropped


def is_served(values: torch.Tensor) -> bool:
    return values.device.type == "cpu" and values.is_floating_point() and values.element_size() in LANES


class Drop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, p: float) -> torch.Tensor:
        kept = draw(values, p)
        ctx.save_for_backward(kept)
        ctx.p = p
        return drop(values, kept, p)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (kept,) = ctx.saved_tensors
        return drop(gradient, kept, ctx.p), None


def draw(values: torch.Tensor, p: float) -> torch.Tensor:
    """All ones where a value is kept and all zeros where it is dropped, in integers of the values' size."""
    size = values.element_size()
    seed = int(torch.empty((), dtype=torch.int64).random_())
    draws = np.random.SFC64(seed).random_raw(math.ceil(values.numel() * size / 8))
    lanes = torch.from_numpy(draws.view(LANES[size]))[: values.numel()].view(values.shape)
    span = 256**size
    return lanes.ge_(round(p * span) - span // 2).neg_()


def drop(values: torch.Tensor, kept: torch.Tensor, p: float) -> torch.Tensor:
    return (values.view(kept.dtype) & kept).view(values.dtype).mul_(1 / (1 - p))


def attend(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **more: Any,
) -> tuple[torch.Tensor, Any]:
    """As transformers' sdpa_attention_forward, which serves whatever is no training with dropout."""
    causal = more.get("is_causal")
    is_causal = getattr(module, "is_causal", True) if causal is None else causal
    asks_more = any(
        value is not None and value is not False for name, value in more.items() if name not in ASIDE
    )
    masked = attention_mask is not None or not is_causal
    if asks_more or not masked or not (0 < dropout < 1 and is_served(query) and key.shape == query.shape):
        return sdpa_attention_forward(  # type: ignore[no-any-return]
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more
        )
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    out_BATD: torch.Tensor = Attention.apply(query, key, value, attention_mask, dropout, scale)  # type: ignore[no-untyped-call]
    return out_BATD.transpose(1, 2).contiguous(), None


class Attention(torch.autograd.Function):
    """softmax(Q K' scale), values of it dropped, times V: [B, A, T, D]. A mask is bool, or is added."""

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        p: float,
        scale: float,
    ) -> torch.Tensor:
        scores_BATT = torch.matmul(query, key.transpose(2, 3)).float().mul_(scale)
        if mask is not None and mask.dtype == torch.bool:
            scores_BATT.masked_fill_(~mask, torch.finfo(torch.float32).min)
        elif mask is not None:
            scores_BATT.add_(mask)
        shares_BATT = torch.softmax(scores_BATT, dim=-1)
        narrow_BATT = shares_BATT.to(query.dtype)
        kept_BATT = draw(narrow_BATT, p)
        left_BATT = drop(narrow_BATT, kept_BATT, p)
        ctx.save_for_backward(query, key, value, shares_BATT, kept_BATT, left_BATT)
        ctx.p, ctx.scale = p, scale
        return torch.matmul(left_BATT, value)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[Any, ...]:
        query, key, value, shares_BATT, kept_BATT, left_BATT = ctx.saved_tensors
        of_value = torch.matmul(left_BATT.transpose(2, 3), gradient)
        of_left_BATT = torch.matmul(gradient, value.transpose(2, 3))
        of_shares_BATT = drop(of_left_BATT, kept_BATT, ctx.p).float()
        of_scores_BATT = torch._softmax_backward_data(of_shares_BATT, shares_BATT, -1, torch.float32)
        of_product_BATT = of_scores_BATT.mul_(ctx.scale).to(query.dtype)
        of_query = torch.matmul(of_product_BATT, key)
        of_key = torch.matmul(of_product_BATT.transpose(2, 3), query)
        return of_query, of_key, of_value, None, None, None
