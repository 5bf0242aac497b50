"""What an error of a client holds: the errors behind it, a full disk, the server's answer, a line to show."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stages.lib.disk import named, takes_no_more


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error itself, and what it was raised from."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def full_disk(error: BaseException, cache: Path) -> OSError | None:
    """Where a disk that takes no more is behind it, which is none of the server's doing.

    Clients wrap it, and seldom name the file: then it is `cache`, where they write.
    """
    return next((named(cause, cache) for cause in causes(error) if takes_no_more(cause)), None)


def status_of(error: Any) -> int | None:
    """That the server answered, by clients of whichever library."""
    return getattr(getattr(error, "response", None), "status_code", None)


def first_line(error: BaseException, secrets: Mapping[str, str | None]) -> str:
    """Never with a secret, which clients show where it cannot be sent; its name stands in its place."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    for name, secret in secrets.items():
        line = line.replace(secret, f"({name})") if secret else line
    return line
