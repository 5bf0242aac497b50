"""A disk that takes no more, whoever says so: Python by a number, libraries in Rust by a message alone."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TAKES_NO_MORE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
IN_RUST = re.compile(r"\(os error (\d+)\)")  # Polars, safetensors and tokenizers end a message so


@contextmanager
def told_of(path: Path) -> Iterator[None]:
    """A disk that takes no more is an OSError that names what was written, or at least `path`."""
    try:
        yield
    except Exception as error:
        number = number_of(error)
        if number not in TAKES_NO_MORE or getattr(error, "filename", None):
            raise
        raise OSError(number, os.strerror(number), str(path)) from error


def number_of(error: Exception) -> int:
    """The system's, or 0 where there is none."""
    number = getattr(error, "errno", None)
    found = None if number else IN_RUST.search(str(error))
    return int(found[1]) if found else number or 0
