"""Real corpora through ingest, clean and split: their known copies are found."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.staged import prepare, split
from tests.tiny import ROOT

SHARED = ROOT.parent / "shared/data"
GLUE = {
    "cola": "CoLA",
    "mrpc": "MRPC",
    "rte": "RTE",
    "sst2": "SST-2",
    "stsb": "STS-B",
    "wnli": "WNLI",
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data, with the corpora, is not there"),
]


def split_of(corpus: str, source: str, tmp_path: Path) -> tuple[dict[str, Any], pl.DataFrame, pl.DataFrame]:
    """metrics/split.json, data/splits.parquet and data/copies.parquet."""
    laid, folder = tmp_path / "laid" / source, tmp_path / "run"
    shutil.copytree(ROOT / "data/sources" / source, laid)
    for file in (SHARED / corpus).iterdir():
        shutil.copy(file, laid)
    folder.mkdir()
    prepare(folder, laid, {})
    split(folder)
    tables = [pl.read_parquet(folder / f"data/{name}.parquet") for name in ("splits", "copies")]
    return json.loads((folder / "metrics/split.json").read_text()), *tables


def test_disaster_tweets(tmp_path: Path) -> None:
    numbers, splits, copies = split_of("disaster_tweets", "disaster-tweets", tmp_path)
    assert numbers["as_written"] == {"copies": 110, "texts_with_contradicting_labels": 18}
    assert (numbers["copies"], numbers["texts_with_contradicting_labels"]) == (112, 18)
    of_unlabelled = numbers["copies_between"]["unlabelled"]
    assert sum(one["texts_as_written"] for one in of_unlabelled.values()) == 68
    assert sum(one["rows_left_out"] + one["near_copies_left_out"] for one in of_unlabelled.values()) == 0
    assert splits.filter(pl.col("role") == "unlabelled")["left_out"].null_count() == 3_263
    assert set(numbers["left_out_because"]) == {
        "near copy of a test example",
        "near copy of a validation example",
    }
    disagreeing = copies.filter(pl.col("exact"), ~pl.col("agree"))
    assert disagreeing["other_id"].n_unique() == 18


def test_emotion(tmp_path: Path) -> None:
    numbers, splits, copies = split_of("emotion", "emotion", tmp_path)
    between = numbers["copies_between"]
    shared = {
        (role, other): one["texts_as_written"] for role, of in between.items() for other, one in of.items()
    }
    assert shared == {("train", "validation"): 5, ("train", "test"): 11, ("validation", "test"): 3}
    assert splits["left_out"].null_count() == len(splits) == 20_000  # its source.yaml says copies: report
    across = copies.filter(pl.col("exact"), pl.col("role") != pl.col("other_role"))
    assert len(across) >= 5 + 11 + 3 - 1


@pytest.mark.parametrize("name", GLUE)
def test_glue(name: str, tmp_path: Path) -> None:
    numbers, splits, copies = split_of(f"glue/{GLUE[name]}", f"glue-{name}", tmp_path)
    assert numbers["rows"] == len(splits) == numbers["in_use"]
    assert set(numbers["drift"]) == {"test", "validation", "unlabelled"}
    assert copies.select("id", "other_id").is_unique().all()
    if name == "wnli":  # its first sentences recur, its pairs do not
        assert numbers["copies"] == 0
