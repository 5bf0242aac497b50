"""Values written into params.yaml, with every other byte, comments among them, left as it was."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import ScalarNode

from stages.lib.exceptions import ConfigError
from stages.lib.tables import write_text

Span = tuple[int, int]


def set_values(path: Path, section: str, values: dict[str, Any]) -> None:
    """Raises ConfigError, and leaves the file, where a value cannot be replaced by itself."""
    text = path.read_bytes().decode("utf-8")  # read_text would make one of two kinds of line ends
    spans, changed = spans_of(text, section), text
    for key in values:
        if key not in spans:
            raise ConfigError(f"{path}: {section}.{key}: no single value stands there to be replaced")
    for key in sorted(values, key=spans.__getitem__, reverse=True):  # from the end: earlier places stay
        start, end = spans[key]
        changed = changed[:start] + as_yaml(values[key]) + changed[end:]
    if not is_as_before_but(text, changed, section, values):
        listed = ", ".join(f"{key}: {as_yaml(value)}" for key, value in values.items())
        raise ConfigError(
            f"{path}: {section}: its values cannot be replaced without changing others (an anchor, an alias, "
            f"a key without a value?); write them yourself: {listed}"
        )
    write_text(changed, path)


def spans_of(text: str, section: str) -> dict[str, Span]:
    """Where the single values of a section begin and end."""
    root = YAML(typ="rt", pure=True).compose(text)
    pairs = next(node.value for key, node in root.value if key.value == section)
    return {
        key.value: (node.start_mark.index, node.end_mark.index)
        for key, node in pairs
        if isinstance(node, ScalarNode)
    }


def is_as_before_but(before: str, after: str, section: str, values: dict[str, Any]) -> bool:
    reader = YAML(typ="safe", pure=True)
    try:
        old, new = reader.load(before), reader.load(after)
    except YAMLError:
        return False
    return bool(new == old | {section: old[section] | values})


def as_yaml(value: Any) -> str:
    """As a person would write it: 1e-4, true, null."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float():
            return _short(value)
        case str():
            return value if _is_plain(value) else json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def _is_plain(text: str) -> bool:
    try:
        return bool(YAML(typ="safe", pure=True).load(f"a: {text}") == {"a": text})
    except YAMLError:
        return False


def _short(value: float) -> str:
    """0.05, but 5e-4; read as the same float either way."""
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return repr(value)
    return np.format_float_scientific(value, trim="-", exp_digits=1).replace("e+", "e")
