"""How often the 95 % intervals hold the truth: `python -m bench.coverage`.

Test sets are drawn from populations whose true scores are known; the peer is the stratified bootstrap, which
holds each set's class counts fixed.
"""

import numpy as np
from tqdm import tqdm

from stages.lib.intervals import averaged_f1, counts_of, resample, wilson

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


def main() -> None:
    print("| score | data | n | ours | stratified bootstrap |\n|---|---|---|---|---|")
    for name, (shares, says) in POPULATIONS.items():
        joint_CC = np.array(shares)[:, None] * np.array(says)
        for n in (200, 2_000):
            for score, (ours, peer) in coverage(joint_CC, n).items():
                print(f"| {score} | {name} | {n:,} | {ours:.3f} | {peer:.3f} |", flush=True)


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


if __name__ == "__main__":
    main()
