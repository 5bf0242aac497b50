"""Fine-tuning as tutorials show it: transformers' Trainer on tokenized texts, in float32."""

from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

LABELS = 6


def padded_to_the_longest_of_all(encoder: Path, texts: list[str], labels: list[int]) -> Dataset:
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    dataset = Dataset.from_dict({"text": texts, "label": labels})
    return dataset.map(
        lambda batch: tokenizer(batch["text"], padding=True, truncation=True), batched=True, batch_size=None
    )


def unpadded(encoder: Path, texts: list[str], labels: list[int]) -> Dataset:
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    dataset = Dataset.from_dict({"text": texts, "label": labels})
    return dataset.map(lambda batch: tokenizer(batch["text"], truncation=True), batched=True)


def arguments(folder: Path, batch_size: int, **more: Any) -> TrainingArguments:
    """`more`: learning rate, epochs, seed and the like."""
    return TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=batch_size,
        weight_decay=0.01,
        save_strategy="no",
        disable_tqdm=True,
        report_to="none",
        **more,
    )


def make_trainer(
    encoder: Path, dataset: Dataset, args: TrainingArguments, callbacks: list[TrainerCallback]
) -> Trainer:
    """Texts of a dataset without padding are padded to their batch's longest."""
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    return Trainer(
        model_init=lambda: AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=LABELS),
        args=args,
        train_dataset=dataset,
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
        callbacks=callbacks,
    )
