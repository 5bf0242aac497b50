"""A fine-tuned model of a few weights, in the form that the finetune stage writes."""

from collections.abc import Sequence
from pathlib import Path

from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, set_seed

from stages.lib.cleaning.steps import Cleaning
from stages.lib.encoders.served import Served, write_served
from stages.lib.kinds import KINDS, Kind
from stages.lib.statistics.operating import OperatingPoint
from tests.tiny import write_encoder


def write_model(
    folder: Path,
    steps: Sequence[str | dict[str, str]],
    labels: list[str],
    columns: list[str | list[str]],
    threshold: float = 0.9,
    *,
    kind: Kind = "classification",
    label_threshold: float = 0.5,
) -> None:
    """Of a regression the labels are left out; `label_threshold` is that of each of several labels."""
    facts = KINDS[kind]
    labels = labels if facts.has_classes else []
    write_encoder(folder)
    set_seed(1)
    names = dict(enumerate(labels or ["score"]))
    config = AutoConfig.from_pretrained(folder, id2label=names, problem_type=facts.problem_type)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    cleaning = Cleaning.model_validate({"steps": steps, "language": "english"})
    thresholds = {0.90: 0.5, 0.95: threshold, 0.98: None}
    points = [OperatingPoint(precision=aim, threshold=at) for aim, at in thresholds.items()]
    served = Served(
        kind=kind,
        cleaning=cleaning,
        text_columns=[*columns],
        labels=labels,
        max_tokens=24,
        keep="head",
        temperature=1.0 if facts.has_classes else None,
        operating=points if facts.has_probabilities else [],
        thresholds=[label_threshold] * len(labels) if facts.has_thresholds else None,
    )
    write_served(served, folder)
