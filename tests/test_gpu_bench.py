"""What bench/gpu measures is the same work, and it runs from end to end on tiny models."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, DistilBertConfig, set_seed

from bench import measuring
from bench.gpu.__main__ import main
from bench.gpu.scales import TINY_BERT
from bench.gpu.settings import own_encoder
from bench.gpu.timing import Size, outcome, size_of
from bench.gpu.unpadded import unpad
from bench.measuring import Row

CONFIGS = [TINY_BERT, DistilBertConfig(vocab_size=90, dim=32, n_layers=2, n_heads=2, hidden_dim=64)]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.model_type)
def test_unpadded_batches_give_the_logits_and_gradients_of_padded_ones(config: Any) -> None:
    set_seed(1)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    lengths = torch.tensor([9, 1, 4, 7])
    mask_BT = (torch.arange(9) < lengths[:, None]).long()
    ids_BT = torch.randint(5, 90, (4, 9)) * mask_BT
    padded = logits_and_gradients(model, ids_BT, mask_BT)
    unpad(model)
    for ours, theirs in zip(logits_and_gradients(model, ids_BT, mask_BT), padded, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def logits_and_gradients(model: Any, ids_BT: torch.Tensor, mask_BT: torch.Tensor) -> list[torch.Tensor]:
    model.zero_grad()
    logits_BC = model(input_ids=ids_BT, attention_mask=mask_BT).logits
    logits_BC.square().sum().backward()
    gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in model.parameters()]
    return [logits_BC.detach(), *gradients]


def test_operations_are_two_a_weight_and_token_and_those_of_attention() -> None:
    size = size_of(AutoModelForSequenceClassification.from_config(TINY_BERT))
    assert size == Size(weights=2 * (4 * 32 * 32 + 2 * 32 * 64), layers=2, hidden=32)
    lengths = np.array([10, 20])
    assert size.operations(lengths, passes=3) == 3 * (2 * size.weights * 30 + 4 * 32 * 2 * (100 + 400))


def test_what_a_card_cannot_do_is_told() -> None:
    def short_of_memory() -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    def unsupported() -> Any:
        raise RuntimeError("No available kernel.\nAborting execution.")

    def endless() -> Any:
        while True:
            pass

    assert outcome(short_of_memory, 9) == "out of memory"
    assert outcome(unsupported, 9) == "RuntimeError: No available kernel."
    assert outcome(endless, 0.05) == "the time was up"


def test_the_packaged_encoder_is_at_hand() -> None:
    assert (own_encoder() / "config.json").is_file()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_tiny_run_measures_every_way_that_a_processor_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "KEPT", tmp_path)
    main(tiny=True, minutes=9)
    found = json.loads((tmp_path / "tiny/gpu.json").read_text())
    rows = [Row.model_validate(row) for row in found["rows"]]
    assert [(row.goal, row.unit) for row in rows] == [(45, "% of the limit")] + [(4, "times as fast")] * 4
    lines = [line for line in found["details"].splitlines() if line.startswith("| ours")]
    untold = [line for line in lines if line.endswith("| | | | | |")]
    only_on_gpus = ("FLASH_", "EFFICIENT_", "CUDNN_", "flash_attention_2", "flex_attention")
    assert all(any(name in line for name in only_on_gpus) for line in untold)
    assert len(lines) - len(untold) > 30
    assert not list(tmp_path.glob("*.json"))  # RESULTS.md shows no tiny run


def test_without_a_gpu_nothing_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measuring, "KEPT", tmp_path)
    monkeypatch.setattr("bench.gpu.__main__.claim_gpus", lambda count: [])
    main(tiny=False, minutes=8)
    assert capsys.readouterr().out == "gpu: no GPU here, nothing measured; --tiny shows that it runs\n"
    assert not list(tmp_path.iterdir())
