"""Does int8 lose anything that a paired test can see? The rules by which it is kept or left out."""

from typing import NamedTuple

import numpy as np

from stages.lib.kinds import Kind
from stages.lib.statistics.paired import Difference, better, compare
from stages.lib.statistics.scores import metric_names
from stages.lib.task import Task

EXAMPLE_TEST_OF_KINDS: dict[Kind, str] = {
    "classification": "McNemar's exact test",
    "regression": "Student's paired t",
    "multi-label": "McNemar's exact test",
}
TEST_OF_KINDS: dict[Kind, str] = {
    "classification": "paired bootstrap",
    "regression": "paired jackknife",
    "multi-label": "paired bootstrap",
}


class Rules(NamedTuple):
    margins: dict[str, float]
    confidence: float
    resamples: int
    seed: int


class Tested(NamedTuple):
    """One score of int8 against float32's on the same examples; above 0 int8 is the better one."""

    score: str
    test: str
    n: int
    float32: float
    int8: float
    difference: float
    low: float
    high: float
    p: float
    margin: float
    loss: str  # in words; empty where none is seen


def differences(
    task: Task, labels_N: np.ndarray, float32_N: np.ndarray, int8_N: np.ndarray, rules: Rules
) -> list[Tested]:
    """A line for each margin on a score that the task has, in the order of the margins."""
    found = compare(
        task,
        labels_N,
        float32_N,
        int8_N,
        resamples=rules.resamples,
        confidence=rules.confidence,
        seed=rules.seed,
    )
    return [
        Tested(
            name,
            (EXAMPLE_TEST_OF_KINDS if name == task.facts.example_score else TEST_OF_KINDS)[task.kind],
            len(labels_N),
            *(difference := better(task, name, found[name])),
            rules.margins[name],
            loss_of(difference, rules.margins[name], rules.confidence),
        )
        for name in asked_for(task, rules.margins)
        if name in found
    ]


def asked_for(task: Task, margins: dict[str, float]) -> list[str]:
    """The scores with a margin that the task has."""
    return [name for name in margins if name in metric_names(task.kind, task.positive)]


def untested(task: Task, margins: dict[str, float], tests: list[Tested]) -> list[str]:
    """Those of them that are undefined for one of the two, as a correlation is if all answers are alike."""
    tested = {test.score for test in tests}
    return [name for name in asked_for(task, margins) if name not in tested]


def loss_of(difference: Difference, margin: float, confidence: float) -> str:
    """Worse by more than chance, or not shown to be no worse than the margin (non-inferiority)."""
    if difference.high < 0 or (difference.difference < 0 and difference.p < 1 - confidence):
        return "worse by more than chance"
    if not difference.low > -margin:
        return f"not shown to lose less than {margin:g}"
    return ""
