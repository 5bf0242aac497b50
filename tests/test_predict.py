import json
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from stages.lib.arrow import open_stream, vectors_of, write_stream
from stages.lib.encoding import as_table, encode, load_tokenizer
from stages.lib.predictions import logits_of, read_predictions
from stages.lib.tables import write_parquet
from stages.lib.task import SourceColumns, write_task
from stages.predict import main, write_submission
from tests.predicted import task_of
from tests.test_inference import TEXTS
from tests.tiny_model import write_model

LABELS = ["calm", "alarm"]
TASK = task_of(LABELS).model_copy(
    update={
        "raw_labels": ["0", "1"],
        "columns": SourceColumns(id="Id", text="tweet", text_pair=None, label="target"),
    }
)


def run_stage(folder: Path, monkeypatch: pytest.MonkeyPatch, roles: list[str]) -> Path:
    monkeypatch.chdir(folder)
    write_model(Path("model"), [], LABELS, ["text"])
    Path("params.yaml").write_text("predict: {pooling: mean, batch_tokens: 50}\n")
    write_task(TASK, Path("task.json"))
    ids = [f"unlabelled-{n}" for n in range(5)]
    write_parquet(pl.DataFrame({"id": ids, "source_id": ["9", "7", "8", "1", "2"]}), Path("ingested.parquet"))
    tokens = as_table(encode(load_tokenizer(Path("model"), 24), pl.DataFrame({"text": TEXTS})), False)
    columns = {"id": ids, "role": roles, "label": pa.array([0, 1, None, None, 0], pa.int64())}
    for name, values in columns.items():
        tokens = tokens.append_column(name, [values])
    write_stream(tokens.schema, tokens.to_batches(), Path("tokens.arrow"))
    ins = {"task": Path("task.json"), "ingested": Path("ingested.parquet"), "tokens": Path("tokens.arrow")}
    main(**ins, model=Path("model"), predictions=Path("out"), metrics=Path("predict.json"))
    return folder / "out"


def test_every_row_has_logits_and_a_vector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = run_stage(tmp_path, monkeypatch, ["train", "test", "unlabelled", "unlabelled", "validation"])
    predictions = read_predictions(out)["finetuned"]
    assert predictions["id"].to_list() == [f"unlabelled-{n}" for n in range(5)]
    assert logits_of(predictions).shape == (5, 2)
    assert vectors_of(open_stream(out / "vectors.arrow")).shape == (5, 32)
    assert json.loads(Path("predict.json").read_text()) == {"examples": 5, "submitted": 2}


def test_the_submission_speaks_the_sources_language_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = run_stage(tmp_path, monkeypatch, ["train", "test", "unlabelled", "unlabelled", "validation"])
    chosen = logits_of(read_predictions(out)["finetuned"]).argmax(axis=1)
    expected = f"Id,target\n8,{chosen[2]}\n1,{chosen[3]}\n"
    assert (out / "submission.csv").read_text() == expected


def test_without_unlabelled_rows_there_is_no_submission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = run_stage(tmp_path, monkeypatch, ["train", "test", "train", "validation", "test"])
    assert not (out / "submission.csv").exists()


def test_rows_without_an_id_of_the_source_are_named_by_ours(tmp_path: Path) -> None:
    task = TASK.model_copy(update={"columns": SourceColumns(id=None, text="t", text_pair=None, label=None)})
    predicted = pl.DataFrame({"id": ["h1", "h2"], "role": ["unlabelled"] * 2, "predicted": np.array([1, 0])})
    ingested = pl.DataFrame(
        {"id": ["h2", "h1"], "source_id": [None, None]}, schema_overrides={"source_id": pl.String}
    )
    write_submission(predicted, ingested, task, tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text() == "id,label\nh1,1\nh2,0\n"
