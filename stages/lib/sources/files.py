"""Which files a source names: by their names, by patterns, or as members of a zip.

A pattern has `*`, `?` or `[...]`, within one part of a path, or `**` for any number of folders. What it finds
comes in the order of names, the same on every machine; what a system or DVC put there, and what begins with a
dot, is no data.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from stages.lib.exceptions import SourceError
from stages.lib.listing import listed
from stages.lib.readers.archives import is_hidden, members
from stages.lib.source_keys import nearest

SHOWN = 10  # names in a message
CORRECTIONS_FILE = "corrections.csv"
OWN_FILES = ("source.yaml", CORRECTIONS_FILE)


class DataFile(NamedTuple):
    path: Path
    name: str  # within the source's folder
    entry: str  # of `files`, that named it
    by_pattern: bool


def find_files(folder: Path, entries: list[str]) -> tuple[list[DataFile], list[str]]:
    """The files that the entries name, each once, and the entries that name none.

    Raises SourceError where one is there and is no file that can be read.
    """
    found: dict[str, DataFile] = {}
    missing = []
    for entry in entries:
        if entry == CORRECTIONS_FILE:
            raise SourceError(f"{folder / entry}: this name is for corrections of rows; rename the data file")
        names = _named_by(folder, entry)
        by_pattern = is_pattern(entry) and names != [entry]  # a file may have a bracket in its name
        for name in names:
            _check_file(folder / name)
            found.setdefault(name, DataFile(folder / name, name, entry, by_pattern))
        if not names:
            missing.append(entry)
    return list(found.values()), missing


def is_pattern(entry: str) -> bool:
    return any(mark in entry for mark in "*?[")


def nearest_files(folder: Path, entry: str) -> str:
    """What there is instead, for a message."""
    names = list(_all_names(folder, entry))
    if len(names) <= SHOWN:
        return nearest(entry, names)
    close = get_close_matches(entry, names, n=1)
    meant = f"; did you mean {close[0]!r}?" if close else ""
    return f"; it has {len(names):,} files: {listed(names, SHOWN)}{meant}"


def tracked_by_dvc(folder: Path, entry: str) -> bool:
    """Whether DVC tracks the file, or a folder on the way to it."""
    parts = PurePosixPath(entry).parts
    ways = ("/".join(parts[:number]) for number in range(1, len(parts) + 1))
    return any(not is_pattern(way) and (folder / f"{way}.dvc").is_file() for way in ways)


def _named_by(folder: Path, entry: str) -> list[str]:
    path = folder / entry
    if path.is_symlink() or path.exists():
        return [entry]
    if is_pattern(entry):
        fits = [name for name in _all_names(folder, entry) if _fits(_parts(name), _parts(entry))]
        return sorted(fits, key=_parts)
    archive, member = _into_zip(folder, entry)
    there = member and (folder / archive).is_file() and member in members(folder / archive)
    return [entry] if there else []


def _check_file(path: Path) -> None:
    if any(parent.suffix.lower() == ".zip" and parent.is_file() for parent in path.parents):
        return
    if path.is_dir():
        raise SourceError(f"{path}: a folder: name what is in it: {path.name}/*.csv or {path.name}/*/*.txt")
    if path.is_symlink() and not path.exists():
        raise SourceError(f"{path}: a link that leads nowhere; if DVC made it, run `dvc checkout`")
    if not path.is_file():
        raise SourceError(f"{path}: no regular file")


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name).parts


def _into_zip(folder: Path, entry: str) -> tuple[str, str]:
    """`a/data.zip` and `pos/*.txt`, of an entry that goes on behind a zip; else the entry and nothing."""
    parts = _parts(entry)
    for number, part in enumerate(parts[:-1], start=1):
        archive = "/".join(parts[:number])
        if part.lower().endswith(".zip") and not (folder / archive).is_dir():
            return archive, "/".join(parts[number:])
    return entry, ""


def _all_names(folder: Path, entry: str) -> Iterator[str]:
    """Of what lies in the folder, or of what is in the archives that the entry looks into."""
    archive, member = _into_zip(folder, entry)
    for name in _names_on_disk(folder):
        if not member:
            yield name
        elif _fits(_parts(name), _parts(archive)):
            yield from (f"{name}/{inside}" for inside in members(folder / name))


def _names_on_disk(folder: Path) -> list[str]:
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    return sorted((name for name in names if not is_hidden(name) and name not in OWN_FILES), key=_parts)


def _fits(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_fits(parts[number:], pattern[1:]) for number in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])
