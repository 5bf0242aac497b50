import csv
import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from scipy.special import expit

from stages.lib.arrow import open_stream, vectors_of, write_stream
from stages.lib.encoders.encoding import as_table, encode, load_tokenizer
from stages.lib.kinds import Kind
from stages.lib.labels import array_of
from stages.lib.statistics.predictions import logits_of, read_predictions
from stages.lib.tables import write_parquet
from stages.lib.task import SourceColumns, Submission, Task, write_task
from stages.predict import main
from tests.predicted import task_of
from tests.tiny_model import write_model

LABELS = ["calm", "alarm"]
TEXTS = ["fire in town", "coffee", "we saw smoke near the street", "", "music today in my garden"]
ROLES = ["train", "test", "unlabelled", "unlabelled", "validation"]
NUMBERS: dict[Kind, tuple[list[Any], pa.DataType]] = {
    "classification": ([0, 1, None, None, 0], pa.int64()),
    "regression": ([0.5, 1.5, None, None, 2.0], pa.float64()),
    "multi-label": ([[0], [], None, None, [0, 1]], pa.list_(pa.int64())),
}


def task_for(kind: Kind) -> Task:
    files = {"unlabelled": "submission.csv"}
    return task_of(LABELS, kind=kind).model_copy(
        update={
            "raw_labels": ["0", "1"],
            "columns": SourceColumns(id="Id", text="tweet", text_pair=None, label="target"),
            "submission": Submission(delimiter=",", id="Id", label="target", files=files),
        }
    )


def run_stage(
    folder: Path, monkeypatch: pytest.MonkeyPatch, roles: list[str], kind: Kind = "classification"
) -> Path:
    monkeypatch.chdir(folder)
    write_model(Path("model"), [], LABELS, ["text"], kind=kind, label_threshold=0.45)
    Path("params.yaml").write_text("predict: {pooling: mean, batch_tokens: 50}\n")
    write_task(task_for(kind), Path("task.json"))
    ids = [f"unlabelled-{n}" for n in range(5)]
    write_parquet(pl.DataFrame({"id": ids, "source_id": ["9", "7", "8", "1", "2"]}), Path("ingested.parquet"))
    tokenizer = load_tokenizer(Path("model"), 24, "head")
    tokens = as_table(encode(tokenizer, pl.DataFrame({"text": TEXTS})), False)
    labels = pa.array(*NUMBERS[kind])
    for name, values in {"id": ids, "role": roles, "label": labels}.items():
        tokens = tokens.append_column(name, [values])
    write_stream(tokens.schema, tokens.to_batches(), Path("tokens.arrow"))
    ins = {"task": Path("task.json"), "ingested": Path("ingested.parquet"), "tokens": Path("tokens.arrow")}
    main(**ins, model=Path("model"), predictions=Path("out"), metrics=Path("predict.json"))
    return folder / "out"


@pytest.mark.parametrize("kind", NUMBERS)
def test_every_row_has_logits_and_a_vector(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = run_stage(tmp_path, monkeypatch, ROLES, kind)
    predictions = read_predictions(out)["finetuned"]
    assert predictions["id"].to_list() == [f"unlabelled-{n}" for n in range(5)]
    assert predictions["label"].to_list() == NUMBERS[kind][0]
    assert logits_of(predictions).shape == (5, task_for(kind).outputs)
    assert vectors_of(open_stream(out / "vectors.arrow")).shape == (5, 32)
    assert json.loads(Path("predict.json").read_text()) == {"examples": 5, "submitted": 2}


def test_the_submission_speaks_the_sources_language_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = run_stage(tmp_path, monkeypatch, ROLES)
    chosen = logits_of(read_predictions(out)["finetuned"]).argmax(axis=1)
    expected = f"Id,target\n8,{chosen[2]}\n1,{chosen[3]}\n"
    assert (out / "submission.csv").read_text() == expected


def test_the_submission_of_a_regression_is_what_the_model_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = run_stage(tmp_path, monkeypatch, ROLES, "regression")
    said = logits_of(read_predictions(out)["finetuned"])[:, 0]
    written = pl.read_csv(out / "submission.csv", schema={"Id": pl.String, "target": pl.Float32})
    assert written.rows() == [("8", said[2]), ("1", said[3])]


def test_the_submission_of_several_labels_follows_the_models_thresholds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = run_stage(tmp_path, monkeypatch, ROLES, "multi-label")
    predictions = read_predictions(out)["finetuned"]
    said_NC = array_of(predictions["predicted"], task_for("multi-label"))
    assert (said_NC == (expit(logits_of(predictions)) >= 0.45)).all()
    assert said_NC.any()
    cells = [",".join(str(place) for place, there in enumerate(row) if there) for row in said_NC]
    with (out / "submission.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["Id", "target"], ["8", cells[2]], ["1", cells[3]]]


def test_without_unlabelled_rows_there_is_no_submission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = run_stage(tmp_path, monkeypatch, ["train", "test", "train", "validation", "test"])
    assert not (out / "submission.csv").exists()
