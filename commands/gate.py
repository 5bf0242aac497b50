"""May this be merged? `python -m commands.gate --against main`

Judges the candidate (by default what lies in the workspace) against the run of another revision, on the same
examples, by the policy in that revision's params.yaml: a branch cannot loosen its own gate. Exit status:

0  pass: shown to be no worse than the margins allow; floors and ceilings hold
1  worse, or below a floor, or above a ceiling
2  cannot tell: the examples show neither; --allow-undecided turns that into 0, and says so
3  could not compare: no such revision, a missing or corrupt file, old examples that are not what they were

It writes reports/gate.md, fit for a pull request's comment, and metrics/gate.json, with the SHA-256 of all
that was judged. `--plan` judges nothing: it says how often the policy would err at this number of examples.
"""

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from commands.lib import approximate, planning
from commands.lib.evidence import Evidence, gather, growth
from commands.lib.findings import limit, reason_of, role_findings, slice_findings
from commands.lib.flipped import change_sentence, flipped
from commands.lib.judgement import Judgement, as_json, as_markdown, as_text, incomparable
from commands.lib.planning import Rules
from commands.lib.policy import Limits, Params, limits_for, policy_of
from commands.lib.runs import LOCK, MODEL, PARAMS, SPLITS, WORKSPACE, Run, changed, opened
from commands.lib.verdicts import EXIT_STATUS, Finding, overall
from stages.lib.exceptions import TextrailError
from stages.lib.kinds import Kind
from stages.lib.splits.copy_keys import copy_keys
from stages.lib.stage import run
from stages.lib.statistics.paired import better, flips
from stages.lib.tables import in_use, write_json, write_text
from stages.lib.task import Task


def main(
    *,
    against: Annotated[str, typer.Option(help="branch, tag, commit or experiment: the baseline")] = "main",
    candidate: Annotated[str, typer.Option(help="the same, or `workspace`")] = WORKSPACE,
    accept_new_test_set: Annotated[
        bool, typer.Option("--accept-new-test-set", help="old test examples were removed, edited, relabelled")
    ] = False,
    allow_undecided: Annotated[
        bool, typer.Option("--allow-undecided", help="exit 0 where the examples cannot tell")
    ] = False,
    plan_only: Annotated[bool, typer.Option("--plan", help="how often the policy errs, at this n")] = False,
    markdown: Annotated[Path, typer.Option(help="the page for a pull request")] = Path("reports/gate.md"),
    verdict: Annotated[Path, typer.Option(help="the same as JSON")] = Path("metrics/gate.json"),
) -> None:
    """Answer whether the candidate may be merged."""
    try:
        with opened(against, candidate) as (old, new):
            policy = policy_of(old)
            if plan_only:
                print("\n\n".join(plans(old, new, policy)))
                return
            judgement = judge(old, new, policy, accept=accept_new_test_set, undecided=allow_undecided)
    except TextrailError as error:
        judgement = incomparable(against, candidate, str(error))
    except Exception:  # a crash must not read as a verdict
        traceback.print_exc()
        judgement = incomparable(against, candidate, "the gate itself failed; its traceback stands above")
    raise typer.Exit(told(judgement, markdown, verdict))


def told(judgement: Judgement, markdown: Path, verdict: Path) -> int:
    """Writes and prints it; returns the exit status, which is 3 where it cannot be written."""
    try:
        write_text(as_markdown(judgement), markdown)
        write_json(as_json(judgement), verdict)
    except OSError as error:
        print(f"gate: {error.filename}: cannot be written ({error.strerror}): no verdict", file=sys.stderr)
        return EXIT_STATUS["incomparable"]
    print(as_text(judgement))
    return judgement.exit_status


def judge(old: Run, new: Run, policy: Params, *, accept: bool, undecided: bool) -> Judgement:
    """Raises RunError."""
    for side in (old, new):
        for path in (PARAMS, LOCK):  # for their hashes; the lock has those of everything else
            side.read(path)
    found = [gather(old, new, policy.model, role, accept=accept) for role in policy.roles]
    task = found[0].task
    limits = limits_for(policy, task, old.title)
    findings: list[Finding] = []
    slices: list[Finding] = []
    for evidence in found:
        findings += role_findings(evidence, limits, policy)
        slices += slice_findings(evidence, policy)
    findings += run_findings(old, new, policy)
    identical = all(evidence.identical for evidence in found)
    verdict = "pass" if identical else overall(findings + slices)
    reasons = [reason_of(f) for f in findings + slices if f.decides and f.verdict != "pass"]
    changes = changed(policy.model_dump(), policy_of(new).model_dump())
    notes = [note for evidence in found for note in notes_of(evidence, old)]
    return Judgement(
        verdict=verdict,
        kind=task.kind,
        old=old.title,
        new=new.title,
        reasons=["the predictions are the same, one by one"] if identical else reasons,
        notes=notes + policy_notes(changes, limits, task, old),
        findings=findings,
        slices=sorted(slices, key=lambda finding: gain_of(finding, task)),
        growth={evidence.role: growth(evidence) for evidence in found if evidence.grown},
        flips={evidence.role: flips_told(evidence, policy) for evidence in found if not evidence.identical},
        policy=policy.model_dump(),
        policy_changes=changes,
        hashes={run.title: dict(sorted(run.hashes.items())) for run in (old, new)},
        undecided_allowed=undecided,
    )


def gain_of(finding: Finding, task: Task) -> float:
    """By how much a slice got better."""
    if finding.difference is None:
        return 0.0
    return better(task, task.facts.example_score, finding.difference).difference


def run_findings(old: Run, new: Run, policy: Params) -> list[Finding]:
    """The ceilings on the data and the model as a whole."""
    megabytes = [side.size(MODEL) / 1e6 for side in (old, new)]
    return [
        leak_finding(old, new, policy),
        limit("model_megabytes", None, None, *megabytes, ceiling=policy.ceilings.model_megabytes),
    ]


def leak_finding(old: Run, new: Run, policy: Params) -> Finding:
    """Texts of the judged roles, either run's, that stand in training.

    Those that the old run has there too are a benchmark's own (`copies: report`): only further ones count.
    """
    judged = set().union(*(keys_of(side, policy.roles) for side in (old, new)))
    before, after = (judged & keys_of(side, ["train"]) for side in (old, new))
    further = limit("", None, None, None, len(after - before), ceiling=policy.ceilings.leaked_copies)
    rule = f"{further.rule} further" if further.decides else further.rule
    return further._replace(what="leaked_copies", old=len(before), new=len(after), rule=rule)


def keys_of(side: Run, roles: list[str]) -> set[str]:
    rows = in_use(side.table(SPLITS)).filter(pl.col("role").is_in(roles))
    return set(copy_keys(rows, side.task()))


def notes_of(evidence: Evidence, old: Run) -> list[str]:
    changes, role = evidence.changes, evidence.role
    names = ("added", "removed", "relabelled", "edited")
    counts = [f"{len(getattr(changes, name)):,} {name}" for name in names if len(getattr(changes, name))]
    notes = [f"{role}: of the examples {', '.join(counts)} since {old.title}"] if counts else []
    if evidence.trained_on:
        notes.append(
            f"{role}: {evidence.trained_on:,} examples were in the training rows of {old.title}, "
            "which favours it"
        )
    if len(evidence.new_class):
        notes.append(new_class_note(evidence, old))
    return notes


def new_class_note(evidence: Evidence, old: Run) -> str:
    apart, known = evidence.new_class, old.task().labels
    right = (apart["predicted"] == apart["label"]).sum()
    names = apart["label"].explode() if isinstance(apart["label"].dtype, pl.List) else apart["label"]
    classes = ", ".join(name for name in names.unique().sort() if name not in known)
    return (
        f"{evidence.role}: new class {classes}: {right:,} of {len(apart):,} right; "
        f"left out of the comparison, as {old.title} does not know it"
    )


def policy_notes(
    changes: dict[str, tuple[object, object]], limits: Limits, task: Task, old: Run
) -> list[str]:
    notes = []
    if limits.others:
        named = ", ".join(limits.others)
        notes.append(f"of the policy {named} decide nothing: they are not for a {task.kind} task")
    if changes:
        listed = ", ".join(f"{name} {before} -> {after}" for name, (before, after) in changes.items())
        notes.append(f"the candidate changes the policy ({listed}); it was judged by that of {old.title}")
    return notes


def flips_told(evidence: Evidence, policy: Params) -> dict[str, Any]:
    task, arrays = evidence.task, evidence.arrays()
    counts = flips(task, *arrays)
    told = {
        "line": f"{evidence.role}: {change_sentence(task, *arrays)}",
        "numbers": None if counts is None else counts._asdict(),
    }
    return told | flipped(task.kind, evidence.rows, policy.examples, policy.texts)


def plans(old: Run, new: Run, policy: Params) -> list[str]:
    """A page for each role."""
    found = [gather(old, new, policy.model, role, accept=True) for role in policy.roles]
    margins = limits_for(policy, found[0].task, old.title).margins
    rules = Rules(margins, policy.confidence, policy.seed)
    return [PLAN_OF_KINDS[evidence.task.kind](evidence, rules) for evidence in found]


PLAN_OF_KINDS: dict[Kind, Callable[[Evidence, Rules], str]] = {
    "classification": planning.plan,
    "regression": approximate.plan,
    "multi-label": approximate.plan,
}


if __name__ == "__main__":
    # a command line that cannot be understood: typer exits with 2 there, which is a verdict here
    usage_error: Any = typer.BadParameter.__base__
    usage_error.exit_code = EXIT_STATUS["incomparable"]
    run(main)
