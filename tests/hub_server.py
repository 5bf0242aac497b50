"""A Hub on this machine: one dataset or model at one commit, as much of the Hub's API as its client asks for.

Every request is recorded; one that the real Hub would be needed for is answered 404 and recorded as unknown,
and a test that finds an unknown request fails.
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

DATASET = "someone/moods"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Served:
    """What is served, and what was asked for; a `refusal` is the status and error code for every request."""

    files: dict[str, bytes]
    refusal: tuple[int, str] | None = None
    kind: str = "datasets"  # or models
    name: str = DATASET
    commit: str = COMMIT
    cut_short: str = ""  # a file of which only the first half is sent
    endpoint: str = ""
    requests: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


@contextmanager
def serving(hub: Served) -> Iterator[Served]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(hub))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
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
            status, headers, content = _respond(hub, self.command, path, body)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                cut = hub.cut_short and path.endswith(hub.cut_short)
                self.wfile.write(content[: len(content) // 2] if cut else content)
                self.close_connection = bool(cut)

        do_GET = do_HEAD = do_POST = _answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def _respond(hub: Served, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    if hub.refusal is not None:
        return _error(*hub.refusal)
    room = "/datasets" if hub.kind == "datasets" else ""
    file = path.removeprefix(f"{room}/{hub.name}/resolve/{hub.commit}/")
    if file != path:
        return _file(hub, file)
    api = path.removeprefix(f"/api/{hub.kind}/{hub.name}/")
    if api == f"revision/{hub.commit}":
        return _json(
            {"id": hub.name, "sha": hub.commit, "siblings": [{"rfilename": name} for name in hub.files]}
        )
    if api == f"paths-info/{hub.commit}":
        return _json(_paths_info(hub, _paths_in(body)))
    if api == f"tree/{hub.commit}" or api.startswith(f"tree/{hub.commit}/"):
        return _json(_tree(hub, api.removeprefix(f"tree/{hub.commit}").strip("/")))
    if path.startswith(f"/api/{hub.kind}/{hub.name}/revision/"):
        return _error(404, "RevisionNotFound")
    hub.unknown.append(f"{method} {path}")
    return _error(404, "")


def _error(status: int, code: str) -> tuple[int, dict[str, str], bytes]:
    return status, {"X-Error-Code": code, "X-Error-Message": "refused"}, b"{}"


def _file(hub: Served, name: str) -> tuple[int, dict[str, str], bytes]:
    if name not in hub.files:
        return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": hub.commit}, b""
    return 200, {"ETag": f'"{_oid(hub.files[name])}"', "X-Repo-Commit": hub.commit}, hub.files[name]


def _json(value: object) -> tuple[int, dict[str, str], bytes]:
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
        {"type": "directory", "path": name, "oid": _oid(name.encode()), "size": 0} for name in sorted(folders)
    ]
    entries += [
        {"type": "file", "path": name, "oid": _oid(content), "size": len(content)}
        for name, content in hub.files.items()
    ]
    below = [entry for entry in entries if str(entry["path"]).startswith(inside)]
    return [entry for entry in below if recursive or "/" not in str(entry["path"])[len(inside) :]]


def _oid(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
