"""How often the gate errs: `python -m bench.gate`.

Pairs of models with a known difference answer test sets drawn at random, and the rules of the gate decide:
the margins of the policy that comes with the project, and ten slices under the correction of Holm. Last comes
a regression, whose models' errors are normal.
"""

from collections.abc import Iterator

import numpy as np
from tqdm import tqdm

from bench.coverage import task_of
from commands.lib.planning import Population, Rules, decide, population_of, worsened
from commands.lib.verdicts import Verdict, non_inferior, slice_verdicts, worst
from stages.lib.statistics.paired import accuracy_difference, better, compare, example_difference
from stages.lib.statistics.resampling import Combinations
from stages.lib.task import Task

TEST_SETS, SEED = 1_000, 1
RULES = Rules({"accuracy": 0.03, "macro_f1": 0.03}, confidence=0.95, seed=SEED)
SLICE_MARGIN = 0.1
SLICE_SHARES = (0.5, 0.5, 0.3, 0.2, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05)  # overlapping, as lengths and labels do

EMOTION = [0.29, 0.35, 0.08, 0.14, 0.11, 0.03]
# name -> (class shares, error rate, share of examples on which two equal models disagree)
PAIRS = {
    "two classes, 6 % disagreement": ([0.5, 0.5], 0.08, 0.06),
    "the sample's": ([0.55, 0.45], 0.13, 0.13),
    "emotion's, a class of 3 %": (EMOTION, 0.07, 0.06),
}
# Of the regression: as many examples as STS-B's dev has, scores from 0 to 5, the old model's Pearson
# correlation, and the share of the variance of its errors that both models have in common.
NUMBERS, RANGE, PEARSON, IN_COMMON, PEARSON_MARGIN = 1_500, (0, 5), 0.85, 0.7, 0.02
NUMBER_SETS, RESAMPLES = 200, 1_000  # fewer, since ranks are drawn anew in each resample
SIZES = {"two classes, 6 % disagreement": 2_000, "the sample's": 1_221, "emotion's, a class of 3 %": 2_000}


def main() -> None:
    print("| models | n | true drop in accuracy | pass | worse | cannot tell |\n|---|---|---|---|---|---|")
    for name, (shares, error, disagreement) in PAIRS.items():
        equal = two_equal(shares, error, disagreement)
        for drop in (0.0, 0.03, 0.06):
            population = worsened(equal, drop) if drop else equal
            passed, worse, undecided = rates(population, SIZES[name])
            print(
                f"| {name} | {SIZES[name]:,} | {drop:.2f} | {passed:.3f} | {worse:.3f} | {undecided:.3f} |",
                flush=True,
            )
    print("\n| models | n | true drop in Pearson | pass | worse | cannot tell |\n|---|---|---|---|---|---|")
    for drop in (0.0, 0.02, 0.04):
        verdicts = list(verdicts_on_numbers(drop))
        passed, worse, undecided = shares_of(verdicts)
        print(
            f"| a regression | {NUMBERS:,} | {drop:.2f} | {passed:.3f} | {worse:.3f} | {undecided:.3f} |",
            flush=True,
        )


def two_equal(shares: list[float], error: float, disagreement: float) -> Population:
    """Each model errs on `error` of the examples, towards the other classes by their share."""
    rng, n, classes = np.random.default_rng(SEED), 200_000, len(shares)
    labels_N = rng.choice(classes, n, p=shares)
    wrong_N = (labels_N + rng.integers(1, classes, n)) % classes
    # half of the disagreement is either's own mistake; the rest of the mistakes both make
    place_N = rng.permutation(n) / n
    both_N = place_N >= 1 - (error - disagreement / 2)
    old_N = np.where((place_N < disagreement / 2) | both_N, wrong_N, labels_N)
    new_N = np.where(((place_N >= disagreement / 2) & (place_N < disagreement)) | both_N, wrong_N, labels_N)
    return population_of(task_of("classification", classes), labels_N, old_N, new_N)


def rates(population: Population, n: int) -> tuple[float, float, float]:
    rng = np.random.default_rng(SEED)
    verdicts = []
    for counts_K in tqdm(rng.multinomial(n, population.chances, size=TEST_SETS), delay=2, disable=None):
        of_slices = slice_verdicts(
            [
                accuracy_difference(drawn_slice(population, counts_K, share, rng), RULES.confidence)
                for share in SLICE_SHARES
            ],
            SLICE_MARGIN,
            RULES.confidence,
        )
        whole = decide(population, counts_K, RULES)
        verdicts.append(worst({whole, *(verdict for verdict in of_slices if verdict == "worse")}))
    return shares_of(verdicts)


def shares_of(verdicts: list[Verdict]) -> tuple[float, float, float]:
    passed, worse, undecided = (
        verdicts.count(name) / len(verdicts) for name in ("pass", "worse", "undecided")
    )
    return passed, worse, undecided


def verdicts_on_numbers(drop: float) -> Iterator[Verdict]:
    """The new model's errors are as much larger as lowers its true correlation by the drop."""
    task, rng = task_of("regression"), np.random.default_rng(SEED)
    spread = (RANGE[1] - RANGE[0]) / 12**0.5
    old_error, new_error = (spread * (1 / pearson**2 - 1) ** 0.5 for pearson in (PEARSON, PEARSON - drop))
    for _ in tqdm(range(NUMBER_SETS), delay=2, disable=None):
        labels_N, common_N = rng.uniform(*RANGE, NUMBERS), rng.normal(size=NUMBERS)
        old_N, new_N = (
            labels_N + error * (IN_COMMON**0.5 * common_N + (1 - IN_COMMON) ** 0.5 * rng.normal(size=NUMBERS))
            for error in (old_error, new_error)
        )
        whole = compare(
            task, labels_N, old_N, new_N, resamples=RESAMPLES, confidence=RULES.confidence, seed=SEED
        )
        decided = non_inferior(whole["pearson"], PEARSON_MARGIN)
        slices = slices_of_numbers(task, labels_N, old_N, new_N, rng)
        yield worst({decided, *(verdict for verdict in slices if verdict == "worse")})


def slices_of_numbers(
    task: Task, labels_N: np.ndarray, old_N: np.ndarray, new_N: np.ndarray, rng: np.random.Generator
) -> list[Verdict]:
    turned = []
    for share in SLICE_SHARES:
        part = rng.permutation(NUMBERS)[: round(share * NUMBERS)]
        found = example_difference(task, labels_N[part], old_N[part], new_N[part], RULES.confidence)
        turned.append(better(task, task.facts.example_score, found))
    return slice_verdicts(turned, SLICE_MARGIN * float(labels_N.std()), RULES.confidence)


def drawn_slice(
    population: Population, counts_K: np.ndarray, share: float, rng: np.random.Generator
) -> Combinations:
    """A slice of examples drawn at random: no better and no worse than the whole."""
    found = population.found
    within_K = rng.multivariate_hypergeometric(counts_K, round(share * counts_K.sum()))
    return Combinations(found.labels, found.predicted, within_K)


if __name__ == "__main__":
    main()
