"""The scores of every model on a role as pages show them, with intervals and a scale for each."""

from typing import Any

from stages.lib.task import Task

View = dict[str, Any]
ENDS = {"value": "", "low": "_low", "high": "_high"}


def scores_to_show(task: Task) -> list[str]:
    """The source's own metrics, and the score that is a mean over the examples."""
    return list(dict.fromkeys([*task.metrics, task.facts.example_score]))


def score_rows(evaluation: dict[str, Any], role: str, task: Task) -> list[View]:
    """One entry a model, each score with the ends of its interval, or with the reason why it is undefined.

    `place`, `from` and `to` are where these stand on the score's scale, from 0 to 1.
    """
    names = scores_to_show(task)
    scales = {name: _scale([roles[role] for roles in evaluation.values()], name, task) for name in names}
    return [
        {"model": model, "scores": {name: _shown(roles[role], name, scales[name]) for name in names}}
        for model, roles in evaluation.items()
    ]


def _shown(figures: View, name: str, scale: tuple[float, float]) -> View:
    found = {key: figures[f"{name}{end}"] for key, end in ENDS.items()}
    places = {key: _place(value, scale) for key, value in found.items() if value is not None}
    return found | {"places": places, "reason": figures.get("undefined", {}).get(name)}


def _scale(figures: list[View], name: str, task: Task) -> tuple[float, float]:
    """From 0, or below where a score is; to 1, or of an error to the largest of all."""
    ends = [of[f"{name}{end}"] for of in figures for end in ENDS.values()]
    values = [value for value in ends if value is not None]
    best = max(values, default=1.0) or 1.0
    return min(0.0, *values, 0.0), best if task.lower_is_better(name) else 1.0


def _place(value: float, scale: tuple[float, float]) -> float:
    low, high = scale
    return min(max((value - low) / (high - low), 0.0), 1.0)
