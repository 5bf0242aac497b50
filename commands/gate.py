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
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
import typer

from commands.lib.evidence import Evidence, gather, growth
from commands.lib.findings import limit, reason_of, role_findings, slice_findings
from commands.lib.flipped import flipped, flips_sentence
from commands.lib.judgement import Judgement, as_json, as_markdown, as_text, incomparable
from commands.lib.planning import Rules, plan
from commands.lib.policy import Params, policy_of
from commands.lib.runs import LOCK, MODEL, PARAMS, SPLITS, WORKSPACE, Run, changed, opened
from commands.lib.verdicts import EXIT_STATUS, Finding, overall
from stages.lib.exceptions import TextrailError
from stages.lib.paired import combinations, flips_of
from stages.lib.stage import run
from stages.lib.tables import in_use, write_json, write_text
from stages.split import copy_keys


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
    findings: list[Finding] = []
    slices: list[Finding] = []
    for evidence in found:
        findings += role_findings(evidence, policy)
        slices += slice_findings(evidence, policy)
    findings += run_findings(old, new, policy)
    identical = all(evidence.identical for evidence in found)
    verdict = "pass" if identical else overall(findings + slices)
    reasons = [reason_of(f) for f in findings + slices if f.decides and f.verdict != "pass"]
    changes = changed(policy.model_dump(), policy_of(new).model_dump())
    return Judgement(
        verdict=verdict,
        old=old.title,
        new=new.title,
        reasons=["the predictions are the same, one by one"] if identical else reasons,
        notes=[note for evidence in found for note in notes_of(evidence, old)] + policy_notes(changes, old),
        findings=findings,
        slices=sorted(slices, key=lambda finding: finding.difference.difference if finding.difference else 0),
        growth={evidence.role: growth(evidence) for evidence in found if evidence.grown},
        flips={evidence.role: flips_told(evidence, policy) for evidence in found if not evidence.identical},
        policy=policy.model_dump(),
        policy_changes=changes,
        hashes={run.title: dict(sorted(run.hashes.items())) for run in (old, new)},
        undecided_allowed=undecided,
    )


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
        apart = evidence.new_class
        right = (apart["predicted"] == apart["label"]).sum()
        classes = ", ".join(apart["label"].unique().sort())
        notes.append(
            f"{role}: new class {classes}: {right:,} of {len(apart):,} right; "
            f"left out of the comparison, as {old.title} does not know it"
        )
    return notes


def policy_notes(changes: dict[str, tuple[object, object]], old: Run) -> list[str]:
    if not changes:
        return []
    listed = ", ".join(f"{name} {before} -> {after}" for name, (before, after) in changes.items())
    return [f"the candidate changes the policy ({listed}); it was judged by that of {old.title}"]


def flips_told(evidence: Evidence, policy: Params) -> dict[str, Any]:
    labels_N, *answers = (evidence.numbers(name) for name in ("label", "old_predicted", "predicted"))
    counts = flips_of(combinations(labels_N, np.stack(answers)))
    told = {"line": f"{evidence.role}: {flips_sentence(counts, len(labels_N))}", "numbers": counts._asdict()}
    return told | flipped(evidence.rows, policy.examples, policy.texts)


def plans(old: Run, new: Run, policy: Params) -> list[str]:
    """A page for each role."""
    rules = Rules(policy.margins, policy.confidence, policy.seed)
    return [plan(gather(old, new, policy.model, role, accept=True), rules) for role in policy.roles]


if __name__ == "__main__":
    # a command line that cannot be understood: typer exits with 2 there, which is a verdict here
    usage_error: Any = typer.BadParameter.__base__
    usage_error.exit_code = EXIT_STATUS["incomparable"]
    run(main)
