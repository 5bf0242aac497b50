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
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
import typer
from pydantic import Field

from commands.lib.evidence import Evidence, gather, growth
from commands.lib.flipped import flipped, flips_sentence
from commands.lib.judgement import Judgement, as_json, as_markdown, as_text, incomparable
from commands.lib.planning import Rules, plan
from commands.lib.runs import LOCK, MODEL, PARAMS, SPLITS, WORKSPACE, Run, changed, opened
from commands.lib.verdicts import EXIT_STATUS, Finding, non_inferior, overall, slice_verdicts, within
from stages.lib.config import StrictModel, read_config
from stages.lib.exceptions import ConfigError, RunError, TextrailError
from stages.lib.paired import accuracy_difference, combinations, compare, flips_of
from stages.lib.params import StageParams, load_params
from stages.lib.probabilities import expected_calibration_error
from stages.lib.slices import slices_of
from stages.lib.stage import run
from stages.lib.tables import in_use, write_json, write_text
from stages.split import copy_keys


class Ceilings(StrictModel):
    ece: float | None = Field(ge=0)
    leaked_copies: int | None = Field(ge=0)
    churn: float | None = Field(ge=0)
    model_megabytes: float | None = Field(gt=0)


class Params(StageParams):
    model: str
    roles: list[str] = Field(min_length=1)
    confidence: float = Field(gt=0, lt=1)
    resamples: int = Field(ge=100)
    seed: int
    margins: dict[str, float]
    floors: dict[str, float]
    slice_margin: float = Field(ge=0)
    slice_least_n: int = Field(ge=2)
    slice_values: int = Field(ge=1)
    calibration_bins: int = Field(ge=2)
    ceilings: Ceilings
    texts: Literal["full", "redacted", "ids"]
    examples: int = Field(ge=0)


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
    """Prints and writes it; returns the exit status, which is 3 where it cannot be written."""
    print(as_text(judgement))
    try:
        write_text(as_markdown(judgement), markdown)
        write_json(as_json(judgement), verdict)
    except OSError as error:
        print(f"gate: {error.filename}: cannot be written ({error.strerror}): no verdict", file=sys.stderr)
        return EXIT_STATUS["incomparable"]
    return judgement.exit_status


def policy_of(side: Run) -> Params:
    """Raises RunError, or of the workspace's ConfigError."""
    content = side.read(PARAMS)
    if side.name == WORKSPACE:
        return load_params("gate", Params)
    with TemporaryDirectory() as folder:
        copy = Path(folder) / PARAMS
        copy.write_bytes(content)
        try:
            return read_config(copy, Params, "gate")
        except ConfigError as error:
            told = str(error).replace(str(copy), PARAMS)
            raise RunError(f"{side.title}: no policy to judge by: {told}") from None


def judge(old: Run, new: Run, policy: Params, *, accept: bool, undecided: bool) -> Judgement:
    """Raises RunError."""
    for side in (old, new):
        for path in (PARAMS, LOCK):  # for their hashes; the lock has those of everything else
            side.read(path)
    found = [gather(old, new, policy.model, role, accept=accept) for role in policy.roles]
    findings, slices = [], []
    for evidence in found:
        findings += role_findings(evidence, policy)
        slices += slice_findings(evidence, policy)
    findings += run_findings(old, new, policy)
    findings += [finding for finding in slices if finding.verdict == "worse"]
    identical = all(evidence.identical for evidence in found)
    verdict = "pass" if identical else overall(findings)
    reasons = [reason_of(finding) for finding in findings if finding.decides and finding.verdict != "pass"]
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


def role_findings(evidence: Evidence, policy: Params) -> list[Finding]:
    """The scores against their margins and floors, and the ceilings on a role's predictions."""
    role, n, rows = evidence.role, len(evidence.rows), evidence.rows
    numbers = [evidence.numbers(name) for name in ("label", "old_predicted", "predicted")]
    differences = compare(
        evidence.task,
        *numbers,
        resamples=policy.resamples,
        confidence=policy.confidence,
        seed=policy.seed,
    )
    for name in (*policy.margins, *policy.floors):
        if name not in differences:
            raise RunError(f"gate: no score '{name}' for this task; it has {', '.join(differences)}")
    margins = [
        Finding(
            name,
            role,
            n,
            differences[name].old,
            differences[name].new,
            differences[name],
            f"no worse by {margin:g}",
            "pass" if evidence.identical else non_inferior(differences[name], margin),
        )
        for name, margin in policy.margins.items()
    ]
    flips = flips_of(combinations(numbers[0], np.stack(numbers[1:])))
    eces = (top_label_error(rows, model, policy.calibration_bins) for model in ("old_", ""))
    return [
        *margins,
        *(
            limit(name, role, n, differences[name].old, differences[name].new, floor=floor)
            for name, floor in policy.floors.items()
        ),
        limit("ece", role, n, *eces, ceiling=policy.ceilings.ece),
        limit("churn", role, n, None, flips.changed / n, ceiling=policy.ceilings.churn),
    ]


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


def run_findings(old: Run, new: Run, policy: Params) -> list[Finding]:
    """The ceilings on the data and the model as a whole."""
    megabytes = [run.size(MODEL) / 1e6 for run in (old, new)]
    leaked = leaked_copies(old, new, policy.roles)
    return [
        limit("leaked_copies", None, None, None, leaked, ceiling=policy.ceilings.leaked_copies),
        limit("model_megabytes", None, None, *megabytes, ceiling=policy.ceilings.model_megabytes),
    ]


def leaked_copies(old: Run, new: Run, roles: list[str]) -> int:
    """Texts of the judged roles, the old run's and the new one's, that the new model was trained on."""
    judged: set[str] = set()
    for side in (old, new):
        rows = in_use(side.table(SPLITS)).filter(pl.col("role").is_in(roles))
        judged |= set(copy_keys(rows, side.task()))
    trained = in_use(new.table(SPLITS)).filter(pl.col("role") == "train")
    return len(judged & set(copy_keys(trained, new.task())))


def slice_findings(evidence: Evidence, policy: Params) -> list[Finding]:
    """Accuracy by slice. One that is undecided is reported and holds nothing up: small slices often are."""
    slices = slices_of(
        evidence.rows, evidence.task, most_values=policy.slice_values, least_n=policy.slice_least_n
    )
    labels_N, old_N, new_N = (evidence.numbers(name) for name in ("label", "old_predicted", "predicted"))
    differences = [
        accuracy_difference(
            combinations(labels_N[part.members], np.stack([old_N, new_N])[:, part.members]), policy.confidence
        )
        for part in slices
    ]
    verdicts = slice_verdicts(differences, policy.slice_margin, policy.confidence)
    return [
        Finding(
            part.name,
            evidence.role,
            int(part.members.sum()),
            difference.old,
            difference.new,
            difference,
            f"accuracy no worse by {policy.slice_margin:g}",
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
