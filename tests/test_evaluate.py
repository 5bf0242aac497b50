import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from scipy.special import softmax
from sklearn.metrics import f1_score, log_loss

from stages.evaluate import headline, labelled_roles, main, seed_of, summarize
from stages.lib.arrow import write_stream
from stages.lib.exceptions import DataError
from stages.lib.statistics.diagrams import Judged, confusion
from stages.lib.statistics.judging import Model, Settings
from stages.lib.statistics.predictions import FINETUNED, write_predictions
from stages.lib.statistics.scores import scores
from stages.lib.tables import write_json, write_parquet
from stages.lib.task import write_task
from stages.lib.training.metrics import TaskScores
from tests.predicted import task_of

TASK = task_of(["ham", "spam, or not", "other"]).model_copy(update={"kept": ["place"]})
PARAMS = """\
evaluate:
  confidence: 0.95
  resamples: 300
  seed: 13
  calibration_bins: 10
  slice_values: 5
  slice_least_n: 10
  external: external
"""
POINTS = [{"precision": 0.9, "threshold": 0.8}, {"precision": 0.95, "threshold": None}]
SKILL = {"dummy": 0.0, "tfidf": 1.0, "features": 1.5, "finetuned": 4.0}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS, encoding="utf-8")
    write_task(TASK, Path("task.json"))
    write_all_predictions(some_examples())
    Path("external").mkdir()
    write_json({model: {"temperature": 1.0} for model in SKILL}, Path("baseline.json"))
    finetuned = {"temperature": 2.0, "operating": POINTS, "selected_on_validation": False}
    write_json(finetuned, Path("finetune.json"))
    return tmp_path


def some_examples(roles: tuple[str, ...] = ("train", "validation", "test", "unlabelled")) -> pl.DataFrame:
    """100 of each role; those of a role are the same whatever the other roles."""
    parts = [
        pl.DataFrame(
            {"role": role, "label": np.random.default_rng(len(role)).choice(3, 100, p=[0.6, 0.3, 0.1])}
        )
        for role in roles
    ]
    labels = pl.when(pl.col("role") != "unlabelled").then("label")
    return pl.concat(parts).with_row_index("id").with_columns(pl.col("id").cast(pl.String), label=labels)


def write_all_predictions(examples: pl.DataFrame, **changed: float) -> None:
    """Logits that lean to the label of `some_examples` as far as the model has skill."""
    leaning = np.eye(3)[examples["label"].fill_null(0).to_numpy()]
    noise = np.concatenate([np.random.default_rng(7).normal(size=(100, 3))] * (len(examples) // 100))
    for model, skill in (SKILL | changed).items():
        folder = "finetuned" if model == FINETUNED else "baseline"
        write_predictions(TASK, examples, noise + skill * leaning, Path(folder) / f"{model}.parquet")
    names = pl.Series(TASK.labels)
    splits = examples.select("id", "role", label=names.gather(examples["label"])).with_columns(
        text_original=pl.lit("Text ") + pl.col("id"),
        place=pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.lit("Oslo")).otherwise(pl.lit("Lima")),
    )
    write_parquet(splits, Path("splits.parquet"))
    write_tokens(splits["id"].to_list())


def write_tokens(ids: list[str]) -> None:
    """Of 10 tokens each; every fourth has lost 5, every eighth 30."""
    lost = [30 if number % 8 == 0 else 5 if number % 4 == 0 else 0 for number in range(len(ids))]
    columns = {"id": ids, "length": pa.array([10] * len(ids), pa.int32()), "lost": pa.array(lost, pa.int32())}
    table = pa.table(columns)
    write_stream(table.schema, table.to_batches(), Path("tokens.arrow"))


def evaluated() -> dict[str, Any]:
    main(
        task=Path("task.json"),
        splits=Path("splits.parquet"),
        tokens=Path("tokens.arrow"),
        baseline=Path("baseline"),
        baseline_fitted=Path("baseline.json"),
        finetuned=Path("finetuned"),
        finetuned_fitted=Path("finetune.json"),
        external=Path("external"),
        plots=Path("plots"),
        metrics=Path("evaluate.json"),
        comparisons=Path("comparisons.json"),
        summary=Path("summary.json"),
    )
    evaluation: dict[str, Any] = json.loads(Path("evaluate.json").read_bytes())
    return evaluation


def without(role: str, evaluation: dict[str, Any]) -> dict[str, Any]:
    return {model: {r: v for r, v in roles.items() if r != role} for model, roles in evaluation.items()}


@pytest.mark.slow
def test_every_model_is_judged_on_every_labelled_evaluation_role(project: Path) -> None:
    evaluation = evaluated()
    assert set(evaluation) == {"dummy", "tfidf", "features", "finetuned"}
    assert all(set(roles) == {"validation", "test"} for roles in evaluation.values())
    assert evaluation["finetuned"]["test"]["n"] == 100


@pytest.mark.slow
def test_the_figures_are_those_of_the_plain_metric(project: Path) -> None:
    figures = evaluated()["features"]["test"]
    rows = pl.read_parquet("baseline/features.parquet").filter(pl.col("role") == "test")
    plain = scores(TASK, rows["label"].to_numpy(), rows["logits"].to_numpy().argmax(axis=1))
    assert {name: figures[name] for name in plain} == pytest.approx(plain, abs=1e-6)
    assert plain["accuracy"] is not None
    assert 0 < plain["accuracy"] < 1


@pytest.mark.slow
def test_a_row_without_a_label_is_not_judged(project: Path) -> None:
    hidden = pl.when(pl.int_range(pl.len()).is_in(range(200, 230)).not_()).then("label")  # 30 of test
    write_all_predictions(some_examples().with_columns(label=hidden))
    evaluation = evaluated()
    assert evaluation["finetuned"]["test"]["n"] == 70
    assert evaluation["finetuned"]["validation"]["n"] == 100


@pytest.mark.slow
def test_the_same_inputs_give_the_same_bytes(project: Path) -> None:
    evaluated()
    outs = [*Path().glob("*.json"), *Path("plots").rglob("*.csv")]
    assert len(outs) > 15
    first = [out.read_bytes() for out in outs]
    evaluated()
    assert [out.read_bytes() for out in outs] == first


@pytest.mark.slow
def test_other_test_labels_change_test_figures_alone(project: Path) -> None:
    before = evaluated()
    for path in Path().glob("*/*.parquet"):
        other = pl.when(pl.col("role") == "test").then(2 - pl.col("label")).otherwise("label")
        pl.read_parquet(path).with_columns(label=other).write_parquet(path)
    after = evaluated()
    assert without("test", after) == without("test", before)
    assert all(after[model]["test"] != before[model]["test"] for model in after)


@pytest.mark.slow
def test_a_further_role_changes_no_other_figure(project: Path) -> None:
    before = evaluated()
    write_all_predictions(some_examples(("train", "mismatched", "validation", "test", "unlabelled")))
    after = evaluated()
    assert "mismatched" in after["dummy"]
    assert without("mismatched", after) == before


@pytest.mark.slow
def test_another_model_changes_no_other_figure(project: Path) -> None:
    before = evaluated()
    write_all_predictions(some_examples(), finetuned=2.0)
    after = evaluated()
    assert after.pop("finetuned") != before.pop("finetuned")
    assert after == before


def test_each_model_and_role_has_a_seed_of_its_own() -> None:
    seeds = {seed_of(s, model, role) for s in (1, 2) for model in SKILL for role in ("validation", "test")}
    assert len(seeds) == 16


def test_the_confusion_data_name_classes_and_hold_every_judged_example(project: Path) -> None:
    evaluation = evaluated()
    folder = Path("plots/confusion")
    assert sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*")) == sorted(
        f"{role}/{model}.csv" for role in ("validation", "test") for model in SKILL
    )
    rows = pl.read_csv("plots/confusion/test/tfidf.csv")
    assert rows.columns == ["actual", "predicted"]
    assert set(rows["actual"]) == set(TASK.labels)
    right = (rows["actual"] == rows["predicted"]).mean()
    assert right == pytest.approx(evaluation["tfidf"]["test"]["accuracy"])


def test_the_confusion_data_are_actual_and_predicted_in_that_order() -> None:
    examples = pl.DataFrame({"label": [1, 0], "logits": [[5.0, 0.0, 0.0], [0.0, 0.0, 5.0]]})
    examples = examples.with_columns(pl.col("logits").cast(pl.Array(pl.Float32, 3)))
    model = Model(examples, has_probabilities=True, temperature=None, points=[], best_f1=None)
    rows = confusion(TASK, Judged(model, examples, {}, Settings(10, 0.95, 5))).rows()
    assert rows == [("ham", "other"), ("spam, or not", "ham")]


def test_no_labelled_evaluation_example_is_refused_with_the_roles_found() -> None:
    examples = some_examples(("train", "unlabelled"))
    with pytest.raises(DataError, match="found the roles train, unlabelled"):
        labelled_roles(examples)


def made_up(finetuned: dict[str, float], baseline: float | None) -> dict[str, Any]:
    """accuracy: finetuned by role, tfidf the same on every role, dummy half of that, features none."""

    def figures(value: float | None) -> dict[str, float | None]:
        return {"accuracy": value, "accuracy_low": 0.1, "accuracy_high": 0.9, "n": 1_000}

    values = {"dummy": baseline and baseline / 2, "tfidf": baseline, "features": None}
    evaluation = {model: {role: figures(value) for role in finetuned} for model, value in values.items()}
    return evaluation | {"finetuned": {role: figures(value) for role, value in finetuned.items()}}


def test_the_summary_is_of_the_first_metric() -> None:
    assert summarize(TASK, made_up({"validation": 0.7, "test": 0.6, "z": 0.8}, baseline=0.5)) == {
        "test": {"accuracy": 0.6, "low": 0.1, "high": 0.9},
        "validation": 0.7,
        "baseline": 0.5,
    }


def test_what_matters_first_stands_first_in_the_file_as_dvc_shows_it(project: Path) -> None:
    evaluated()
    summary = json.loads(Path("summary.json").read_text(encoding="utf-8"))
    assert list(summary) == ["test", "validation", "baseline"]
    assert list(summary["test"]) == ["accuracy", "low", "high"]


def test_without_a_labelled_test_the_summary_is_of_the_first_role() -> None:
    summary = summarize(TASK, made_up({"validation": 0.7, "other": 0.6}, baseline=None))
    assert summary == {
        "validation": {"accuracy": 0.7, "low": 0.1, "high": 0.9},
        "baseline": None,
    }


def test_the_line_names_every_model_and_the_interval() -> None:
    line = headline(TASK, made_up({"test": 0.6}, baseline=0.5))
    assert line == (
        "test (n 1,000): accuracy dummy 0.250, tfidf 0.500, features undefined, "
        "finetuned 0.600 [0.100, 0.900]"
    )


def test_one_line_is_printed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluated()
    printed = capsys.readouterr().out
    assert printed.startswith("evaluate: test (n 100): accuracy dummy 0.")
    assert printed.count("\n") == 1


def test_the_metric_returns_the_scores() -> None:
    labels_N, predicted_N = np.array([0, 1, 2, 1]), np.array([0, 1, 1, 1])
    computed = TaskScores(TASK).compute(predictions=predicted_N, references=labels_N)
    assert computed == scores(TASK, labels_N, predicted_N)


def test_the_metric_takes_batches() -> None:
    metric = TaskScores(TASK)
    for references, predictions in (([0, 1], [0, 1]), ([2, 1], [1, 1])):
        metric.add_batch(predictions=predictions, references=references)
    assert metric.compute() == scores(TASK, np.array([0, 1, 2, 1]), np.array([0, 1, 1, 1]))


def finetuned_on(role: str) -> pl.DataFrame:
    return pl.read_parquet("finetuned/finetuned.parquet").filter(pl.col("role") == role)


def test_a_comparison_is_of_the_finetuned_model_with_each_other_on_the_same_examples(project: Path) -> None:
    evaluation = evaluated()
    compared = json.loads(Path("comparisons.json").read_bytes())
    assert {role: set(models) for role, models in compared.items()} == {
        role: {"dummy", "tfidf", "features"} for role in ("validation", "test")
    }
    found = compared["test"]["tfidf"]
    for name in ("accuracy", "macro_f1"):
        expected = evaluation["finetuned"]["test"][name] - evaluation["tfidf"]["test"][name]
        assert found[name]["difference"] == pytest.approx(expected, abs=2e-6)
        assert found[name]["low"] <= found[name]["difference"] <= found[name]["high"]
    assert found["flips"]["fixed"] - found["flips"]["broken"] == round(100 * found["accuracy"]["difference"])


def test_probabilities_are_judged_as_they_are_and_as_they_were_before_the_temperature(project: Path) -> None:
    figures = evaluated()["finetuned"]["test"]
    rows = finetuned_on("test")
    labels_N, logits_NC = rows["label"].to_numpy(), rows["logits"].to_numpy().astype(float)
    for name, values_NC in (("probabilities", logits_NC), ("before_temperature", 2.0 * logits_NC)):
        expected = log_loss(labels_N, softmax(values_NC, axis=1), labels=range(3))
        assert figures[name]["log_loss"] == pytest.approx(expected, abs=1e-5)
        assert figures[name]["log_loss_low"] < expected < figures[name]["log_loss_high"]


def test_the_thresholds_judged_are_those_that_travel_with_the_model(project: Path) -> None:
    rows = evaluated()["finetuned"]["test"]["automation"]
    assert [(row["target"], row["threshold"]) for row in rows] == [(0.9, 0.8), (0.95, None)]
    sure_N = softmax(finetuned_on("test")["logits"].to_numpy().astype(float), axis=1).max(axis=1)
    assert rows[0]["share"] == pytest.approx((sure_N >= 0.8).mean())
    assert rows[1]["share"] == 0


def test_the_best_threshold_for_f1_is_chosen_on_validation_and_judged_on_test(project: Path) -> None:
    write_task(TASK.model_copy(update={"positive": "ham"}), Path("task.json"))
    evaluation = evaluated()["finetuned"]
    thresholds = {evaluation[role]["best_f1"]["threshold"] for role in ("validation", "test")}
    assert len(thresholds) == 1
    assert evaluation["validation"]["best_f1"]["f1"] >= evaluation["validation"]["f1"]
    probability_N = softmax(finetuned_on("test")["logits"].to_numpy().astype(float), axis=1)[:, 0]
    is_ham_N = (finetuned_on("test")["label"] == 0).to_numpy()
    expected = f1_score(is_ham_N, probability_N >= thresholds.pop())
    assert evaluation["test"]["best_f1"]["f1"] == pytest.approx(expected, abs=1e-6)


def test_slices_have_the_scores_of_their_examples_and_the_worst_stand_first(project: Path) -> None:
    evaluated()
    table = pl.read_csv("plots/slices/test.csv")
    assert set(table["model"]) == set(SKILL)
    ours = table.filter(pl.col("model") == "tfidf")
    assert ours["accuracy"].is_sorted()
    assert {"label = ham", "place = Oslo", "place = Lima"} <= set(ours["slice"])
    rows = pl.read_parquet("baseline/tfidf.parquet").join(pl.read_parquet("splits.parquet"), on="id")
    rows = rows.filter(pl.col("role") == "test", pl.col("place") == "Oslo")
    right_N = rows["logits"].to_numpy().argmax(axis=1) == rows["label"].to_numpy()
    oslo = ours.row(by_predicate=pl.col("slice") == "place = Oslo", named=True)
    assert oslo["n"] == len(rows)
    assert oslo["accuracy"] == pytest.approx(right_N.mean())
    assert oslo["accuracy_low"] < oslo["accuracy"] < oslo["accuracy_high"]
    assert oslo["p_holm"] >= oslo["p"]


def test_without_a_slice_of_enough_examples_the_table_has_its_columns_alone(project: Path) -> None:
    Path("params.yaml").write_text(
        PARAMS.replace("slice_least_n: 10", "slice_least_n: 1000"), encoding="utf-8"
    )
    evaluated()
    table = pl.read_csv("plots/slices/test.csv")
    assert table.is_empty()
    assert {"model", "slice", "accuracy", "accuracy_low", "p_holm"} <= set(table.columns)


def write_external(name: str, role: str, header: str, cell: str) -> None:
    ids = finetuned_on(role)["id"]
    Path(f"external/{name}.csv").write_text(
        "\n".join([header, *(f"{i},{cell}" for i in ids)]), encoding="utf-8"
    )


@pytest.mark.slow
def test_predictions_from_elsewhere_are_judged_like_any_other_on_the_roles_that_they_cover(
    project: Path,
) -> None:
    before = evaluated()
    write_external("vendor", "test", "id,label", "ham")
    evaluation = evaluated()
    vendor = evaluation.pop("vendor")
    assert evaluation == before
    assert set(vendor) == {"test"}
    assert vendor["test"]["accuracy"] == pytest.approx((finetuned_on("test")["label"] == 0).mean())
    assert "probabilities" not in vendor["test"]
    assert "vendor" in json.loads(Path("comparisons.json").read_bytes())["test"]
    assert "vendor" in set(pl.read_csv("plots/slices/test.csv")["model"])
    assert "vendor" not in set(pl.read_csv("plots/roc/test.csv")["model"])


def test_probabilities_from_elsewhere_have_curves_and_no_temperature(project: Path) -> None:
    write_external("surely", "test", 'id,ham,"spam, or not",other', "0.6,0.3,0.1")
    figures = evaluated()["surely"]["test"]
    assert figures["probabilities"]["ece"] >= 0
    assert "before_temperature" not in figures
    assert "surely" in set(pl.read_csv("plots/reliability/test.csv")["model"])


@pytest.mark.slow
def test_figures_do_not_depend_on_the_order_of_the_rows(project: Path) -> None:
    before = evaluated()
    for path in (Path("finetuned/finetuned.parquet"), Path("splits.parquet")):
        pl.read_parquet(path).sample(fraction=1, shuffle=True, seed=3).write_parquet(path)
    assert evaluated() == before
