"""All findings of a role, in the order of what they would gain."""

from collections.abc import Callable

from stages.lib.pages.failure_findings import confusion_findings, slice_findings, word_findings
from stages.lib.pages.findings import Finding, ranked
from stages.lib.pages.label_findings import contradiction_findings, label_findings
from stages.lib.pages.model_findings import baseline_findings, change_findings, growth_findings
from stages.lib.pages.on_role import OnRole, View

FINDERS: list[Callable[[OnRole], list[Finding]]] = [
    label_findings,
    contradiction_findings,
    slice_findings,
    confusion_findings,
    word_findings,
    baseline_findings,
    growth_findings,
]


def findings(on: OnRole, changes: View) -> list[Finding]:
    """`changes` is metrics/robustness.json, or empty."""
    return ranked([finding for find in FINDERS for finding in find(on)] + change_findings(on, changes))
