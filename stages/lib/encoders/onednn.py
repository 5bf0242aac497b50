"""Linear layers in float32 on a CPU by oneDNN, where torch would take MKL.

oneDNN uses all that the processor has; MKL keeps to AVX2 on processors that are not Intel's, at half the
rate. The results are the same to rounding.
"""

import platform
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

LINEAR = torch.nn.functional.linear


def linear_by_onednn() -> AbstractContextManager[Any]:
    """Within it every linear layer of any model runs so, forward and backward; nothing changes where torch
    has no oneDNN.
    """
    return _ByOneDNN() if _there() else nullcontext()


def _there() -> bool:
    x86 = platform.machine().lower() in ("x86_64", "amd64")  # where its gain was measured
    return x86 and hasattr(torch.ops.mkldnn, "_linear_pointwise")


class _ByOneDNN(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        if func is LINEAR and _suits(*args, **(kwargs or {})):
            return _linear(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _suits(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> bool:
    plain = all(type(tensor) in (torch.Tensor, torch.nn.Parameter) for tensor in (input, weight))
    return (
        plain
        and input.device.type == "cpu"
        and input.dtype == weight.dtype == torch.float32
        and input.numel() > 0
        and weight.dim() == 2
        and not torch.is_autocast_enabled("cpu")
    )


def _linear(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    tensors = [tensor for tensor in (input, weight, bias) if tensor is not None]
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        learning: torch.Tensor = _Linear.apply(input, weight, bias)  # type: ignore[no-untyped-call]
        return learning
    return _product(input, weight, bias)


def _product(left: torch.Tensor, right: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """left @ right.T + bias."""
    product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(left, right, bias, "none", [], "")
    return product


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        ctx.save_for_backward(input, weight)
        return _product(input, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        input, weight = ctx.saved_tensors
        of_input, of_weight, of_bias = ctx.needs_input_grad
        (gradient,) = gradients
        rows_MN, rows_MK = gradient.reshape(-1, gradient.shape[-1]), input.reshape(-1, input.shape[-1])
        return (
            _product(gradient, weight.t()) if of_input else None,
            _product(rows_MN.t(), rows_MK.t()) if of_weight else None,
            rows_MN.sum(dim=0) if of_bias else None,
        )
