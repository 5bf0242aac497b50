"""The gate's answer, and how it is shown: on the terminal, as a pull request's comment, as JSON.

Texts and names from the data are only shown: the page escapes them, the terminal gets them without control
characters.
"""

from typing import Any, NamedTuple

from commands.lib.flipped import lines_of, tables_of
from commands.lib.terminal import as_interval, columns, cut, score_name, visible
from commands.lib.verdicts import EXIT_STATUS, Finding
from stages.lib.kinds import KINDS, Kind
from stages.lib.pages.pages import markdown_page

VERDICT_LINES = {
    "pass": "PASS: {new} may be merged over {old}",
    "worse": "WORSE: {new} must not be merged over {old}",
    "undecided": "CANNOT TELL whether {new} is worse than {old}",
    "incomparable": "COULD NOT COMPARE {new} with {old}",
}
MARKS = {"pass": "pass", "worse": "WORSE", "undecided": "cannot tell"}
WORST_SLICES = 5
LONGEST_NAME = 36  # of a slice, in a table


class Judgement(NamedTuple):
    verdict: str  # pass, worse, undecided, incomparable
    kind: Kind | None  # of the task; None where nothing could be compared
    old: str
    new: str
    reasons: list[str]
    notes: list[str]  # what is told and decides nothing
    findings: list[Finding]
    slices: list[Finding]  # the worst first
    growth: dict[str, Any]  # role -> score -> change, data, model
    flips: dict[str, Any]  # role -> `line`, `numbers` (None where answers are numbers), examples each way
    policy: dict[str, Any]
    policy_changes: dict[str, tuple[Any, Any]]  # what the candidate would make of the policy
    hashes: dict[str, dict[str, str]]  # run -> path -> SHA-256
    undecided_allowed: bool

    @property
    def exit_status(self) -> int:
        if self.verdict == "undecided" and self.undecided_allowed:
            return 0
        return EXIT_STATUS[self.verdict]

    @property
    def line(self) -> str:
        line = VERDICT_LINES[self.verdict].format(old=self.old, new=self.new)
        if self.verdict == "undecided" and self.undecided_allowed:
            line += "; let through by --allow-undecided"
        return line


def incomparable(old: str, new: str, reason: str) -> Judgement:
    return Judgement("incomparable", None, old, new, [reason], [], [], [], {}, {}, {}, {}, {}, False)


def as_json(judgement: Judgement) -> dict[str, Any]:
    content = judgement._asdict()
    for name in ("findings", "slices"):
        content[name] = [_plain(finding) for finding in content[name]]
    content["policy_changes"] = {
        name: {"old": old, "new": new} for name, (old, new) in judgement.policy_changes.items()
    }
    return content | {"exit_status": judgement.exit_status, "line": judgement.line}


def _plain(finding: Finding) -> dict[str, Any]:
    difference = finding.difference
    return finding._asdict() | {"difference": None if difference is None else difference._asdict()}


def as_markdown(judgement: Judgement) -> str:
    return markdown_page("gate.md", _view(judgement))


def as_text(judgement: Judgement) -> str:
    """Lines for a terminal."""
    view = _view(judgement)
    lines = [judgement.line, *(f"  {reason}" for reason in judgement.reasons)]
    if view["findings"]:
        lines += ["", *columns([HEADER, *view["findings"]])]
    if view["slices"]:
        lines += ["", "worst slices", *columns([HEADER, *view["slices"]])]
    if view["growth"]:
        lines += ["", *view["growth"]]
    for flips in view["flips"]:
        lines += ["", flips["line"], *flips["lines"]]
    if judgement.notes:
        lines += ["", *(f"note: {note}" for note in judgement.notes)]
    return "\n".join(visible(line) for line in lines)


HEADER = ("role", "what", "n", "old", "new", "difference", "rule", "verdict")


def _view(judgement: Judgement) -> dict[str, Any]:
    nothing: dict[str, Any] = {"findings": [], "slices": [], "growth": [], "flips": []}
    return {
        "line": judgement.line,
        "reasons": judgement.reasons,
        "notes": judgement.notes,
        "header": HEADER,
        "slice_count": len(judgement.slices),
        "hashes": judgement.hashes,
    } | (nothing if judgement.kind is None else _compared(judgement, judgement.kind))


def _compared(judgement: Judgement, kind: Kind) -> dict[str, Any]:
    return {
        "findings": [_row(finding, score_name(kind, finding.what)) for finding in judgement.findings],
        "slices": [_row(finding, finding.what) for finding in judgement.slices[:WORST_SLICES]],
        "growth": [
            growth_sentence(kind, role, name, parts)
            for role, of_role in judgement.growth.items()
            for name, parts in of_role.items()
            if name in judgement.policy["margins"]
        ],
        "flips": [_flips_shown(kind, told) for told in judgement.flips.values()],
    }


def _flips_shown(kind: Kind, told: dict[str, Any]) -> dict[str, Any]:
    examples = {name: found for name, found in told.items() if name not in ("line", "numbers")}
    return {"line": told["line"], "tables": tables_of(kind, examples), "lines": lines_of(kind, examples)}


def _row(finding: Finding, what: str) -> tuple[str, ...]:
    difference = finding.difference
    shown = ""
    if difference is not None:
        shown = as_interval(difference.difference, difference.low, difference.high)
    undecided = finding.verdict == "undecided" and not finding.decides
    verdict = MARKS[finding.verdict] + (" (told only)" if undecided else "")
    n = "" if finding.n is None else f"{finding.n:,}"
    values = _number(finding.old), _number(finding.new)
    return (finding.role or "", cut(what, LONGEST_NAME), n, *values, shown, finding.rule, verdict)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def growth_sentence(kind: Kind, role: str, name: str, parts: dict[str, float]) -> str:
    """`test accuracy: -0.8 points: -1.1 from new rows, +0.3 from the model`; of errors in their own unit."""
    if name in KINDS[kind].lower_is_better:
        change, data, model = (f"{parts[key]:+.3f}" for key in ("change", "data", "model"))
        return f"{role} {score_name(kind, name)}: {change}: {data} from new rows, {model} from the model"
    change, data, model = (f"{100 * parts[key]:+.1f}" for key in ("change", "data", "model"))
    return f"{role} {name}: {change} points: {data} from new rows, {model} from the model"
