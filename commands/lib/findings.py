"""The rules of the policy, each applied to what was gathered."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl

from commands.lib.evidence import Evidence, require_defined
from commands.lib.policy import Limits, Params
from commands.lib.verdicts import Finding, non_inferior, slice_verdicts, within
from stages.lib.kinds import Kind
from stages.lib.statistics.paired import better, compare, example_difference, flips
from stages.lib.statistics.probabilities import expected_calibration_error
from stages.lib.statistics.slices import slices_of


def role_findings(evidence: Evidence, limits: Limits, policy: Params) -> Iterator[Finding]:
    """The scores against their margins, floors and ceilings, and the ceilings on a role's predictions.

    Raises RunError where a score with a limit is undefined for either model.
    """
    role, n, task = evidence.role, len(evidence.rows), evidence.task
    options: Any = {"resamples": policy.resamples, "confidence": policy.confidence, "seed": policy.seed}
    bounded = {name: limit for name, limit in limits.ceilings.items() if task.lower_is_better(name)}
    require_defined(evidence, (*limits.margins, *limits.floors, *bounded))
    found = compare(task, *evidence.arrays(), **options)
    for name, margin in limits.margins.items():
        difference = found[name]
        verdict = "pass" if evidence.identical else non_inferior(better(task, name, difference), margin)
        values = difference.old, difference.new, difference
        yield Finding(name, role, n, *values, f"no worse by {margin:g}", verdict)
    for name, floor in limits.floors.items():
        yield limit(name, role, n, found[name].old, found[name].new, floor=floor)
    for name, ceiling in bounded.items():
        yield limit(name, role, n, found[name].old, found[name].new, ceiling=ceiling)
    if task.facts.has_probabilities:
        errors = (top_label_error(evidence.rows, model, policy.calibration_bins) for model in ("old_", ""))
        yield limit("ece", role, n, *errors, ceiling=limits.ceilings.get("ece"))
    counts = flips(task, *evidence.arrays())
    if counts is not None:
        yield limit("churn", role, n, None, counts.changed / n, ceiling=limits.ceilings.get("churn"))


def limit(
    what: str,
    role: str | None,
    n: int | None,
    old: float | None,
    new: float,
    *,
    floor: float | None = None,
    ceiling: float | None = None,
) -> Finding:
    rule = "-"
    if floor is not None:
        rule = f"at least {floor:g}"
    if ceiling is not None:
        rule = f"at most {ceiling:g}"
    verdict = within(new, floor=floor, ceiling=ceiling)
    return Finding(what, role, n, old, new, None, rule, verdict, decides=rule != "-")


def top_label_error(rows: pl.DataFrame, model: str, bins: int) -> float:
    right_N = (rows[f"{model}predicted"] == rows["label"]).to_numpy()
    return float(expected_calibration_error(rows[f"{model}sure"].to_numpy(), right_N, bins))


def slice_findings(evidence: Evidence, policy: Params) -> list[Finding]:
    """The kind's score of examples by slice. One that is undecided is told and holds nothing up: small slices
    often are.
    """
    if evidence.identical:
        return []
    task, (labels, old, new) = evidence.task, evidence.arrays()
    slices = slices_of(evidence.rows, task, most_values=policy.slice_values, least_n=policy.slice_least_n)
    differences = [
        example_difference(
            task, labels[part.members], old[part.members], new[part.members], policy.confidence
        )
        for part in slices
    ]
    margin = policy.slice_margin * SLICE_UNIT_OF_KINDS[task.kind](labels)
    turned = [better(task, task.facts.example_score, difference) for difference in differences]
    verdicts = slice_verdicts(turned, margin, policy.confidence)
    return [
        Finding(
            part.name,
            evidence.role,
            int(part.members.sum()),
            difference.old,
            difference.new,
            difference,
            f"no worse by {margin:.3g}",
            verdict,
            decides=verdict == "worse",
        )
        for part, difference, verdict in zip(slices, differences, verdicts, strict=True)
    ]


# What `slice_margin` is a share of: of errors in the labels' own unit, the labels' standard deviation.
SLICE_UNIT_OF_KINDS: dict[Kind, Callable[[np.ndarray], float]] = {
    "classification": lambda _: 1.0,
    "regression": lambda labels_N: float(labels_N.std()),
    "multi-label": lambda _: 1.0,
}


def reason_of(finding: Finding) -> str:
    where = f"{finding.role}: " if finding.role else ""
    said = {"worse": "is worse", "undecided": "may or may not be worse"}[finding.verdict]
    if finding.difference is None:
        return f"{where}{finding.what} is {finding.new:.4g}, and the policy says {finding.rule}"
    low, high = finding.difference.low, finding.difference.high
    return f"{where}{finding.what} {said}: {finding.difference.difference:+.3f} [{low:+.3f}, {high:+.3f}]"
