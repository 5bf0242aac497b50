"""What went wrong at Kaggle, said so that a person knows what to do.

Imported once something failed, since it takes the client along.
"""

import os
import zipfile
from pathlib import Path
from typing import Any

import requests
from kagglehub.config import get_cache_folder
from kagglehub.exceptions import DataCorruptionError, UnauthenticatedError

from stages.lib.remotes.failures import causes, first_line, status_of
from stages.lib.remotes.patience import asked_pause_s

SECRETS = ("KAGGLE_API_TOKEN", "KAGGLE_KEY", "KAGGLE_USERNAME")
TOKEN = "make a token at https://www.kaggle.com/settings/api and set KAGGLE_API_TOKEN to it"


def cache_folder() -> Path:
    return Path(get_cache_folder())


def reason(error: Exception, page: str) -> str:
    chain = list(causes(error))
    status = next((code for code in map(status_of, chain) if code), None)
    if isinstance(error, UnauthenticatedError):
        return f"no credentials: accept the rules at {page}/rules, {TOKEN}"
    if status is not None:
        return _reason_of_status(status, chain, page)
    if isinstance(error, DataCorruptionError):
        return (
            "its MD5 is not the one that Kaggle names: it was altered on its way, and is deleted; run again"
        )
    if isinstance(error, zipfile.BadZipFile | KeyError):
        return "the archive that it came in is damaged, and is not used; run again"
    if any("timed out" in str(cause) for cause in chain):
        return "no answer for many seconds: check the network, run again later"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off in the middle; what came of it is not used; run again"
    if isinstance(error, requests.exceptions.ConnectionError):
        return f"cannot be reached ({_first_line(chain[-1])}): check the network"
    return f"{type(error).__name__}: {_first_line(error)}"


def _reason_of_status(status: int, chain: list[BaseException], page: str) -> str:
    answered = f"it answered {status}"
    match status:
        case 401:
            return f"{answered}: it does not know these credentials: {TOKEN}"
        case 403 if "/competitions/" in page:
            return f"{answered}: accept the rules at {page}/rules as the user whose token this is"
        case 403:
            return f"{answered}: open {page} as the user whose token this is, for it asks for consent"
        case 404:
            return f"{answered}: check the name of the file and of what it belongs to at {page}"
        case 429:
            pause = next(map(_asked_pause_s, filter(status_of, chain)))
            when = "later" if pause is None else f"in {pause:.0f} seconds"
            return f"{answered}, too many requests: run again {when}"
    return f"{answered}: run again later"


def _asked_pause_s(error: Any) -> float | None:
    return asked_pause_s(error.response.headers)


def _first_line(error: BaseException) -> str:
    return first_line(error, {name: os.environ.get(name) for name in SECRETS})
