"""Kaggle's client as it is used here: nothing half-fetched is taken up again, and no request hangs.

By itself it waits for ever for a first answer, never asks a busy server again, and goes on with whatever a
broken download left behind, which without a checksum from Kaggle nobody would notice.
Imported where it is needed alone, since it takes the client along.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kagglehub
from filelock import FileLock
from kagglehub.cache import Cache
from kagglehub.clients import build_kaggle_client
from kagglehub.config import get_cache_folder
from kagglehub.handle import parse_competition_handle, parse_dataset_handle
from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetRequest
from requests import sessions
from requests.adapters import HTTPAdapter

from stages.lib.remotes.patience import answer_to

LENGTHS = ("Content-Length", "Transfer-Encoding")  # by either of them a body that breaks off is noticed
CONNECT_S, ANSWER_S = 5.0, 15.0  # as kagglehub has them where it has any


def fetched(kaggle: str, name: str | None) -> Path:
    """The file, or the folder with everything; from the client's cache where it is whole there."""
    is_dataset = "/" in kaggle
    handle = parse_dataset_handle(kaggle) if is_dataset else parse_competition_handle(kaggle)
    download = kagglehub.dataset_download if is_dataset else kagglehub.competition_download
    cache = Cache()
    with _alone(kaggle):
        everything = cache.load_from_cache(handle)
        if everything is not None and Path(everything, name or "").exists():
            return Path(everything, name or "")
        whole = cache.load_from_cache(handle, name)
        if whole is not None:  # never asked whether it is still the newest: the same source, the same rows
            return Path(whole)
        _forget(cache, handle, name)
        with _patiently():
            return Path(download(kaggle, path=name))


def current_version(kaggle: str) -> int:
    handle = parse_dataset_handle(kaggle)
    request = ApiGetDatasetRequest()
    request.owner_slug, request.dataset_slug = handle.owner, handle.dataset
    with _patiently(), build_kaggle_client() as client:
        return int(client.datasets.dataset_api_client.get_dataset(request).current_version_number)


def _forget(cache: Cache, handle: Any, name: str | None) -> None:
    """Delete what a broken or killed download left, so that the client does not go on with it."""
    cache.delete_from_cache(handle, name)
    Path(cache.get_archive_path(handle)).unlink(missing_ok=True)
    if name is not None:
        Path(f"{cache.get_path(handle, name)}.zip").unlink(missing_ok=True)


@contextmanager
def _alone(kaggle: str) -> Iterator[None]:
    """One process at a time: the client writes where it will read, so another's half would pass for whole."""
    folder = Path(get_cache_folder())
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{kaggle.replace('/', '--')}.lock"):
        yield


@contextmanager
def _patiently() -> Iterator[None]:
    """Let every session of requests that is made within the block wait as the Hub's client does."""
    where_sessions_find_it: Any = sessions
    where_sessions_find_it.HTTPAdapter = PatientAdapter
    try:
        yield
    finally:
        where_sessions_find_it.HTTPAdapter = HTTPAdapter


class PatientAdapter(HTTPAdapter):
    """Raises requests' errors, and EndlessBodyError."""

    def send(self, *question: Any, **options: Any) -> Any:
        options["timeout"] = options.get("timeout") or (CONNECT_S, ANSWER_S)
        send = super().send
        response = answer_to(lambda: send(*question, **options))
        if response.status_code == 200 and not any(name in response.headers for name in LENGTHS):
            response.close()
            raise EndlessBodyError("neither Content-Length nor chunks")
        return response


class EndlessBodyError(OSError):
    """A body of which nobody could say whether it came whole."""
