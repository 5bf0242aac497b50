"""Where the rows of each role come from: files of the source's folder, or what is fetched in their place."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import NamedTuple

from stages.lib.exceptions import SourceError
from stages.lib.readers.archives import located
from stages.lib.readers.reading import layout_of, read_rows
from stages.lib.readers.rows import PLACES, Layout, Row, with_places
from stages.lib.remotes import hub, kaggle
from stages.lib.sources.files import DataFile, find_files, nearest_files, tracked_by_dvc
from stages.lib.sources.source import SOURCE_FILE, Source, Wanted

PLAIN_TEXT = ("lines", "documents")


class Part(NamedTuple):
    """The rows of one role, and where they come from."""

    role: str
    place: str  # as rejected.parquet names it
    path: str  # as an error names it
    wanted: Wanted
    rows: Iterator[Row]
    # file -> how it is written, where that was found out and not stated
    read_as: Mapping[str, str] = MappingProxyType({})


def find_parts(folder: Path, source: Source) -> list[Part]:
    """What stands in the folder is used, only what is missing is fetched. Raises SourceError, ConfigError."""
    _check_pinned(folder, source)
    found, missing, fetchable = {}, [], source.hub is not None
    for role in source.files:
        found[role], lacking = find_files(folder, source.entries(role))
        missing += lacking
        fetchable = fetchable and not (lacking and found[role])  # half a role is not filled up from elsewhere
    unpulled = [entry for entry in missing if tracked_by_dvc(folder, entry)]
    if unpulled:
        raise SourceError(f"{folder}: {', '.join(unpulled)}: not here, but DVC tracks it: run `dvc pull`")
    if missing and source.kaggle is not None and source.hub is None:
        found = {role: _with_kaggles(folder, source.kaggle, source.entries(role)) for role in source.files}
    elif missing and not fetchable:
        raise SourceError(
            f"{folder}: no {', '.join(missing)}, which {SOURCE_FILE} names under files"
            f"{nearest_files(folder, missing[0])}"
        )
    _check_roles_apart(folder, found)
    return [_part(source, role, files) for role, files in found.items()]


def _check_pinned(folder: Path, source: Source) -> None:
    if source.hub is not None:
        hub.check_pinned(source.hub, str(folder / SOURCE_FILE))
    if source.kaggle is not None:
        kaggle.check_pinned(source.kaggle, str(folder / SOURCE_FILE))


def _with_kaggles(folder: Path, name: str, entries: list[str]) -> list[DataFile]:
    """The files of the entries: the folder's own, and in place of each that is missing Kaggle's."""
    files: dict[str, DataFile] = {}
    for entry in entries:
        found, missing = find_files(folder, [entry])
        if missing:
            home = kaggle.fetched_folder(name, entry, folder)
            found, missing = find_files(home, [entry])
        if missing:
            there = nearest_files(home, entry)
            raise SourceError(f"{folder}: no {entry}, neither here nor at {kaggle.page_of(name)}{there}")
        files |= {file.name: file for file in found if file.name not in files}
    return list(files.values())


def _check_roles_apart(folder: Path, found: dict[str, list[DataFile]]) -> None:
    role_of: dict[str, str] = {}
    for role, files in found.items():
        for file in files:
            other = role_of.setdefault(file.name, role)
            if other != role:
                raise SourceError(
                    f"{folder}: {file.name} plays two roles, {other} and {role} ({file.entry}): name it once"
                )


def _part(source: Source, role: str, files: list[DataFile]) -> Part:
    if files or source.hub is None:
        return _part_of_files(source, role, files)
    wanted = source.wanted(role, from_hub=True)
    split = source.hub.splits.get(role, source.entries(role)[0])
    place = f"{source.hub.dataset}@{source.hub.revision}:{split}"
    return Part(role, place, place, wanted, hub.hub_rows(source.hub, split, wanted.names(), source.labels))


def _part_of_files(source: Source, role: str, files: list[DataFile]) -> Part:
    wanted = source.wanted(role)
    states = [_state(file.path) for file in files]
    layouts = _layouts(source, role, files)
    place = ", ".join(dict.fromkeys(file.entry for file in files))
    home = str(files[0].path).removesuffix(files[0].name)
    rows = _rows(files, layouts, states, wanted.names())
    return Part(role, place, f"{home}{place}", wanted, rows, _read_as(files, layouts))


def _layouts(source: Source, role: str, files: list[DataFile]) -> list[Layout]:
    """Of each file; those that are one text each have one layout for their pattern."""
    alike: dict[str, list[Path]] = {}
    for file in files:
        if file.by_pattern:
            alike.setdefault(f"{file.entry} {PurePosixPath(file.name).suffix}", []).append(file.path)
    known: dict[str, Layout] = {}
    layouts = []
    for file in files:
        group = f"{file.entry} {PurePosixPath(file.name).suffix}"
        layout = known.get(group)
        if layout is None:
            layout = layout_of(file.path, *source.layout(role), alike.get(group, []))
        if layout.type == "documents":
            known[group] = layout
        layouts.append(layout)
    return layouts


def _read_as(files: list[DataFile], layouts: list[Layout]) -> dict[str, str]:
    """By the file's name; by the pattern for texts that are one file each."""
    names = [
        file.entry if layout.type == "documents" else file.name
        for file, layout in zip(files, layouts, strict=True)
    ]
    return {name: layout.found_out for name, layout in zip(names, layouts, strict=True) if layout.found_out}


def _state(path: Path) -> tuple[int, int]:
    """What is another once the file was written to."""
    found = located(path)[0].stat()
    return found.st_size, found.st_mtime_ns


def _rows(
    files: list[DataFile], layouts: list[Layout], states: list[tuple[int, int]], wanted: list[str]
) -> Iterator[Row]:
    """Raises SourceError where a file is written to in the meantime: its rows would be of two versions."""
    for file, layout, state in zip(files, layouts, states, strict=True):
        rows = read_rows(file.path, layout, wanted)
        if layout.type in PLAIN_TEXT or set(PLACES) & set(wanted):
            rows = with_places(rows, file.name)
        if len(files) == 1:
            yield from rows
        else:
            yield from (Row(row.line, row.cells, row.held, row.fault, file.name) for row in rows)
        if _state(file.path) != state:
            raise SourceError(
                f"{file.path}: it was changed while it was read; run this again once it is whole"
            )
