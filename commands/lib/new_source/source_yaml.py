"""source.yaml as text, each line with what it was concluded from: a wrong guess is one line to mend."""

import json
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from commands.lib.new_source.guess import Guess
from commands.lib.new_source.looked_at import Looked
from commands.lib.params_file import as_yaml
from commands.lib.terminal import cells_wide, cut
from stages.lib.source_keys import raw_text

HEAD = """\
# Written by `python -m commands.new_source`, from what the files hold; beside each line stands what it was
# concluded from. Mend here what is wrong, then run `dvc repro ingest`. docs/your-data.md explains every key.
"""
COMMENT_AT = 40
MOST_LEFT_OUT = 400  # characters

Line = tuple[str, str]  # and its comment


def source_yaml(
    title: str, files: dict[str, Looked], why: dict[str, str], said: Guess, more: dict[str, Any]
) -> str:
    """`more`: by_role and submission, as values."""
    lines = [(f"title: {quoted(title)}", "shown in reports"), ("files:", "")]
    for role, looked in files.items():
        entries = looked.given.entries
        if len(entries) == 1:
            lines.append((f"  {role}: {quoted(entries[0])}", why[role]))
        else:
            lines += [(f"  {role}:", why[role]), *((f"  - {quoted(entry)}", "") for entry in entries)]
    lines += [*_format(files["train"]), *_columns(said), *_task(said)]
    lines += [("copies: remove", "training rows that copy an evaluation row are left out")]
    for key, value in more.items():
        lines += [(f"{key}:", ""), *((line, "") for line in _nested(value, 1))]
    return HEAD + "".join(f"{_commented(*line)}\n" for line in lines)


def _commented(line: str, comment: str) -> str:
    gap = " " * (COMMENT_AT - 1 - cells_wide(line))
    return f"{line}{gap} # {one_line(comment)}" if comment else line


def one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def _format(train: Looked) -> Iterator[Line]:
    yield "format:", ""
    for key, value in train.form.items():
        yield f"  {key}: {_value(value)}", train.why.get(key, "")
    if train.names is not None:
        yield "names:", "of the columns, in their order, as no header names them"
        yield from ((f"- {quoted(name)}", "") for name in train.names)


def _columns(said: Guess) -> Iterator[Line]:
    yield "columns:", ""
    for key in ("id", "text", "text_pair", "label"):
        value = getattr(said, key)
        if isinstance(value, list):
            yield f"  {key}:", said.why[key]
            yield from ((f"  - {quoted(name)}", f"{said.labels[name]:,} rows") for name in value)
        elif value is not None:
            yield f"  {key}: {quoted(value)}", said.why[key]
    if said.keep:
        yield "keep:", said.why["keep"]
        yield from ((f"- {quoted(name)}", "") for name in said.keep)
    if said.left_out:
        yield f"# left out: {cut(one_line(', '.join(said.left_out)), MOST_LEFT_OUT)}", ""


def _task(said: Guess) -> Iterator[Line]:
    yield f"task: {said.task}", said.why["task"]
    if said.labels and not isinstance(said.label, list):
        yield "labels:", "value in the file: name of the class"
        for value, rows in said.labels.items():
            yield f"  {quoted_label(value)}: {quoted_label(name_of(value, said))}", f"{rows:,} rows"
    for key in ("separator", "no_label"):
        value = getattr(said, key)
        if value is not None:
            yield f"{key}: {quoted(value)}", said.why.get(key, "")
    if said.positive is not None:
        yield f"positive: {quoted_label(name_of(said.positive, said))}", said.why.get("positive", "")
    if said.range is not None:
        yield "range:", said.why["range"]
        yield from ((f"- {as_yaml(end)}", "") for end in said.range)
    yield "metrics:", said.why["metrics"]
    yield f"- {said.metrics[0]}", "the first one chooses among checkpoints"
    yield from ((f"- {metric}", "") for metric in said.metrics[1:])


def name_of(value: str, said: Guess) -> str:
    """Spaces at its ends are no part of a name, but where two values would then share one."""
    stripped = value.strip()
    return stripped if [other.strip() for other in said.labels].count(stripped) == 1 else value


def _nested(value: Any, depth: int) -> Iterator[str]:
    indent = "  " * depth
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, dict | list):
                yield f"{indent}{quoted(key)}:"
                yield from _nested(inner, depth + 1)
            else:
                yield f"{indent}{quoted(key)}: {_value(inner)}"
    else:
        yield from (f"{indent}- {_value(item)}" for item in value)


def _value(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else json.dumps(value)


def quoted(text: str) -> str:
    """Bare where YAML 1.2 reads the same text, and else as JSON, which YAML reads too."""
    return text if _read_bare(text) == text else _as_json(text)


def quoted_label(text: str) -> str:
    """The same, but a number stays one: `1` and `"1"` are one raw value."""
    return text if raw_text(_read_bare(text)) == text else _as_json(text)


def _read_bare(text: str) -> Any:
    """What YAML reads where the text stands bare, as a key and as its value; None where the two differ."""
    if not text.isprintable():
        return None
    try:
        ((key, value),) = YAML(typ="safe", pure=True).load(f"{text}: {text}\n").items()
    except (YAMLError, AttributeError, TypeError, ValueError):
        return None
    return value if key == value else None


def _as_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=not text.isprintable())
