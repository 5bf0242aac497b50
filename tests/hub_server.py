"""A Hub on this machine: one dataset or model at one commit, as much of the Hub's API as its client asks for.

Every request is recorded; one that the real Hub would be needed for is answered 404 and recorded as unknown,
and a test that finds an unknown request fails.
"""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

DATASET = "someone/moods"
COMMIT = "0123456789abcdef0123456789abcdef01234567"

Response = tuple[int, dict[str, str], bytes]


@dataclass
class Served:
    """What is served, and what was asked for; a `refusal` is the status and error code for every request."""

    files: dict[str, bytes]
    refusal: tuple[int, str] | None = None
    kind: str = "datasets"  # or models
    name: str = DATASET
    commit: str = COMMIT
    branches: dict[str, str] = field(default_factory=dict)  # name -> commit
    token: str = ""  # without which nothing is given
    storage: str = ""  # another server, to which large files are sent on
    # Of the requests whose path ends so:
    troubled: str = ""
    cut_short: str = ""  # only the first half is sent, also of what is left to send
    altered: str = ""  # as many bytes, but not those that the Hub knows
    hangs: str = ""  # no answer
    ranges: bool = True  # a part is sent where one is asked for
    answers: list[Response] = field(default_factory=list)  # those come first, one a request
    endpoint: str = ""
    requests: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)  # of each request, or nothing
    unknown: list[str] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving(hub: Served) -> Iterator[Served]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(hub))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        hub.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _handler_for(hub: Served) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = unquote(urlsplit(self.path).path)
            hub.requests.append(f"{self.command} {path}")
            hub.tokens.append(self.headers.get("Authorization", ""))
            if _meets(hub.hangs, path):
                hub.closing.wait(30)
                self.close_connection = True
                return
            status, headers, content = _first_answer(hub, path, hub.tokens[-1])
            if not status:
                status, headers, content = _respond(hub, self.command, path, body)
            if status == 200 and hub.ranges and "Range" in self.headers:
                status, headers, content = _part(headers, content, self.headers["Range"])
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                cut = _meets(hub.cut_short, path)
                self.wfile.write(content[: len(content) // 2] if cut else content)
                self.close_connection = bool(cut)

        do_GET = do_HEAD = do_POST = _answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def _meets(trouble: str, path: str) -> bool:
    return bool(trouble) and path.endswith(trouble)


def _first_answer(hub: Served, path: str, token: str) -> Response:
    if hub.token and token != f"Bearer {hub.token}":
        return _error(401, "RepoNotFound")
    if hub.refusal is not None:
        return _error(*hub.refusal)
    if hub.answers and path.endswith(hub.troubled):
        return hub.answers.pop(0)
    return 0, {}, b""


def _part(headers: dict[str, str], content: bytes, wanted: str) -> Response:
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
    assert found is not None, wanted
    start, end = int(found[1]), int(found[2] or len(content) - 1)
    place = f"bytes {start}-{end}/{len(content)}"
    return 206, {**headers, "Content-Range": place}, content[start : end + 1]


def _respond(hub: Served, method: str, path: str, body: bytes) -> Response:
    room = "/datasets" if hub.kind == "datasets" else ""
    file = path.removeprefix(f"{room}/{hub.name}/resolve/{hub.commit}/")
    if file != path:
        return _file(hub, path, file)
    api = path.removeprefix(f"/api/{hub.kind}/{hub.name}/")
    for revision, commit in {hub.commit: hub.commit, **hub.branches}.items():
        if api == f"revision/{revision}":
            return _json(
                {"id": hub.name, "sha": commit, "siblings": [{"rfilename": name} for name in hub.files]}
            )
    if api == f"paths-info/{hub.commit}":
        return _json(_paths_info(hub, _paths_in(body)))
    if api == f"tree/{hub.commit}" or api.startswith(f"tree/{hub.commit}/"):
        return _json(_tree(hub, api.removeprefix(f"tree/{hub.commit}").strip("/")))
    if path.startswith(f"/api/{hub.kind}/{hub.name}/revision/"):
        return _error(404, "RevisionNotFound")
    hub.unknown.append(f"{method} {path}")
    return _error(404, "")


def _error(status: int, code: str) -> Response:
    return status, {"X-Error-Code": code, "X-Error-Message": "refused"}, b"{}"


def _file(hub: Served, path: str, name: str) -> Response:
    if name not in hub.files:
        return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": hub.commit}, b""
    content = hub.files[name]
    headers = {"ETag": f'"{_etag(name, content)}"', "X-Repo-Commit": hub.commit}
    if hub.storage and _is_large(name):
        links = {"X-Linked-ETag": headers["ETag"], "X-Linked-Size": str(len(content))}
        return 302, {**headers, **links, "Location": f"{hub.storage}{path}"}, b""
    if _meets(hub.altered, path):
        middle = len(content) // 2
        content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    return 200, headers, content


def _json(value: object) -> Response:
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


def _paths_in(body: bytes) -> list[str]:
    text = body.decode()
    return list(json.loads(text)["paths"]) if text.startswith("{") else parse_qs(text)["paths"]


def _paths_info(hub: Served, paths: list[str]) -> list[dict[str, object]]:
    entries = {str(entry["path"]): entry for entry in _tree(hub, "", recursive=True)}
    return [entries[path] for path in paths if path in entries]


def _tree(hub: Served, folder: str, recursive: bool = False) -> list[dict[str, object]]:
    inside = f"{folder}/" if folder else ""
    folders = {name[: name.rindex("/")] for name in hub.files if "/" in name}
    entries: list[dict[str, object]] = [
        {"type": "directory", "path": name, "oid": _git_oid(name.encode()), "size": 0}
        for name in sorted(folders)
    ]
    entries += [_entry(name, content) for name, content in hub.files.items()]
    below = [entry for entry in entries if str(entry["path"]).startswith(inside)]
    return [entry for entry in below if recursive or "/" not in str(entry["path"])[len(inside) :]]


def _entry(name: str, content: bytes) -> dict[str, object]:
    entry: dict[str, object] = {"type": "file", "path": name, "oid": _git_oid(content), "size": len(content)}
    if _is_large(name):
        entry["lfs"] = {"oid": _etag(name, content), "size": len(content), "pointerSize": 130}
    return entry


def _is_large(name: str) -> bool:
    """Whether git keeps a pointer to it alone, as it does on the Hub for files of such names."""
    return name.endswith((".parquet", ".safetensors"))


def _etag(name: str, content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() if _is_large(name) else _git_oid(content)


def _git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
