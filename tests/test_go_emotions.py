"""GoEmotions, several labels a row: from the authors' own files and from the Hub, the same table."""

import io
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.lib.sources.source import as_task, read_source
from tests.hub_server import Served, serving
from tests.taken import taken_from
from tests.test_hub import ingest

SOURCE = Path(__file__).parents[1] / "data/sources/go-emotions/source.yaml"
README = b"""\
---
configs:
- config_name: raw
  data_files:
  - {split: train, path: raw/train-*}
- config_name: simplified
  data_files:
  - {split: train, path: simplified/train-*}
  - {split: validation, path: simplified/validation-*}
  - {split: test, path: simplified/test-*}
---
"""
ROWS = {
    "train": [("I love it, thanks", [18, 15]), ('He said "no', [27]), ("Ugh", [2, 3, 2])],
    "validation": [("Wow", [26])],
    "test": [("Well", [27]), ("Oh no", [25, 16])],
}
FILES = {"train": "train.tsv", "validation": "dev.tsv", "test": "test.tsv"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "data/sources/go-emotions"
    folder.mkdir(parents=True)
    (folder / "source.yaml").write_bytes(SOURCE.read_bytes())
    (tmp_path / "params.yaml").write_text("ingest: {source: go-emotions, max_rejected_share: 0.5}\n")
    return tmp_path


def write_files(folder: Path) -> None:
    for split, rows in ROWS.items():
        lines = [f"{text}\t{','.join(map(str, labels))}\t{split}{n}" for n, (text, labels) in enumerate(rows)]
        (folder / FILES[split]).write_text("\n".join(lines) + "\n")


def parquet_of(split: str) -> bytes:
    from datasets import ClassLabel, Dataset, Features, Sequence, Value

    names = as_task(read_source(SOURCE.parent)).labels
    columns: dict[str, list[Any]] = {
        "text": [text for text, _ in ROWS[split]],
        "labels": [labels for _, labels in ROWS[split]],
        "id": [f"{split}{n}" for n in range(len(ROWS[split]))],
    }
    labels = Sequence(ClassLabel(names=names))
    features = Features({"text": Value("string"), "labels": labels, "id": Value("string")})
    sink = io.BytesIO()
    Dataset.from_dict(columns, features).to_parquet(sink)
    return sink.getvalue()


def test_the_authors_files_give_sets_of_labels(project: Path) -> None:
    folder = project / "data/sources/go-emotions"
    write_files(folder)
    table, rejected = taken_from(folder)
    assert table["label"].to_list() == [
        ["gratitude", "love"],
        ["neutral"],
        ["anger", "annoyance"],
        ["surprise"],
        ["neutral"],
        ["grief", "sadness"],
    ]
    assert table["id"].to_list() == ["train0", "train1", "train2", "validation0", "test0", "test1"]
    assert rejected.is_empty()


def test_it_is_pinned_and_has_28_labels() -> None:
    source = read_source(SOURCE.parent)
    assert source.hub is not None
    assert source.hub.revision == "add492243ff905527e67aeb8b80c082af02207c3"
    assert len(source.labels) == 28
    assert list(source.labels.values())[:27] == sorted(list(source.labels.values())[:27])


@pytest.mark.slow
def test_the_hub_gives_the_same_table(project: Path) -> None:
    files = {f"simplified/{split}-00000-of-00001.parquet": parquet_of(split) for split in ROWS}
    hub = Served(
        {"README.md": README, "raw/train-0.parquet": b"", **files},
        name="google-research-datasets/go_emotions",
        commit="add492243ff905527e67aeb8b80c082af02207c3",
    )
    with serving(hub):
        result = ingest(project, hub.endpoint, "go-emotions")
    assert (
        result.stdout
        == "ingest: go-emotions: 6 rows in, 6 kept (3 train, 1 validation, 2 test), 0 rejected\n"
    )
    assert hub.unknown == []
    assert all(any(f"simplified/{split}-" in request for request in hub.requests) for split in ROWS)
    fetched = pl.read_parquet(project / "out/ingested.parquet")
    test_the_authors_files_give_sets_of_labels(project)
    folder = project / "data/sources/go-emotions"
    assert fetched.equals(taken_from(folder)[0])
