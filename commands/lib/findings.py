"""The rules of the policy, each applied to what was gathered."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from commands.lib.evidence import Evidence
from commands.lib.policy import Params
from commands.lib.verdicts import Finding, non_inferior, slice_verdicts, within
from stages.lib.exceptions import RunError
from stages.lib.paired import accuracy_difference, combinations, compare, flips_of
from stages.lib.probabilities import expected_calibration_error
from stages.lib.slices import slices_of


def role_findings(evidence: Evidence, policy: Params) -> Iterator[Finding]:
    """The scores against their margins and floors, and the ceilings on a role's predictions."""
    role, n = evidence.role, len(evidence.rows)
    numbers = [evidence.numbers(name) for name in ("label", "old_predicted", "predicted")]
    found = compare(
        evidence.task,
        *numbers,
        resamples=policy.resamples,
        confidence=policy.confidence,
        seed=policy.seed,
    )
    for name in (*policy.margins, *policy.floors):
        if name not in found:
            raise RunError(f"gate: no score '{name}' for this task; it has {', '.join(found)}")
    for name, margin in policy.margins.items():
        verdict = "pass" if evidence.identical else non_inferior(found[name], margin)
        values = found[name].old, found[name].new, found[name]
        yield Finding(name, role, n, *values, f"no worse by {margin:g}", verdict)
    for name, floor in policy.floors.items():
        yield limit(name, role, n, found[name].old, found[name].new, floor=floor)
    errors = (top_label_error(evidence.rows, model, policy.calibration_bins) for model in ("old_", ""))
    yield limit("ece", role, n, *errors, ceiling=policy.ceilings.ece)
    churn = flips_of(combinations(numbers[0], np.stack(numbers[1:]))).changed / n
    yield limit("churn", role, n, None, churn, ceiling=policy.ceilings.churn)


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
    """Accuracy by slice. One that is undecided is told and holds nothing up: small slices often are."""
    if evidence.identical:
        return []
    slices = slices_of(
        evidence.rows, evidence.task, most_values=policy.slice_values, least_n=policy.slice_least_n
    )
    labels_N, old_N, new_N = (evidence.numbers(name) for name in ("label", "old_predicted", "predicted"))
    differences = []
    for part in slices:
        answers = np.stack([old_N, new_N])[:, part.members]
        found = combinations(labels_N[part.members], answers)
        differences.append(accuracy_difference(found, policy.confidence))
    verdicts = slice_verdicts(differences, policy.slice_margin, policy.confidence)
    rule = f"no worse by {policy.slice_margin:g}"
    return [
        Finding(
            part.name,
            evidence.role,
            int(part.members.sum()),
            difference.old,
            difference.new,
            difference,
            rule,
            verdict,
            decides=verdict == "worse",
        )
        for part, difference, verdict in zip(slices, differences, verdicts, strict=True)
    ]


def reason_of(finding: Finding) -> str:
    where = f"{finding.role}: " if finding.role else ""
    said = {"worse": "is worse", "undecided": "may or may not be worse"}[finding.verdict]
    if finding.difference is None:
        return f"{where}{finding.what} is {finding.new:.4g}, and the policy says {finding.rule}"
    low, high = finding.difference.low, finding.difference.high
    return f"{where}{finding.what} {said}: {finding.difference.difference:+.3f} [{low:+.3f}, {high:+.3f}]"
