"""The rules of the gate: what is shown to be no worse, what is shown to be worse, and what cannot be told.

A new model is not worse than the old one by more than the margin where the whole interval of their
difference lies above minus the margin (a test of non-inferiority: Piaggio et al., JAMA 2012). It is worse
where the whole interval lies below zero. Otherwise the examples do not tell.
"""

from typing import Literal, NamedTuple

from stages.lib.statistics.paired import Difference, holm

Verdict = Literal["pass", "worse", "undecided"]

EXIT_STATUS = {"pass": 0, "worse": 1, "undecided": 2, "incomparable": 3}


class Finding(NamedTuple):
    """One rule of the policy, applied."""

    what: str  # accuracy, churn, place = Oslo ...
    role: str | None
    n: int | None
    old: float | None
    new: float | None
    difference: Difference | None
    rule: str  # in words
    verdict: Verdict
    decides: bool = True  # if not, it is reported and holds nothing up


def non_inferior(difference: Difference, margin: float) -> Verdict:
    if difference.low > -margin:
        return "pass"
    return "worse" if difference.high < 0 else "undecided"


def slice_verdicts(differences: list[Difference], margin: float, confidence: float) -> list[Verdict]:
    """The same for many slices at once: one is worse where Holm's correction still says so."""
    corrected = holm([difference.p for difference in differences])
    verdicts: list[Verdict] = []
    for difference, p in zip(differences, corrected, strict=True):
        if difference.low > -margin:
            verdicts.append("pass")
        else:
            verdicts.append("worse" if difference.difference < 0 and p < 1 - confidence else "undecided")
    return verdicts


def within(value: float, *, floor: float | None = None, ceiling: float | None = None) -> Verdict:
    below = floor is not None and value < floor
    above = ceiling is not None and value > ceiling
    return "worse" if below or above else "pass"


def overall(findings: list[Finding]) -> Verdict:
    """The worst of those that decide."""
    return worst({finding.verdict for finding in findings if finding.decides})


def worst(verdicts: set[Verdict]) -> Verdict:
    order: tuple[Verdict, ...] = ("worse", "undecided")
    return next((verdict for verdict in order if verdict in verdicts), "pass")
