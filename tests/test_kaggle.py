"""Files of Kaggle, through its real client, against a Kaggle on this machine (tests/kaggle_server.py)."""

import os
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from filelock import FileLock
from kagglesdk import kaggle_env

from stages.ingest import main
from stages.lib.exceptions import ConfigError, SourceError
from stages.lib.remotes import kaggle_client, patience
from stages.lib.remotes.kaggle import fetched_folder
from stages.lib.remotes.kaggle_client import PatientAdapter
from tests.kaggle_server import COMPETITION, DATASET, TOKEN, VERSION, Kaggle, error, serving

SOURCE = f"""\
title: moods
kaggle: {COMPETITION}
files: {{train: train.csv, unlabelled: test.csv}}
columns: {{id: id, text: text, label: label}}
labels: {{0: sad, 1: glad}}
task: classification
metrics: [accuracy]
copies: remove
"""
PINNED = f"{DATASET}/versions/{VERSION}"
TRAIN = "id,text,label\n" + "".join(f"{n},how {n} feels,{n % 2}\n" for n in range(400))
TEST = "id,text\n" + "".join(f"{n},who knows {n}\n" for n in range(400, 500))
LINE = "ingest: moods: 500 rows in, 500 kept (400 train, 100 unlabelled), 0 rejected\n"


@pytest.fixture
def kaggle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Kaggle]:
    for name in list(os.environ):
        if name.startswith("KAGGLE"):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    for name, value in {
        "HOME": home,
        "KAGGLE_CONFIG_DIR": home,
        "KAGGLEHUB_CACHE": tmp_path / "cache",
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    monkeypatch.setattr(patience, "PAUSES_S", (0.01, 0.02, 0.04))
    monkeypatch.setattr(socket, "getaddrinfo", _only_here)
    # for the name of its user agent it looks five times through every module of the process: half a second
    monkeypatch.setattr("kagglehub.clients.search_lib_in_call_stack", lambda *_: None)
    with serving(Kaggle({"train.csv": TRAIN.encode(), "test.csv": TEST.encode()})) as served:
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, served.endpoint)
        yield served
    assert served.unknown == []
    assert set(served.tokens["storage"]) <= {""}  # the token goes to the API and nowhere else


def _only_here(host: str, port: int, *others: object, **options: object) -> list[object]:
    assert host == "127.0.0.1", f"the client called {host}"
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("ingest:\n  source: moods\n  max_rejected_share: 0.5\n")
    folder = Path("data/sources/moods")
    folder.mkdir(parents=True)
    (folder / "source.yaml").write_text(SOURCE)
    return folder


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "source.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def ingest(folder: Path) -> bytes:
    """The table's bytes."""
    names = ("task.json", "expectations.json", "ingested.parquet", "rejected.parquet", "ingest.json")
    task, expected, ingested, rejected, metrics = (Path("out") / name for name in names)
    outs = {"task": task, "expectations": expected, "ingested": ingested, "rejected": rejected}
    main(source=folder, **outs, metrics=metrics)
    return ingested.read_bytes()


def refused(folder: Path) -> str:
    """The one message of a run that wrote nothing and left nothing that a later run would take for whole."""
    with pytest.raises((SourceError, ConfigError)) as caught:
        ingest(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert TOKEN not in message
    assert not Path("out").exists()
    assert not list(Path("cache").rglob("*.complete"))
    return message


def heal(kaggle: Kaggle) -> None:
    well = Kaggle({})
    for trouble in ("refusal", "hangs", "cut_short", "altered", "checksum", "length", "resumable"):
        setattr(kaggle, trouble, getattr(well, trouble))
    kaggle.answers.clear()


def takes_what_lies_by_hand(folder: Path, table: bytes) -> None:
    """The table is that of the same files in the source's own folder."""
    (folder / "train.csv").write_text(TRAIN)
    (folder / "test.csv").write_text(TEST)
    assert ingest(folder) == table


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", [COMPETITION, PINNED])
def test_kaggle_gives_the_table_that_the_files_give(
    project: Path, kaggle: Kaggle, capfd: pytest.CaptureFixture[str], name: str, zipped: bool
) -> None:
    edit(project, COMPETITION, name)
    kaggle.zipped = zipped
    table = ingest(project)
    assert capfd.readouterr() == (LINE, "")  # and nothing of the client's
    assert [path.name for path in project.iterdir()] == ["source.yaml"]
    assert list(Path("cache").rglob("train.csv"))
    assert len(kaggle.requests) == 4
    takes_what_lies_by_hand(project, table)
    assert len(kaggle.requests) == 4


@pytest.mark.parametrize("name", [COMPETITION, PINNED])
def test_what_was_fetched_once_is_taken_from_the_cache_without_a_question(
    project: Path, kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    edit(project, COMPETITION, name)
    table = ingest(project)
    asked = len(kaggle.requests)
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    assert ingest(project) == table
    assert len(kaggle.requests) == asked


def test_only_what_is_missing_is_fetched(project: Path, kaggle: Kaggle) -> None:
    (project / "train.csv").write_text("id,text,label\n1,of our own,1\n2,ours as well,0\n")
    ingest(project)
    table = pl.read_parquet("out/ingested.parquet")
    assert table.filter(role="train")["text"].to_list() == ["of our own", "ours as well"]
    assert not list(Path("cache").rglob("train.csv"))


def test_what_was_fetched_whole_by_another_program_is_used(project: Path, kaggle: Kaggle) -> None:
    for name in (COMPETITION, PINNED):
        folder = Path("cache/datasets" if "/" in name else "cache/competitions") / name
        folder.mkdir(parents=True)
        (folder / "train.csv").write_text(TRAIN)
        (folder / "test.csv").write_text(TEST)
    Path(f"cache/competitions/{COMPETITION}.complete").touch()
    Path(f"cache/datasets/{DATASET}/{VERSION}.complete").touch()
    ingest(project)
    edit(project, COMPETITION, PINNED)
    ingest(project)
    assert kaggle.requests == []


def test_the_page_the_rules_and_the_folder_stand_where_there_are_no_credentials(
    project: Path, kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    monkeypatch.setattr(sys, "stdin", None)  # nobody is there to be asked
    message = refused(project)
    page = f"https://www.kaggle.com/competitions/{COMPETITION}"
    assert message.startswith(
        f"data/sources/moods: no train.csv here; Kaggle, {COMPETITION}: no credentials: "
    )
    for words in (f"{page}/rules", "KAGGLE_API_TOKEN", f"{page}/data", "lay it in data/sources/moods"):
        assert words in message
    assert kaggle.requests == []


@pytest.mark.parametrize(
    ("variables", "header"),
    [
        ({"KAGGLE_API_TOKEN": TOKEN}, f"Bearer {TOKEN}"),
        ({"KAGGLE_USERNAME": "me", "KAGGLE_KEY": "secret"}, "Basic bWU6c2VjcmV0"),
    ],
)
def test_credentials_of_the_environment_go_to_the_api_alone(
    project: Path, kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], header: str
) -> None:
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    edit(project, COMPETITION, PINNED)
    ingest(project)
    assert set(kaggle.tokens["api"]) == {header}
    assert set(kaggle.tokens["storage"]) == {""}


def test_credentials_of_files_are_read_and_a_broken_one_is_named(
    project: Path, kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    home = Path(os.environ["HOME"])
    home.mkdir()
    (home / "kaggle.json").write_text("{")
    assert "kaggle.json" in refused(project)
    (home / ".kaggle").mkdir()
    (home / ".kaggle/access_token").write_text(TOKEN)
    ingest(project)


def test_a_token_that_cannot_be_used_is_not_shown(
    project: Path, kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN * 20)  # too long for a file's name, which the client tries
    message = refused(project)
    assert "KAGGLE_API_TOKEN" in message


REFUSALS = [
    (COMPETITION, 401, "answered 401: it does not know these credentials"),
    (
        COMPETITION,
        403,
        f"answered 403: accept the rules at https://www.kaggle.com/competitions/{COMPETITION}/rules",
    ),
    (COMPETITION, 404, "answered 404: check the name"),
    (COMPETITION, 500, "answered 500: run again later"),
    (PINNED, 401, "answered 401: it does not know these credentials"),
    (PINNED, 403, f"answered 403: open https://www.kaggle.com/datasets/{PINNED}"),
    (PINNED, 404, "answered 404: check the name"),
    (PINNED, 500, "answered 500: run again later"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "status", "words"), REFUSALS)
def test_a_refusal_says_where_to_go_and_that_files_may_be_laid_by_hand(
    project: Path, kaggle: Kaggle, name: str, status: int, words: str
) -> None:
    edit(project, COMPETITION, name)
    kaggle.refusal = (status, "You must accept this competition's rules")
    message = refused(project)
    assert words in message
    assert "by hand" in message
    assert "lay it in data/sources/moods" in message
    heal(kaggle)
    takes_what_lies_by_hand(project, ingest(project))


def test_a_file_that_is_not_there_is_named(project: Path, kaggle: Kaggle) -> None:
    edit(project, "test.csv", "tset.csv")
    with pytest.raises(SourceError, match=r"no tset.csv here; .*answered 404: check the name of the file"):
        ingest(project)


def test_a_busy_server_is_asked_again_when_it_says(project: Path, kaggle: Kaggle) -> None:
    kaggle.answers = [error(429, "Too many requests", Retry_After="1"), error(503, "Busy")]
    start = time.monotonic()
    takes_what_lies_by_hand(project, ingest(project))
    assert time.monotonic() - start >= 1
    assert [request.split("/")[-1] for request in kaggle.requests[:3]] == ["DownloadDataFile"] * 3


@pytest.mark.parametrize(("retry_after", "words"), [("0", "in 0 seconds"), ("3600", "in 3600 seconds")])
def test_a_server_that_stays_busy_is_left(
    project: Path, kaggle: Kaggle, retry_after: str, words: str
) -> None:
    kaggle.answers = [error(429, "Too many requests", Retry_After=retry_after)] * 9
    start = time.monotonic()
    message = refused(project)
    assert time.monotonic() - start < 25  # where an hour was asked for
    assert f"answered 429, too many requests: run again {words}" in message


@pytest.mark.parametrize("hangs", ["api", "storage", "body"])
def test_a_server_that_hangs_is_left(
    project: Path, kaggle: Kaggle, hangs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kaggle.hangs = hangs
    start = time.monotonic()
    with monkeypatch.context() as hurry:
        hurry.setattr(kaggle_client, "ANSWER_S", 0.3)
        assert "no answer for many seconds" in refused(project)
    assert time.monotonic() - start < 25  # where the server answers after 30
    heal(kaggle)
    takes_what_lies_by_hand(project, ingest(project))


@pytest.mark.slow
@pytest.mark.parametrize("name", [COMPETITION, PINNED])
@pytest.mark.parametrize("checksum", [True, False])
@pytest.mark.parametrize("resumable", [True, False])
def test_a_body_cut_short_is_never_used(
    project: Path, kaggle: Kaggle, name: str, checksum: bool, resumable: bool
) -> None:
    edit(project, COMPETITION, name)
    kaggle.cut_short, kaggle.checksum, kaggle.resumable = True, checksum, resumable
    assert "broke off in the middle" in refused(project)
    for half in Path("cache").rglob("train.csv"):  # what a server or a disk may do to it until the next run
        half.write_bytes(b"id,text,label\n7,of another file,1\n")
    kaggle.cut_short = False
    takes_what_lies_by_hand(project, ingest(project))


def test_a_body_that_could_end_anywhere_is_not_used(project: Path, kaggle: Kaggle) -> None:
    kaggle.length, kaggle.checksum, kaggle.cut_short = False, False, True
    assert "neither Content-Length nor chunks" in refused(project)
    heal(kaggle)
    takes_what_lies_by_hand(project, ingest(project))


@pytest.mark.parametrize("name", [COMPETITION, PINNED])
def test_a_checksum_that_does_not_match_is_an_error(project: Path, kaggle: Kaggle, name: str) -> None:
    edit(project, COMPETITION, name)
    kaggle.altered = True
    assert "its MD5 is not the one that Kaggle names" in refused(project)
    heal(kaggle)
    takes_what_lies_by_hand(project, ingest(project))


def test_an_archive_that_is_damaged_is_not_used(project: Path, kaggle: Kaggle) -> None:
    kaggle.zipped, kaggle.altered, kaggle.checksum = True, True, False
    assert "damaged" in refused(project)
    heal(kaggle)
    takes_what_lies_by_hand(project, ingest(project))


@pytest.mark.parametrize("name", [COMPETITION, PINNED])
def test_a_pattern_takes_everything(project: Path, kaggle: Kaggle, name: str) -> None:
    kaggle.files = {"pos/1.txt": b"good", "pos/2.txt": b"fine", "neg/1.txt": b"bad"}
    kaggle.cut_short = True
    with pytest.raises(SourceError, match="broke off in the middle"):
        fetched_folder(name, "pos/*.txt", project)
    heal(kaggle)
    home = fetched_folder(name, "pos/*.txt", project)
    assert {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*.txt")} == kaggle.files
    asked = len(kaggle.requests)
    assert fetched_folder(name, "neg/1.txt", project) == home
    assert len(kaggle.requests) == asked


def test_a_folder_per_label_is_read_from_kaggle_as_from_the_folder(project: Path, kaggle: Kaggle) -> None:
    texts = {
        f"{label}/{n}.txt": f"{label} indeed, {n}".encode() for label in ("pos", "neg") for n in range(3)
    }
    kaggle.files = texts
    edit(project, "{train: train.csv, unlabelled: test.csv}", "{train: [pos/*.txt, neg/*.txt]}")
    edit(project, "{id: id, text: text, label: label}", "{text: text, label: folder}")
    edit(project, "{0: sad, 1: glad}", "[pos, neg]")
    table = ingest(project)
    for name, text in texts.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_bytes(text)
    asked = len(kaggle.requests)
    assert ingest(project) == table
    assert len(kaggle.requests) == asked
    assert len(pl.read_parquet("out/ingested.parquet")) == 6
    edit(project, "pos/*.txt", "poss/*.txt")
    with pytest.raises(
        SourceError, match=r"no poss/\*.txt, neither here nor at https://www.kaggle.com/compet"
    ):
        ingest(project)


def test_a_member_of_a_zip_comes_with_its_zip(project: Path, kaggle: Kaggle) -> None:
    kaggle.files = {"a/data.zip": b"PK and so on"}
    home = fetched_folder(COMPETITION, "a/data.zip/pos/*.txt", project)
    assert (home / "a/data.zip").read_bytes() == b"PK and so on"


def test_two_processes_do_not_fetch_into_each_others_half(project: Path, kaggle: Kaggle) -> None:
    Path("cache").mkdir()
    with ThreadPoolExecutor(1) as pool, FileLock(f"cache/{COMPETITION}.lock"):
        other = pool.submit(ingest, project)
        time.sleep(0.3)
        assert kaggle.requests == []
    takes_what_lies_by_hand(project, other.result())


def test_a_server_that_is_not_there(project: Path, kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, "http://127.0.0.1:9")
    assert "cannot be reached" in refused(project)


def test_a_dataset_without_its_version_is_refused_with_the_current_one(project: Path, kaggle: Kaggle) -> None:
    edit(project, COMPETITION, DATASET)
    message = refused(project)
    assert message.startswith(f"data/sources/moods/source.yaml: kaggle: found '{DATASET}'; a dataset changes")
    assert f"{DATASET}/versions/3, which is the current one" in message
    kaggle.refusal = (500, "down")
    assert f"https://www.kaggle.com/datasets/{DATASET} shows which there are" in refused(project)


def test_a_name_that_is_none_is_refused(project: Path) -> None:
    edit(project, COMPETITION, f"https://www.kaggle.com/competitions/{COMPETITION}")
    with pytest.raises(ConfigError, match=r"source.yaml:2: kaggle: .*as owner/name/versions/3"):
        ingest(project)


def test_requests_of_others_are_left_as_they_were(project: Path, kaggle: Kaggle) -> None:
    import requests

    ingest(project)
    with requests.Session() as session:
        assert not isinstance(session.get_adapter("https://www.kaggle.com"), PatientAdapter)
