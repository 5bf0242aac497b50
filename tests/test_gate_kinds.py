"""What the gate says of regressions and of several labels an example, and how one policy is for all kinds."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from commands.gate import judge
from commands.lib.judgement import Judgement, as_json, as_markdown, as_text
from commands.lib.policy import Ceilings, Params, limits_for
from commands.lib.verdicts import Finding
from stages.lib.exceptions import RunError
from stages.lib.kinds import KINDS, Kind
from stages.lib.task import Task
from tests.judged import POLICY, Sides, params_yaml, policy
from tests.past_runs import TOPICS, Example, scored_of, topics_of, write_run
from tests.predicted import task_of
from tests.tiny import ROOT
from tests.tiny_model import write_model

REGRESSION, MULTI_LABEL = task_of(kind="regression"), task_of(TOPICS, kind="multi-label")
MARGINS = {"accuracy": 0.03, "macro_f1": 0.03, "micro_f1": 0.03, "pearson": 0.02}  # of every kind


@pytest.fixture
def sides(tmp_path: Path) -> Sides:
    return Sides(tmp_path)


def ceilings(**changed: float) -> dict[str, Any]:
    return {"ceilings": POLICY["ceilings"] | changed}


def scored(n: int = 600, noise: float = 0.3, seed: int = 0, shift: float = 0.0) -> list[Example]:
    """Labels of 0 to 5, and predictions that miss them by as much."""
    labels = np.random.default_rng(1).uniform(0, 5, n).round(1)
    answers = labels + np.random.default_rng(seed).normal(shift, noise, n)
    return scored_of(labels.tolist(), answers.tolist())


def topics(n: int = 600, missed: int = 0) -> list[Example]:
    """Examples of fire, of both flood and storm, and of none; of the first the model says none at all."""
    labels = ["f", "ws", "-"] * (n // 3)
    return topics_of(" ".join(labels), " ".join(["-"] * missed + labels[missed:]))


def row_of(found: Judgement, what: str) -> Finding:
    return next(finding for finding in found.findings if finding.what == what)


def test_a_regression_is_judged_by_the_margins_that_are_for_it(sides: Sides) -> None:
    old, new = scored(seed=1), scored(seed=2)
    rules = policy(margins=MARGINS, floors={"accuracy": 0.9}, **ceilings(ece=0.0, churn=0.0))
    found = sides.judged(old, new, rules, task=REGRESSION)
    assert found.verdict == "pass"
    assert [finding.what for finding in found.findings] == ["pearson", "leaked_copies", "model_megabytes"]
    assert found.notes[0] == (
        "of the policy accuracy, macro_f1, micro_f1, ece, churn decide nothing: "
        "they are not for a regression task"
    )


def test_a_regression_that_is_worse_does_not_pass(sides: Sides) -> None:
    found = sides.judged(scored(), scored(noise=0.9), policy(margins=MARGINS), task=REGRESSION)
    assert (found.verdict, found.exit_status) == ("worse", 1)
    assert found.reasons[0].startswith("test: pearson is worse: -0.")


@pytest.mark.slow
def test_a_lower_error_is_better_and_a_higher_one_worse(sides: Sides) -> None:
    """The margin is in the labels' unit."""
    rules = policy(margins={"mae": 0.05})
    assert sides.judged(scored(noise=0.9), scored(), rules, task=REGRESSION).verdict == "pass"
    worse = sides.judged(scored(), scored(noise=0.9), rules, task=REGRESSION)
    assert worse.reasons[0].startswith("test: mae is worse: +0.")
    assert "mae (lower is better)" in as_text(worse)
    assert sides.judged(scored(), scored(noise=0.31), rules, task=REGRESSION).verdict == "pass"


def test_an_error_has_a_ceiling_and_no_floor(sides: Sides) -> None:
    rules = policy(margins=MARGINS, **ceilings(mae=0.2))
    found = sides.judged(scored(seed=1), scored(seed=2), rules, task=REGRESSION)
    assert len(found.reasons) == 1
    assert found.reasons[0].startswith("test: mae is 0.2")
    assert found.reasons[0].endswith("and the policy says at most 0.2")
    with pytest.raises(ValidationError, match=r"of mae the less is the better: give it a ceiling"):
        policy(floors={"mae": 0.2})


def test_slices_of_a_regression_are_judged_on_mae_in_standard_deviations(sides: Sides) -> None:
    """The same error everywhere moves no correlation; the labels' s.d. is 1.42, so 0.1 of it is 0.142."""
    found = sides.judged(scored(), scored(shift=0.5), policy(margins=MARGINS), task=REGRESSION)
    assert row_of(found, "pearson").verdict == "pass"
    assert found.verdict == "worse"
    assert {finding.rule for finding in found.slices} == {"no worse by 0.142"}
    changes = [finding.difference.difference for finding in found.slices if finding.difference]
    assert changes == sorted(changes, reverse=True)  # the worst first
    assert found.reasons[0].startswith("test: label = ")


def test_a_correlation_of_a_constant_cannot_be_compared(sides: Sides) -> None:
    constant = [(name, text, label, 2.5) for name, text, label, _ in scored()]
    with pytest.raises(
        RunError, match=r"test: pearson of the new model is undefined: every prediction is 2\.5"
    ):
        sides.judged(scored(), constant, policy(margins=MARGINS), task=REGRESSION)


def test_of_a_regression_those_are_shown_whose_error_changed_most(sides: Sides) -> None:
    old = scored_of([1, 2, 3, 4], [1, 2, 3, 5])
    new = scored_of([1, 2, 3, 4], [1.5, 4, 3, 4.25])
    found = sides.judged(old, new, policy(margins=MARGINS), task=REGRESSION)
    told = found.flips["test"]
    assert told["line"] == "test: of 4 predictions the error grew on 2 and shrank on 1"
    assert told["numbers"] is None
    assert [(example["id"], example["change"]) for example in told["worse"]] == [("e1", 2.0), ("e0", 0.5)]
    assert "  better by 0.750 e3: 4.000; was 5.000; now 4.250  text e 3" in as_text(found)
    assert "| e3 | 0.750 | 4.000 | 5.000 | 4.250 | text e 3 |" in as_markdown(found)


@pytest.mark.slow
def test_several_labels_are_judged_as_a_set(sides: Sides) -> None:
    rules = policy(margins=MARGINS | {"subset_accuracy": 0.03}, **ceilings(ece=0.0))
    found = sides.judged(topics(missed=30), topics(missed=33), rules, task=MULTI_LABEL)
    assert found.verdict == "pass"
    assert row_of(found, "churn").new == pytest.approx(2 / 600)  # one of the three has no label anyway
    assert row_of(found, "subset_accuracy").old == pytest.approx(580 / 600)
    assert "ece" not in [finding.what for finding in found.findings]
    worse = sides.judged(topics(missed=30), topics(missed=120), rules, task=MULTI_LABEL)
    assert worse.verdict == "worse"
    assert "test: micro_f1 is worse" in worse.reasons[1]
    assert any(reason.startswith("test: label = storm is worse: -0.150") for reason in worse.reasons)


def test_of_several_labels_those_sets_are_shown_that_changed_most(sides: Sides) -> None:
    old, new = topics_of("f ws s ws", "f ws - w"), topics_of("f ws s ws", "w f s ws")
    found = sides.judged(old, new, policy(margins=MARGINS), task=MULTI_LABEL)
    told = found.flips["test"]
    assert told["line"] == "test: 4 of 4 sets of labels changed: 2 fixed, 2 broken"
    assert [(example["id"], example["change"]) for example in told["worse"]] == [("e1", 3), ("e0", 2)]
    assert "  worse by 3 labels e1: flood, storm; was flood, storm; now fire  text e 1" in as_text(found)
    assert "  better by 1 label e2: storm; was (none); now storm  text e 2" in as_text(found)


def test_the_same_logits_with_other_thresholds_are_not_the_same_predictions(tmp_path: Path) -> None:
    text = params_yaml(tmp_path, margins=MARGINS)
    old = write_run(tmp_path / "old", topics(), name="main", params=text, task=MULTI_LABEL)
    new = write_run(tmp_path / "new", topics(), name="branch", params=text, task=MULTI_LABEL, threshold=0.99)
    found = judge(old, new, policy(margins=MARGINS), accept=False, undecided=False)
    assert found.verdict == "worse"


def test_a_policy_without_a_margin_for_the_task_lets_nothing_through(sides: Sides) -> None:
    with pytest.raises(
        RunError,
        match=r"gate.margins: found accuracy, no score of a regression task, which has pearson, .*; "
        r"add one, such as `pearson: 0.02`, to params.yaml of main, whose policy counts",
    ):
        sides.judged(scored(), scored(), task=REGRESSION)


@pytest.mark.parametrize("section", ["margins", "floors"])
def test_a_score_that_no_kind_of_task_has_is_refused(section: str) -> None:
    with pytest.raises(ValidationError, match=r"a score 'pearsn'.*did you mean 'pearson'"):
        policy(**{section: {"accuracy": 0.03, "pearsn": 0.02}})


def test_every_error_can_have_a_ceiling() -> None:
    errors = {name for facts in KINDS.values() for name in facts.lower_is_better}
    assert errors <= set(Ceilings.model_fields)


def test_the_policy_that_comes_with_the_project_is_for_every_kind() -> None:
    params = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    rules = Params.model_validate(params["gate"])
    for kind in KINDS:
        assert limits_for(rules, task_of(kind=kind), "main").margins


def test_growth_of_an_error_is_in_its_own_unit(sides: Sides) -> None:
    """By hand: old 0.3 on four, 0.2 on the three that stay; new 0.1."""
    old = scored_of([1, 2, 3, 4], [1.2, 2.2, 3.2, 4.6])
    new = scored_of([1, 2, 3, 4], [1.1, 2.1, 3.1, 4.0])[:3]
    found = sides.judged(old, new, policy(margins={"mae": 0.1}), accept=True, task=REGRESSION)
    assert "test mae (lower is better): -0.200: -0.100 from new rows, -0.100 from the model" in as_text(found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "examples"),
    [(REGRESSION, [scored(seed=1), scored(seed=2)]), (MULTI_LABEL, [topics(missed=60), topics(missed=90)])],
    ids=["regression", "multi-label"],
)
def test_pages_and_json_have_every_kind(sides: Sides, task: Task, examples: list[list[Example]]) -> None:
    old, new = examples
    found = sides.judged(old, new, policy(margins=MARGINS), task=task)
    json.dumps(as_json(found), allow_nan=False)
    assert as_json(found)["kind"] == task.kind
    assert "undefined" not in as_markdown(found) + as_text(found)


@pytest.mark.parametrize(
    ("task", "added"),
    [
        (REGRESSION, scored_of([1, 2], [1, 2], prefix="added")),
        (MULTI_LABEL, topics_of("f -", "f -", "added")),
    ],
    ids=["regression", "multi-label"],
)
def test_an_old_model_of_any_kind_answers_added_rows(
    tmp_path: Path, task: Task, added: list[Example]
) -> None:
    text, known = params_yaml(tmp_path, margins=MARGINS), scored(60) if task is REGRESSION else topics(60)
    old = write_run(tmp_path / "old", known, name="main", params=text, task=task)
    shutil.rmtree(tmp_path / "old/models/finetuned")
    write_model(tmp_path / "old/models/finetuned", [], TOPICS, ["text"], kind=task.kind)
    new = write_run(tmp_path / "new", [*known, *added], name="branch", params=text, task=task)
    found = judge(old, new, policy(margins=MARGINS), accept=False, undecided=False)
    assert found.findings[0].n == 62
    assert "test: of the examples 2 added since main" in found.notes


def test_the_policies_in_the_docs_can_be_pasted() -> None:
    """The section of params.yaml with what a block of docs/gate.md has in its place."""
    read = YAML(typ="safe", pure=True).load
    section = read((ROOT / "params.yaml").read_text(encoding="utf-8"))["gate"]
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/gate.md").read_text(encoding="utf-8"), re.DOTALL)
    of_kinds: list[Kind] = ["regression", "multi-label"]
    for block, kind in zip(blocks, of_kinds, strict=True):
        limits = limits_for(Params.model_validate(section | read(block)["gate"]), task_of(kind=kind), "main")
        assert limits.margins
        assert limits.others == []
