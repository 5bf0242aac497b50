"""Values written into params.yaml, with every other byte, comments among them, left as it was."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stages.lib.exceptions import ConfigError
from stages.lib.tables import write_text


def set_values(path: Path, section: str, values: dict[str, Any]) -> None:
    """Each key's value stands on its own line, behind the key. Raises ConfigError where one does not."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    node: Any = YAML(typ="rt", pure=True).load(text)[section]
    for key, value in values.items():
        if key not in node or isinstance(node[key], dict | list):
            raise ConfigError(f"{path}: {section}.{key}: no single value stands there to be replaced")
        line, column = node.lc.value(key)
        lines[line] = lines[line][:column] + as_yaml(value) + _behind(lines[line][column:])
    write_text("".join(lines), path)


def _behind(rest: str) -> str:
    """What follows the value: a comment, the end of the line."""
    value = rest.split(" #")[0].rstrip()
    return rest[len(value) :]


def as_yaml(value: Any) -> str:
    """As a person would write it: 1e-4, true, null."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float():
            return _short(value)
        case _:
            return str(value)


def _short(value: float) -> str:
    """0.05, but 5e-4: read as a float either way."""
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return repr(value)
    mantissa, exponent = f"{value:e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
