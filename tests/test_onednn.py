"""Linear layers by oneDNN give what torch's own give, forward and backward."""

from collections.abc import Callable

import pytest
import torch
from torch.nn.functional import linear

from stages.lib.encoders import onednn
from stages.lib.encoders.onednn import linear_by_onednn

SHAPES = [(7, 5, 48), (1, 48), (48,), (2, 3, 5, 48)]


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of what oneDNN multiplied."""
    if not onednn._there():
        pytest.skip("no oneDNN here")
    seen, product = [], onednn._product

    def counted(left: torch.Tensor, *others: torch.Tensor | None) -> torch.Tensor:
        seen.append(tuple(left.shape))
        return product(left, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(onednn, "_product", counted)
    return seen


def drawn(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bias", [True, False])
def test_outputs_and_gradients_are_torchs(
    shape: tuple[int, ...], bias: bool, products: list[tuple[int, ...]]
) -> None:
    def learned() -> list[torch.Tensor]:
        inputs = drawn(shape, 1).requires_grad_()
        weight, offsets = drawn((96, 48), 2).requires_grad_(), drawn((96,), 3).requires_grad_()
        outputs = linear(inputs, weight, offsets if bias else None)
        outputs.backward(drawn((*shape[:-1], 96), 4))  # type: ignore[no-untyped-call]
        read = [inputs, weight, offsets] if bias else [inputs, weight]
        return [outputs.detach(), *(tensor.grad for tensor in read if tensor.grad is not None)]

    expected = learned()
    assert not products
    with linear_by_onednn():
        found = learned()
    assert len(products) == 3  # forward, and the gradients of inputs and weights
    for ours, torchs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, torchs, rtol=1e-5, atol=1e-5 * float(torchs.abs().max()))


def test_no_gradient_is_computed_that_nobody_asked_for(products: list[tuple[int, ...]]) -> None:
    weight = drawn((96, 48), 2).requires_grad_()
    with linear_by_onednn():
        outputs = linear(drawn((5, 48), 1), weight)
    outputs.sum().backward()  # type: ignore[no-untyped-call]
    assert len(products) == 2


@pytest.mark.parametrize(
    "make", [torch.Tensor.double, torch.Tensor.bfloat16, lambda tensor: tensor[:0]], ids=["64", "16", "empty"]
)
def test_what_does_not_suit_stays_torchs(
    make: Callable[[torch.Tensor], torch.Tensor], products: list[tuple[int, ...]]
) -> None:
    inputs, weight = make(drawn((5, 48), 1)), drawn((96, 48), 2)
    weight = weight.to(inputs.dtype)
    with linear_by_onednn():
        found = linear(inputs, weight)
    assert torch.equal(found, linear(inputs, weight))
    assert not products


def test_autocast_stays_torchs(products: list[tuple[int, ...]]) -> None:
    with linear_by_onednn(), torch.autocast("cpu", torch.bfloat16):
        assert linear(drawn((5, 48), 1), drawn((96, 48), 2)).dtype == torch.bfloat16
    assert not products


def test_without_onednn_nothing_changes(
    monkeypatch: pytest.MonkeyPatch, products: list[tuple[int, ...]]
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    with linear_by_onednn():
        linear(drawn((5, 48), 1), drawn((96, 48), 2))
    assert not products
