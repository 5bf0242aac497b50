"""What was concluded of a new source, for a terminal of 80 columns and more."""

import shutil
from collections.abc import Iterator, Sequence
from typing import Any

from commands.lib.new_source.columns import Column
from commands.lib.new_source.guess import Guess
from commands.lib.new_source.looked_at import Looked
from commands.lib.new_source.source_yaml import name_of
from commands.lib.terminal import cells_wide, cut, padded, visible

LEAST_WIDTH, MOST_WIDTH = 80, 110
NAMES = {",": "comma", "\t": "tab", ";": "semicolon", "|": "|", ":": "colon", " ": "space"}
MOST_SHOWN = 12  # labels
MOST_COLUMNS = 25  # of those that are none of id, text and label


def width() -> int:
    return max(LEAST_WIDTH, min(MOST_WIDTH, shutil.get_terminal_size((100, 24)).columns))


def file_lines(files: dict[str, Looked], submission: str | None) -> Iterator[str]:
    rows = [
        (visible(", ".join(f.given.entries)), role, f"{f.rows:,} rows", written(f))
        for role, f in files.items()
    ]
    if submission is not None:
        rows.append((visible(submission), "left out", "", "a form to hand predictions in"))
    yield from table(rows)


def written(looked: Looked) -> str:
    form = looked.form
    if form["type"] not in ("csv", "tsv"):
        return ", ".join(str(form[key]) for key in ("type", "sheet", "encoding") if key in form)
    delimiter = NAMES.get(form["delimiter"], repr(form["delimiter"]))
    header = "header" if form["header"] else "no header"
    quoting = "quotes enclose cells" if form["quoting"] else "quotes are text"
    return f"{delimiter}, {header}, {quoting}, {form['encoding']}"


def column_lines(train: Looked, said: Guess) -> Iterator[str]:
    taken: dict[str | None, str] = {said.id: "id", said.text: "text", said.text_pair: "text_pair"}
    taken.update(dict.fromkeys(said.label_columns, "label"))
    others = [name for name in train.columns if name not in taken]
    taken.update(dict.fromkeys(said.keep, "keep"))
    columns = {name: column for name, column in train.columns.items() if name not in others[MOST_COLUMNS:]}
    rows = [("column", "taken as", "values")]
    for name, column in columns.items():
        values = "many" if column.distinct is None else f"{column.distinct:,}"
        rows.append((cut(visible(name), 24), taken.get(name, "-"), values))
    left = list(padded(rows))
    room = width() - cells_wide(left[0]) - 2
    shown = ["such as", *(examples(column, room) for column in columns.values())]
    yield from (f"{start}  {cells}" for start, cells in zip(left, shown, strict=True))
    more = others[MOST_COLUMNS:]
    if more:
        kept = sum(name in said.keep for name in more)
        yield f"and {len(more):,} columns more, {kept:,} of them kept; source.yaml names those"


def examples(column: Column, room: int) -> str:
    """Three, none twice, as long as there is room for."""
    few = column.values if column.values and len(column.values) <= 10 else None
    shown = list(dict.fromkeys(few or column.cells or column.values or {}))[:3]
    most = (room - 3 * (len(shown) - 1)) // max(len(shown), 1)
    return " · ".join(cut(visible(text).strip(), most) for text in shown)


def label_lines(said: Guess) -> Iterator[str]:
    told = " and ".join(said.metrics)
    yield f"task: {said.task} ({visible(said.why['task'])}), judged by {told}"
    if not said.labels:
        return
    listed = list(said.labels.items())
    if len(listed) > MOST_SHOWN:
        listed = sorted(listed, key=lambda item: -item[1])[:MOST_SHOWN]
    total, most = sum(said.labels.values()), max(said.labels.values()) or 1
    wide = len(f"{most:,}")
    rows = []
    for value, count in listed:
        share = f"{100 * count / total:.1f} %".rjust(7) if said.task == "classification" and total else ""
        mark = "  positive" if value == said.positive else ""
        name = cut(visible(name_of(value, said)), 30)
        bar = "█" * max(1, round(24 * count / most))
        rows.append((f"  {name}", f"{count:,}".rjust(wide), *([share] if share else []), bar + mark))
    yield from table(rows)
    if len(said.labels) > MOST_SHOWN:
        yield f"  and {len(said.labels) - MOST_SHOWN:,} more, with fewer rows"


def row_lines(numbers: dict[str, Any]) -> Iterator[str]:
    kept = ", ".join(f"{rows:,} {role}" for role, rows in numbers["roles"].items())
    read, taken, rejected = (numbers[f"rows_{what}"] for what in ("in", "kept", "rejected"))
    yield f"rows: {read:,} read = {taken:,} kept ({kept}) + {rejected:,} rejected"
    for reason, rows in sorted(numbers["rejected_because"].items(), key=lambda item: -item[1])[:5]:
        yield f"  {rows:,} rejected: {visible(reason)}"


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Cells below one another; a row is cut where the screen ends."""
    yield from (cut(line.rstrip(), width()) for line in padded(rows))


def wrapped(text: str, first: str, indent: str) -> Iterator[str]:
    """Lines of words no wider than the screen; `first` and `indent` stand before them."""
    line, words = first, 0
    for word in text.split():
        if words and cells_wide(f"{line} {word}") > width():
            yield line
            line, words = indent, 0
        line, words = f"{line} {word}" if words else f"{line}{word}", words + 1
    yield line
