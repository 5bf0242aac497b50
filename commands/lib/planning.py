"""How often the gate errs, of classifications: `python -m commands.gate --plan`.

What was seen of two models (how often each label meets each pair of answers) is made into two equal models,
by giving every pair of answers the chance of its mirror image, and into a worse one, by moving chances from
answers that the new model alone has right to those that the old one alone has right. Test sets of the same
size are drawn from that, and the gate's own rules decide on each.

Where two runs answer alike, the disagreement of an equal model is taken to be the error rate: two trainings
that differ in their seed disagree about as often as each of them errs (Jiang, Nagarajan, Baek and Kolter,
"Assessing Generalization of SGD via Disagreement", ICLR 2022).

Legend: K combinations of a label and two answers, C classes, N examples, R resamples.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import stats

from commands.lib.evidence import Evidence
from commands.lib.verdicts import Verdict, non_inferior, worst
from stages.lib.statistics.paired import compare_counts
from stages.lib.statistics.resampling import Combinations, combinations, scores_of
from stages.lib.task import Task

TEST_SETS = 300  # a rate of 80 % is then known to about 2.5 points
RESAMPLES = 1_000
POWER = 0.80
MARGINS = (0.01, 0.02, 0.03, 0.05)
STEP, LARGEST_DROP = 0.0025, 0.2  # of the search for the least drop that is caught


class Rules(NamedTuple):
    margins: Mapping[str, float]
    confidence: float
    seed: int


class Rates(NamedTuple):
    """Shares of test sets."""

    passed: float
    worse: float
    undecided: float


class Population(NamedTuple):
    """Chances of combinations of a label and two models' answers."""

    task: Task
    found: Combinations
    chances: np.ndarray  # [K]

    @property
    def disagreement(self) -> float:
        old_K, new_K = self.found.predicted
        return float(self.chances[old_K != new_K].sum())


def population_of(task: Task, labels_N: np.ndarray, old_N: np.ndarray, new_N: np.ndarray) -> Population:
    """Of two equal models that disagree as often as these two do."""
    if (old_N == new_N).all():
        return _redrawn(task, labels_N, new_N)
    mirrored = combinations(
        np.tile(labels_N, 2), np.stack([np.append(old_N, new_N), np.append(new_N, old_N)])
    )
    return Population(task, mirrored, mirrored.counts / mirrored.counts.sum())


def _redrawn(task: Task, labels_N: np.ndarray, said_N: np.ndarray) -> Population:
    """Two models, each of which says of some examples what it says of another one of the same class.

    How many follows from the wish that they disagree on as many examples as one of them errs on.
    """
    classes = len(task.labels)
    matrix_CC = np.zeros((classes, classes))
    np.add.at(matrix_CC, (labels_N, said_N), 1)
    joint_CC = matrix_CC / matrix_CC.sum()
    shares_C1 = joint_CC.sum(axis=1, keepdims=True)
    says_CC = joint_CC / np.where(shares_C1 > 0, shares_C1, 1)
    independent_CCC = joint_CC[:, :, None] * says_CC[:, None, :]
    same_CCC = joint_CC[:, :, None] * np.eye(classes)
    at_most = independent_CCC.sum() - independent_CCC.trace(axis1=1, axis2=2).sum()
    error = 1 - joint_CC.trace()
    share = min(1.0, error / at_most) if at_most > 0 else 0.0
    chances_CCC = share * independent_CCC + (1 - share) * same_CCC
    label_K, old_K, new_K = np.nonzero(chances_CCC)
    chances_K = chances_CCC[label_K, old_K, new_K]
    return Population(task, Combinations(label_K, np.stack([old_K, new_K]), chances_K), chances_K)


def worsened(population: Population, drop: float) -> Population:
    """The new model's accuracy is lower by `drop`, from more examples broken and fewer fixed.

    As long as the disagreement allows, it stays as it is; a larger drop makes it larger.
    """
    old_K, new_K = population.found.predicted
    label_K, chances_K = population.found.labels, population.chances.copy()
    fixed_K, broken_K = (new_K == label_K) & (old_K != label_K), (old_K == label_K) & (new_K != label_K)
    fixed, broken = chances_K[fixed_K].sum(), chances_K[broken_K].sum()
    if broken == 0:
        return population
    moved = min(drop / 2, fixed)
    chances_K[fixed_K] *= (fixed - moved) / fixed if fixed else 1
    chances_K[broken_K] *= (broken + drop - moved) / broken
    right_K = (old_K == label_K) & (new_K == label_K)
    # what goes beyond the mirror's share comes from examples that both have right
    chances_K[right_K] *= max(0.0, 1 - (drop - 2 * moved) / max(chances_K[right_K].sum(), drop))
    return population._replace(chances=chances_K / chances_K.sum())


def decide(population: Population, counts_K: np.ndarray, rules: Rules) -> Verdict:
    """What the gate says of a test set with these counts."""
    some_K, found = counts_K > 0, population.found
    drawn = Combinations(found.labels[some_K], found.predicted[:, some_K], counts_K[some_K])
    differences = compare_counts(
        population.task, drawn, resamples=RESAMPLES, confidence=rules.confidence, seed=rules.seed
    )
    verdicts = {non_inferior(differences[name], margin) for name, margin in rules.margins.items()}
    return worst(verdicts)


def rates(population: Population, n: int, rules: Rules, test_sets: int = TEST_SETS) -> Rates:
    drawn = np.random.default_rng(rules.seed).multinomial(n, population.chances, size=test_sets)
    verdicts = [decide(population, counts_K, rules) for counts_K in drawn]
    return Rates(*(verdicts.count(name) / test_sets for name in ("pass", "worse", "undecided")))


def least_drop(population: Population, n: int, rules: Rules) -> float | None:
    """The least drop in accuracy, to a quarter of a point, that is called worse in 80 % of test sets."""
    none, all_steps = 0, round(LARGEST_DROP / STEP)
    if rates(worsened(population, LARGEST_DROP), n, rules).worse < POWER:
        return None
    while all_steps - none > 1:
        middle = (none + all_steps) // 2
        caught = rates(worsened(population, middle * STEP), n, rules).worse >= POWER
        none, all_steps = (none, middle) if caught else (middle, all_steps)
    return all_steps * STEP


def examples_needed(population: Population, n: int, name: str, margin: float, rules: Rules) -> int:
    """How many examples let an equal model pass that margin of a score in 80 % of test sets.

    From the standard error of the difference at `n`, which shrinks with the root of the number.
    """
    drawn_RK = np.random.default_rng(rules.seed).multinomial(n, population.chances, size=RESAMPLES)
    old_R, new_R = scores_of(population.task, population.found, drawn_RK.astype(float))
    error = float(np.std(new_R[name] - old_R[name]))
    reach = stats.norm.ppf((1 + rules.confidence) / 2) + stats.norm.ppf(POWER)
    return int(np.ceil(n * (reach * error / margin) ** 2))


def plan(evidence: Evidence, rules: Rules) -> str:
    """A page for one role."""
    n, task = len(evidence.rows), evidence.task
    labels_N, old_N, new_N = evidence.arrays()
    population = population_of(task, labels_N, old_N, new_N)
    alike = bool((old_N == new_N).all())
    how = "taken from the error rate, as both answer alike" if alike else "observed"
    equal, drop = rates(population, n, rules), least_drop(population, n, rules)
    margins = ", ".join(f"{name} {margin:g}" for name, margin in rules.margins.items())
    caught = "none up to 20 points" if drop is None else f"{100 * drop:g} points of accuracy or more"
    lines = [
        f"{evidence.role}, n = {n:,}; margins: {margins}",
        f"disagreement             {population.disagreement:.1%} ({how})",
        f"an equal model           passes {equal.passed:.0%}, is called worse {equal.worse:.0%}, "
        f"is left undecided {equal.undecided:.0%} of the time",
        f"a drop that is caught    {caught}, 80 % of the time",
        "examples that let an equal model pass 80 % of the time:",
        "  margin  " + "".join(name.rjust(14) for name in rules.margins),
    ]
    for margin in MARGINS:
        needed = [examples_needed(population, n, name, margin, rules) for name in rules.margins]
        lines.append(f"  {margin:<8g}" + "".join(f"{number:,}".rjust(14) for number in needed))
    return "\n".join(lines)
