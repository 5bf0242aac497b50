import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from stages.evaluate import confusion, headline, labelled_roles, main, seed_of, summarize
from stages.lib.exceptions import DataError
from stages.lib.metrics import ClassificationScores
from stages.lib.predictions import FINETUNED, write_predictions
from stages.lib.scores import scores
from stages.lib.task import write_task
from tests.test_scores import a_task

TASK = a_task(["ham", "spam, or not", "other"])
PARAMS = "evaluate:\n  confidence: 0.95\n  resamples: 300\n  seed: 13\n"
SKILL = {"dummy": 0.0, "tfidf": 1.0, "features": 1.5, "finetuned": 4.0}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS, encoding="utf-8")
    write_task(TASK, Path("task.json"))
    write_all_predictions(some_examples())
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
        write_predictions(examples, noise + skill * leaning, Path(folder) / f"{model}.parquet")


def evaluated() -> dict[str, Any]:
    main(
        task=Path("task.json"),
        baseline=Path("baseline"),
        finetuned=Path("finetuned"),
        plots=Path("plots"),
        metrics=Path("evaluate.json"),
        summary=Path("summary.json"),
    )
    evaluation: dict[str, Any] = json.loads(Path("evaluate.json").read_bytes())
    return evaluation


def without(role: str, evaluation: dict[str, Any]) -> dict[str, Any]:
    return {model: {r: v for r, v in roles.items() if r != role} for model, roles in evaluation.items()}


def test_every_model_is_judged_on_every_labelled_evaluation_role(project: Path) -> None:
    evaluation = evaluated()
    assert set(evaluation) == {"dummy", "tfidf", "features", "finetuned"}
    assert all(set(roles) == {"validation", "test"} for roles in evaluation.values())
    assert evaluation["finetuned"]["test"]["n"] == 100


def test_the_figures_are_those_of_the_plain_metric(project: Path) -> None:
    figures = evaluated()["features"]["test"]
    rows = pl.read_parquet("baseline/features.parquet").filter(pl.col("role") == "test")
    plain = scores(TASK, rows["label"].to_numpy(), rows["logits"].to_numpy().argmax(axis=1))
    assert {name: figures[name] for name in plain} == pytest.approx(plain, abs=1e-6)
    assert 0 < plain["accuracy"] < 1


def test_a_row_without_a_label_is_not_judged(project: Path) -> None:
    hidden = pl.when(pl.int_range(pl.len()).is_in(range(200, 230)).not_()).then("label")  # 30 of test
    write_all_predictions(some_examples().with_columns(label=hidden))
    evaluation = evaluated()
    assert evaluation["finetuned"]["test"]["n"] == 70
    assert evaluation["finetuned"]["validation"]["n"] == 100


def test_the_same_inputs_give_the_same_bytes(project: Path) -> None:
    outs = [Path("evaluate.json"), Path("summary.json"), Path("plots/test/finetuned.csv")]
    evaluated()
    first = [out.read_bytes() for out in outs]
    evaluated()
    assert [out.read_bytes() for out in outs] == first


def test_other_test_labels_change_test_figures_alone(project: Path) -> None:
    before = evaluated()
    for path in Path().glob("*/*.parquet"):
        other = pl.when(pl.col("role") == "test").then(2 - pl.col("label")).otherwise("label")
        pl.read_parquet(path).with_columns(label=other).write_parquet(path)
    after = evaluated()
    assert without("test", after) == without("test", before)
    assert all(after[model]["test"] != before[model]["test"] for model in after)


def test_a_further_role_changes_no_other_figure(project: Path) -> None:
    before = evaluated()
    write_all_predictions(some_examples(("train", "mismatched", "validation", "test", "unlabelled")))
    after = evaluated()
    assert "mismatched" in after["dummy"]
    assert without("mismatched", after) == before


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
    assert sorted(path.relative_to("plots").as_posix() for path in Path("plots").glob("*/*")) == sorted(
        f"{role}/{model}.csv" for role in ("validation", "test") for model in SKILL
    )
    rows = pl.read_csv("plots/test/tfidf.csv")
    assert rows.columns == ["actual", "predicted"]
    assert set(rows["actual"]) == set(TASK.labels)
    right = (rows["actual"] == rows["predicted"]).mean()
    assert right == pytest.approx(evaluation["tfidf"]["test"]["accuracy"])


def test_the_confusion_data_are_actual_and_predicted_in_that_order() -> None:
    examples = pl.DataFrame({"label": [1, 0], "logits": [[5.0, 0.0, 0.0], [0.0, 0.0, 5.0]]})
    rows = confusion(TASK, examples.with_columns(pl.col("logits").cast(pl.Array(pl.Float32, 3)))).rows()
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
        "validation": {"accuracy": 0.7},
        "baseline": {"accuracy": 0.5},
    }


def test_without_a_labelled_test_the_summary_is_of_the_first_role() -> None:
    summary = summarize(TASK, made_up({"validation": 0.7, "other": 0.6}, baseline=None))
    assert summary == {
        "validation": {"accuracy": 0.7, "low": 0.1, "high": 0.9},
        "baseline": {"accuracy": None},
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
    computed = ClassificationScores(TASK).compute(predictions=predicted_N, references=labels_N)
    assert computed == scores(TASK, labels_N, predicted_N)


def test_the_metric_takes_batches() -> None:
    metric = ClassificationScores(TASK)
    for references, predictions in (([0, 1], [0, 1]), ([2, 1], [1, 1])):
        metric.add_batch(predictions=predictions, references=references)
    assert metric.compute() == scores(TASK, np.array([0, 1, 2, 1]), np.array([0, 1, 1, 1]))
