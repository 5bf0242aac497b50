import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from stages import errors
from stages.lib.errors.error_numbers import error_numbers
from stages.lib.errors.error_tables import confusion
from stages.lib.errors.example_errors import error_table, judged, texts_of
from stages.lib.exceptions import DataError
from stages.lib.statistics.predictions import BASELINES, read_predictions
from stages.lib.task import Task
from tests.error_knobs import FEW
from tests.predicted import (
    LABELS,
    ROWS,
    SCORES,
    examples,
    predictions_of,
    splits_of,
    task_of,
    write_labelled_sets,
    write_project,
    write_scored,
)

TABLES = [
    "clusters",
    "contradictions",
    "examples",
    "label_issues",
    "learning_curve",
    "map",
    "slice_members",
    "slices",
    "to_label",
    "words",
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(json.dumps({"errors": FEW}))
    write_project(tmp_path)
    return tmp_path


def run_stage(project: Path, name: str = "errors") -> Path:
    errors.main(
        task=project / "task.json",
        splits=project / "splits.parquet",
        copies=project / "copies.parquet",
        tokens=project / "tokens.arrow",
        features=project / "features.arrow",
        baseline=project / "baseline",
        finetuned=project / "finetuned",
        crossfitted=project / "crossfitted",
        errors=project / name,
        metrics=project / "metrics.json",
    )
    return project / name


def table(project: Path) -> pl.DataFrame:
    found = read_predictions(project / "baseline")
    baselines = {name: found[name] for name in BASELINES}
    predictions = read_predictions(project / "finetuned")["finetuned"]
    return error_table(splits_of(), predictions, baselines, task_of())


def test_every_labelled_row_in_use_has_one_row_in_order(project: Path) -> None:
    assert table(project)["id"].to_list() == [row[0] for row in ROWS if row[2] is not None]


def test_loss_is_the_cross_entropy_and_probability_that_of_the_predicted_class(project: Path) -> None:
    rows = table(project).select("id", "probability", "loss").rows_by_key("id", named=True, unique=True)
    certain = np.exp(3) / (np.exp(3) + 2)
    assert rows["e"] == pytest.approx({"probability": certain, "loss": -np.log(certain)})
    assert rows["f"] == pytest.approx({"probability": certain, "loss": -np.log((1 - certain) / 2)})


def test_the_loss_of_a_hopeless_mistake_stays_finite() -> None:
    said = predictions_of([row[3] for row in ROWS], strength=5_000)
    rows = judged(examples().with_columns(logits=pl.Series(said)), task_of())
    assert rows["loss"].to_list() == [0, 0, 0, 5_000, 0, 5_000, 0, 5_000]


def test_texts_are_those_that_were_written(project: Path) -> None:
    assert table(project)["text_original"][0] == "Text a"


def test_baselines_speak_of_training_rows_out_of_fold(project: Path) -> None:
    assert table(project)["tfidf"].to_list() == ["other"] * 2 + ["alarm"] * 6


def test_kept_columns_come_along_under_one_name() -> None:
    kept = texts_of(splits_of(), task_of(kept=("place",)))["kept"]
    assert kept[0] == {"place": "Oslo"}


def test_pairs_keep_both_texts() -> None:
    splits = splits_of().with_columns(text_pair_original=pl.lit("second"))
    assert "text_pair_original" in texts_of(splits, task_of(pair="second")).columns


def test_tables_of_different_runs_are_refused(project: Path) -> None:
    stale = splits_of().filter(pl.col("id") != "e")
    predictions = read_predictions(project / "finetuned")["finetuned"]
    with pytest.raises(DataError, match=r"lacks 1 of the 8 examples.*'e'.*dvc repro"):
        error_table(stale, predictions, {}, task_of())


def test_confusion_has_every_cell_of_every_evaluation_role_and_model(project: Path) -> None:
    cells = confusion(table(project), {"tfidf": "tfidf", "finetuned": "predicted"}, task_of())
    assert len(cells) == 2 * 2 * len(LABELS) ** 2
    assert cells.group_by("model", "role").agg(pl.col("count").sum()).sort("model", "role").rows() == [
        ("finetuned", "test", 4),
        ("finetuned", "validation", 2),
        ("tfidf", "test", 4),
        ("tfidf", "validation", 2),
    ]


def test_confusion_shares_are_of_the_actual_class(project: Path) -> None:
    cells = confusion(table(project), {"finetuned": "predicted"}, task_of())
    alarm = cells.filter(pl.col("role") == "test", pl.col("actual") == "alarm")
    assert alarm.select("predicted", "count", "share").rows() == [
        ("calm", 1, 0.5),
        ("alarm", 1, 0.5),
        ("other", 0, 0),
    ]
    absent = cells.filter(pl.col("role") == "validation", pl.col("actual") == "other")
    assert absent["share"].to_list() == [0, 0, 0]


def test_the_numbers_tell_whose_mistakes_are_whose(project: Path) -> None:
    numbers = error_numbers(table(project), list(BASELINES), 0.25, task_of())
    assert set(numbers) == {"validation", "test"}
    test = numbers["test"]
    assert (test["examples"], test["mistakes"]) == (4, 2)
    assert test["against"]["tfidf"] == {"only_finetuned_wrong": 1, "only_baseline_wrong": 1}
    assert test["mistakes_that_all_but_dummy_make"] == 0
    assert numbers["validation"]["mistakes_that_all_but_dummy_make"] == 0
    hit, miss = -np.log(np.exp(3) / (np.exp(3) + 2)), -np.log(1 / (np.exp(3) + 2))
    assert test["share_of_loss_in_the_worst"] == pytest.approx(miss / (2 * hit + 2 * miss))


def test_a_mistake_counts_as_everyones_whatever_dummy_says(project: Path) -> None:
    rows = table(project).with_columns(tfidf=pl.lit("other"), features=pl.lit("other"), dummy=pl.col("label"))
    numbers = error_numbers(rows, list(BASELINES), 0.25, task_of())
    assert numbers["test"]["mistakes_that_all_but_dummy_make"] == 1  # f; the label of h is other


@pytest.mark.slow
def test_the_stage_says_one_line_and_writes_the_same_bytes_again(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = run_stage(project), run_stage(project, "again")
    line = "errors: 2 mistakes in 4 test examples; the worst 25% carry 49% of the loss\n"
    assert capsys.readouterr().out == line * 2
    assert sorted(path.stem for path in first.iterdir()) == sorted([*TABLES, "confusion"])
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()
    assert json.loads((project / "metrics.json").read_text())["test"]["mistakes"] == 2


# --- other kinds -------------------------------------------------------------------------------------------


def tables_of(project: Path, name: str = "errors") -> dict[str, pl.DataFrame]:
    return {path.stem: pl.read_parquet(path) for path in run_stage(project, name).iterdir()}


def on_test(table: pl.DataFrame, model: str | None = None) -> pl.DataFrame:
    rows = table.filter(pl.col("role") == "test")
    return rows if model is None else rows.filter(pl.col("model") == model)


def test_a_residual_is_actual_less_predicted_and_the_loss_its_size(project: Path) -> None:
    write_scored(project)
    rows = on_test(tables_of(project)["examples"])
    assert rows.select("id", "label", "predicted", "residual", "loss").rows() == [
        ("e", 0.5, 1, -0.5, 0.5),
        ("f", 4, 1.5, 2.5, 2.5),
        ("g", 2.5, 2.5, 0, 0),
        ("h", 5, 4.75, 0.25, 0.25),
    ]
    assert rows["tfidf"].to_list() == [2] * 4


@pytest.mark.slow
@pytest.mark.parametrize("write", [write_scored, write_labelled_sets])
def test_every_kind_has_its_tables_and_the_same_bytes_again(
    project: Path, write: Callable[[Path], Task]
) -> None:
    task = write(project)
    first, second = run_stage(project), run_stage(project, "again")
    names = {"regression": ["by_range"], "multi-label": ["by_label", "missed"]}[task.kind]
    assert sorted(path.stem for path in first.iterdir()) == sorted([*TABLES, *names])
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()
    assert len(pl.read_parquet(first / "map.parquet")) == 5


def test_a_regressions_baselines_speak_of_training_rows_out_of_fold(project: Path) -> None:
    write_scored(project)
    rows = tables_of(project)["examples"]
    assert rows.filter(pl.col("role") == "train")["tfidf"].to_list() == [1, 1]


def test_errors_by_range_are_of_every_model_and_ranges_without_examples_have_none(project: Path) -> None:
    write_scored(project)
    table = on_test(tables_of(project)["by_range"], "finetuned")
    assert table["range"].to_list() == ["0 to 1", "1 to 2", "2 to 3", "3 to 4", "4 to 5"]
    rows = table.rows_by_key("range", named=True, unique=True)
    assert rows["4 to 5"]["n"] == 2
    assert rows["4 to 5"]["mean_residual"] == pytest.approx((2.5 + 0.25) / 2)
    assert rows["4 to 5"]["rmse"] == pytest.approx(((2.5**2 + 0.25**2) / 2) ** 0.5)
    assert (rows["1 to 2"]["n"], rows["1 to 2"]["mae"]) == (0, None)
    absolute = (table["n"] * table["mae"]).sum()
    assert absolute == pytest.approx(3.25)


def test_the_numbers_of_a_regression(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_scored(project)
    run_stage(project)
    line = "errors: off by 0.812 in the mean of 4 test examples; the worst 25% carry 77% of the loss\n"
    assert capsys.readouterr().out == line
    test = json.loads((project / "metrics.json").read_text())["test"]
    assert (test["examples"], test["mean_residual"], test["mean_loss"]) == (4, 0.5625, 0.8125)
    assert test["against"]["features"] == {"finetuned_nearer": 3, "baseline_nearer": 1}
    assert "mistakes" not in test


@pytest.mark.slow
def test_labels_that_are_missed_and_those_that_are_too_many(project: Path) -> None:
    write_labelled_sets(project)
    rows = on_test(tables_of(project)["examples"])
    assert rows.select("id", "missed", "extra").rows() == [
        ("e", [], []),
        ("f", ["alarm"], []),
        ("g", [], ["calm"]),
        ("h", ["calm"], ["other"]),
    ]
    assert rows["dummy"].to_list() == [[]] * 4
    right, wrong = np.log1p(np.exp(-2)), np.log1p(np.exp(2))
    losses = [3 * right, 2 * right + wrong, 2 * right + wrong, right + 2 * wrong]
    assert rows["loss"].to_list() == pytest.approx(losses)
    assert rows["probabilities"][0].to_list() == pytest.approx(np.exp([-right, -right, -wrong]))


@pytest.mark.slow
def test_every_label_has_its_counts_also_one_that_never_occurs(project: Path) -> None:
    write_labelled_sets(project)
    table = on_test(tables_of(project)["by_label"], "finetuned")
    assert table.select("label", "n", "tp", "fp", "fn", "precision", "recall", "f1").rows() == [
        ("calm", 3, 2, 1, 1, 2 / 3, 2 / 3, 2 / 3),
        ("alarm", 2, 1, 0, 1, 1, 0.5, 2 / 3),
        ("other", 0, 0, 1, 0, 0, None, 0),
    ]
    dummy = on_test(tables_of(project)["by_label"], "dummy")
    assert dummy["precision"].to_list() == [None] * 3
    assert dummy["f1"].to_list() == [0, 0, None]


@pytest.mark.slow
def test_a_missed_label_stands_with_what_was_said_instead(project: Path) -> None:
    write_labelled_sets(project)
    pairs = on_test(tables_of(project)["missed"], "finetuned").select("missed", "said", "count").rows()
    assert sorted(pairs, key=str) == [("alarm", None, 1), ("calm", "other", 1), (None, "calm", 1)]


@pytest.mark.slow
def test_an_example_counts_once_for_each_pair_and_the_most_frequent_comes_first(project: Path) -> None:
    write_labelled_sets(project)
    pairs = on_test(tables_of(project)["missed"], "tfidf").select("missed", "said", "count").rows()
    assert pairs == [(None, "other", 4), (None, "alarm", 2), (None, "calm", 1)]


@pytest.mark.slow
def test_the_numbers_of_several_labels(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_labelled_sets(project)
    run_stage(project)
    line = "errors: 3 of 4 test examples not exactly right, 2 labels missed and 2 too many; "
    assert capsys.readouterr().out.startswith(line)
    test = json.loads((project / "metrics.json").read_text())["test"]
    assert (test["mistakes"], test["missed_labels"], test["extra_labels"]) == (3, 2, 2)
    assert test["against"]["dummy"] == {"only_finetuned_wrong": 1, "only_baseline_wrong": 1}


@pytest.mark.slow
def test_the_order_of_labels_makes_no_mistake(project: Path) -> None:
    write_labelled_sets(project)
    path = project / "finetuned/finetuned.parquet"
    predictions = pl.read_parquet(path)
    predictions.with_columns(pl.col("label").list.reverse()).write_parquet(path)
    rows = on_test(tables_of(project)["examples"])
    assert rows["label"][0].to_list() == rows["predicted"][0].to_list() == ["calm", "alarm"]


def test_a_single_example_has_errors(project: Path) -> None:
    only = [row for row in SCORES if row[0] in ("a", "f")]
    write_scored(project, rows=only)
    table = on_test(tables_of(project)["by_range"], "finetuned")
    assert table.select("range", "n", "mae").rows() == [("4", 1, 2.5)]
