import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from stages import errors
from stages.lib.exceptions import DataError
from stages.lib.predictions import BASELINES, read_predictions
from tests.predicted import LABELS, ROWS, examples, predictions_of, splits_of, task_of, write_project

PARAMS = """\
errors:
  seed: 1
  worst_fraction: 0.25
  map_examples: 5
  map_neighbours: 3
  map_min_distance: 0.1
"""


def params(**changes: float) -> errors.Params:
    values = {
        "seed": 1,
        "worst_fraction": 0.25,
        "map_examples": 5,
        "map_neighbours": 3,
        "map_min_distance": 0.1,
    }
    return errors.Params.model_validate(values | changes)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS, encoding="utf-8")
    write_project(tmp_path)
    return tmp_path


def run_stage(project: Path, name: str = "errors") -> Path:
    errors.main(
        task=project / "task.json",
        splits=project / "splits.parquet",
        baseline=project / "baseline",
        finetuned=project / "finetuned",
        errors=project / name,
        metrics=project / "metrics.json",
    )
    return project / name


def table(project: Path) -> pl.DataFrame:
    found = read_predictions(project / "baseline")
    baselines = {name: found[name] for name in BASELINES}
    predictions = read_predictions(project / "finetuned")["finetuned"]
    return errors.error_table(splits_of(), predictions, baselines, task_of())


def test_every_labelled_row_in_use_has_one_row_in_order(project: Path) -> None:
    assert table(project)["id"].to_list() == [row[0] for row in ROWS if row[2] is not None]


def test_loss_is_the_cross_entropy_and_probability_that_of_the_predicted_class(project: Path) -> None:
    rows = table(project).select("id", "probability", "loss").rows_by_key("id", named=True, unique=True)
    certain = np.exp(3) / (np.exp(3) + 2)
    assert rows["e"] == pytest.approx({"probability": certain, "loss": -np.log(certain)})
    assert rows["f"] == pytest.approx({"probability": certain, "loss": -np.log((1 - certain) / 2)})


def test_the_loss_of_a_hopeless_mistake_stays_finite() -> None:
    said = predictions_of([row[3] for row in ROWS], strength=5_000)
    judged = errors.judged(examples().with_columns(logits=pl.Series(said)), task_of())
    assert judged["loss"].to_list() == [0, 0, 0, 5_000, 0, 5_000, 0, 5_000]


def test_texts_are_those_that_were_written(project: Path) -> None:
    assert table(project)["text_original"][0] == "Text a"


def test_baselines_speak_of_training_rows_out_of_fold(project: Path) -> None:
    assert table(project)["tfidf"].to_list() == ["other"] * 2 + ["alarm"] * 6


def test_kept_columns_come_along_under_one_name() -> None:
    kept = errors.texts_of(splits_of(), task_of(kept=("place",)))["kept"]
    assert kept[0] == {"place": "Oslo"}


def test_pairs_keep_both_texts() -> None:
    splits = splits_of().with_columns(text_pair_original=pl.lit("second"))
    assert "text_pair_original" in errors.texts_of(splits, task_of(pair="second")).columns


def test_tables_of_different_runs_are_refused(project: Path) -> None:
    stale = splits_of().filter(pl.col("id") != "e")
    predictions = read_predictions(project / "finetuned")["finetuned"]
    with pytest.raises(DataError, match=r"lacks 1 of the 8 examples.*'e'.*dvc repro"):
        errors.error_table(stale, predictions, {}, task_of())


def test_confusion_has_every_cell_of_every_evaluation_role_and_model(project: Path) -> None:
    cells = errors.confusion(table(project), {"tfidf": "tfidf", "finetuned": "predicted"}, task_of())
    assert len(cells) == 2 * 2 * len(LABELS) ** 2
    assert cells.group_by("model", "role").agg(pl.col("count").sum()).sort("model", "role").rows() == [
        ("finetuned", "test", 4),
        ("finetuned", "validation", 2),
        ("tfidf", "test", 4),
        ("tfidf", "validation", 2),
    ]


def test_confusion_shares_are_of_the_actual_class(project: Path) -> None:
    cells = errors.confusion(table(project), {"finetuned": "predicted"}, task_of())
    alarm = cells.filter(pl.col("role") == "test", pl.col("actual") == "alarm")
    assert alarm.select("predicted", "count", "share").rows() == [
        ("calm", 1, 0.5),
        ("alarm", 1, 0.5),
        ("other", 0, 0),
    ]
    absent = cells.filter(pl.col("role") == "validation", pl.col("actual") == "other")
    assert absent["share"].to_list() == [0, 0, 0]


def test_the_numbers_tell_whose_mistakes_are_whose(project: Path) -> None:
    numbers = errors.summary(table(project), list(BASELINES), worst_fraction=0.25)
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
    numbers = errors.summary(rows, list(BASELINES), worst_fraction=0.25)
    assert numbers["test"]["mistakes_that_all_but_dummy_make"] == 1  # f; the label of h is other


def test_training_rows_are_on_the_map_only_where_others_do_not_fill_it() -> None:
    roles = pl.Series(["train", "test", "train", "validation", "test"])
    assert errors.on_the_map(roles, params(map_examples=3)).tolist() == [1, 3, 4]
    assert errors.on_the_map(roles, params(map_examples=9)).tolist() == [0, 1, 2, 3, 4]
    assert len(errors.on_the_map(roles, params(map_examples=4))) == 4


def test_the_map_lays_out_the_vectors_of_its_own_rows(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "lay_out", lambda vectors_NH, params: vectors_NH[:, :2])
    rows = table(project)
    points = errors.map_table(rows, project / "finetuned/vectors.arrow", params(map_examples=3))
    vectors_NH = np.random.default_rng(0).normal(size=(len(ROWS), 4)).astype(np.float32)
    places = [[row[0] for row in ROWS].index(name) for name in points["id"]]
    np.testing.assert_array_equal(points.select("x", "y").to_numpy(), vectors_NH[places, :2])


@pytest.mark.parametrize("count", [1, 2, 9])
def test_a_few_vectors_are_laid_out_without_umap(count: int) -> None:
    plane = errors.lay_out(np.random.default_rng(0).normal(size=(count, 4)), params())
    assert plane.shape == (count, 2)
    assert np.isfinite(plane).all()


def test_the_stage_says_one_line_and_writes_the_same_bytes_again(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = run_stage(project), run_stage(project, "again")
    line = "errors: 2 mistakes in 4 test examples; the worst 25% carry 49% of the loss\n"
    assert capsys.readouterr().out == line * 2
    assert sorted(path.name for path in first.iterdir()) == [
        "confusion.parquet",
        "examples.parquet",
        "map.parquet",
    ]
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()
    assert json.loads((project / "metrics.json").read_text())["test"]["mistakes"] == 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Tensorflow not installed:ImportWarning")
def test_umap_sets_classes_apart_and_lays_them_out_the_same_again() -> None:
    rng = np.random.default_rng(0)
    centres_NH = np.repeat(rng.normal(size=(2, 16)) * 5, 30, axis=0)
    vectors_NH = (centres_NH + rng.normal(size=(60, 16))).astype(np.float32)
    plane = errors.lay_out(vectors_NH, params(map_neighbours=10))
    assert (
        np.linalg.norm(plane[:30].mean(axis=0) - plane[30:].mean(axis=0)) > 3 * plane[:30].std(axis=0).max()
    )
    np.testing.assert_array_equal(errors.lay_out(vectors_NH, params(map_neighbours=10)), plane)
