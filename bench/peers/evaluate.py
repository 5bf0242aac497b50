"""Scores with bootstrap intervals, as most people write them: a loop of scikit-learn's calls."""

import numpy as np
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef, precision_recall_fscore_support

Scores = dict[str, float]


def scores(labels: np.ndarray, predicted: np.ndarray, classes: int) -> Scores:
    found = {
        "accuracy": accuracy_score(labels, predicted),
        "macro_f1": f1_score(labels, predicted, average="macro", zero_division=0),
        "weighted_f1": f1_score(labels, predicted, average="weighted", zero_division=0),
        "matthews": matthews_corrcoef(labels, predicted),
    }
    by_class = precision_recall_fscore_support(
        labels, predicted, labels=range(classes), average=None, zero_division=0
    )
    for name, values in zip(("precision", "recall", "f1"), by_class, strict=False):
        found |= {f"{name}_{number}": value for number, value in enumerate(values)}
    return found


def resampled(
    labels: np.ndarray, predicted: np.ndarray, classes: int, *, resamples: int, seed: int
) -> dict[str, list[float]]:
    """Score -> its value on each resample with replacement."""
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {}
    for _ in range(resamples):
        chosen = rng.integers(0, len(labels), len(labels))
        for name, value in scores(labels[chosen], predicted[chosen], classes).items():
            drawn.setdefault(name, []).append(value)
    return drawn


def percentiles(drawn: dict[str, list[float]], confidence: float) -> dict[str, tuple[float, float]]:
    tails = [50 * (1 - confidence), 50 * (1 + confidence)]
    return {name: tuple(np.percentile(values, tails).tolist()) for name, values in drawn.items()}
