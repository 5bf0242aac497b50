"""A pair, a regression and a multi-label task through every stage, then compare, gate and predict.

Classification goes the same way in tests/test_end_to_end.py and tests/test_workflow.py.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from ruamel.yaml import YAML

from tests import warm
from tests.tiny import commit, dvc, environment, git, make_tiny_project, set_knobs, stages_run

pytestmark = pytest.mark.slow

MODELS = ["dummy", "tfidf", "features", "finetuned"]
KINDS = ["pair", "regression", "multi-label"]
# of random guesses; a tiny encoder learns what it can in five epochs
LEARNT = {"pair": ("accuracy", 0.6), "regression": ("pearson", 0.3), "multi-label": ("micro_f1", 0.6)}


@dataclass
class Project:
    kind: str
    folder: Path

    def json(self, path: str) -> Any:
        return json.loads((self.folder / path).read_text(encoding="utf-8"))

    def python(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (warm.program(), *words),
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )


# one worker each
@pytest.fixture(
    scope="module", params=[pytest.param(kind, marks=pytest.mark.xdist_group(kind)) for kind in KINDS]
)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """main, which ran, and a branch whose model learns nothing, which ran as far as predict; on main."""
    folder = tmp_path_factory.mktemp("kinds") / request.param
    make_tiny_project(folder, request.param)
    dvc(folder, "repro")
    commit(folder)
    git(folder, "checkout", "--quiet", "-b", "untrained")
    set_knobs(folder, {"finetune": {"learning_rate": 1e-9}})
    dvc(folder, "repro", "predict")
    commit(folder)
    git(folder, "checkout", "--quiet", "main")
    dvc(folder, "checkout")
    return Project(request.param, folder)


def test_no_row_is_lost_and_every_fault_has_its_reason(project: Project) -> None:
    tables = {path.stem: pl.read_parquet(path) for path in (project.folder / "data").glob("*.parquet")}
    assert len(tables["ingested"]) + len(tables["rejected"]) == 160
    reasons = "; ".join(tables["rejected"]["reason"])
    assert len(tables["rejected"]) == (2 if project.kind == "regression" else 0), reasons
    used = tables["splits"].filter(pl.col("left_out").is_null())["id"]
    for path in (project.folder / "data/predictions").rglob("*.parquet"):
        if path.stem != "crossfitted":  # of no row where errors.folds is null
            assert pl.read_parquet(path)["id"].equals(used)


def test_every_model_is_judged_and_the_fine_tuned_one_has_learnt(project: Project) -> None:
    evaluation = project.json("metrics/evaluate.json")
    assert sorted(evaluation) == sorted(MODELS)
    score, least = LEARNT[project.kind]
    found = evaluation["finetuned"]["test"]
    assert found[f"{score}_low"] <= found[score] <= found[f"{score}_high"]
    assert found[score] > least
    assert "NaN" not in json.dumps(evaluation)
    assert sorted(project.json("metrics/comparisons.json")["test"]) == sorted(MODELS[:3])


def test_what_cannot_be_scored_has_a_reason(project: Project) -> None:
    dummy = project.json("metrics/evaluate.json")["dummy"]["test"]
    nulls = {name for name, value in dummy.items() if value is None}
    assert {name for name in nulls if not name.endswith(("_low", "_high"))} == set(dummy.get("undefined", {}))
    if project.kind == "regression":
        assert "every prediction is" in dummy["undefined"]["pearson"]


def test_dvc_draws_the_plots_of_the_kind(project: Project) -> None:
    shown = dvc(project.folder, "plots", "show", "--json")
    drawn = {"pair": "confusion", "regression": "scatter", "multi-label": "by_label"}
    assert f"metrics/evaluate/{drawn[project.kind]}" in shown
    folder = project.folder / "metrics/evaluate"
    others = set(drawn.values()) - {drawn[project.kind]}
    assert [path for name in others for path in (folder / name).rglob("*.csv")] == []


def test_the_page_tells_what_the_kind_is_about(project: Project) -> None:
    page = (project.folder / "reports/errors.html").read_text(encoding="utf-8")
    assert ('id="confusion"' in page) is (project.kind == "pair")
    assert ("Residuals" in page) is (project.kind == "regression")


def test_the_submission_has_the_form_of_the_source(project: Project) -> None:
    table = pl.read_csv(project.folder / "data/predictions/finetuned/submission.csv", infer_schema=False)
    assert table.columns == ["id", "target"]
    assert table["id"].to_list() == [str(n) for n in range(140, 160)]
    for value in table["target"]:
        if project.kind == "regression":
            assert -5 < float(value) < 10
        else:
            known = {"0", "1"} if project.kind == "pair" else {"calm", "alarm", "short", "none"}
            assert set(value.split("|")) <= known


def test_a_second_repro_runs_nothing(project: Project) -> None:
    assert stages_run(dvc(project.folder, "repro")) == []


def test_the_summary_of_a_run(project: Project) -> None:
    done = project.python("-m", "commands.summary")
    assert done.returncode == 0, done.stderr
    assert all(f"\n{model} " in done.stdout for model in MODELS)
    assert "finetuned less tfidf" in done.stdout
    assert "nan" not in done.stdout.lower()


def test_compare_tells_by_how_much_two_runs_differ(project: Project) -> None:
    done = project.python("-m", "commands.compare", "main", "untrained", "--format", "json")
    assert done.returncode == 0, done.stderr
    (comparison,) = json.loads(done.stdout)["comparisons"]
    score, _ = LEARNT[project.kind]
    found = comparison["differences"][score]
    assert found["low"] <= found["difference"] <= found["high"]
    assert comparison["params"] == {"finetune.learning_rate": [5e-3, 1e-9]}


def test_the_gate_judges_by_the_scores_of_the_kind_and_refuses_a_worse_model(project: Project) -> None:
    same = project.python("-m", "commands.gate", "--against", "main")
    assert same.returncode == 0, same.stdout + same.stderr
    worse = project.python("-m", "commands.gate", "--against", "main", "--candidate", "untrained")
    assert worse.returncode == 1, worse.stdout + worse.stderr
    verdict = project.json("metrics/gate.json")
    score, _ = LEARNT[project.kind]
    judged = {finding["what"] for finding in verdict["findings"]}
    assert score in judged
    assert {"accuracy", "ece"} <= judged or project.kind != "pair"
    assert "accuracy" not in judged or project.kind == "pair"


def test_new_rows_are_labelled_as_the_pipeline_labels_them(project: Project) -> None:
    done = project.python("-m", "commands.predict", "data/sources/tiny/new.csv", "out.csv")
    assert done.returncode == 0, done.stderr
    out = pl.read_csv(project.folder / "out.csv", infer_schema=False)
    submitted = pl.read_csv(project.folder / "data/predictions/finetuned/submission.csv", infer_schema=False)
    if project.kind == "regression":
        ours = out["prediction"].cast(pl.Float64)
        assert (ours - submitted["target"].cast(pl.Float64)).abs().max() < 1e-3  # type: ignore[operator]
    if project.kind == "pair":
        names = YAML(typ="safe").load(project.folder / "data/sources/tiny/source.yaml")["labels"]
        assert out["label"].to_list() == [names[int(value)] for value in submitted["target"]]


def test_the_model_loads_where_users_load_models(project: Project) -> None:
    program = (
        "import json; from transformers import pipeline; "
        "say = pipeline('text-classification', model='models/finetuned', device='cpu'); "
        "print(json.dumps(say({'text': 'fire', 'text_pair': 'coffee'}, top_k=None)))"
    )
    done = project.python("-c", program)
    assert done.returncode == 0, done.stderr
    names = {entry["label"] for entry in json.loads(done.stdout.splitlines()[-1])}
    assert (
        names
        == {
            "pair": {"calm", "alarm"},
            "regression": {"LABEL_0"},
            "multi-label": {"calm", "alarm", "short"},
        }[project.kind]
    )
