"""A dataset of the Hub, through the real client, against a Hub on this machine (tests/hub_server.py)."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.lib.sources.hub import _as_written
from tests.hub_server import COMMIT, DATASET, Served, serving

REPOSITORY = Path(__file__).parents[1]
OTHER_COMMIT = "f" * 40
NAMES = ["sad", "glad"]
ROWS = {"train": [("so sad", 0), ("so glad", 1), ("so glad", 1), ("no label", -1)], "test": [("how sad", 0)]}
README = """\
---
configs:
- config_name: split
  data_files:
  - {split: train, path: split/train-*}
  - {split: test, path: split/test-*}
---
"""
SOURCE = f"""\
title: moods
hub: {{dataset: {DATASET}, config: split, revision: {COMMIT}, splits: {{train: train, test: test}}}}
files: {{train: train.txt, test: test.txt}}
format: {{type: csv, delimiter: ";", header: false}}
names: [text, label]
columns: {{text: text, label: label}}
labels: [sad, glad]
task: classification
metrics: [accuracy]
copies: report
"""


def as_parquet(rows: list[tuple[str, int]]) -> bytes:
    classes = {
        "text": {"dtype": "string", "_type": "Value"},
        "label": {"names": NAMES, "_type": "ClassLabel"},
    }
    table = pa.table(
        {"text": [text for text, _ in rows], "label": pa.array([n for _, n in rows], pa.int64())}
    )
    sink = io.BytesIO()
    metadata = {"huggingface": json.dumps({"info": {"features": classes}})}
    pq.write_table(table.replace_schema_metadata(metadata), sink)
    return sink.getvalue()


@pytest.fixture
def hub() -> Iterator[Served]:
    files = {f"split/{split}-00000-of-00001.parquet": as_parquet(rows) for split, rows in ROWS.items()}
    with serving(Served({"README.md": README.encode(), **files})) as served:
        yield served
    assert served.unknown == []


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "data/sources/moods"
    folder.mkdir(parents=True)
    (folder / "source.yaml").write_text(SOURCE)
    (tmp_path / "params.yaml").write_text("ingest:\n  source: moods\n  max_rejected_share: 0.5\n")
    return tmp_path


def ingest(
    project: Path, endpoint: str, source: str = "moods", **environment: str
) -> subprocess.CompletedProcess[str]:
    paths = {"task": "task.json", "ingested": "ingested.parquet", "rejected": "rejected.parquet"}
    paths = {option: f"out/{path}" for option, path in paths.items()} | {"metrics": "out/ingest.json"}
    options = [word for option, path in paths.items() for word in (f"--{option}", path)]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    ours = {
        "PYTHONPATH": str(REPOSITORY),
        "HF_HOME": str(project / "cache"),
        "HF_ENDPOINT": endpoint,
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", "stages.ingest", "--source", f"data/sources/{source}", *options],
        cwd=project,
        env=inherited | ours | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def nowhere() -> str:
    with serving(Served({})) as served:
        return served.endpoint  # closed by the time anyone calls


def edit(project: Path, old: str, new: str) -> None:
    path = project / "data/sources/moods/source.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def refused(result: subprocess.CompletedProcess[str], project: Path) -> str:
    """The one message of a run that wrote nothing."""
    assert result.returncode == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert not (project / "out").exists()
    return result.stderr


class ClassLabel:
    names = NAMES


def test_classes_come_by_name_or_by_number_as_labels_know_them() -> None:
    feature: Any = ClassLabel()
    assert _as_written([1, -1, None, 0], feature, {"sad": "a", "glad": "b"}) == ["glad", -1, None, "sad"]
    assert _as_written([1, -1, None, 0], feature, {"0": "a", "1": "b"}) == [1, -1, None, 0]
    assert _as_written([1, -1], object(), {"0": "a", "1": "b"}) == [1, -1]


def test_no_label_is_never_taken_for_a_class_named_minus_one() -> None:
    assert _as_written([1, -1], ClassLabel(), {"-1": "a", "0": "b", "1": "c"}) == [1, None]


def test_lists_hold_classes_and_numbers_their_shortest_decimal() -> None:
    class Classes:
        feature = ClassLabel()

    class Float32:
        dtype = "float32"

    assert _as_written([[1, 0], [], None], Classes(), {"0": "a", "1": "b"}) == [[1, 0], [], None]
    assert _as_written([3.799999952316284, -1.0, None], Float32(), {}) == [3.8, -1.0, None]


def test_files_that_stand_in_the_folder_need_neither_hub_nor_client(project: Path) -> None:
    for split, rows in ROWS.items():
        text = "".join(f"{text};{NAMES[label]}\n" for text, label in rows if label >= 0)
        (project / f"data/sources/moods/{split}.txt").write_text(text)
    result = ingest(project, nowhere(), PYTHONPROFILEIMPORTTIME="1")
    assert result.stdout == "ingest: moods: 4 rows in, 4 kept (3 train, 1 test), 0 rejected\n"
    assert "polars" in result.stderr
    assert not any(f"| {client}" in result.stderr for client in ("datasets", "huggingface_hub", "pandas"))


@pytest.mark.slow
def test_the_hub_gives_the_table_that_the_files_give(project: Path, hub: Served) -> None:
    result = ingest(project, hub.endpoint)
    line = "5 rows in, 4 kept (3 train, 1 test), 1 rejected: label is -1: nobody has labelled this row (1)"
    assert (result.stdout, result.stderr) == (f"ingest: moods: {line}\n", "")
    fetched = pl.read_parquet(project / "out/ingested.parquet")
    rejected = pl.read_parquet(project / "out/rejected.parquet")
    assert rejected.rows() == [
        (
            f"{DATASET}@{COMMIT}:train",
            None,
            '{"text": "no label", "label": -1}',
            "label is -1: nobody has labelled this row",
        )
    ]
    assert list((project / "data/sources/moods").iterdir()) == [project / "data/sources/moods/source.yaml"]
    test_files_that_stand_in_the_folder_need_neither_hub_nor_client(project)
    assert pl.read_parquet(project / "out/ingested.parquet").equals(fetched)


@pytest.mark.slow
def test_only_what_is_missing_is_fetched(project: Path, hub: Served) -> None:
    (project / "data/sources/moods/test.txt").write_text("of our own;glad\n")
    assert ingest(project, hub.endpoint).returncode == 0
    table = pl.read_parquet(project / "out/ingested.parquet")
    assert table.filter(role="test")["text"].to_list() == ["of our own"]
    assert len(table.filter(role="train")) == 3


@pytest.mark.slow
def test_a_hub_that_cannot_be_reached_is_one_message(project: Path) -> None:
    message = refused(ingest(project, nowhere()), project)
    assert f"Hub dataset {DATASET} at {COMMIT[:12]}" in message
    assert "cannot be reached" in message
    assert "HF_ENDPOINT" in message
    assert "lay the files" in message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "code", "words"),
    [(404, "RepoNotFound", "HF_TOKEN"), (403, "GatedRepo", "HF_TOKEN"), (500, "", "answered 500")],
)
def test_a_hub_that_refuses_is_one_message(
    project: Path, hub: Served, status: int, code: str, words: str
) -> None:
    hub.refusal = (status, code)
    assert words in refused(ingest(project, hub.endpoint), project)


@pytest.mark.slow
def test_what_was_fetched_once_serves_without_the_hub_but_no_other_commit_does(
    project: Path, hub: Served
) -> None:
    assert ingest(project, hub.endpoint).returncode == 0
    first = (project / "out/ingested.parquet").read_bytes()
    assert ingest(project, nowhere()).returncode == 0
    assert (project / "out/ingested.parquet").read_bytes() == first
    (project / "out").rename(project / "before")
    edit(project, COMMIT, OTHER_COMMIT)  # the client alone would answer with the commit in its cache
    assert "no such commit" in refused(ingest(project, hub.endpoint), project)
    assert "cannot be reached" in refused(ingest(project, nowhere()), project)


@pytest.mark.slow
def test_a_folder_of_the_datasets_name_is_not_taken_for_it(project: Path, hub: Served) -> None:
    (project / DATASET).mkdir(parents=True)
    (project / DATASET / "train.csv").write_text("text,label\nplanted,0\n")
    assert ingest(project, hub.endpoint).returncode == 0
    assert "planted" not in pl.read_parquet(project / "out/ingested.parquet")["text"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("test: test}", "test: tset}", "no split 'tset'; it has train, test; did you mean 'test'?"),
        ("config: split", "config: splits", "splits"),
        ("text: text", "text: txt", "no column 'txt'; it has text, label; did you mean 'text'?"),
        ("[sad, glad]", "[sad, happy]", "label is 'glad', which source.yaml does not name"),
    ],
)
def test_what_the_dataset_does_not_have_is_named(
    project: Path, hub: Served, old: str, new: str, words: str
) -> None:
    edit(project, old, new)
    assert words in refused(ingest(project, hub.endpoint), project)


@pytest.mark.slow
def test_a_program_in_a_dataset_is_not_run(project: Path, hub: Served) -> None:
    hub.files["moods.py"] = b"raise SystemExit('ran')"
    assert "ran" not in refused(ingest(project, hub.endpoint), project)
