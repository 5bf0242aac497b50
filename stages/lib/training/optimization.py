"""AdamW, a learning rate that climbs and falls, and the arithmetic that training is done in."""

import math
from typing import Any

import torch
from transformers import get_linear_schedule_with_warmup

from stages.lib.exceptions import ConfigError
from stages.lib.training.knobs import Params, Precision

DTYPES: dict[Precision, torch.dtype | None] = {"float32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def make_optimizer(model: Any, params: Params) -> torch.optim.Optimizer:
    """AdamW; biases and the weights of norms, which are vectors, do not decay."""
    learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in learnt if p.ndim >= 2], "weight_decay": params.weight_decay},
        {"params": [p for p in learnt if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=params.learning_rate, fused=True)


def make_schedule(optimizer: Any, params: Params, steps: int) -> Any:
    """From 0 to the learning rate over the warm-up, then linearly to 0."""
    return get_linear_schedule_with_warmup(optimizer, math.ceil(steps * params.warmup_fraction), steps)


def choose_precision(wanted: str) -> Precision:
    """`auto` is bf16 on a device that computes in it, else float32; the weights stay float32 whatever it is.

    Raises ConfigError.
    """
    on_gpu = torch.cuda.is_available()
    if wanted == "fp16" and not on_gpu:
        raise ConfigError(
            "params.yaml: finetune.precision: found fp16, but no GPU; choose auto, bf16 or float32"
        )
    if wanted != "auto":
        return wanted  # type: ignore[return-value]
    native = torch.cuda.is_bf16_supported(including_emulation=False) if on_gpu else cpu_computes_in_bf16()
    return "bf16" if native else "float32"


def cpu_computes_in_bf16() -> bool:
    abilities = torch.cpu.get_capabilities()
    return bool(abilities.get("avx512_bf16") or abilities.get("amx_bf16"))
