"""How often the gate errs, of regressions and of several labels an example: `python -m commands.gate --plan`.

Drawing whole test sets (commands/lib/planning.py) takes too long there. Instead two equal models are made of
the two that were seen, by giving each pair of answers and its mirror image the same weight; how far their
scores differ from one bootstrap resample to the next is how far they would differ from one test set to the
next, and with normal intervals of that width the gate's own rules decide on each. That is right to a few
points: the bootstrap's own intervals of a correlation are lopsided.

Legend: N examples, R resamples.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from commands.lib.evidence import Evidence, require_defined
from commands.lib.planning import POWER, Rates, Rules
from commands.lib.terminal import columns, score_name
from stages.lib.exceptions import RunError
from stages.lib.statistics.paired import flips
from stages.lib.statistics.resampling import combinations, resampled
from stages.lib.task import Task

RESAMPLES = 2_000  # a rate of 80 % is then known to about 1 point


class Score(NamedTuple):
    """What is known of a score with a margin."""

    margin: float
    differences: np.ndarray  # [R], of two equal models on test sets of N examples
    reach: float  # from the difference to either end of its interval

    @property
    def error(self) -> float:
        """The standard error of the difference."""
        return float(np.nanstd(self.differences))


def plan(evidence: Evidence, rules: Rules) -> str:
    """A page for one role. Raises RunError where both runs answer alike, or a score is undefined."""
    n, task, arrays = len(evidence.rows), evidence.task, evidence.arrays()
    _, old, new = arrays
    if (old == new).all():
        raise RunError(
            f"{evidence.role}: both runs answer alike, so how far equal models differ cannot be seen; "
            "plan with one of another seed: `dvc exp run -n seed2 -S finetune.seed=2`, then --candidate seed2"
        )
    require_defined(evidence, rules.margins)
    scores = equal_models(task, *arrays, rules=rules)
    equal = rates(list(scores.values()))
    margins = ", ".join(f"{name} {margin:g}" for name, margin in rules.margins.items())
    table = [
        (
            f"  {score_name(task.kind, name)}",
            f"{score.error:.4f}",
            f"{least_loss(score):.3f}",
            f"{examples_needed(score, n, score.margin, rules.confidence):,}",
            f"{examples_needed(score, n, score.margin / 2, rules.confidence):,}",
        )
        for name, score in scores.items()
    ]
    return "\n".join(
        [
            f"{evidence.role}, n = {n:,}; margins: {margins}",
            f"disagreement             {disagreement(task, *arrays)} (observed)",
            f"an equal model           passes {equal.passed:.0%}, is called worse {equal.worse:.0%}, "
            f"is left undecided {equal.undecided:.0%} of the time",
            "by score: the standard error of the difference; the least loss that is caught 80 % of the time;",
            "how many examples let an equal model pass 80 % of the time",
            *columns([("  score", "error", "loss caught", "examples", "at half the margin"), *table]),
        ]
    )


def disagreement(task: Task, labels_N: np.ndarray, old_N: np.ndarray, new_N: np.ndarray) -> str:
    counts = flips(task, labels_N, old_N, new_N)
    if counts is None:
        return f"predictions differ by {np.abs(new_N - old_N).mean():.3f} on average"
    return f"{counts.changed / len(labels_N):.1%} of the sets of labels differ"


def equal_models(
    task: Task, labels_N: np.ndarray, old_N: np.ndarray, new_N: np.ndarray, *, rules: Rules
) -> dict[str, Score]:
    """Of each score with a margin."""
    both = np.concatenate([old_N, new_N]), np.concatenate([new_N, old_N])
    mirrored = combinations(np.concatenate([labels_N, labels_N]), np.stack(both))
    old_R, new_R = resampled(task, mirrored, RESAMPLES, rules.seed)
    quantile = float(stats.norm.ppf((1 + rules.confidence) / 2))
    scores = {}
    for name, margin in rules.margins.items():
        differences_R = (new_R[name] - old_R[name]) * 2**0.5  # from 2N examples to N
        scores[name] = Score(margin, differences_R, quantile * float(np.nanstd(differences_R)))
    return scores


def rates(scores: list[Score]) -> Rates:
    """How often the gate says what of an equal model, all margins at once."""
    passes = np.stack([score.differences - score.reach > -score.margin for score in scores])
    worse = ~passes & np.stack([score.differences + score.reach < 0 for score in scores])
    passed, refused = float(passes.all(axis=0).mean()), float(worse.any(axis=0).mean())
    return Rates(passed, refused, 1 - passed - refused)


def least_loss(score: Score) -> float:
    """The least loss whose interval lies below zero, and reaches the margin, on 80 % of the test sets."""
    shortfall = max(score.reach, score.margin - score.reach)
    return float(shortfall + stats.norm.ppf(POWER) * score.error)


def examples_needed(score: Score, n: int, margin: float, confidence: float) -> int:
    """The standard error shrinks with the root of the number of examples."""
    reach = stats.norm.ppf((1 + confidence) / 2) + stats.norm.ppf(POWER)
    return int(np.ceil(n * (reach * score.error / margin) ** 2))
