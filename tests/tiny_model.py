"""A fine-tuned model of a few weights, in the form that the finetune stage writes."""

from pathlib import Path

from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, set_seed

from stages.lib.cleaning import Cleaning
from stages.lib.operating import OperatingPoint
from stages.lib.served import Served, write_served
from tests.tiny import write_encoder


def write_model(
    folder: Path, steps: list[str], labels: list[str], columns: list[str], threshold: float = 0.9
) -> None:
    write_encoder(folder)
    set_seed(1)
    config = AutoConfig.from_pretrained(folder, id2label=dict(enumerate(labels)))
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    cleaning = Cleaning.model_validate({"steps": steps, "language": "english"})
    thresholds = {0.90: 0.5, 0.95: threshold, 0.98: None}
    served = Served(
        cleaning=cleaning,
        text_columns=columns,
        labels=labels,
        max_tokens=24,
        temperature=1.0,
        operating=[OperatingPoint(precision=aim, threshold=at) for aim, at in thresholds.items()],
    )
    write_served(served, folder)
