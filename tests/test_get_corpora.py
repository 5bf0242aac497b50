"""The command that gets NLTK's data, against a server on loopback: whole and checked, or not at all."""

import hashlib
import io
import os
import stat
import threading
import time
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nltk
import polars as pl
import pytest

from commands import get_corpora
from commands.get_corpora import PACKAGES, Package, install, main, needed
from stages.lib.cleaning.cleaning import cleaned
from stages.lib.cleaning.nltk_steps import FOLDERS
from stages.lib.cleaning.steps import Cleaning
from stages.lib.exceptions import SourceError

Answers = dict[str, tuple[int, bytes, int]]  # path -> status, body, announced length

HANGS = (0, b"", 0)
GOOD = {"stopwords/english": b"the\nis\n", "stopwords/german": b"der\n"}


def packed(members: dict[str, bytes], link: str | None = None) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name)
            if name == link:
                member.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(member, content)
    return file.getvalue()


class Handler(BaseHTTPRequestHandler):
    def __init__(self, answers: Answers, *args: object) -> None:
        self.answers = answers
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        status, body, length = self.answers.get(self.path, (404, b"no", 2))
        if not status:
            return time.sleep(9)
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)
        return None

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def answers() -> Answers:
    return {}


@pytest.fixture
def url(answers: Answers) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, answers)) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/packages"
        server.shutdown()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "nltk")])
    monkeypatch.setenv("NLTK_DATA", str(tmp_path / "nltk"))
    return tmp_path / "nltk"


def serve(
    answers: Answers, monkeypatch: pytest.MonkeyPatch, body: bytes, *, sent: bytes | None = None
) -> None:
    """`body` is what the pins speak of; `sent` is what comes, where that is another."""
    package = Package(len(body), 1000, hashlib.sha256(body).hexdigest())
    monkeypatch.setitem(PACKAGES, "stopwords", package)
    sent = body if sent is None else sent
    answers["/packages/corpora/stopwords.zip"] = (200, sent, len(body))


def left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def write_params(*steps: str) -> None:
    listing = "".join(f"\n  - {step}" for step in steps) or " []"
    Path("params.yaml").write_text(f"clean:\n  language: english\n  steps:{listing}\n", encoding="utf-8")


def test_what_the_steps_need_is_installed_and_used(
    folder: Path,
    url: str,
    answers: Answers,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    serve(answers, monkeypatch, packed(GOOD))
    write_params("lowercase", "stopwords")
    main(None, None, url)
    assert left(folder) == ["corpora/stopwords/english", "corpora/stopwords/german"]
    assert f"SHA-256 as in NLTK's index; in {folder}/corpora/stopwords" in capsys.readouterr().out
    cleaning = Cleaning(steps=["stopwords"], language="english")
    assert cleaned(pl.Series(["the sun is up"]), cleaning).to_list() == ["sun up"]


def test_a_second_time_nothing_is_fetched(
    folder: Path,
    url: str,
    answers: Answers,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    serve(answers, monkeypatch, packed(GOOD))
    main(["stopwords"], None, url)
    answers.clear()
    main(["stopwords"], None, url)
    assert f"stopwords: there already, in {folder}/corpora/stopwords" in capsys.readouterr().out


def test_folders_and_files_are_the_owners_alone_to_write(
    folder: Path, url: str, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(answers, monkeypatch, packed(GOOD))
    before = os.umask(0)
    try:
        main(["stopwords"], None, url)
    finally:
        os.umask(before)
    assert [path for path in [folder, *folder.rglob("*")] if path.stat().st_mode & 0o022] == []


def refused(folder: Path, url: str) -> str:
    """The message; nothing is left behind but empty folders."""
    with pytest.raises(SourceError) as caught:
        install("stopwords", url, folder)
    assert left(folder) == []
    assert [path for path in folder.rglob("*") if path.name.startswith(".")] == []
    return str(caught.value)


def test_not_there(folder: Path, url: str) -> None:
    message = refused(folder, url)
    assert f"{url}/corpora/stopwords.zip: the server answered 404" in message
    assert "docs/cleaning.md" in message


def test_cut_short(folder: Path, url: str, answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    body = packed(GOOD)
    serve(answers, monkeypatch, body, sent=body[:100])
    assert f"the server sent 100 of {len(body):,} bytes" in refused(folder, url)


def test_wrong_checksum(folder: Path, url: str, answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    body = packed(GOOD)
    other = bytes([*body[:-1], body[-1] ^ 1])
    serve(answers, monkeypatch, body, sent=other)
    message = refused(folder, url)
    assert hashlib.sha256(other).hexdigest() in message
    assert hashlib.sha256(body).hexdigest() in message


def test_more_than_was_said(
    folder: Path, url: str, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = packed(GOOD)
    serve(answers, monkeypatch, body)
    answers["/packages/corpora/stopwords.zip"] = (200, body + b"x", len(body) + 1)
    assert f"the server sent more than {len(body):,} bytes" in refused(folder, url)


def test_server_of_no_answer(folder: Path) -> None:
    assert "cannot be fetched: " in refused(folder, "http://127.0.0.1:9/packages")


def test_server_that_hangs(folder: Path, url: str, answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_corpora, "SECONDS", 0.05)
    answers["/packages/corpora/stopwords.zip"] = HANGS
    assert "cannot be fetched: timed out" in refused(folder, url)


@pytest.mark.parametrize(
    "member", ["../evil", "stopwords/../../evil", "/evil", "evil", "stopwords\\..\\..\\evil", "stopwords"]
)
def test_zip_that_climbs_out(
    folder: Path, url: str, answers: Answers, monkeypatch: pytest.MonkeyPatch, member: str
) -> None:
    serve(answers, monkeypatch, packed({**GOOD, member: b"evil"}))
    assert "would not lie in the folder stopwords" in refused(folder, url)
    assert not list(folder.parent.rglob("*evil*"))


def test_zip_with_a_link(folder: Path, url: str, answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(answers, monkeypatch, packed({"stopwords/link": b"/etc"}, link="stopwords/link"))
    assert "'stopwords/link' would not lie in" in refused(folder, url)


def test_zip_bomb(folder: Path, url: str, answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(answers, monkeypatch, packed({"stopwords/english": b"a" * 1001}))
    assert "unpacks to more than 1,000 bytes" in refused(folder, url)


def test_no_zip_at_all(folder: Path, url: str, answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(answers, monkeypatch, b"<html>Welcome to the hotel's network</html>")
    assert "stopwords.zip: cannot be unpacked" in refused(folder, url)


def test_a_broken_package_is_replaced(
    folder: Path, url: str, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "corpora").mkdir(parents=True, mode=0o755)
    (folder / "corpora/stopwords").mkdir(mode=0o777)
    (folder / "corpora/stopwords").chmod(0o777)  # NLTK refuses what others can write to
    serve(answers, monkeypatch, packed(GOOD))
    main(["stopwords"], None, url)
    assert left(folder) == ["corpora/stopwords/english", "corpora/stopwords/german"]


def test_a_folder_that_nltk_refuses_is_told(
    folder: Path, url: str, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(answers, monkeypatch, packed(GOOD))
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(SourceError, match=r"NLTK refuses it.*--folder, or `chmod -R go-w"):
        main(["stopwords"], None, url)


def test_steps_name_their_packages(folder: Path) -> None:
    write_params("tokenize_punkt", "stopwords", "lemmatize", "stem", "stopwords")
    assert needed() == ["punkt_tab", "stopwords", "wordnet"]


def test_steps_that_need_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_params("html", "{pattern: a, replacement: b}")
    main(None, None, "http://127.0.0.1:9")
    assert "the steps in params.yaml need no data; there are stopwords" in capsys.readouterr().out


def test_unknown_package(folder: Path) -> None:
    with pytest.raises(SourceError, match=r"no package 'brown' here.*nltk\.downloader brown"):
        main(["brown"], None, "http://127.0.0.1:9")


def test_what_is_pinned() -> None:
    assert set(PACKAGES) == set(FOLDERS)
    assert all(len(bytes.fromhex(package.sha256)) == 32 for package in PACKAGES.values())
    assert get_corpora.COMMIT in get_corpora.URL
