"""Kaggle on this machine: a competition and a dataset, as much of Kaggle's API as its client asks for.

As Kaggle does, the API sends whoever may have a file on to a storage, which knows no tokens; here that is the
same server under another port. Every request is recorded; one that is none of the API's is answered 404 and
recorded as unknown, and a test that finds an unknown request fails.
"""

import base64
import hashlib
import io
import json
import re
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMPETITION = "moods-with-tears"
DATASET = "someone/moods"
VERSION = 3
TOKEN = "KGAT_0123456789abcdef"

Response = tuple[int, dict[str, str], bytes]


@dataclass
class Kaggle:
    """What is served, and how it goes wrong; `troubled` is what a path must end with for it to do so."""

    files: dict[str, bytes]
    zipped: bool = False  # a file comes in an archive of its name, as large ones do
    refusal: tuple[int, str] | None = None  # status and message of every answer of the API
    answers: list[Response] = field(default_factory=list)  # those come first, one a request of the API
    hangs: str = ""  # "api", "storage" or "body": no answer, or the rest of it never comes
    cut_short: bool = False  # the storage sends half of what it says that it does
    altered: bool = False  # the storage sends as many bytes, but others
    checksum: bool = True  # the storage names the MD5 of what it sends
    length: bool = True  # the storage says how long it is
    resumable: bool = True  # the storage says that it can go on in the middle
    endpoint: str = ""
    storage: str = ""
    requests: list[str] = field(default_factory=list)
    tokens: dict[str, list[str]] = field(default_factory=lambda: {"api": [], "storage": []})
    unknown: list[str] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving(kaggle: Kaggle) -> Iterator[Kaggle]:
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(kaggle, part)) for part in kaggle.tokens]
    threads = [threading.Thread(target=server.serve_forever, args=[0.02]) for server in servers]
    for thread in threads:
        thread.start()
    kaggle.endpoint, kaggle.storage = (f"http://127.0.0.1:{server.server_address[1]}" for server in servers)
    try:
        yield kaggle
    finally:
        kaggle.closing.set()
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()


def _handler_for(kaggle: Kaggle, part: str) -> type[BaseHTTPRequestHandler]:  # noqa: C901 (methods, not one)
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kaggle.requests.append(f"{self.command} {self.path}")
            kaggle.tokens[part].append(self.headers.get("Authorization", ""))
            if kaggle.hangs == part:
                self._wait()
            elif part == "api":
                self._send(*_ask(kaggle, self.path, json.loads(body), kaggle.tokens[part][-1]))
            else:
                self._send(*_store(kaggle, self.path, self.headers.get("Range", "")))

        def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            stated = {"Content-Length": str(len(content)), **headers}
            for name in filter(stated.get, stated):
                self.send_header(name, stated[name])
            self.end_headers()
            broken = part == "storage" and (kaggle.cut_short or kaggle.hangs == "body")
            self.wfile.write(content[: len(content) // 2] if broken else content)
            if kaggle.hangs == "body" and part == "storage":
                self._wait()
            self.close_connection = broken or "Content-Length" in headers

        def _wait(self) -> None:
            self.wfile.flush()
            kaggle.closing.wait(30)
            self.close_connection = True

        do_GET = do_POST = _answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def _ask(kaggle: Kaggle, path: str, question: dict[str, object], token: str) -> Response:
    if kaggle.answers:
        return kaggle.answers.pop(0)
    if kaggle.refusal is not None:
        return error(*kaggle.refusal)
    match path, question:
        case "/v1/competitions.CompetitionApiService/DownloadDataFile", {"fileName": str(name)}:
            known = token == f"Bearer {TOKEN}"
            return _sent_on(kaggle, name) if known else error(401, "Unauthenticated")
        case "/v1/competitions.CompetitionApiService/DownloadDataFiles", _:
            return _sent_on(kaggle, "")
        case "/v1/datasets.DatasetApiService/DownloadDataset", {"datasetVersionNumber": 3}:
            return _sent_on(kaggle, str(question.get("fileName") or ""))
        case "/v1/datasets.DatasetApiService/GetDataset", _:
            return 200, {"Content-Type": "application/json"}, json.dumps({"currentVersionNumber": 3}).encode()
        case "/v1/datasets.DatasetApiService/ListTreeDatasetFiles", _:
            return 200, {"Content-Type": "application/json"}, b"{}"
    kaggle.unknown.append(f"{path} {question}")
    return error(404, "Not found")


def _sent_on(kaggle: Kaggle, name: str) -> Response:
    if name not in {"", *kaggle.files}:
        return error(404, "Not found")
    as_archive = ".zip" if name and kaggle.zipped else ""
    return 302, {"Location": f"{kaggle.storage}/{name or 'archive.zip'}{as_archive}?signed=yes"}, b""


def error(status: int, message: str, **headers: str) -> Response:
    body = json.dumps({"code": status, "message": message}).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"Content-Type": "application/json", **names}, body


def _store(kaggle: Kaggle, path: str, wanted: str) -> Response:
    name = path.removeprefix("/").removesuffix("?signed=yes")
    if name == "archive.zip":
        content = _zip(kaggle.files)
    elif kaggle.zipped:
        content = _zip({name.removesuffix(".zip"): kaggle.files[name.removesuffix(".zip")]})
    else:
        content = kaggle.files[name]
    digest = base64.b64encode(hashlib.md5(content).digest()).decode()
    headers = {
        "x-goog-hash": f"crc32c=n03x6A==,md5={digest}" if kaggle.checksum else "",
        "Accept-Ranges": "bytes" if kaggle.resumable else "",
    }
    if not kaggle.length:
        headers["Content-Length"] = ""
    if kaggle.altered:
        middle = len(content) // 2
        content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    if found := re.fullmatch(r"bytes=(\d+)-", wanted):
        return 206, headers, content[int(found[1]) :]
    return 200, headers, content


def _zip(files: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(zipfile.ZipInfo(name), content)
    return archive.getvalue()
