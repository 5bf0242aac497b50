"""A file read as ingest reads it."""

from pathlib import Path

from stages.lib.readers.reading import layout_of, read_rows
from stages.lib.readers.rows import Row
from stages.lib.source_keys import Format


def read(
    path: Path,
    form: Format | None = None,
    names: list[str] | None = None,
    wanted: tuple[str, ...] = ("text",),
) -> list[Row]:
    return list(read_rows(path, layout_of(path, form or Format(), names), list(wanted)))
