"""The search around a make-believe training; one test has the real one."""

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from ruamel.yaml import YAML

from commands import search
from commands.lib import study as study_module
from commands.lib.search_page import Found, as_text, importances, outcome_of, write_pages
from commands.lib.search_space import Params, within
from commands.lib.study import Goal, best_of, defaults_of, finished, open_study, run_trials, sqlite_at
from stages.lib.exceptions import ConfigError, RunError, TextrailError
from stages.lib.params import load_params
from stages.lib.training.knobs import Params as Knobs
from tests.predicted import task_of
from tests.test_finetune import KNOBS, folder  # noqa: F401  # a fixture
from tests.tiny import ROOT, environment

SPACE: dict[str, Any] = {
    "learning_rate": {"low": 1e-5, "high": 1e-2, "log": True},
    "batch_size": {"choices": [8, 16]},
}
SEARCH: dict[str, Any] = {
    "seed": 1,
    "pruner_startup_trials": 2,
    "pruner_warmup_epochs": 0,
    "retries": 2,
    "space": SPACE,
}
GOAL = Goal("accuracy-0.1-abc123", "accuracy", lower_is_better=False)
Report = Callable[[int, float], None]


def quality(values: dict[str, Any], report: Report) -> float:
    """Best at 1e-3; two epochs."""
    score = 1 - abs(values["learning_rate"] - 1e-3) ** 0.5
    report(1, score / 2)
    report(2, score)
    return float(score)


def opened(where: Path, goal: Goal = GOAL, **changed: Any) -> tuple[optuna.Study, Params]:
    params = Params(**(SEARCH | changed))
    return open_study(goal, params, sqlite_at(where), KNOBS), params


def go(study: optuna.Study, params: Params, trials: int, run_trial: Any = quality) -> None:
    run_trials(study, params, run_trial, trials, None, lambda *_: None)


@pytest.mark.slow
def test_the_defaults_come_first_and_better_values_are_found(tmp_path: Path) -> None:
    study, params = opened(tmp_path / "search.db")
    go(study, params, 12)
    first, best = study.trials[0], best_of(study)
    assert first.params == {"learning_rate": 1e-2, "batch_size": 8}
    assert defaults_of(study, params, KNOBS) == first
    assert best is not None
    assert (best.value or 0) > (first.value or 0)


def test_defaults_outside_the_space_are_not_tried(tmp_path: Path) -> None:
    assert not within(SPACE, KNOBS | {"learning_rate": 0.1})
    assert not within(SPACE, KNOBS | {"batch_size": 4})
    study, params = opened(tmp_path / "search.db", space={"batch_size": {"choices": [16, 32]}})
    go(study, params, 1, lambda values, report: 0.5)
    assert study.trials[0].params["batch_size"] != 8


def test_what_is_trained_with_has_three_digits_and_is_what_is_told(tmp_path: Path) -> None:
    trained: list[float] = []

    def note(values: dict[str, Any], report: Report) -> float:
        trained.append(values["learning_rate"])
        return quality(values, report)

    study, params = opened(tmp_path / "search.db")
    go(study, params, 4, note)
    assert trained == [float(f"{trial.params['learning_rate']:.3g}") for trial in study.trials]


@pytest.mark.slow
def test_a_later_day_joins_and_other_data_does_not(tmp_path: Path) -> None:
    go(*opened(tmp_path / "search.db"), 3)
    later, params = opened(tmp_path / "search.db")
    assert len(later.trials) == 3
    go(later, params, 2)
    assert len(later.trials) == 5
    assert len({str(trial.params) for trial in later.trials}) == 5  # nothing is proposed again
    other, _ = opened(tmp_path / "search.db", goal=Goal("accuracy-0.1-other", "accuracy", False))
    assert [trial.state for trial in other.trials] == [TrialState.WAITING]


def test_the_fingerprint_is_of_whatever_makes_scores_comparable(folder: Path) -> None:  # noqa: F811
    material = material_here()
    knobs, params = Knobs(**KNOBS), Params(**SEARCH)
    name = search.goal_of(material, params, knobs, 0.1).name
    same = knobs.model_copy(update={"learning_rate": 1.0})  # a knob that is searched
    assert search.goal_of(material, params, same, 0.1).name == name
    others = [
        search.goal_of(material, params, knobs.model_copy(update={"epochs": 9}), 0.1),
        search.goal_of(
            material, Params(**(SEARCH | {"space": {"epochs": SPACE["learning_rate"]}})), knobs, 0.1
        ),
        search.goal_of(material._replace(train=search.part_of(material.train, 0.5)), params, knobs, 0.1),
    ]
    assert len({name, *(goal.name for goal in others)}) == 4


def material_here() -> Any:
    from tests.test_training import material_here as made

    return made()


def test_fewer_examples_are_a_part_of_more(folder: Path) -> None:  # noqa: F811
    train = material_here().train
    tenth, half = (set(search.part_of(train, f)["id"].to_pylist()) for f in (0.1, 0.5))
    assert (len(tenth), len(half)) == (8, 40)
    assert tenth < half


def test_a_trial_worse_than_the_median_is_pruned(tmp_path: Path) -> None:
    study, params = opened(tmp_path / "search.db")
    go(study, params, 3)

    def hopeless(values: dict[str, Any], report: Report) -> float:
        report(1, 0.0)
        raise AssertionError("went on")

    go(study, params, 1, hopeless)
    assert study.trials[-1].state is TrialState.PRUNED
    assert finished(study)[-1].number == 3  # behind the complete ones


def test_lower_is_better_where_the_metric_says_so(tmp_path: Path) -> None:
    study, params = opened(tmp_path / "search.db", goal=Goal("rmse", "rmse", lower_is_better=True))
    go(study, params, 8, lambda values, report: abs(values["learning_rate"] - 1e-3))
    best = best_of(study)
    assert best is not None
    assert best.value == min(trial.value or 0 for trial in study.trials)


def test_a_trial_that_cannot_be_trained_is_told_and_three_in_a_row_end_the_search(tmp_path: Path) -> None:
    study, params = opened(tmp_path / "search.db")

    def refused(values: dict[str, Any], report: Report) -> float:
        raise ConfigError("lora_rank with frozen layers")

    with pytest.raises(TextrailError, match="3 trials in a row failed: lora_rank with frozen layers"):
        go(study, params, 9, refused)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL] * 3


def test_what_failed_on_an_earlier_day_does_not_count(tmp_path: Path) -> None:
    def refused(values: dict[str, Any], report: Report) -> float:
        raise ConfigError("no")

    go(*opened(tmp_path / "search.db"), 2, refused)
    later, params = opened(tmp_path / "search.db")
    go(later, params, 1, refused)
    assert len(later.trials) == 3


def test_a_score_that_is_no_number_fails_the_trial_and_says_so(tmp_path: Path) -> None:
    study, params = opened(tmp_path / "search.db")
    go(study, params, 1, lambda values, report: float("nan"))
    assert outcome_of(study.trials[0]) == "failed: its score on validation is nan: such values do not learn"


def test_ctrl_c_is_told_as_such(tmp_path: Path) -> None:
    def interrupted(values: dict[str, Any], report: Report) -> float:
        raise KeyboardInterrupt

    study, params = opened(tmp_path / "search.db")
    with pytest.raises(KeyboardInterrupt):
        go(study, params, 1, interrupted)
    assert outcome_of(study.trials[0]) == "failed: stopped from the keyboard"


def test_the_first_epochs_are_not_looked_at(tmp_path: Path) -> None:
    study, params = opened(tmp_path / "search.db", pruner_warmup_epochs=1)
    go(study, params, 2)

    def bad(values: dict[str, Any], report: Report) -> float:
        report(1, 0.0)
        report(2, 0.0)
        raise AssertionError("went on")

    go(study, params, 1, bad)
    assert outcome_of(study.trials[2]) == "pruned after epoch 2, at 0.0000"


@pytest.mark.parametrize(
    ("space", "value"),
    [
        ({"weight_decay": {"choices": [0.012345]}}, 0.012345),  # a choice is as it was written
        ({"warmup_fraction": {"low": 0.99961, "high": 0.99962, "log": False}}, 0.99962),  # not 1
    ],
)
def test_few_digits_do_not_leave_the_space(tmp_path: Path, space: dict[str, Any], value: float) -> None:
    seen: list[float] = []

    def note(values: dict[str, Any], report: Report) -> float:
        seen.extend(values.values())
        return 0.5

    go(*opened(tmp_path / "search.db", space=space), 1, note)
    assert seen == [value]


def test_defaults_between_whole_numbers_are_outside() -> None:
    space = {"epochs": {"low": 1, "high": 5, "log": False}}
    assert within(space, {"epochs": 3.0})
    assert not within(space, {"epochs": 2.5})


def test_processes_that_join_before_any_trial_propose_differently(tmp_path: Path) -> None:
    space = SPACE | {"batch_size": {"choices": [16, 32]}}  # without the defaults
    both = [opened(tmp_path / "search.db", space=space) for _ in range(2)]
    for study, params in both:
        go(study, params, 1)
    first, second = both[0][0].trials
    assert first.params["learning_rate"] != second.params["learning_rate"]


@pytest.mark.parametrize(
    ("storage", "told"),
    [
        ("nonsense", "no database that can be opened"),
        ("sqlite:////nowhere/x.db", "there is no folder /nowhere"),
    ],
)
def test_a_storage_that_is_none_is_refused(storage: str, told: str) -> None:
    with pytest.raises(ConfigError, match=f"--storage: {told}"):
        open_study(GOAL, Params(**SEARCH), storage, KNOBS)


@pytest.mark.parametrize("ended", [KeyboardInterrupt(), optuna.TrialPruned(), ConfigError("no")])
def test_a_trial_that_nobody_goes_on_with_leaves_no_checkpoints(
    monkeypatch: pytest.MonkeyPatch, ended: BaseException
) -> None:
    def end(*_: Any) -> None:
        raise ended

    forgotten: list[Any] = []
    monkeypatch.setattr(search, "train", end)
    monkeypatch.setattr(search, "forget", lambda *run: forgotten.append(run))
    material: Any = "material"
    with pytest.raises(type(ended)):
        search.trainer_of(material, Knobs(**KNOBS))({"batch_size": 16}, lambda *_: None)
    assert forgotten == [("material", Knobs(**(KNOBS | {"batch_size": 16})))]


def test_a_bound_that_finetune_refuses_is_told_before_any_trial() -> None:
    space = {"label_smoothing": {"low": 0.0, "high": 1.5, "log": False}}
    with pytest.raises(ConfigError, match=r"search.space.label_smoothing: a value should be less than 1"):
        search.check_space(Knobs(**KNOBS), Params(**(SEARCH | {"space": space})))


@pytest.mark.parametrize(
    ("space", "told"),
    [
        ({"learning_rat": SPACE["learning_rate"]}, "no knob 'learning_rat'.*learning_rate"),
        ({"seed": {"choices": [1, 2]}}, "the best of several seeds is the luckiest"),
        ({"epochs": {"low": 5, "high": 2, "log": False}}, "epochs: low 5 is to be at most high 2"),
        ({"epochs": {"low": 0, "high": 2, "log": True}}, "low 0 .*and above 0"),
        ({"epochs": {"low": 1, "high": 2}}, "epochs has low, high; it needs low, high and log, or choices"),
        ({"epochs": {"low": "1", "high": 2, "log": False}}, "low and high are to be numbers"),
        ({"epochs": {"choices": []}}, "a list of one value or more"),
        ({}, "should have at least 1 item"),
    ],
)
def test_a_space_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, space: dict[str, Any], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(json.dumps({"search": SEARCH | {"space": space}}))
    with pytest.raises(ConfigError, match=rf"params.yaml:1: search.space.*{told}"):
        load_params("search", Params)


def test_a_value_that_finetune_refuses_names_the_space() -> None:
    with pytest.raises(ConfigError, match=r"search.space.label_smoothing: a value should be less than 1"):
        search.with_values(Knobs(**KNOBS), {"label_smoothing": 1.5})


@pytest.mark.parametrize("fraction", [0.0, 1.5, -1.0])
def test_a_fraction_is_a_share(fraction: float) -> None:
    with pytest.raises(ConfigError, match="it is a share of the training examples"):
        search.material_for(fraction)


def test_nothing_complete_nothing_applied(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no trial of this search is complete; nothing was written"):
        search.applied(opened(tmp_path / "search.db")[0])


def found_in(study: optuna.Study, params: Params, title: str = "Tweets") -> Found:
    task = task_of(["calm", "alarm"]).model_copy(update={"title": title})
    return Found(study, GOAL, task, finished(study), defaults_of(study, params, KNOBS), 160, 40)


@pytest.mark.slow
def test_the_pages_tell_all_trials_and_escape_the_title(tmp_path: Path) -> None:
    study, params = opened(tmp_path / "search.db")
    go(study, params, 8)
    found = found_in(study, params, title="<script>alert(1)</script> [x](y)")
    write_pages(found, tmp_path / "pages")
    rows = list(csv.DictReader((tmp_path / "pages/trials.csv").read_text().splitlines()))
    assert len(rows) == 8
    assert float(rows[0]["accuracy"]) == pytest.approx(study.trials[0].value)
    page = (tmp_path / "pages/search.md").read_text()
    assert "<script>" not in page
    assert "[x](y)" not in page
    assert "0 (params.yaml)" in as_text(found, tmp_path)
    assert (tmp_path / "pages/importance.png").stat().st_size > 1000


def test_too_few_trials_have_no_importance(tmp_path: Path) -> None:
    study, params = opened(tmp_path / "search.db")
    go(study, params, 3)
    write_pages(found_in(study, params), tmp_path / "pages")
    assert not (tmp_path / "pages/importance.png").exists()
    assert "too few to say which knob matters" in (tmp_path / "pages/search.md").read_text()


def test_equal_scores_have_no_importance_and_a_perfect_one_has_an_interval(tmp_path: Path) -> None:
    study, params = opened(tmp_path / "search.db")
    go(study, params, 4, lambda values, report: 1.0)
    write_pages(found_in(study, params), tmp_path / "pages")
    page = (tmp_path / "pages/search.md").read_text()
    assert "do not tell the knobs apart" in page
    assert "known to 0.912" in page


def test_a_knob_with_one_value_has_no_importance(tmp_path: Path) -> None:
    study, params = opened(tmp_path / "search.db", space={"batch_size": {"choices": [8]}})
    scores = iter([0.1, 0.2, 0.3, 0.4])
    go(study, params, 4, lambda values, report: next(scores))
    assert importances(found_in(study, params)) == {}


WORKER = """
import sys, time
from pathlib import Path
from commands.lib import study as study_module
from tests.test_search import go, opened, quality

study_module.SECONDS_BETWEEN_HEARTBEATS = 1
study, params = opened(Path(sys.argv[1]))
def slow(values, report):
    print(f"begins {values['learning_rate']}", flush=True)
    time.sleep(float(sys.argv[2]))
    return quality(values, report)
go(study, params, int(sys.argv[3]), slow)
"""


def worker(where: Path, seconds: float, trials: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        (sys.executable, "-c", WORKER, str(where), str(seconds), str(trials)),
        env=environment() | {"PYTHONPATH": str(ROOT)},
        cwd=where.parent,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_two_processes_share_a_search(tmp_path: Path) -> None:
    both = [worker(tmp_path / "search.db", 0.1, 4) for _ in range(2)]
    for process in both:
        process.communicate(timeout=180)
    assert [process.returncode for process in both] == [0, 0]
    study, _ = opened(tmp_path / "search.db")
    assert len(finished(study)) == 8
    assert len({str(trial.params) for trial in study.trials}) == 8


def await_heartbeat(where: Path) -> None:
    """Its first, which a thread of the process writes: without any, a trial is never known to be dead."""
    deadline = time.monotonic() + 30
    with closing(sqlite3.connect(where)) as connection:
        while not connection.execute("SELECT COUNT(*) FROM trial_heartbeats").fetchone()[0]:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.slow
def test_a_trial_whose_process_was_killed_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = tmp_path / "search.db"
    killed = worker(where, 60, 1)
    assert killed.stdout is not None
    begun = killed.stdout.readline()
    await_heartbeat(where)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    monkeypatch.setattr(study_module, "SECONDS_BETWEEN_HEARTBEATS", 1)
    time.sleep(3)
    study, params = opened(where)
    again: list[dict[str, Any]] = []

    def note(values: dict[str, Any], report: Report) -> float:
        again.append(values)
        return quality(values, report)

    go(study, params, 1, note)
    assert f"begins {again[0]['learning_rate']}\n" == begun
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.COMPLETE]


@pytest.mark.slow
def test_the_command_trains_tells_and_applies(folder: Path) -> None:  # noqa: F811
    lay_out()
    words = ("--trials", "3", "--fraction", "0.5")
    first, second = searched(*words), searched(*words[:1], "1", *words[2:], "--apply")
    assert "search: begins accuracy-0.5-" in first
    assert "trial 0: " in first
    assert "40 training examples, accuracy on 40 of validation" in first
    assert "which has 3 trials" in second
    assert "params.yaml now has learning_rate" in second
    rows = list(csv.DictReader(Path("reports/search/trials.csv").read_text().splitlines()))
    best = max((row for row in rows if row["state"] == "complete"), key=lambda row: float(row["accuracy"]))
    params = YAML(typ="safe").load(Path("params.yaml"))
    assert params["finetune"]["batch_size"] == int(best["batch_size"])
    assert params["finetune"]["learning_rate"] == float(best["learning_rate"])
    assert "# a comment" in Path("params.yaml").read_text()
    assert not [path for path in Path(".textrail/checkpoints").iterdir() if path.is_dir()]


def lay_out() -> None:
    for name, place in {"tokens.arrow": "data", "task.json": "data", "encoder": "models"}.items():
        Path(place).mkdir(exist_ok=True)
        Path(name).rename(Path(place) / name)
    with Path("params.yaml").open("w") as file:
        YAML().dump({"finetune": KNOBS, "search": SEARCH}, file)
    Path("params.yaml").write_text("# a comment\n" + Path("params.yaml").read_text())


def searched(*words: str) -> str:
    result = subprocess.run(
        (sys.executable, "-m", "commands.search", *words),
        env=environment() | {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout
