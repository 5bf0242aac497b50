"""The Hub's client as it is used here: it waits seconds, not minutes, and asks a busy server again.

Imported where it is needed alone, since it takes the client along.
"""

from collections import Counter
from collections.abc import Callable
from functools import cache
from logging import CRITICAL
from typing import Any

from huggingface_hub import HfApi, constants, set_client_factory
from huggingface_hub.utils import _http, logging

from stages.lib.exceptions import SourceError
from stages.lib.remotes.hub_errors import explained
from stages.lib.remotes.patience import answer_to

QUESTION_S = 5.0  # for what a person waits at the terminal
LONGEST_RESTARTS = 3  # of a file whose server does not go on where it broke off
LONGEST_SILENCES = 2  # to one question; the client would ask six times and pause in between


@cache
def be_patient() -> None:
    """Make every request of this process one that ends: the client's own may hang, or wait for minutes.

    And let the client say nothing of it: what ends in an error is one message, what goes on is none.
    """
    logging.set_verbosity(CRITICAL)
    set_client_factory(_patient_client)


def _patient_client() -> Any:
    client: Any = _http.default_client_factory()  # with its hooks, and the proxies of the environment
    client.send = _patiently(client.send)
    return client


def _patiently(send: Callable[..., Any]) -> Callable[..., Any]:
    restarts, silences = Counter[str](), Counter[str]()

    def asking_again(request: Any, **options: Any) -> Any:
        _limit_time(request)
        address = str(request.url)
        try:
            response = answer_to(lambda: send(request, **options))
        except Exception as error:
            silences[address] += "Timeout" in type(error).__name__  # httpx's, by whatever name it is imported
            if silences[address] < LONGEST_SILENCES:
                raise
            raise SilentError(str(error)) from error
        restarts[address] += response.status_code == 200 and "Range" in request.headers
        refused = response.status_code == 429 or response.status_code >= 500
        if refused or restarts[address] > LONGEST_RESTARTS:
            response.close()
            raise RefusedError(response)
        return response

    return asking_again


def _limit_time(request: Any) -> None:
    longest = float(max(constants.HF_HUB_DOWNLOAD_TIMEOUT, constants.HF_HUB_ETAG_TIMEOUT))
    limits = request.extensions.get("timeout", {})
    steps = ("connect", "read", "write", "pool")
    request.extensions["timeout"] = {step: min(limits.get(step) or longest, longest) for step in steps}


class SilentError(OSError):
    """No answer, as often as one may wait for it; none of the errors after which the client asks again."""


class RefusedError(OSError):
    """The last answer to a question that was asked often enough; after it the client does not ask again."""

    def __init__(self, response: Any) -> None:
        super().__init__(f"answered {response.status_code}")
        self.response = response


def refusal_of(dataset: str, revision: str, what: str) -> SourceError | None:
    """Why the Hub does not give this dataset at this revision; None where it does. Ends within seconds."""
    try:
        commit_of(dataset, revision, what)
    except SourceError as refusal:
        return refusal
    return None


def commit_of(dataset: str, revision: str, what: str) -> str:
    """The commit at which a branch or a tag stands now. Raises SourceError."""
    be_patient()
    with explained(what, SourceError):
        return str(HfApi().dataset_info(dataset, revision=revision, timeout=QUESTION_S).sha)
