"""The gate's answers, for the right reasons."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML

from commands import gate
from commands.gate import judge
from commands.lib.judgement import Judgement, as_json, as_markdown, as_text
from commands.lib.policy import Params, policy_of
from commands.lib.runs import Run
from stages.lib.exceptions import RunError
from tests.judged import POLICY, Sides, answered, params_yaml, policy
from tests.past_runs import CLASSES, examples_of, scored_of, write_run
from tests.predicted import task_of
from tests.tiny import ROOT
from tests.tiny_model import write_model


@pytest.fixture
def sides(tmp_path: Path) -> Sides:
    return Sides(tmp_path)


def test_identical_predictions_pass_at_once_however_few_they_are(sides: Sides) -> None:
    found = sides.judged(answered(10, 4), answered(10, 4), policy(floors={"accuracy": 0.99}))
    assert (found.verdict, found.exit_status) == ("pass", 0)
    assert found.reasons == ["the predictions are the same, one by one"]


def test_a_model_that_is_as_good_passes(sides: Sides) -> None:
    found = sides.judged(answered(1_000, 100), answered(1_000, 102))
    assert (found.verdict, found.exit_status) == ("pass", 0)


def test_a_model_that_is_worse_does_not(sides: Sides) -> None:
    found = sides.judged(answered(1_000, 100), answered(1_000, 160))
    assert (found.verdict, found.exit_status) == ("worse", 1)
    assert found.reasons[0].startswith("test: accuracy is worse: -0.060 [-0.07")


def test_an_improvement_passes_however_large(sides: Sides) -> None:
    assert sides.judged(answered(1_000, 400), answered(1_000, 10)).verdict == "pass"


def test_too_few_examples_cannot_tell_and_only_a_word_lets_them_through(sides: Sides) -> None:
    old, new = answered(40, 4), answered(40, 6)
    assert sides.judged(old, new).exit_status == 2
    allowed = sides.judged(old, new, undecided=True)
    assert (allowed.verdict, allowed.exit_status) == ("undecided", 0)
    assert "let through by --allow-undecided" in as_text(allowed)
    assert "let through by \\-\\-allow\\-undecided" in as_markdown(allowed)


def test_allowing_undecided_lets_nothing_worse_through(sides: Sides) -> None:
    assert sides.judged(answered(1_000, 100), answered(1_000, 160), undecided=True).exit_status == 1


LIMITS: list[tuple[dict[str, Any], str]] = [
    ({"floors": {"accuracy": 0.95}}, "test: accuracy is 0.9, and the policy says at least 0.95"),
    ({"ceilings": POLICY["ceilings"] | {"ece": 0.01}}, "test: ece is 0.0"),
    (
        {"ceilings": POLICY["ceilings"] | {"churn": 0.001}},
        "test: churn is 0.002, and the policy says at most 0.001",
    ),
    ({"ceilings": POLICY["ceilings"] | {"model_megabytes": 0.0005}}, "model_megabytes is 0.001"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("changed", "reason"), LIMITS, ids=str)
def test_a_limit_that_does_not_hold_is_refused_with_its_number(
    sides: Sides, changed: dict[str, Any], reason: str
) -> None:
    found = sides.judged(answered(1_000, 102), answered(1_000, 100), policy(**changed))
    assert (found.verdict, found.exit_status) == ("worse", 1)
    assert len(found.reasons) == 1
    assert found.reasons[0].startswith(reason)


def test_test_texts_in_training_are_refused_however_they_are_written(sides: Sides) -> None:
    new = answered(1_000, 100)
    leaked = ("TEXT  e 3", "another text")  # of the example e3, in other letters and spaces
    found = sides.judged(answered(1_000, 102), new, train=leaked)
    assert found.reasons == ["leaked_copies is 1, and the policy says at most 0 further"]
    assert found.exit_status == 1


@pytest.mark.slow
def test_texts_that_stand_in_both_trainings_are_no_new_leak(tmp_path: Path) -> None:
    text, both = params_yaml(tmp_path), ("text e 3", "another text")
    old = write_run(tmp_path / "old", answered(1_000, 100), name="main", params=text, train=both)
    new = write_run(tmp_path / "new", answered(1_000, 101), name="branch", params=text, train=both)
    found = judge(old, new, policy(), accept=False, undecided=False)
    assert found.verdict == "pass"
    row = next(finding for finding in found.findings if finding.what == "leaked_copies")
    assert (row.old, row.new) == (1, 1)
    more = write_run(tmp_path / "more", answered(1_000, 101), params=text, train=(*both, "text e 4"))
    assert judge(old, more, policy(), accept=False, undecided=False).verdict == "worse"


def test_a_slice_that_breaks_is_refused_though_the_whole_improves(sides: Sides) -> None:
    labels = "c" * 900 + "a" * 100
    old = examples_of(labels, "a" * 100 + "c" * 800 + "a" * 100)
    new = examples_of(labels, "c" * 900 + "c" * 40 + "a" * 60)
    found = sides.judged(old, new)
    assert found.verdict == "worse"
    assert found.reasons == ["test: label = alarm is worse: -0.400 [-0.491, -0.294]"]
    assert found.slices[0].what == "label = alarm"


def test_a_slice_that_cannot_tell_is_reported_and_holds_nothing_up(sides: Sides) -> None:
    labels = "c" * 970 + "a" * 30
    old, new = examples_of(labels, "c" * 970 + "a" * 30), examples_of(labels, "c" * 971 + "a" * 29)
    found = sides.judged(old, new)
    assert found.verdict == "pass"
    assert {finding.verdict for finding in found.slices} == {"pass", "undecided"}


def test_the_policy_is_the_baselines_and_a_change_of_it_is_told(tmp_path: Path) -> None:
    strict, loose = params_yaml(tmp_path), params_yaml(tmp_path, margins={"accuracy": 0.5})
    old = write_run(tmp_path / "old", answered(1_000, 100), name="main", params=strict)
    new = write_run(tmp_path / "new", answered(1_000, 160), name="branch", params=loose)
    found = judge(old, new, policy_of(old), accept=False, undecided=False)
    assert found.verdict == "worse"
    assert found.notes == [
        "the candidate changes the policy (margins.accuracy 0.03 -> 0.5); it was judged by that of main"
    ]
    assert as_json(found)["policy_changes"] == {"margins.accuracy": {"old": 0.03, "new": 0.5}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clean: {}\n", "main: no policy to judge by: params.yaml: no section 'gate'"),
        ("gate: {model: finetuned}\n", "main: no policy to judge by: params.yaml:1: gate.roles: missing"),
        ("gate: [\n", "not valid YAML"),
    ],
)
def test_a_baseline_without_a_policy_cannot_be_compared_with(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RunError) as error:
        policy_of(write_run(tmp_path, answered(10, 2), name="main", params=text))
    assert message in str(error.value)


def test_a_score_that_the_task_has_not_is_refused(sides: Sides) -> None:
    with pytest.raises(RunError, match="gate: no score 'f1' for this task; it has accuracy, macro_f1"):
        sides.judged(answered(10, 2), answered(10, 3), policy(margins={"f1": 0.1}))


def test_growth_says_how_much_is_data_and_how_much_is_model(sides: Sides) -> None:
    """By hand: old 9 of 10, on the 8 that stay 7; new 8 of 8."""
    found = sides.judged(answered(10, 1), answered(10, 0)[:8], accept=True)
    assert "test accuracy: +10.0 points: -2.5 from new rows, +12.5 from the model" in as_text(found)
    assert found.notes == ["test: of the examples 2 removed since main"]


def test_the_pages_show_texts_and_never_run_them(sides: Sides) -> None:
    nasty = "<img src=x onerror=alert(1)> | [click](http://evil.example) @all \x1b[31m `x`"
    old = [("n|1", nasty, "calm", "calm"), *answered(100, 1)]
    new = [("n|1", nasty, "calm", "alarm"), *answered(100, 2)]
    found = sides.judged(old, new)
    page, text = as_markdown(found), as_text(found)
    assert "<img" not in page
    assert "](http" not in page
    assert "@all" not in page.replace("\\@all", "")
    assert "\x1b" not in page + text
    row = next(line for line in page.splitlines() if "onerror" in line)
    assert row.replace("\\|", "").count("|") == 6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "shown", "hidden"),
    [("full", "text e 1", None), ("redacted", "xxxx x 0", "text e 1"), ("ids", "e1", "text e 1")],
)
def test_texts_are_told_as_the_policy_says(sides: Sides, how: str, shown: str, hidden: str | None) -> None:
    found = sides.judged(answered(100, 1), answered(100, 2), policy(texts=how))
    outputs = (as_text(found), as_markdown(found), json.dumps(as_json(found)))
    assert all(shown in output for output in outputs)
    assert hidden is None or not any(hidden in output for output in outputs)


def test_five_flips_each_way_are_shown_at_most(sides: Sides) -> None:
    found = sides.judged(answered(100, 30), answered(100, 0), policy(examples=5))
    assert len(found.flips["test"]["fixed"]) == 5
    assert found.flips["test"]["numbers"] == {"changed": 30, "fixed": 30, "broken": 0}


def test_the_verdict_carries_the_hashes_of_what_it_judged(sides: Sides) -> None:
    from hashlib import sha256

    found = as_json(sides.judged(answered(100, 1), answered(100, 2)))
    path = "data/predictions/finetuned/finetuned.parquet"
    for run, folder in (("main", "old"), ("branch", "new")):
        assert found["hashes"][run][path] == sha256((sides.root / folder / path).read_bytes()).hexdigest()
        assert {"params.yaml", "dvc.lock", "data/task.json", "data/splits.parquet"} <= set(
            found["hashes"][run]
        )


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs main against two written runs; returns the exit status, what was printed, the verdict file."""
    monkeypatch.chdir(tmp_path)
    runs: dict[str, Run] = {}

    @contextmanager
    def opened(*names: str) -> Iterator[list[Run]]:
        yield [runs[name] for name in names]

    monkeypatch.setattr(gate, "opened", opened)

    def call(old: Run, new: Run, **options: Any) -> tuple[int, dict[str, Any]]:
        runs.update({"main": old, "branch": new})
        with pytest.raises(typer.Exit) as ending:
            gate.main(against="main", candidate="branch", **options)
        return ending.value.exit_code, json.loads(Path("metrics/gate.json").read_text(encoding="utf-8"))

    return call


def test_the_command_exits_with_the_verdict_and_writes_both_files(
    tmp_path: Path, command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    text = params_yaml(tmp_path)
    old = write_run(tmp_path / "old", answered(1_000, 100), name="main", params=text)
    new = write_run(tmp_path / "new", answered(1_000, 160), name="branch", params=text)
    status, verdict = command(old, new)
    assert (status, verdict["verdict"], verdict["exit_status"]) == (1, "worse", 1)
    assert capsys.readouterr().out.startswith("WORSE: branch must not be merged over main\n")
    assert Path("reports/gate.md").read_text(encoding="utf-8").startswith("## WORSE")


def test_what_cannot_be_compared_is_3_and_says_why(
    tmp_path: Path, command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    text = params_yaml(tmp_path)
    old = write_run(tmp_path / "old", answered(10, 1), name="main", params=text)
    new = write_run(tmp_path / "new", answered(10, 1), name="branch", params=text)
    (tmp_path / "new/data/predictions/finetuned/finetuned.parquet").write_bytes(b"PAR1")
    status, verdict = command(old, new, allow_undecided=True)
    assert (status, verdict["verdict"]) == (3, "incomparable")
    assert "finetuned.parquet: not a whole Parquet file" in capsys.readouterr().out


def test_a_fault_of_the_gate_itself_is_no_verdict(
    tmp_path: Path, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> Judgement:
        raise ZeroDivisionError

    monkeypatch.setattr(gate, "judge", fails)
    run = write_run(tmp_path / "old", answered(10, 1), name="main", params=params_yaml(tmp_path))
    assert command(run, run)[0] == 3


def test_a_verdict_that_cannot_be_written_is_none(tmp_path: Path, command: Any) -> None:
    text = params_yaml(tmp_path)
    old = write_run(tmp_path / "old", answered(1_000, 100), name="main", params=text)
    new = write_run(tmp_path / "new", answered(1_000, 160), name="branch", params=text)
    command(old, new)
    (tmp_path / "a file").touch()
    assert command(old, new, markdown=tmp_path / "a file" / "gate.md")[0] == 3


def test_the_policy_that_comes_with_the_project_can_be_read() -> None:
    params = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    rules = Params.model_validate(params["gate"])
    assert rules.margins["accuracy"] > 0
    assert rules.ceilings.leaked_copies == 0


def test_an_old_model_answers_the_rows_that_were_added(sides: Sides, tmp_path: Path) -> None:
    import shutil

    text = params_yaml(tmp_path)
    old = write_run(tmp_path / "old", answered(100, 2), name="main", params=text)
    shutil.rmtree(tmp_path / "old/models/finetuned")
    write_model(tmp_path / "old/models/finetuned", [], CLASSES, ["text"])
    added = examples_of("ca" * 10, "ca" * 10, prefix="added")
    new = write_run(tmp_path / "new", [*answered(100, 2), *added], name="branch", params=text)
    found = judge(old, new, policy(), accept=False, undecided=False)
    assert "test: of the examples 20 added since main" in found.notes
    assert found.findings[0].n == 120
    parts = found.growth["test"]["accuracy"]
    assert parts["change"] == pytest.approx(118 / 120 - 98 / 100)
    assert parts["change"] == pytest.approx(parts["data"] + parts["model"])


def test_runs_of_different_kinds_cannot_be_compared(tmp_path: Path, command: Any) -> None:
    text = params_yaml(tmp_path)
    old = write_run(tmp_path / "old", answered(10, 1), name="main", params=text)
    new = write_run(
        tmp_path / "new",
        scored_of([1, 2], [1, 2]),
        name="branch",
        params=text,
        task=task_of(kind="regression"),
    )
    status, verdict = command(old, new)
    assert status == 3
    assert verdict["reasons"] == [
        "main has a classification task ('Made up') and branch a regression task ('Made up'): "
        "their answers cannot be compared"
    ]
