"""Where the rows of each role come from: files of the source's folder, or what is fetched in their place."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from stages.lib.exceptions import SourceError
from stages.lib.sources.hub import hub_rows
from stages.lib.sources.reading import Row, layout_of, read_rows
from stages.lib.sources.source import SOURCE_FILE, Source, Wanted
from stages.lib.sources.source_keys import nearest

DATA_SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson")


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
    """What stands in the folder is used, only what is missing is fetched. Raises SourceError."""
    missing = [file for file in source.files.values() if not (folder / file).is_file()]
    unpulled = [file for file in missing if (folder / f"{file}.dvc").is_file()]
    if unpulled:
        raise SourceError(f"{folder}: {', '.join(unpulled)}: not here, but DVC tracks it: run `dvc pull`")
    if missing and source.hub is None:
        raise SourceError(_where_to_get(folder, missing, source))
    return [_part(folder, source, role, file) for role, file in source.files.items()]


def _where_to_get(folder: Path, missing: list[str], source: Source) -> str:
    what = f"{folder}: no {', '.join(missing)}"
    if source.kaggle is None:
        here = sorted(path.name for path in folder.iterdir() if path.suffix in DATA_SUFFIXES)
        return f"{what}, which {SOURCE_FILE} names under files{nearest(missing[0], here)}"
    return (
        f"{what}: download it from https://www.kaggle.com/competitions/{source.kaggle}/data, "
        f"lay it in {folder} and run `dvc repro` again"
    )


def _part(folder: Path, source: Source, role: str, file: str) -> Part:
    if (folder / file).is_file() or source.hub is None:
        wanted = source.wanted(role)
        layout = layout_of(folder / file, *source.layout(role))
        rows = read_rows(folder / file, layout, wanted.names())
        return Part(role, file, str(folder / file), wanted, rows)
    wanted = source.wanted(role, from_hub=True)
    split = source.hub.splits.get(role, file)
    place = f"{source.hub.dataset}@{source.hub.revision}:{split}"
    return Part(role, place, place, wanted, hub_rows(source.hub, split, wanted.names(), source.labels))
