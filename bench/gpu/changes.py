"""What a way changes of a model, or of what it runs in: attention, torch.compile, the precision of products.

The project has no knob for these. A `Change` is made of a model before it runs, a `Context` is run within.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

Change = Callable[[Any], None]  # of a model
Context = Callable[[], AbstractContextManager[Any]]


def nothing(_: Any) -> None:
    pass


def attention(name: str) -> Change:
    return lambda model: model.set_attn_implementation(name)


def flash_attention_2(model: Any) -> None:
    import flash_attn  # type: ignore[import-not-found]  # noqa: F401  # else transformers would ask the Hub for it

    model.set_attn_implementation("flash_attention_2")


def compiled(compiler: str, dynamic: bool) -> Change:
    """In place, so that its weights keep their names."""
    return lambda model: model.compile(backend=compiler, dynamic=dynamic)


def compiled_within(compiler: str) -> Change:
    """The encoder alone, for any length: of an unpadded batch what goes before depends on the texts."""
    return lambda model: model.base_model.compile(backend=compiler, dynamic=True)


def flex_attention(model: Any) -> None:
    """Without dropout of attention's weights, which it does not know."""
    model.set_attn_implementation("flex_attention")
    for module in model.modules():
        if hasattr(module, "scaling") and isinstance(module.dropout, torch.nn.Dropout):
            module.dropout.p = 0.0


def unmasked(model: Any) -> None:
    """Reads no attention mask: right where no text is padded, and nowhere else."""
    forward = model.forward

    def without(input_ids: torch.Tensor, attention_mask: torch.Tensor, **rest: Any) -> Any:
        return forward(input_ids=input_ids, **rest)

    model.forward = without


def both(first: Change, second: Change) -> Change:
    def change(model: Any) -> None:
        first(model)
        second(model)

    return change


def kernel(backend: SDPBackend) -> Context:
    return lambda: sdpa_kernel(backend)


@contextmanager
def tf32() -> Iterator[None]:
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision("highest")


def bf16() -> AbstractContextManager[Any]:
    return torch.autocast(device(), torch.bfloat16)


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"
