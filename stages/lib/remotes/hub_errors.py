"""What went wrong at the Hub, said so that a person knows what to do.

Imports no client until something failed.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.lib.exceptions import TextrailError
from stages.lib.remotes.failures import causes, first_line, full_disk, status_of
from stages.lib.remotes.patience import asked_pause_s


@contextmanager
def explained(what: str, kind: type[TextrailError], cache: Path | None = None) -> Iterator[None]:
    """Turn whatever the Hub's clients raise within the block into one `kind` about `what`.

    A full disk stays an OSError; it is that of `cache`, by default of the Hub's own, where nothing is named.
    """
    try:
        yield
    except TextrailError:
        raise
    except Exception as error:  # the clients raise their own, httpx's and OSError; all end in one message
        for cause in causes(error):
            if isinstance(cause, TextrailError):  # raised within the client, which wrapped it
                raise cause from None
        if full := full_disk(error, cache or _cache()):
            raise full from error
        raise kind(f"{what}: {_reason(error)}") from error


def _cache() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _reason(error: BaseException) -> str:
    from huggingface_hub import constants, errors

    chain = list(causes(error))
    if any(isinstance(cause, errors.GatedRepoError) for cause in chain):
        return "the Hub asks for permission: accept its terms on its page, then set HF_TOKEN"
    if any(isinstance(cause, errors.RevisionNotFoundError) for cause in chain):
        return "the Hub has no such commit: check the revision on its page under 'Files and versions'"
    if any(isinstance(cause, errors.RepositoryNotFoundError) for cause in chain):
        return f"not found at {constants.ENDPOINT}: check the name, or set HF_TOKEN if it is private"
    response: Any = next((getattr(cause, "response") for cause in chain if status_of(cause)), None)  # noqa: B009
    if response is not None:
        return _reason_of_status(response.status_code, response.headers)
    if not any(map(_is_of_the_network, chain)):
        return " | ".join(dict.fromkeys(map(_first_line, (chain[0], chain[-1]))))
    if constants.HF_HUB_OFFLINE:
        return "not in the cache, and HF_HUB_OFFLINE is set: unset it, or lay the files in a folder"
    if "ProtocolError" in type(chain[0]).__name__ + type(chain[-1]).__name__:
        broke = f"{constants.ENDPOINT} broke off in the middle ({_first_line(chain[-1])})"
        return f"{broke}: nothing of that file is used; run again, or set HF_ENDPOINT to a mirror"
    return (
        f"{constants.ENDPOINT} cannot be reached ({_first_line(chain[-1])}): check the network, "
        "set HF_ENDPOINT to a mirror, or lay the files in a folder by hand"
    )


def _reason_of_status(status: int, headers: Mapping[str, str]) -> str:
    from huggingface_hub import constants

    answered = f"{constants.ENDPOINT} answered {status}"
    if status in (401, 403):
        return f"{answered}: set HF_TOKEN to a token that may read it"
    if status == 429:
        pause = asked_pause_s(headers)
        when = "later" if pause is None else f"in {pause:.0f} seconds"
        return f"{answered}, too many requests: run again {when}; with HF_TOKEN it allows more of them"
    return f"{answered}: try again later, or lay the files in a folder by hand"


def _is_of_the_network(error: BaseException) -> bool:
    from huggingface_hub import errors

    kinds = (ConnectionError, TimeoutError, errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError)
    return isinstance(error, kinds) or type(error).__module__.startswith(("httpx", "httpcore"))


def _first_line(error: BaseException) -> str:
    from huggingface_hub import get_token

    return first_line(error, {"HF_TOKEN": get_token()})
