"""A dataset of the Hub, through the real client, against a Hub on this machine (tests/hub_server.py)."""

import email.utils
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import huggingface_hub
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.lib.exceptions import ConfigError, SourceError
from stages.lib.remotes import hub_client, patience
from stages.lib.remotes.hub import _as_written, check_pinned
from stages.lib.remotes.hub_errors import explained
from stages.lib.source_keys import Hub
from tests.hub_server import COMMIT, DATASET, Response, Served, serving

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
LINE = (
    "ingest: moods: 5 rows in, 4 kept (3 train, 1 test), 1 rejected: "
    "label is -1: nobody has labelled this row (1)\n"
)


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
    paths = {"task": "task.json", "expectations": "expectations.json"}
    paths |= {"ingested": "ingested.parquet", "rejected": "rejected.parquet"}
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
    assert not list(project.glob("out/*"))  # nor a scratch folder
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


@pytest.mark.slow
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
            4,  # the row's number within the split
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
    [
        (401, "", "HF_TOKEN"),
        (403, "", "answered 403: set HF_TOKEN"),
        (403, "GatedRepo", "accept its terms on its page, then set HF_TOKEN"),
        (404, "RepoNotFound", "HF_TOKEN"),
        (429, "", "answered 429, too many requests: run again later"),
        (500, "", "answered 500"),
    ],
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


TRAIN = "split/train-00000-of-00001.parquet"
QUICK = {"HF_HUB_DOWNLOAD_TIMEOUT": "1", "HF_HUB_ETAG_TIMEOUT": "1"}
BUSY: Response = (429, {"Retry-After": "1"}, b"")


def stream(project: Path) -> None:
    edit(project, "config: split", "config: split, streaming: true")


def outputs(project: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project / "out").iterdir()}


def heal(hub: Served) -> None:
    hub.cut_short = hub.altered = hub.hangs = ""
    hub.refusal = None


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_streaming_gives_the_same_bytes_and_keeps_none_of_the_rows(
    project: Path, hub: Served, kind: str
) -> None:
    if kind == "csv":
        hub.files.clear()
        card = README.replace("train-*", "train*.csv").replace("test-*", "test*.csv")
        hub.files["README.md"] = card.encode()
        for number, rows in enumerate((ROWS["train"][:2], ROWS["train"][2:])):
            lines = "".join(f"{text},{label}\n" for text, label in rows)
            hub.files[f"split/train{number}.csv"] = f"text,label\n{lines}".encode()
        hub.files["split/test.csv"] = b"text,label\nhow sad,0\n"
        edit(project, "[sad, glad]", "{0: sad, 1: glad}")
    stream(project)
    done = ingest(project, hub.endpoint)
    assert (done.returncode, done.stderr) == (0, "")
    streamed = outputs(project)
    kept = [path for path in (project / "cache").rglob("*") if path.is_file()]
    assert not [path for path in kept if path.suffix == ".arrow" or b"so sad" in path.read_bytes()]
    edit(project, ", streaming: true", "")
    assert ingest(project, hub.endpoint).returncode == 0
    assert outputs(project) == streamed
    assert list((project / "cache").rglob("*.arrow"))


@pytest.mark.slow
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    ("trouble", "words"),
    [("cut_short", "broke off in the middle"), ("altered", "SHA-256 is"), ("hangs", "cannot be reached")],
)
def test_a_file_that_does_not_come_whole_is_never_used(
    project: Path, hub: Served, trouble: str, words: str, streaming: bool
) -> None:
    if streaming:
        stream(project)
    setattr(hub, trouble, TRAIN)
    patience = QUICK if trouble == "hangs" else {}  # a busy machine's server may take its second to answer
    message = refused(ingest(project, hub.endpoint, **patience), project)
    assert words in message
    assert not list((project / "cache").rglob("*.arrow"))
    heal(hub)
    done = ingest(project, hub.endpoint)
    assert done.stdout == LINE


@pytest.mark.slow
def test_a_card_that_was_altered_is_not_used(project: Path, hub: Served) -> None:
    hub.files["README.md"] += b"# some words about it\n" * 9  # where a changed letter changes no key
    hub.altered = "README.md"
    assert "README.md: git digest is" in refused(ingest(project, hub.endpoint), project)
    heal(hub)
    assert ingest(project, hub.endpoint).returncode == 0


@pytest.mark.slow
def test_a_file_that_is_no_parquet_is_named_for_what_it_is(project: Path, hub: Served) -> None:
    hub.files[TRAIN] = b"no table at all, but as the Hub has it"
    assert "Parquet magic bytes not found" in refused(ingest(project, hub.endpoint), project)


@pytest.mark.slow
@pytest.mark.parametrize("streaming", [False, True])
def test_a_busy_hub_is_asked_again_when_it_says(project: Path, hub: Served, streaming: bool) -> None:
    if streaming:
        stream(project)
    hub.troubled, hub.answers = TRAIN, [BUSY, BUSY]
    start = time.monotonic()
    assert ingest(project, hub.endpoint).returncode == 0
    assert time.monotonic() - start > 2


@pytest.mark.slow
@pytest.mark.parametrize("streaming", [False, True])
def test_a_private_dataset_opens_by_the_token_which_goes_to_the_hub_alone(
    project: Path, hub: Served, streaming: bool
) -> None:
    if streaming:
        stream(project)
    token = "hf_abcdefghijklmnopqrstuvwxyz"
    with serving(Served(hub.files)) as storage:
        hub.token, hub.storage = token, storage.endpoint
        assert "set HF_TOKEN if it is private" in refused(ingest(project, hub.endpoint), project)
        hub.tokens.clear()
        done = ingest(project, hub.endpoint, HF_TOKEN=token)
        assert done.stdout == LINE
        assert set(hub.tokens) == {f"Bearer {token}"}
        assert set(storage.tokens) == {""}
        assert f"GET /datasets/{DATASET}/resolve/{COMMIT}/{TRAIN}" in storage.requests


def test_no_message_shows_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    token = "hf_abcdefghijklmnopqrstuvwxyz"
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(SourceError, match=r"Bearer \(HF_TOKEN\)"), explained("moods", SourceError):
        raise ValueError(f"Illegal header value b'Bearer {token}'")


# --- the client's patience, in this process ----------------------------------------------------------------


@pytest.fixture
def client(hub: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx2.Client]:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.endpoint)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setattr(patience, "PAUSES_S", (0.01, 0.02, 0.04))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    hub_client.be_patient()
    yield huggingface_hub.get_session()
    huggingface_hub.close_session()


def address(hub: Served) -> str:
    return f"{hub.endpoint}/datasets/{DATASET}/resolve/{COMMIT}/{TRAIN}"


def test_a_pause_is_the_one_asked_for_or_the_next_of_ours() -> None:
    soon = email.utils.formatdate(time.time() + 9, usegmt=True)
    assert patience.pause_s(429, {"Retry-After": "7"}, 1) == 7
    assert 1 < (patience.pause_s(503, {"Retry-After": soon}, 1) or 0) <= 9
    assert [patience.pause_s(429, {}, attempt) for attempt in (1, 2, 3, 4)] == [*patience.PAUSES_S, None]
    assert patience.pause_s(429, {"Retry-After": "in a moment"}, 1) == patience.PAUSES_S[0]
    assert patience.pause_s(429, {"Retry-After": "11"}, 1) is None
    assert patience.pause_s(500, {}, 1) is None
    assert patience.pause_s(200, {"Retry-After": "1"}, 1) is None


def test_a_hub_that_stays_busy_is_left(hub: Served, client: httpx2.Client) -> None:
    hub.answers = [(429, {"Retry-After": "0"}, b"")] * 9
    with pytest.raises(hub_client.RefusedError, match="429"):
        client.get(address(hub))
    assert len(hub.requests) == 4
    hub.answers = [(503, {"Retry-After": "3600"}, b"")]
    with pytest.raises(hub_client.RefusedError, match="503"):
        client.get(address(hub))
    assert len(hub.requests) == 5


def hang(hub: Served, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For this test alone is the client in a hurry: a busy machine's server may take its time to answer."""
    hub.hangs = path
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_ETAG_TIMEOUT", 0.3)


def test_a_hub_that_hangs_is_left_whatever_the_client_would_wait(
    hub: Served, client: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang(hub, TRAIN, monkeypatch)
    for timeout, error in ((None, httpx2.ReadTimeout), (100.0, hub_client.SilentError)):
        start = time.monotonic()
        with pytest.raises(error):
            client.get(address(hub), timeout=timeout)
        assert time.monotonic() - start < 25  # where the server answers after 30


def test_a_file_that_is_begun_again_and_again_is_left(hub: Served, client: httpx2.Client) -> None:
    hub.ranges = False
    for _ in range(hub_client.LONGEST_RESTARTS):
        assert client.get(address(hub), headers={"Range": "bytes=10-"}).status_code == 200
    with pytest.raises(hub_client.RefusedError):
        client.get(address(hub), headers={"Range": "bytes=10-"})


# --- branches ----------------------------------------------------------------------------------------------


def pinned(revision: str) -> None:
    check_pinned(Hub(dataset=DATASET, revision=revision), "source.yaml")


def test_a_branch_is_refused_with_the_commit_where_it_stands(hub: Served, client: httpx2.Client) -> None:
    hub.branches["main"] = COMMIT
    with pytest.raises(ConfigError, match=rf"^source.yaml: hub.revision: found 'main'; .* now: {COMMIT}$"):
        pinned("main")


def test_a_branch_that_is_none_is_refused_all_the_same(hub: Served, client: httpx2.Client) -> None:
    with pytest.raises(ConfigError, match=r"found 'mian'; .*40 hexadecimal digits.*no such commit"):
        pinned("mian")


def test_without_a_network_the_message_says_where_the_commit_is_found(
    hub: Served, client: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang(hub, "main", monkeypatch)
    with pytest.raises(ConfigError, match=rf"https://huggingface.co/datasets/{DATASET}/commits/main"):
        pinned("main")


def test_a_commit_is_asked_for_nowhere(hub: Served, client: httpx2.Client) -> None:
    pinned(COMMIT)
    assert hub.requests == []
