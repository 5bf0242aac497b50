"""Dropout's cheap draws do to training what torch's do: the same arithmetic, other draws of the same law."""

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import BertConfig, BertForSequenceClassification

from stages.lib.training import dropout
from stages.lib.training.dropout import Attention, Dropout, cheapen_dropout, draw

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
P = 0.1


def model_of(p: float, seed: int = 1) -> BertForSequenceClassification:
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        hidden_dropout_prob=p,
        attention_probs_dropout_prob=p,
        num_labels=3,
    )
    return BertForSequenceClassification(config).train()


@DTYPES
def test_each_value_is_kept_with_its_chance_and_apart_from_all_others(dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    kept = draw(torch.empty(1000, 1000, dtype=dtype), P)
    assert set(kept.flatten().tolist()) == {-1, 0}
    kept_NM = (kept != 0).double()
    assert kept_NM.mean() == pytest.approx(1 - P, abs=4 * (P * (1 - P) / 1e6) ** 0.5)
    for axis in (0, 1):
        spread = kept_NM.mean(axis).std()
        assert spread == pytest.approx((P * (1 - P) / 1000) ** 0.5, rel=0.1)
    for step in (1, 2, 3, 4, 1000):  # four values share a draw
        flat = kept_NM.flatten() - kept_NM.mean()
        assert abs((flat[step:] * flat[:-step]).mean() / flat.var()) < 0.004


@DTYPES
def test_what_is_kept_is_scaled_as_torch_scales_it_and_the_gradient_with_it(dtype: torch.dtype) -> None:
    values = torch.randn(64, 33, dtype=dtype).requires_grad_()
    dropped = Dropout(P).train()(values)
    (gradient,) = torch.autograd.grad(dropped, values, torch.ones_like(dropped))
    kept = gradient != 0
    torch.testing.assert_close(dropped, torch.where(kept, values * (1 / (1 - P)), torch.zeros_like(values)))
    torch.testing.assert_close(gradient, kept.to(dtype) * (1 / (1 - P)))
    assert 0.05 < 1 - kept.double().mean() < 0.15


def test_torchs_seed_decides_the_draws() -> None:
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(draw(torch.empty(100), P))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_nothing_is_dropped_where_nothing_is_trained() -> None:
    values = torch.randn(100)
    assert torch.equal(Dropout(P).eval()(values), values)
    assert torch.equal(Dropout(0.0).train()(values), values)


@pytest.mark.parametrize("masked", ["bool", "added", "not at all"])
def test_attention_is_torchs_and_so_are_its_gradients(masked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing dropped: every value is kept, and scaled by 1 / (1 - p)."""
    monkeypatch.setattr(dropout, "draw", lambda values, p: torch.full(values.shape, -1, dtype=torch.int32))
    torch.manual_seed(1)
    inputs = [torch.randn(3, 2, 7, 4, requires_grad=True) for _ in range(3)]
    is_read = torch.ones(3, 1, 7, 7, dtype=torch.bool).tril()
    added = torch.zeros(is_read.shape).masked_fill(~is_read, -torch.inf)
    mask = {"bool": is_read, "added": added, "not at all": None}[masked]
    gradient = torch.randn(3, 2, 7, 4)
    ours = Attention.apply(*inputs, mask, P, 0.3)  # type: ignore[no-untyped-call]
    query, key, value = inputs
    theirs = scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=0.3) / (1 - P)
    torch.testing.assert_close(ours, theirs)
    for mine, other in zip(
        torch.autograd.grad(ours, inputs, gradient),
        torch.autograd.grad(theirs, inputs, gradient),
        strict=True,
    ):
        torch.testing.assert_close(mine, other)


def test_gradients_of_attention_hold_for_what_was_dropped() -> None:
    """Against differences of its own outputs, with the same draws."""
    inputs = [torch.randn(2, 2, 5, 4, requires_grad=True) for _ in range(3)]
    direction = [torch.randn_like(each) for each in inputs]

    def outcome(step: float) -> torch.Tensor:
        torch.manual_seed(3)
        moved = [each + step * way for each, way in zip(inputs, direction, strict=True)]
        out: torch.Tensor = Attention.apply(*moved, None, 0.5, 0.5)  # type: ignore[no-untyped-call]
        weights = torch.arange(out.numel()).view(out.shape).cos()
        return torch.sum(out * weights)

    gradients = torch.autograd.grad(outcome(0.0), inputs)
    along = sum((g * way).sum() for g, way in zip(gradients, direction, strict=True))
    with torch.no_grad():
        differences = (outcome(1e-2) - outcome(-1e-2)) / 2e-2
    torch.testing.assert_close(along, differences, rtol=1e-2, atol=1e-2)


def test_a_model_keeps_its_weights_names_and_answers() -> None:
    plain, cheap = model_of(P), model_of(P)
    cheapen_dropout(cheap)
    assert list(cheap.state_dict()) == list(plain.state_dict())
    assert sum(isinstance(module, Dropout) for module in cheap.modules()) == sum(
        isinstance(module, nn.Dropout) for module in plain.modules()
    )
    ids = torch.randint(0, 50, (4, 9))
    mask = torch.ones_like(ids)
    mask[1:, 6:] = 0
    answers = [model.eval()(input_ids=ids, attention_mask=mask).logits for model in (plain, cheap)]
    assert torch.equal(*answers)


@pytest.mark.slow
def test_a_model_in_training_differs_by_its_draws_alone() -> None:
    """Its mean loss over many draws is that of torch's dropout, and not that without dropout."""
    ids, labels = torch.randint(0, 50, (8, 9)), torch.arange(8) % 3
    mask = torch.ones_like(ids)
    mask[1:, 6:] = 0
    means, errors = [], []
    for is_cheap in (False, True):
        model = model_of(0.3)
        if is_cheap:
            cheapen_dropout(model)
            assert model.config._attn_implementation == dropout.ATTENTION
        with torch.no_grad():
            found = torch.stack(
                [model(input_ids=ids, attention_mask=mask, labels=labels).loss for _ in range(400)]
            )
        means.append(found.mean())
        errors.append(found.std() / 20)
    assert abs(means[0] - means[1]) < 4 * (errors[0] ** 2 + errors[1] ** 2) ** 0.5
