from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from stages.features import main
from stages.lib.arrow import open_stream, vectors_of, write_stream
from stages.lib.encoders.encoding import as_table, encode, load_tokenizer
from tests.test_inference import TEXTS
from tests.tiny_model import write_model


def run_stage(folder: Path, monkeypatch: pytest.MonkeyPatch, pooling: str) -> pa.Table:
    import polars as pl

    monkeypatch.chdir(folder)
    write_model(Path("encoder"), [], ["calm", "alarm"], ["text"])
    Path("params.yaml").write_text(f"features: {{pooling: {pooling}, batch_tokens: 50}}\n")
    tokens = as_table(
        encode(load_tokenizer(Path("encoder"), 24, "head"), pl.DataFrame({"text": TEXTS})), False
    )
    ids = pa.table({"id": list("abcde"), "role": ["train"] * 5, "label": pa.array([0, 1, None, 1, 0])})
    for name in ids.column_names:
        tokens = tokens.append_column(name, ids[name])
    write_stream(tokens.schema, tokens.to_batches(), Path("tokens.arrow"))
    paths = {"encoder": Path("encoder"), "tokens": Path("tokens.arrow")}
    main(**paths, features=Path("features.arrow"), metrics=Path("features.json"))
    return open_stream(Path("features.arrow"))


def test_cls_vectors_are_the_tutorials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = run_stage(tmp_path, monkeypatch, "cls")
    tokenizer = AutoTokenizer.from_pretrained("encoder")
    inputs = tokenizer(TEXTS, padding=True, truncation=True, max_length=24, return_tensors="pt")
    with torch.no_grad():
        expected = AutoModel.from_pretrained("encoder").eval()(**inputs).last_hidden_state[:, 0].numpy()
    np.testing.assert_allclose(vectors_of(table), expected, atol=1e-5)
    assert table["id"].to_pylist() == list("abcde")
    assert table["label"].to_pylist() == [0, 1, None, 1, 0]


def test_the_same_bytes_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    run_stage(tmp_path / "a", monkeypatch, "mean")
    run_stage(tmp_path / "b", monkeypatch, "mean")
    first, second = ((tmp_path / name / "features.arrow").read_bytes() for name in "ab")
    assert first == second
