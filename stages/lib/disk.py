"""A disk that takes no more, whoever says so: Python by a number, libraries in Rust by a message alone."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FAULTS = {  # what is wrong, and what to do
    errno.ENOSPC: ("the disk is full", "free some space"),
    errno.EDQUOT: ("your share of the disk is used up", "free some space"),
    errno.EROFS: ("the disk is read-only", "make it writable"),
    errno.EACCES: ("you may not read or write this", "change its permissions, or the folder's,"),
}
TAKES_NO_MORE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
IN_RUST = re.compile(r"\(os error (\d+)\)")  # Polars, safetensors and tokenizers end a message so


@contextmanager
def told_of(path: Path) -> Iterator[None]:
    """A disk that takes no more is an OSError that names what was written, or at least `path`."""
    try:
        yield
    except Exception as error:
        if not takes_no_more(error) or getattr(error, "filename", None):
            raise
        raise named(error, path) from error


def takes_no_more(error: BaseException) -> bool:
    return number_of(error) in TAKES_NO_MORE


def named(error: BaseException, path: Path) -> OSError:
    """The same fault as an OSError with the name that it has, or else `path`."""
    number = number_of(error)
    return OSError(number, os.strerror(number), getattr(error, "filename", None) or str(path))


def number_of(error: BaseException) -> int:
    """The system's, or 0 where there is none."""
    number = getattr(error, "errno", None)
    found = None if number else IN_RUST.search(str(error))
    return int(found[1]) if found else number or 0
