"""A GPU as the tutorials use it: transformers' Trainer and its defaults, texts padded to the longest of all.

In float32, of which PyTorch computes no product in TF32 unless it is told to, and 8 examples at a time.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

PADDING_ID = 0


def padded_to_the_longest(id_lists: list[list[int]], labels: list[int]) -> Any:
    """A dataset of tensors of one length."""
    longest = max(map(len, id_lists))
    ids_NT = np.full((len(id_lists), longest), PADDING_ID)
    mask_NT = np.zeros_like(ids_NT)
    for place, ids in enumerate(id_lists):
        ids_NT[place, : len(ids)] = ids
        mask_NT[place, : len(ids)] = 1
    return Dataset.from_dict({"input_ids": ids_NT, "attention_mask": mask_NT, "labels": labels}).with_format(
        "torch"
    )


def unpadded(id_lists: list[list[int]], labels: list[int]) -> Any:
    return Dataset.from_dict({"input_ids": id_lists, "labels": labels})


def pad_to_the_batch(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """What DataCollatorWithPadding does, of which one needs no tokenizer."""
    ids = [torch.tensor(row["input_ids"]) for row in rows]
    ids_BT = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=PADDING_ID)
    mask_BT = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in ids], batch_first=True)
    return {
        "input_ids": ids_BT,
        "attention_mask": mask_BT,
        "labels": torch.tensor([row["labels"] for row in rows]),
    }


def train(
    encoder: Path, classes: int, rows: Any, step_done: Callable[[], None], collate: Any = None, **knobs: Any
) -> None:
    """Until `step_done`, called after every step, raises. `knobs` are TrainingArguments."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = made(encoder, classes, folder, collate, **{"num_train_epochs": 100_000, **knobs})
        trainer.train_dataset = rows
        trainer.add_callback(AfterEachStep(step_done))
        trainer.train()


def predictor(encoder: Path, classes: int, folder: str, **knobs: Any) -> Callable[[Any], Any]:
    """Rows to their logits."""
    trainer = made(encoder, classes, folder, None, **knobs)
    return lambda rows: trainer.predict(rows).predictions


def made(encoder: Path, classes: int, folder: str, collate: Any, **knobs: Any) -> Any:
    model = AutoModelForSequenceClassification.from_pretrained(
        encoder, num_labels=classes, dtype=torch.float32
    )
    arguments = TrainingArguments(output_dir=folder, save_strategy="no", disable_tqdm=True, **knobs)
    trainer = Trainer(model=model, args=arguments, data_collator=collate)
    trainer.remove_callback(PrinterCallback)
    return trainer


class AfterEachStep(TrainerCallback):  # type: ignore[misc]  # transformers has no types here
    def __init__(self, step_done: Callable[[], None]) -> None:
        self.step_done = step_done

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.step_done()
