"""The script's fine-tuning as bench.same_rows runs it: its own step, and copies as split finds them."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from bench.same_rows import InParts, copies_of_test
from tests.predicted import task_of
from tests.tiny import write_encoder


@pytest.fixture
def model(tmp_path: Path) -> Any:
    write_encoder(tmp_path / "encoder")
    config = AutoConfig.from_pretrained(tmp_path / "encoder", num_labels=2)  # has no dropout
    return AutoModelForSequenceClassification.from_config(config)


def test_a_step_in_parts_has_the_gradient_of_the_whole(model: Any) -> None:
    lengths_B = torch.tensor([9, 3, 7, 5, 4])
    mask_BT = (torch.arange(9) < lengths_B[:, None]).long()
    inputs = {"input_ids": torch.randint(5, 20, (5, 9)) * mask_BT, "attention_mask": mask_BT}
    labels_B = torch.tensor([0, 1, 1, 0, 1])
    whole = model.train()(**inputs, labels=labels_B).loss
    whole.backward()
    learnt = [value for value in model.parameters() if value.grad is not None]
    gradients = [value.grad.clone() for value in learnt]
    model.zero_grad()
    step: Any = InParts.training_step
    loss = step(None, model, inputs | {"labels": labels_B})
    assert loss.item() == pytest.approx(whole.item(), abs=1e-6)
    for value, gradient in zip(learnt, gradients, strict=True):
        torch.testing.assert_close(value.grad, gradient, atol=1e-6, rtol=1e-4)


def test_copies_are_of_test_rows_by_training_rows_alone() -> None:
    flood = "the river broke its banks at noon and the whole town is under water now"
    rows = pl.DataFrame(
        {
            "id": ["a", "b", "c", "d", "e"],
            "text_original": [f"{flood} https://t.co/x", flood, f"{flood}!", "nothing of it", "all is calm"],
            "role": ["test", "train", "validation", "train", "test"],
        }
    )
    assert copies_of_test(rows, task_of()).rows() == [("a", "b")]
