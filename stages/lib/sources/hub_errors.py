"""What went wrong at the Hub, said so that a person knows what to do.

Imports no client until something failed.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from stages.lib.exceptions import TextrailError


@contextmanager
def explained(what: str, kind: type[TextrailError]) -> Iterator[None]:
    """Turn whatever the Hub's clients raise within the block into one `kind` about `what`."""
    try:
        yield
    except TextrailError:
        raise
    except Exception as error:  # the clients raise their own, httpx's and OSError; all end in one message
        if any(getattr(cause, "errno", None) == errno.ENOSPC for cause in _causes(error)):
            raise  # a full disk is none of the Hub's doing
        raise kind(f"{what}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    from huggingface_hub import constants, errors

    chain = list(_causes(error))
    if any(isinstance(cause, errors.GatedRepoError) for cause in chain):
        return "the Hub asks for permission: accept its terms on its page, then set HF_TOKEN"
    if any(isinstance(cause, errors.RevisionNotFoundError) for cause in chain):
        return "the Hub has no such commit: check the revision on its page under 'Files and versions'"
    if any(isinstance(cause, errors.RepositoryNotFoundError) for cause in chain):
        return f"not found at {constants.ENDPOINT}: check the name, or set HF_TOKEN if it is private"
    status = next((code for code in map(_status, chain) if code), None)
    if status in (401, 403):
        return f"{constants.ENDPOINT} answered {status}: set HF_TOKEN to a token that may read it"
    if status is not None:
        return (
            f"{constants.ENDPOINT} answered {status}: try again later, or lay the files in a folder by hand"
        )
    if constants.HF_HUB_OFFLINE:
        return "not in the cache, and HF_HUB_OFFLINE is set: unset it, or lay the files in a folder"
    return (
        f"{constants.ENDPOINT} cannot be reached ({_first_line(chain[-1])}): check the network, "
        "set HF_ENDPOINT to a mirror, or lay the files in a folder by hand"
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _status(error: BaseException) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
