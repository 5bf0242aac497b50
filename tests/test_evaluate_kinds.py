"""The evaluate stage on numbers to be predicted and on several labels an example."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.special import expit
from scipy.stats import pearsonr, t, ttest_ind
from sklearn.metrics import f1_score, log_loss

from stages.evaluate import seed_of, summarize
from stages.lib.kinds import KINDS, Kind
from stages.lib.labels import array_of, column_of, names_of
from stages.lib.statistics.diagrams import DIAGRAMS, SCATTER_POINTS, Judged, by_label, residuals, scatter
from stages.lib.statistics.judging import Model, Settings, judge_against, right_or_wrong, size_of_errors
from stages.lib.statistics.predictions import FINETUNED, predicted_of, write_predictions
from stages.lib.statistics.scores import scores
from stages.lib.tables import write_json, write_parquet
from stages.lib.task import Task, write_task
from tests.predicted import task_of
from tests.test_evaluate import PARAMS, evaluated, write_tokens

SKILL = {"dummy": 0.0, "tfidf": 1.0, "features": 1.5, "finetuned": 4.0}
KINDS_HERE: tuple[Kind, ...] = ("regression", "multi-label")
each_kind = pytest.mark.parametrize("kind", KINDS_HERE)
ROLES = ("train", "validation", "test", "unlabelled")
THRESHOLDS = [0.5, 0.4, 0.6]


def labels_of(kind: Kind, n: int, rng: np.random.Generator) -> np.ndarray:
    if kind == "regression":
        return np.asarray(rng.integers(0, 26, n) / 5)
    return np.asarray(rng.random((n, 3)) < [0.5, 0.3, 0.1])


def logits_of(labels_N: np.ndarray, skill: float, noise_NC: np.ndarray) -> np.ndarray:
    """What a model of that skill says; without any, the same of every example."""
    if labels_N.dtype == bool:
        return np.asarray(skill * (labels_N - 0.5) + (noise_NC if skill else -1.0))
    if not skill:
        return np.full((len(labels_N), 1), 2.5)
    return np.asarray(labels_N[:, None] + noise_NC[:, :1] / skill)


def write_all(kind: Kind, **changed: float) -> None:
    """100 examples a role."""
    task, rng = task_of(kind=kind, kept=("place",)), np.random.default_rng(7)
    labels_N, noise_NC = labels_of(kind, 400, rng), rng.normal(size=(400, 3))
    roles = np.repeat(ROLES, 100)
    numbers = column_of(labels_N, task)
    label = pl.when(pl.Series(roles != "unlabelled")).then(numbers)
    ids = [str(number) for number in range(400)]
    examples = pl.DataFrame({"id": ids, "role": roles}).with_columns(label=label)
    for model, skill in (SKILL | changed).items():
        path = Path("finetuned" if model == FINETUNED else "baseline") / f"{model}.parquet"
        thresholds = THRESHOLDS if kind == "multi-label" else None
        write_predictions(task, examples, logits_of(labels_N, skill, noise_NC), path, thresholds=thresholds)
    splits = examples.with_columns(
        label=names_of(examples["label"], task),
        text_original=pl.lit("Text ") + pl.col("id"),
        place=pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.lit("Oslo")).otherwise(pl.lit("Lima")),
    )
    write_parquet(splits, Path("splits.parquet"))
    write_tokens(ids)
    write_task(task, Path("task.json"))


@pytest.fixture
def kind(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kind:
    found: Kind = request.param
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS, encoding="utf-8")
    write_all(found)
    Path("external").mkdir()
    temperature = None if found == "regression" else 2.0
    write_json({model: {"temperature": temperature} for model in SKILL}, Path("baseline.json"))
    write_json(
        {"temperature": temperature, "operating": [], "selected_on_validation": True}, Path("finetune.json")
    )
    return found


a_project = pytest.mark.parametrize("kind", KINDS_HERE, indirect=True)
a_regression = pytest.mark.parametrize("kind", ["regression"], indirect=True)
a_multi_label = pytest.mark.parametrize("kind", ["multi-label"], indirect=True)


def rows_of(model: str, role: str = "test") -> pl.DataFrame:
    folder = "finetuned" if model == FINETUNED else "baseline"
    return pl.read_parquet(f"{folder}/{model}.parquet").filter(pl.col("role") == role)


@pytest.mark.slow
@a_project
def test_the_figures_are_those_of_the_plain_metric_between_their_bounds(kind: Kind) -> None:
    task, evaluation = task_of(kind=kind), evaluated()
    for model in SKILL:
        rows, figures = rows_of(model), evaluation[model]["test"]
        plain = scores(task, array_of(rows["label"], task), predicted_of(rows, task))
        assert {name: figures[name] for name in plain} == pytest.approx(plain, abs=1e-6)
        assert figures["n"] == 100
        for name in plain:
            if plain[name] is not None:
                assert figures[f"{name}_low"] <= figures[name] <= figures[f"{name}_high"]
    assert "NaN" not in Path("evaluate.json").read_text(encoding="utf-8")


@a_regression
def test_what_is_undefined_is_null_with_a_reason(kind: Kind) -> None:
    dummy = evaluated()["dummy"]["test"]
    assert dummy["pearson"] is dummy["pearson_low"] is dummy["spearman_high"] is None
    assert dummy["undefined"] == dict.fromkeys(("pearson", "spearman"), "every prediction is 2.5")
    assert "undefined" not in evaluated()["finetuned"]["test"]
    compared = json.loads(Path("comparisons.json").read_bytes())["test"]
    assert set(compared["dummy"]) == {"r2", "rmse", "mae", "n"}
    assert set(compared["tfidf"]) == {*KINDS["regression"].scores, "n"}


@pytest.mark.slow
@a_project
def test_the_same_inputs_give_the_same_bytes_whatever_the_order_of_the_rows(kind: Kind) -> None:
    evaluated()
    outs = [*Path().glob("*.json"), *Path("plots").rglob("*.*")]
    first = [out.read_bytes() for out in outs]
    for path in (*Path("finetuned").glob("*"), *Path("baseline").glob("*"), Path("splits.parquet")):
        pl.read_parquet(path).sample(fraction=1, shuffle=True, seed=3).write_parquet(path)
    evaluated()
    assert [out.name for out, before in zip(outs, first, strict=True) if out.read_bytes() != before] == []


@a_project
def test_another_model_changes_no_other_figure(kind: Kind) -> None:
    before = evaluated()
    write_all(kind, finetuned=2.0)
    after = evaluated()
    assert after.pop("finetuned") != before.pop("finetuned")
    assert after == before


@a_project
def test_validation_that_chose_the_checkpoint_says_so(kind: Kind) -> None:
    found = evaluated()["finetuned"]
    assert found["validation"]["selected"] is True
    assert "selected" not in found["test"]
    fitted = json.loads(Path("finetune.json").read_bytes())
    write_json(fitted | {"selected_on_validation": False}, Path("finetune.json"))
    assert "selected" not in evaluated()["finetuned"]["validation"]


@a_project
def test_each_plot_of_the_kind_has_a_table_a_role_and_every_other_one_an_empty_one(kind: Kind) -> None:
    evaluated()
    for name in DIAGRAMS:
        files = sorted(path.name for path in Path("plots", name).iterdir())
        assert files == (["test.csv", "validation.csv"] if name in KINDS[kind].plots else ["none.json"])
    assert {path.name for path in Path("plots").iterdir()} == {*DIAGRAMS, "slices"}
    assert json.loads(Path("plots/confusion/none.json").read_bytes()) == []


@a_multi_label
def test_the_losses_are_those_of_scikit_learn_a_label_and_their_mean(kind: Kind) -> None:
    figures = evaluated()["finetuned"]["test"]
    rows, task = rows_of(FINETUNED), task_of(kind=kind)
    labels_NC, logits_NC = array_of(rows["label"], task), rows["logits"].to_numpy().astype(float)
    for name, values_NC in (("probabilities", logits_NC), ("before_temperature", 2.0 * logits_NC)):
        theirs = [log_loss(labels_NC[:, c], expit(values_NC[:, c])) for c in range(3)]
        assert figures[name]["log_loss"] == pytest.approx(np.mean(theirs), abs=1e-6)
        brier = ((expit(values_NC) - labels_NC) ** 2).mean()
        assert figures[name]["brier"] == pytest.approx(brier, abs=1e-6)
        assert figures[name]["brier_low"] < brier < figures[name]["brier_high"]
    assert "automation" not in figures


@a_multi_label
def test_the_table_by_label_is_that_of_the_figures(kind: Kind) -> None:
    figures = evaluated()["tfidf"]["test"]["by_class"]
    table = pl.read_csv("plots/by_label/test.csv").filter(pl.col("model") == "tfidf")
    assert len(table) == 9
    row = table.row(by_predicate=(pl.col("label") == "alarm") & (pl.col("score") == "f1"), named=True)
    rows, task = rows_of("tfidf"), task_of(kind=kind)
    expected = f1_score(array_of(rows["label"], task)[:, 1], predicted_of(rows, task)[:, 1])
    assert row["value"] == pytest.approx(expected)
    bounds = figures["alarm"]["f1_low"], figures["alarm"]["f1_high"]
    assert (row["low"], row["high"]) == pytest.approx(bounds, abs=1e-6)
    assert row["n"] == figures["alarm"]["n"] == array_of(rows["label"], task)[:, 1].sum()


@a_multi_label
def test_every_label_of_every_example_is_a_decision_of_the_reliability_diagram(kind: Kind) -> None:
    evaluated()
    table = pl.read_csv("plots/reliability/test.csv").filter(model="finetuned", temperature="after")
    assert table["n"].sum() == 300
    rows, task = rows_of(FINETUNED), task_of(kind=kind)
    assert (table["accuracy"] * table["n"]).sum() == pytest.approx(array_of(rows["label"], task).sum())
    probabilities = expit(rows["logits"].to_numpy().astype(float))
    assert (table["confidence"] * table["n"]).sum() == pytest.approx(probabilities.sum())


@a_project
def test_slices_are_judged_by_the_score_of_the_kind_the_worst_first(kind: Kind) -> None:
    evaluated()
    task, by = task_of(kind=kind), KINDS[kind].example_score
    table = pl.read_csv("plots/slices/test.csv").filter(model="features")
    assert set(table["better"]) == {"less" if kind == "regression" else "more"}
    assert table["score"].is_sorted(descending=kind == "regression")
    assert table["score"].equals(table[by], null_equal=True)
    assert {"place = Oslo", "truncated = cut", "truncated = cut by more than half"} <= set(table["slice"])
    rows = rows_of("features").filter(pl.col("id").cast(int) % 3 == 0)
    expected = scores(task, array_of(rows["label"], task), predicted_of(rows, task))[by]
    oslo = table.row(by_predicate=pl.col("slice") == "place = Oslo", named=True)
    assert (oslo["n"], oslo[by]) == (len(rows), pytest.approx(expected))
    assert oslo[f"{by}_low"] <= oslo[by] <= oslo[f"{by}_high"]
    rows = rows_of("features").sort("id")
    answers = array_of(rows["label"], task), predicted_of(rows, task)
    test = {"regression": size_of_errors, "multi-label": right_or_wrong}[kind]
    assert oslo["p"] == pytest.approx(test(*answers, (rows["id"].cast(int) % 3 == 0).to_numpy()))
    assert oslo["p_holm"] >= oslo["p"]


@a_project
def test_truncated_texts_are_a_slice_of_those_that_lost_tokens(kind: Kind) -> None:
    evaluated()
    table = pl.read_csv("plots/slices/test.csv").filter(model="finetuned")
    counts = dict(table.filter(column="truncated").select("value", "n").iter_rows())
    assert counts == {"cut": 25, "cut by more than half": 13}


def judged_as(task: Task, labels_N: np.ndarray, predicted_N: np.ndarray) -> Judged:
    ids = [f"{number:05}" for number in range(len(labels_N))]
    rows = pl.DataFrame({"id": ids, "role": "test", "label": column_of(labels_N, task)}).with_columns(
        pl.Series("logits", predicted_N[:, None].astype(np.float32), dtype=pl.Array(pl.Float32, 1))
    )
    model = Model(rows, has_probabilities=True, temperature=None, points=[], best_f1=None)
    return Judged(model, rows, {}, Settings(100, 0.95, 5))


def test_few_points_are_all_drawn_and_of_many_some_at_even_distances() -> None:
    task, rng = task_of(kind="regression"), np.random.default_rng(1)
    labels_N = rng.normal(size=7_000)
    few = scatter(task, judged_as(task, labels_N[:50], labels_N[:50] + 1))
    assert few["actual"].to_list() == sorted(labels_N[:50])
    assert few["predicted"].to_numpy() == pytest.approx(few["actual"].to_numpy() + 1, abs=1e-6)
    many = scatter(task, judged_as(task, labels_N, 2 * labels_N))
    assert len(many) == SCATTER_POINTS
    assert many["id"].is_unique().all()
    assert many["actual"].mean() == pytest.approx(labels_N.mean(), abs=0.01)
    other = scatter(task, judged_as(task, labels_N, -labels_N))
    assert other["id"].equals(many["id"])  # the same examples for every model


def test_residuals_are_means_within_ranges_of_the_prediction() -> None:
    task, rng = task_of(kind="regression"), np.random.default_rng(2)
    predicted_N = rng.normal(size=200).astype(np.float32).astype(float)
    labels_N = predicted_N + rng.normal(size=200) + 0.5
    table = residuals(task, judged_as(task, labels_N, predicted_N))
    assert table["n"].to_list() == [40] * 5
    order = np.argsort(predicted_N)[:40]
    residual_N = (labels_N - predicted_N)[order]
    expected = t.interval(0.95, 39, residual_N.mean(), residual_N.std(ddof=1) / 40**0.5)
    assert table.row(0) == pytest.approx((predicted_N[order].mean(), residual_N.mean(), *expected, 40))
    assert (table["residual"] * table["n"]).sum() / 200 == pytest.approx((labels_N - predicted_N).mean())


def test_a_constant_model_has_one_range_and_a_single_example_no_interval() -> None:
    task = task_of(kind="regression")
    assert residuals(task, judged_as(task, np.array([1.0, 2.0, 4.0]), np.full(3, 2.0)))["n"].to_list() == [3]
    single = residuals(task, judged_as(task, np.array([3.0]), np.array([2.0]))).row(0)
    assert single == (2.0, 1.0, None, None, 1)


def test_by_label_has_a_row_for_each_label_and_score_and_no_value_where_it_is_undefined() -> None:
    names = [f"{name}{end}" for name in ("precision", "recall", "f1") for end in ("", "_low", "_high")]
    figures = {"by_class": {"rare": {"n": 0} | dict.fromkeys(names)}}
    nobody = judged_as(task_of(kind="regression"), np.zeros(1), np.zeros(1))
    table = by_label(task_of(kind="multi-label"), nobody._replace(figures=figures))
    assert table.rows() == [("rare", name, None, None, None, 0) for name in ("precision", "recall", "f1")]


def test_slices_of_numbers_are_tested_by_welch_on_absolute_errors() -> None:
    rng = np.random.default_rng(3)
    labels_N, predicted_N, within_N = rng.normal(size=80), rng.normal(size=80), np.arange(80) < 30
    errors_N = np.abs(labels_N - predicted_N)
    expected = ttest_ind(errors_N[within_N], errors_N[~within_N], equal_var=False).pvalue
    assert size_of_errors(labels_N, predicted_N, within_N) == pytest.approx(expected)
    assert size_of_errors(labels_N, labels_N + 0.1, within_N) == 1
    assert size_of_errors(labels_N, predicted_N, np.arange(80) < 1) == 1
    # a dummy errs alike on examples of one score: no warning, and the other side's spread decides
    alike = np.array([1.9852941036224365] * 4 + [1.0, 2.0, 3.0, 4.0])
    assert 0 < size_of_errors(np.zeros(8), alike, np.arange(8) < 4) < 1


def made_up(metric: str, finetuned: float | None, baselines: list[float | None]) -> dict[str, Any]:
    def figures(value: float | None) -> dict[str, Any]:
        return {"test": {metric: value, f"{metric}_low": value, f"{metric}_high": value, "n": 9}}

    models = ("dummy", "tfidf", "features")
    return dict(zip(models, map(figures, baselines), strict=True)) | {"finetuned": figures(finetuned)}


@pytest.mark.parametrize(
    ("metric", "baselines", "best"),
    [("pearson", [None, 0.4, 0.6], 0.6), ("rmse", [1.5, 0.9, 1.1], 0.9), ("pearson", [None] * 3, None)],
)
def test_the_best_baseline_is_the_one_on_the_right_side(
    metric: str, baselines: list[float | None], best: float | None
) -> None:
    task = task_of(kind="regression").model_copy(update={"metrics": [metric]})
    assert summarize(task, made_up(metric, 0.7, baselines))["baseline"] == best


def test_a_model_without_a_score_is_summed_up_by_nulls() -> None:
    task = task_of(kind="regression").model_copy(update={"metrics": ["pearson"]})
    summary = summarize(task, made_up("pearson", None, [None, 0.4, 0.6]))
    assert summary == {"test": {"pearson": None, "low": None, "high": None}, "baseline": 0.6}


@a_regression
def test_the_line_shows_what_is_undefined(kind: Kind, capsys: pytest.CaptureFixture[str]) -> None:
    evaluated()
    printed = capsys.readouterr().out
    assert printed.startswith("evaluate: test (n 100): pearson dummy undefined, tfidf 0.")


def write_external(name: str, header: str, cells: list[str], roles: tuple[str, ...] = ("test",)) -> None:
    ids = pl.concat([rows_of(FINETUNED, role) for role in roles])["id"]
    lines = [header, *(f"{i},{cell}" for i, cell in zip(ids, cells, strict=True))]
    Path(f"external/{name}.csv").write_text("\n".join(lines), encoding="utf-8")


@a_regression
def test_numbers_from_elsewhere_are_judged_like_our_own(kind: Kind) -> None:
    before, rows = evaluated(), rows_of(FINETUNED)
    noise_N = np.random.default_rng(1).normal(size=100)
    write_external("vendor", "id,label", [f"{value:.3f}" for value in rows["label"].to_numpy() + noise_N])
    evaluation = evaluated()
    vendor = evaluation.pop("vendor")
    assert evaluation == before
    expected = pearsonr(rows["label"].to_numpy(), rows["label"].to_numpy() + noise_N).statistic
    assert vendor["test"]["pearson"] == pytest.approx(expected, abs=1e-4)
    assert "vendor" in set(pl.read_csv("plots/scatter/test.csv")["model"])


@a_multi_label
def test_labels_from_elsewhere_are_judged_and_have_no_curves(kind: Kind) -> None:
    write_external("vendor", "id,label", ['"calm,other"'] * 100)
    vendor = evaluated()["vendor"]["test"]
    rows, task = rows_of(FINETUNED), task_of(kind=kind)
    says_NC = np.tile([True, False, True], (100, 1))
    plain = scores(task, array_of(rows["label"], task), says_NC)
    assert {name: vendor[name] for name in plain} == pytest.approx(plain, abs=1e-6)
    assert "probabilities" not in vendor
    assert "vendor" in set(pl.read_csv("plots/by_label/test.csv")["model"])
    assert "vendor" not in set(pl.read_csv("plots/roc/test.csv")["model"])


@pytest.mark.parametrize(
    ("labels", "other", "lacking"),
    [
        ([0, 1, 1, 0], [0, 0, 0, 0], {"precision"}),  # nothing is said to be alarm
        ([0, 0, 0, 0], [1, 0, 0, 0], {"recall"}),  # nothing is
        ([0, 0, 0, 0], [0, 0, 0, 0], {"precision", "recall", "f1"}),
    ],
)
def test_a_share_of_nothing_is_compared_with_no_other(
    labels: list[int], other: list[int], lacking: set[str]
) -> None:
    task = task_of(["calm", "alarm"], positive="alarm")
    one, two = (
        pl.DataFrame({"id": ["a", "b", "c", "d"], "label": labels}).with_columns(
            pl.Series("logits", np.eye(2)[said], dtype=pl.Array(pl.Float32, 2))
        )
        for said in ([0, 1, 1, 1], other)
    )
    every = {"accuracy", "macro_f1", "weighted_f1", "matthews", "precision", "recall", "f1"}
    for pair in ((one, two), (two, one)):
        found = judge_against(task, *pair, Settings(100, 0.95, 5), seed=1)
        assert found.keys() & every == every - lacking


def test_each_comparison_is_paired_by_id_whatever_the_order() -> None:
    task, rng = task_of(kind="regression"), np.random.default_rng(4)
    labels_N = rng.normal(size=60)
    new = judged_as(task, labels_N, labels_N + rng.normal(size=60)).rows
    old = judged_as(task, labels_N, labels_N + rng.normal(size=60)).rows
    settings, seed = Settings(100, 0.95, 5), seed_of(1, "a", "b")
    straight = judge_against(task, new, old, settings, seed)
    assert judge_against(task, new, old[::-1], settings, seed) == straight
    assert "flips" not in straight
