"""How often the 95 % intervals hold the truth: `python -m bench.coverage`.

Test sets are drawn from populations whose true scores are known. For scores of the confusion matrix the peer
is the stratified bootstrap, which holds each set's class counts fixed; for scores of the probabilities it is
the plain percentile bootstrap of the examples. Some minutes on two cores.

Legend: N examples, C classes, R resamples, S scores, B bins.
"""

from collections.abc import Callable
from functools import partial
from multiprocessing import Pool

import numpy as np
from scipy.special import softmax
from scipy.stats import norm
from tqdm import tqdm

from stages.lib.intervals import averaged_f1, counts_of, resample, wilson
from stages.lib.probabilities import LEAST_PROBABILITY, equal_count, equal_width, probability_scores

TEST_SETS, RESAMPLES, CONFIDENCE, SEED = 1_000, 1_000, 0.95, 1
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


def main() -> None:
    confusion_matrix_scores()
    print()
    probability_scores_of_models()


def confusion_matrix_scores() -> None:
    print("| score | data | n | ours | stratified bootstrap |\n|---|---|---|---|---|")
    for name, (shares, says) in POPULATIONS.items():
        joint_CC = np.array(shares)[:, None] * np.array(says)
        for n in (200, 2_000):
            for score, (ours, peer) in coverage(joint_CC, n).items():
                print(f"| {score} | {name} | {n:,} | {ours:.3f} | {peer:.3f} |", flush=True)


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
        drawn = averaged_f1(resample(matrix_CC, RESAMPLES, rng))
        ours = {
            "accuracy": wilson(matrix_CC.diagonal().sum(), n, CONFIDENCE),
            "macro_f1": tuple(np.quantile(drawn["macro_f1"], TAILS)),
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
    hits = np.array([counts_of(matrix_CC).hits for matrix_CC in matrices_RCC])
    total = matrices_RCC.sum(axis=(1, 2))
    actual, predicted = matrices_RCC.sum(axis=2), matrices_RCC.sum(axis=1)
    either = actual + predicted
    f1 = 2 * hits / np.maximum(either, 1)
    return {"accuracy": hits.sum(axis=1) / total, "macro_f1": f1.sum(axis=1) / (either > 0).sum(axis=1)}


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
