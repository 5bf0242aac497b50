"""How often the 95 % intervals hold the truth: `python -m bench.coverage`, or of one table `... regression`.

Test sets are drawn from populations whose true scores are known. For scores of the confusion matrix the peer
is the stratified bootstrap, which holds each set's class counts fixed; for all others it is the plain
percentile bootstrap of the examples. Half an hour on two cores.

Legend: N examples, C classes, R resamples, S scores, B bins.
"""

import sys
from collections.abc import Callable
from functools import partial
from multiprocessing import Pool
from typing import Any

import numpy as np
from scipy.special import softmax
from scipy.stats import norm
from tqdm import tqdm

from stages.lib.kinds import KINDS
from stages.lib.statistics.intervals import counts_of, resample, with_intervals
from stages.lib.statistics.paired import compare
from stages.lib.statistics.probabilities import (
    LEAST_PROBABILITY,
    equal_count,
    equal_width,
    probability_scores,
)
from stages.lib.statistics.resampling import combinations, resampled
from stages.lib.statistics.scores import scores
from stages.lib.statistics.weighted import Counts, averaged_f1, matthews
from stages.lib.statistics.wilson import wilson
from stages.lib.task import SourceColumns, Submission, Task

TEST_SETS, RESAMPLES, CONFIDENCE, SEED = 1_000, 1_000, 0.95, 1
FEWER_TEST_SETS = 300  # of many examples, of numbers and of several labels
TAILS = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]

# name -> (share of each class, what the model says of each class); rows are true classes
POPULATIONS = {
    "3 classes, one of 3 %": (
        [0.57, 0.40, 0.03],
        [[0.92, 0.07, 0.01], [0.08, 0.91, 0.01], [0.15, 0.15, 0.70]],
    ),
    "2 classes, one harder": ([0.57, 0.43], [[0.98, 0.02], [0.40, 0.60]]),
    "the majority class": ([0.57, 0.40, 0.03], [[1.0, 0.0, 0.0]] * 3),
}

BINS, CLASSES, POPULATION = 15, 6, 1_000_000
BIN_BY = {"ece": equal_width, "adaptive_ece": equal_count}
SCORES = ("log_loss", "brier", *BIN_BY)

# name -> what the model multiplies the true logits by, given the largest true probability
MODELS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "far too sure (T = 0.2)": lambda sure_N: np.full_like(sure_N, 5.0),
    "too sure (T = 0.5)": lambda sure_N: np.full_like(sure_N, 2.0),
    "slightly too sure (T = 0.85)": lambda sure_N: np.full_like(sure_N, 1 / 0.85),
    "too sure above, not sure enough below": lambda sure_N: 0.6 + 1.4 * norm.cdf((sure_N - 0.8) / 0.15),
    "perfectly calibrated": np.ones_like,
}


Examples = tuple[np.ndarray, np.ndarray, np.ndarray]  # labels, and what two models say


def at_either_end(n: int, rng: np.random.Generator) -> Examples:
    """Scores in 0..5 like STS-B's: many near either end, and errors largest between."""
    true_N = 5 * rng.beta(0.8, 0.7, n)
    labels_N = np.clip(np.round((true_N + rng.normal(0, 0.5, n)) * 5) / 5, 0, 5)
    spread_N = 0.35 + 0.35 * true_N * (5 - true_N) / 6.25
    old_N, new_N = (0.4 + 0.85 * true_N + wide * spread_N * rng.normal(size=n) for wide in (1.3, 1.0))
    return labels_N, old_N, new_N


def heavy_tailed(n: int, rng: np.random.Generator) -> Examples:
    labels_N = rng.exponential(size=n)
    old_N, new_N = (labels_N + wide * rng.standard_t(5, n) for wide in (1.0, 0.8))
    return labels_N, old_N, new_N


def hardly_related(n: int, rng: np.random.Generator) -> Examples:
    labels_N = rng.normal(size=n)
    old_N, new_N = (slope * labels_N + rng.normal(size=n) for slope in (0.1, 0.2))
    return labels_N, old_N, new_N


def of_eight_labels(n: int, rng: np.random.Generator) -> Examples:
    """Of 40 % down to 2 % of the examples, often together; the rarer a label, the harder."""
    share_C = np.geomspace(0.4, 0.02, 8)
    common_N1 = rng.normal(size=(n, 1))
    labels_NC = 0.5 * common_N1 + 0.75**0.5 * rng.normal(size=(n, 8)) < norm.ppf(share_C)
    miss_C, false_C = np.linspace(0.1, 0.5, 8), share_C / 5
    old_NC, new_NC = (
        np.where(labels_NC, rng.random((n, 8)) > worse * miss_C, rng.random((n, 8)) < worse * false_C)
        for worse in (1.3, 1.0)
    )
    return labels_NC, old_NC, new_NC


def task_of(kind: Any, labels: int = 0) -> Task:
    names = [str(number) for number in range(labels)]
    columns = SourceColumns(id=None, text="text", text_pair=None, label="label")
    return Task(
        title="made up",
        kind=kind,
        labels=names,
        raw_labels=names,
        separator=None,
        positive=None,
        metrics=[KINDS[kind].scores[0]],
        columns=columns,
        kept=[],
        copies="remove",
        submission=Submission(delimiter=",", id="id", label="label", files={}),
    )


# name -> (task, draws the examples, numbers of examples)
DRAWN: dict[str, tuple[Task, Callable[[int, np.random.Generator], Examples], tuple[int, ...]]] = {
    "many at either end": (task_of("regression"), at_either_end, (70, 200, 1_500)),
    "heavy tails": (task_of("regression"), heavy_tailed, (70, 200)),
    "hardly related": (task_of("regression"), hardly_related, (70, 200)),
    "8 labels, down to 2 %": (task_of("multi-label", 8), of_eight_labels, (200, 2_000)),
}


def main() -> None:
    tables: dict[str, Callable[[], None]] = {
        "classification": confusion_matrix_scores,
        "probabilities": probability_scores_of_models,
        "regression": partial(scores_of_kind, "regression"),
        "multi-label": partial(scores_of_kind, "multi-label"),
    }
    for name in sys.argv[1:] or tables:
        tables[name]()
        print()


def confusion_matrix_scores() -> None:
    print("| score | data | n | ours | stratified bootstrap |\n|---|---|---|---|---|")
    for name, (shares, says) in POPULATIONS.items():
        joint_CC = np.array(shares)[:, None] * np.array(says)
        for n in (200, 2_000):
            for score, (ours, peer) in coverage(joint_CC, n).items():
                print(f"| {score} | {name} | {n:,} | {ours:.3f} | {peer:.3f} |", flush=True)


def scores_of_kind(kind: str) -> None:
    print(
        "| score | data | truth | n | ours | percentile bootstrap | difference: ours | percentile bootstrap |"
    )
    print("|---|---|---|---|---|---|---|---|")
    with Pool() as pool:
        for name, (task, draw, numbers) in DRAWN.items():
            if task.kind != kind:
                continue
            truths = true_values(task, *draw(POPULATION, np.random.default_rng(SEED)))
            for n in numbers:
                many = TEST_SETS if n < 1_000 else FEWER_TEST_SETS
                sets = pool.imap_unordered(partial(held, name, n, truths), range(many), chunksize=10)
                seen = list(tqdm(sets, f"{name}, n = {n:,}", many, delay=2, disable=None))
                for (score, (_, true)), shares in zip(truths.items(), np.mean(seen, axis=0), strict=True):
                    columns = [score, name, f"{true:.4f}", f"{n:,}", *(f"{share:.3f}" for share in shares)]
                    print(f"| {' | '.join(columns)} |", flush=True)


def true_values(
    task: Task, labels_N: np.ndarray, old_N: np.ndarray, new_N: np.ndarray
) -> dict[str, tuple[float, float]]:
    """Score -> its values for the old model and the new one, in a population that has them all."""
    old, new = scores(task, labels_N, old_N), scores(task, labels_N, new_N)
    return {name: (float(old[name] or 0), float(new[name] or 0)) for name in old}


def held(name: str, n: int, truths: dict[str, tuple[float, float]], number: int) -> list[list[bool]]:
    """By score: do our interval and the peer's hold, of the new model, and of the difference of the two?"""
    task, draw, _ = DRAWN[name]
    labels_N, old_N, new_N = draw(n, np.random.default_rng([SEED, list(DRAWN).index(name), n, number]))
    options: dict[str, Any] = {"resamples": RESAMPLES, "confidence": CONFIDENCE, "seed": number}
    figures = with_intervals(task, labels_N, new_N, **options)
    differences = compare(task, labels_N, old_N, new_N, **options)
    old_R, new_R = resampled(task, combinations(labels_N, np.stack([old_N, new_N])), RESAMPLES, number)
    rows = []
    for score, (old, new) in truths.items():
        change = differences[score]
        bounds = [
            (figures[f"{score}_low"], figures[f"{score}_high"], new),
            (*np.nanquantile(new_R[score], TAILS), new),
            (change.low, change.high, new - old),
            (*np.nanquantile(new_R[score] - old_R[score], TAILS), new - old),
        ]
        rows.append([bool(low <= true <= high) for low, high, true in bounds])
    return rows


def probability_scores_of_models() -> None:
    print("| score | model | truth | n | ours | percentile bootstrap |\n|---|---|---|---|---|---|")
    with Pool() as pool:
        for model in MODELS:
            truth_S = true_scores(model)
            for n in (200, 2_000):
                sets = pool.imap_unordered(
                    partial(held_by, model, n, truth_S), range(TEST_SETS), chunksize=10
                )
                seen = list(tqdm(sets, f"{model}, n = {n:,}", TEST_SETS, delay=2, disable=None))
                for name, true, (ours, peer) in zip(SCORES, truth_S, np.mean(seen, axis=0), strict=True):
                    print(f"| {name} | {model} | {true:.4f} | {n:,} | {ours:.3f} | {peer:.3f} |", flush=True)


def coverage(joint_CC: np.ndarray, n: int) -> dict[str, tuple[float, float]]:
    """score -> the shares of test sets whose interval, ours and the peer's, holds the true score."""
    rng = np.random.default_rng(SEED)
    truth = scores_of(np.round(joint_CC * 10**9).astype(np.int64)[None])
    held: dict[str, list[tuple[bool, bool]]] = {name: [] for name in truth}
    for _ in tqdm(range(TEST_SETS), desc=f"n = {n:,}", delay=2, disable=None):
        matrix_CC = rng.multinomial(n, joint_CC.ravel()).reshape(joint_CC.shape)
        drawn = resample(matrix_CC, RESAMPLES, rng)
        ours = {
            "accuracy": wilson(matrix_CC.diagonal().sum(), n, CONFIDENCE),
            "macro_f1": tuple(np.quantile(averaged_f1(drawn)["macro_f1"], TAILS)),
            "matthews": tuple(np.quantile(matthews(drawn), TAILS)),
        }
        peer = scores_of(stratified(matrix_CC, rng))
        for name, limits in ours.items():
            low, high = np.quantile(peer[name], TAILS)
            true = float(truth[name][0])
            held[name].append(
                (limits is not None and limits[0] <= true <= limits[1], bool(low <= true <= high))
            )
    return {name: (float(np.mean(of, axis=0)[0]), float(np.mean(of, axis=0)[1])) for name, of in held.items()}


def stratified(matrix_CC: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[R, C, C]: each class's examples drawn anew among themselves."""
    rows = [
        rng.multinomial(row_C.sum(), row_C / max(1, row_C.sum()), size=RESAMPLES)
        if row_C.any()
        else np.zeros((RESAMPLES, len(row_C)), np.int64)
        for row_C in matrix_CC
    ]
    return np.stack(rows, axis=1)


def scores_of(matrices_RCC: np.ndarray) -> dict[str, np.ndarray]:
    parts = (counts_of(matrix_CC) for matrix_CC in matrices_RCC)
    counts = Counts(*(np.array(part) for part in zip(*parts, strict=True)))
    accuracy = counts.hits.sum(axis=1) / counts.actual.sum(axis=1)
    macro_f1 = averaged_f1(counts)["macro_f1"]
    return {"accuracy": accuracy, "macro_f1": macro_f1, "matthews": matthews(counts)}


def drawn(model: str, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The model's logits and the true probabilities, both [N, C]; it is right about five times in six."""
    true_NC = rng.normal(size=(n, CLASSES))
    true_NC[np.arange(n), rng.integers(CLASSES, size=n)] += rng.gamma(6, 0.6, size=n)
    true_NC *= 1.4
    probability_NC = softmax(true_NC, axis=1)
    return true_NC * MODELS[model](probability_NC.max(axis=1))[:, None], probability_NC


def true_scores(model: str) -> np.ndarray:
    """[S]: expected losses and calibration errors, from the true probabilities rather than drawn labels."""
    logits_NC, true_NC = drawn(model, POPULATION, np.random.default_rng(SEED))
    losses = [(true_NC * loss_NC).sum(axis=1).mean() for loss_NC in losses_of(logits_NC)]
    sure_N = softmax(logits_NC, axis=1).max(axis=1)
    gap_N = true_NC[np.arange(POPULATION), logits_NC.argmax(axis=1)] - sure_N
    errors = [np.abs(np.bincount(by(sure_N, BINS), gap_N)).sum() / POPULATION for by in BIN_BY.values()]
    return np.array(losses + errors)


def losses_of(logits_NC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log loss and Brier score, [N, C], were the class the label."""
    probability_NC = softmax(logits_NC, axis=1)
    squares_N1 = (probability_NC**2).sum(axis=1, keepdims=True)
    return -np.log(probability_NC.clip(LEAST_PROBABILITY)), squares_N1 - 2 * probability_NC + 1


def held_by(model: str, n: int, truth_S: np.ndarray, number: int) -> list[tuple[bool, bool]]:
    """For each score, whether our interval and the peer's hold the truth on test set `number`."""
    rng = np.random.default_rng([SEED, list(MODELS).index(model), n, number])
    logits_NC, true_NC = drawn(model, n, rng)
    labels_N = (true_NC.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=CLASSES - 1)
    ours = probability_scores(
        logits_NC, labels_N, bins=BINS, resamples=RESAMPLES, confidence=CONFIDENCE, seed=number
    )
    low_S, high_S = np.quantile(bootstrapped(logits_NC, labels_N, rng), TAILS, axis=0)
    return [
        (bool(ours[f"{name}_low"] <= true <= ours[f"{name}_high"]), bool(low <= true <= high))
        for name, true, low, high in zip(SCORES, truth_S, low_S, high_S, strict=True)
    ]


def bootstrapped(logits_NC: np.ndarray, labels_N: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[R, S]: the scores of resampled examples; the bins of equal count stay those of the test set."""
    n = len(labels_N)
    rows_RN = rng.integers(n, size=(RESAMPLES, n))
    sure_N = softmax(logits_NC, axis=1).max(axis=1)
    gap_RN = ((logits_NC.argmax(axis=1) == labels_N) - sure_N)[rows_RN]
    scores = [loss_NC[np.arange(n), labels_N][rows_RN].mean(axis=1) for loss_NC in losses_of(logits_NC)]
    for by in BIN_BY.values():
        cell_RN = by(sure_N, BINS)[rows_RN] + BINS * np.arange(RESAMPLES)[:, None]
        gap_RB = np.bincount(cell_RN.ravel(), gap_RN.ravel(), minlength=RESAMPLES * BINS).reshape(
            RESAMPLES, BINS
        )
        scores.append(np.abs(gap_RB).sum(axis=1) / n)
    return np.stack(scores, axis=1)


if __name__ == "__main__":
    main()
