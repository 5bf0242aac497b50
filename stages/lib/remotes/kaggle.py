"""Competitions and datasets of Kaggle, through its own client and into the client's own cache.

The client is imported where it is needed: files that are there need none of it.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path, PurePosixPath

from stages.lib.exceptions import ConfigError, SourceError
from stages.lib.remotes.failures import full_disk

SITE = "https://www.kaggle.com"


def check_pinned(kaggle: str, where: str) -> None:
    """Raises ConfigError where a dataset is given without its version; asks Kaggle only then.

    A competition has no versions: its files stay as they are once it has begun.
    """
    if "/" not in kaggle or "/versions/" in kaggle:
        return
    found = f"{where}: kaggle: found {kaggle!r}; a dataset changes: give its version, as {kaggle}/versions/"
    try:
        with _asking(f"Kaggle dataset {kaggle}", kaggle):
            from stages.lib.remotes.kaggle_client import current_version

            version = current_version(kaggle)
    except SourceError as refusal:
        raise ConfigError(f"{found}3; {page_of(kaggle)} shows which there are ({refusal})") from None
    raise ConfigError(f"{found}{version}, which is the current one")


def fetched_folder(kaggle: str, entry: str, folder: Path) -> Path:
    """The folder of the client's cache in which `entry` lies whole, fetched first where it does not.

    An entry is a file, a member of a zip as `data.zip/train.csv`, or a pattern as `pos/*.txt`, which takes
    all that there is. Raises SourceError, for the source in `folder`.
    """
    where = f"{page_of(kaggle)}/data" if "/" not in kaggle else page_of(kaggle)
    hand = f"or download it by hand from {where}, lay it in {folder} and run `dvc repro` again"
    with _asking(f"{folder}: no {entry} here; Kaggle, {kaggle}", kaggle, hand):
        from stages.lib.remotes.kaggle_client import fetched

        name = _file_of(entry)
        path = fetched(kaggle, name)
        return path if name is None else path.parents[len(PurePosixPath(name).parts) - 1]


def _file_of(entry: str) -> str | None:
    """What Kaggle knows by a name of its own; None where it is everything."""
    parts = PurePosixPath(entry).parts
    ends = (number for number, part in enumerate(parts, 1) if part.lower().endswith(".zip"))
    name = "/".join(parts[: next(ends, len(parts))])
    return None if any(mark in name for mark in "*?[") else name


def page_of(kaggle: str) -> str:
    return f"{SITE}/{'datasets' if '/' in kaggle else 'competitions'}/{kaggle}"


@contextmanager
def _asking(what: str, kaggle: str, otherwise: str = "") -> Iterator[None]:
    """Turn whatever the client raises within the block into one SourceError; what it prints is dropped."""
    try:
        with _quiet():
            yield
    except Exception as error:  # its own, those of requests and zipfile, OSError; all end in one message
        from stages.lib.remotes.kaggle_errors import cache_folder, reason

        if full := full_disk(error, cache_folder()):
            raise full from error
        after = f"; {otherwise}" if otherwise else ""
        raise SourceError(f"{what}: {reason(error, page_of(kaggle))}{after}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """The client prints to stdout, and draws its progress bar whether somebody watches or not."""
    logging.getLogger("kagglehub").setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(StringIO()))
        if not sys.stderr.isatty():
            stack.enter_context(redirect_stderr(StringIO()))
        yield
