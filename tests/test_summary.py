import json
from pathlib import Path
from typing import Any

import pytest

from commands.summary import (
    cell,
    difference_lines,
    duration,
    last_seconds,
    main,
    score_table,
    scores_on,
    time_lines,
)
from stages.lib.exceptions import DataError
from stages.lib.kinds import Kind
from stages.lib.task import write_task
from tests.predicted import task_of

SCORES = {
    "accuracy": 0.9,
    "accuracy_low": 0.85,
    "accuracy_high": 0.95,
    "f1": 0.5,
    "f1_low": 0.4,
    "f1_high": 0.6,
    "n": 1234,
    "by_class": {"no": {"precision": 0.3}},
}


def write_run(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "metrics").mkdir()
    (folder / "reports").mkdir()
    (folder / ".textrail").mkdir()
    task = task_of(["no", "yes"], positive="yes")
    named = {"title": "Sample", "metrics": ["f1", "accuracy"]}
    write_task(task.model_copy(update=named), folder / "data/task.json")
    (folder / "metrics/evaluate.json").write_text(json.dumps({"dummy": {"test": SCORES}}))
    found = {"f1": {"difference": 0.1, "low": 0.05, "high": 0.152, "p": 0.0004}}
    compared = {"test": {"dummy": found, "tfidf": found}}
    (folder / "metrics/comparisons.json").write_text(json.dumps(compared))
    (folder / "reports/errors.html").touch()
    (folder / "dvc.yaml").write_text("stages: {split: {}, ingest: {}, report: {}}")
    (folder / "params.yaml").write_text("evaluate: {confidence: 0.95}")
    log = '{"stage": "ingest", "seconds": 1.0}\n{"stage": "split", "seconds": 2.0}\n'
    (folder / ".textrail/timings.jsonl").write_text(log)


def show(folder: Path) -> None:
    main(
        task=folder / "data/task.json",
        evaluation=folder / "metrics/evaluate.json",
        comparisons=folder / "metrics/comparisons.json",
        reports=folder / "reports",
        timings=folder / ".textrail/timings.jsonl",
        graph=folder / "dvc.yaml",
        params=folder / "params.yaml",
        role="test",
    )


def test_a_run_in_a_few_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path)
    show(tmp_path)
    assert capsys.readouterr().out.splitlines() == [
        "Sample: test, n = 1,234, 95 % intervals",
        "           f1                    accuracy",
        "dummy      0.500 [0.400, 0.600]  0.900 [0.850, 0.950]",
        "finetuned less tfidf: f1 +0.100 [+0.050, +0.152], p < 0.001",
        str(tmp_path / "reports/errors.html"),
        "last run: split 2.0 s, ingest 1.0 s, total 3.0 s",
    ]


def test_before_the_first_run_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"task\.json: no such file; run `make run` first"):
        show(tmp_path)


def test_a_run_without_an_evaluation_says_what_to_run(tmp_path: Path) -> None:
    write_run(tmp_path)
    (tmp_path / "metrics/evaluate.json").unlink()
    with pytest.raises(DataError, match=r"evaluate\.json: no such file; run `make run` first"):
        show(tmp_path)


def test_everything_from_the_cache_has_no_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path)
    (tmp_path / ".textrail/timings.jsonl").unlink()
    show(tmp_path)
    assert "no stage has run here" in capsys.readouterr().out


def test_a_role_that_nobody_was_judged_on() -> None:
    with pytest.raises(DataError, match="dummy: not judged on role 'dev'; judged on test"):
        scores_on("dev", {"dummy": {"test": SCORES}})


def test_the_fine_tuned_model_stands_last() -> None:
    evaluation = {model: {"test": SCORES} for model in ("dummy", "features", "finetuned", "tfidf")}
    assert list(scores_on("test", evaluation)) == ["dummy", "tfidf", "features", "finetuned"]


def test_a_model_from_elsewhere_stands_beside_ours_where_it_covers_the_role() -> None:
    evaluation = {"finetuned": {"test": SCORES, "dev": SCORES}, "vendor": {"test": SCORES}}
    assert list(scores_on("test", evaluation)) == ["vendor", "finetuned"]
    assert list(scores_on("dev", evaluation)) == ["finetuned"]


def test_many_metrics_stay_within_100_columns() -> None:
    metrics = [f"metric_number_{n}" for n in range(9)]
    scores = {f"{name}{end}": 1.0 for name in metrics for end in ("", "_low", "_high")}
    lines = list(score_table({"finetuned": scores}, first=[]))
    assert len(lines) == 6  # three blocks of a heading and a model
    assert max(map(len, lines)) <= 100
    assert all(any(name in line for line in lines) for name in metrics)


def test_counts_and_classes_are_no_metrics() -> None:
    heading = next(score_table({"dummy": SCORES}, first=["macro_f1"]))
    assert heading.split() == ["accuracy", "f1"]


def test_a_metric_that_one_model_lacks() -> None:
    assert cell(SCORES, "macro_f1") == "-"


def test_a_metric_that_is_undefined() -> None:
    assert cell({"precision": None, "precision_low": None, "precision_high": None}, "precision") == "-"
    assert cell({"precision": 1.0, "precision_low": None, "precision_high": None}, "precision") == "1.000"


KINDS: list[tuple[Kind, list[str]]] = [
    ("regression", ["spearman", "pearson"]),
    ("multi-label", ["macro_f1", "subset_accuracy"]),
]


@pytest.mark.parametrize(("kind", "metrics"), KINDS)
def test_a_run_of_any_kind_in_a_few_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: Kind, metrics: list[str]
) -> None:
    """The metrics of the source lead; the dummy's undefined correlation is a dash."""
    write_run(tmp_path)
    task = task_of(kind=kind).model_copy(update={"metrics": metrics})
    write_task(task, tmp_path / "data/task.json")
    scores = {f"{name}{end}": 0.5 for name in sorted(task.facts.scores) for end in ("", "_low", "_high")} | {
        "n": 9
    }
    undefined: dict[str, Any] = scores | {f"{metrics[0]}{end}": None for end in ("", "_low", "_high")}
    undefined["undefined"] = {metrics[0]: "every prediction is 2"}
    evaluation = {"dummy": {"test": undefined}, "finetuned": {"test": scores}}
    (tmp_path / "metrics/evaluate.json").write_text(json.dumps(evaluation))
    found = {metrics[0]: {"difference": 0.1, "low": 0.05, "high": 0.15, "p": 0.01}, "n": 9}
    (tmp_path / "metrics/comparisons.json").write_text(json.dumps({"test": {"dummy": {}, "tfidf": found}}))
    show(tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:2] == metrics
    assert lines[2].split()[:3] == ["dummy", "-", "0.500"]
    assert lines[3].startswith("finetuned  0.500 [0.500, 0.500]")
    assert f"finetuned less tfidf: {metrics[0]} +0.100 [+0.050, +0.150], p = 0.010" in lines


def test_of_an_error_it_is_said_that_lower_is_better() -> None:
    task = task_of(kind="regression").model_copy(update={"metrics": ["mae"]})
    found = {"mae": {"difference": -0.1, "low": -0.15, "high": -0.05, "p": 0.01}}
    assert list(difference_lines({"tfidf": found}, task)) == [
        "finetuned less tfidf: mae (lower is better) -0.100 [-0.150, -0.050], p = 0.010"
    ]


def test_a_difference_to_a_model_without_the_score_is_undefined() -> None:
    lines = difference_lines({"tfidf": {"n": 9}}, task_of(kind="regression"))
    assert list(lines) == ["finetuned less tfidf: pearson - (undefined)"]


def test_the_last_time_of_a_stage_counts() -> None:
    log = '{"stage": "split", "seconds": 9}\n{"stage": "split", "seconds": 2}\n'
    assert last_seconds(log) == {"split": 2}


def test_times_wrap_within_100_columns() -> None:
    lines = time_lines([(f"stage{n}", 1.25) for n in range(13)])
    assert len(lines) > 1
    assert max(map(len, lines)) <= 100
    assert " ".join(" ".join(lines).split()).endswith("stage12 1.2 s, total 16.2 s")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (59.2, "59.2 s"), (59.9, "1 min 0 s"), (192.4, "3 min 12 s")],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_figures_below_zero_keep_their_distance() -> None:
    scores = {
        f"{name}{end}": -0.25
        for name in ("matthews", "accuracy", "f1", "r2")
        for end in ("", "_low", "_high")
    }
    lines = list(score_table({"dummy": scores, "finetuned": scores}, first=["matthews"]))
    assert all("]-" not in line and len(line) <= 100 for line in lines)
    assert sum(line.count("-0.250 [-0.250, -0.250]") for line in lines) == 8
