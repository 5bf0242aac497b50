"""Every stage through the real `dvc repro`, on a tiny source with a tiny encoder: what comes out."""

import csv
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.tiny import dvc, python

pytestmark = pytest.mark.slow

MODELS = ["dummy", "tfidf", "features", "finetuned"]


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def rows_of(path: Path) -> list[list[str]]:
    return list(csv.reader(path.read_text(encoding="utf-8").splitlines()))


def test_no_row_is_lost(finished: Path) -> None:
    given = [
        row for name in ("train", "new") for row in rows_of(finished / f"data/sources/tiny/{name}.csv")[1:]
    ]
    tables = {path.stem: pl.read_parquet(path) for path in (finished / "data").glob("*.parquet")}
    assert len(tables["ingested"]) + len(tables["rejected"]) == len(given)
    assert tables["rejected"]["line"].to_list() == [148]  # the empty text
    assert tables["cleaned"]["id"].equals(tables["ingested"]["id"])
    assert tables["splits"]["id"].equals(tables["ingested"]["id"])
    used = tables["splits"].filter(pl.col("left_out").is_null())["id"]
    predictions = {path.stem: path for path in (finished / "data/predictions").rglob("*.parquet")}
    assert pl.read_parquet(predictions.pop("crossfitted")).is_empty()  # errors.folds is null
    assert sorted(predictions) == sorted(MODELS)
    assert all(pl.read_parquet(path)["id"].equals(used) for path in predictions.values())


def test_every_model_has_scores_between_the_bounds_of_their_intervals(finished: Path) -> None:
    evaluation = read(finished / "metrics/evaluate.json")
    rows = pl.read_parquet(finished / "data/splits.parquet").filter(pl.col("left_out").is_null())
    assert sorted(evaluation) == sorted(MODELS)
    for model in MODELS:
        scores = evaluation[model]["test"]
        assert scores["n"] == len(rows.filter(pl.col("role") == "test"))
        for metric in ("accuracy", "f1", "macro_f1"):
            assert scores[f"{metric}_low"] <= scores[metric] <= scores[f"{metric}_high"]


def test_what_can_be_learnt_is_learnt(finished: Path) -> None:
    evaluation = read(finished / "metrics/evaluate.json")
    accuracy = {model: evaluation[model]["test"]["accuracy"] for model in MODELS}
    assert accuracy["finetuned"] > accuracy["dummy"] + 0.2
    assert accuracy["tfidf"] > accuracy["dummy"] + 0.2


def test_dvc_shows_the_metrics_that_matter(finished: Path) -> None:
    shown = json.loads(dvc(finished, "metrics", "show", "--json"))[""]["data"]
    assert {"f1", "low", "high"} <= set(shown["metrics/summary.json"]["data"]["test"])


def test_the_submission_has_the_form_of_the_source(finished: Path) -> None:
    rows = rows_of(finished / "data/predictions/finetuned/submission.csv")
    assert rows[0] == ["id", "target"]
    assert [row[0] for row in rows[1:]] == [str(1000 + n) for n in range(20)]
    assert {row[1] for row in rows[1:]} <= {"0", "1"}


def test_the_model_loads_where_users_load_models(finished: Path) -> None:
    program = (
        "import json; from transformers import pipeline; "
        "classify = pipeline('text-classification', model='models/finetuned', device='cpu'); "
        "print(json.dumps(classify('Fire and smoke near the street', top_k=None)))"
    )
    scores = json.loads(python(finished, "-c", program).splitlines()[-1])
    assert {entry["label"] for entry in scores} == {"calm", "alarm"}
    assert sum(entry["score"] for entry in scores) == pytest.approx(1)


def test_the_pages_are_there(finished: Path) -> None:
    page = (finished / "reports/errors.html").read_text(encoding="utf-8")
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert "Tiny" in page


def test_the_summary_of_a_run(finished: Path) -> None:
    lines = python(finished, "-m", "commands.summary").splitlines()
    assert lines[0].startswith("Tiny: test, n = ")
    assert [line.split()[0] for line in lines if line.split()[0] in MODELS][:4] == MODELS
    assert any(line.endswith("reports/errors.html") for line in lines)
    assert "finetune" in "".join(lines[-3:])
    assert max(map(len, lines)) <= 100


def test_no_out_names_this_machine(finished: Path) -> None:
    here = str(finished).encode()
    outs = [
        path for room in ("data", "models", "metrics", "reports") for path in (finished / room).rglob("*")
    ]
    assert [path for path in outs if path.is_file() and here in path.read_bytes()] == []
