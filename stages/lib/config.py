"""YAML files as strict, frozen, typed values.

An error names the file, the line, the key, the rule and the nearest right spelling.
"""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.lib.exceptions import ConfigError


class StrictModel(BaseModel):
    """Unknown keys are refused, types are not coerced (but a float may be written as an integer)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


Model = TypeVar("Model", bound=BaseModel)


def read_yaml(path: Path) -> Any:
    """The file's content by the rules of YAML 1.2, where `5e-5` is a number and `no` is a word.

    Raises ConfigError where the file is missing, is no UTF-8 or no YAML, or repeats a key.
    """
    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    except YAMLError as error:
        raise ConfigError(_describe_yaml_error(path, error)) from None


def read_config(path: Path, model: type[Model], section: str | None = None) -> Model:
    """The file, or one top-level section of it, as `model`. Raises ConfigError."""
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected keys and values, found {_briefly(content)}")
    if section is not None:
        if section not in content:
            raise ConfigError(f"{path}: no section '{section}'{_nearest(section, list(content))}")
        content = content[section]
        if not isinstance(content, dict):
            raise ConfigError(f"{path}: {section}: expected keys and values, found {_briefly(content)}")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        prefix = () if section is None else (section,)
        lines = [_describe(path, prefix, model, dict(problem)) for problem in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def _describe(path: Path, prefix: tuple[str, ...], model: type[BaseModel], problem: dict[str, Any]) -> str:
    # the tag of a union's member, <member>, is no key
    location = tuple(part for part in problem["loc"] if not re.fullmatch("<.*>", str(part)))
    keys = prefix + tuple(map(str, location))
    where = f"{path}{_line_of(path, keys)}: {'.'.join(keys)}"
    match problem["type"]:
        case "extra_forbidden":
            known = _fields_at(model, location[:-1])
            return f"{where}: unknown key{_nearest(keys[-1], known)}"
        case "missing":
            return f"{where}: missing; every value stands in {path.name}, there are no defaults in the code"
        case "literal_error":
            known = re.findall(r"'([^']*)'", problem["ctx"]["expected"])
            meant = _nearest(str(problem["input"]), known, lead="should be one of")
            return f"{where}: found {_briefly(problem['input'])}{meant}"
        case _:
            return f"{where}: found {_briefly(problem['input'])}; {rule_of(problem)}"


def rule_of(problem: Mapping[str, Any]) -> str:
    """What pydantic expected, as our messages say it."""
    return str(problem["msg"]).removeprefix("Value error, ").replace("Input should", "should")


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for part in location:
        field = model.model_fields.get(str(part))
        annotation = None if field is None else field.annotation
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        inner = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
        if inner is None:
            return []
        model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _line_of(path: Path, keys: tuple[str, ...]) -> str:
    """`:12` where the deepest of `keys` that the file holds stands on line 12."""
    node: Any = YAML(typ="rt", pure=True).load(path.read_text(encoding="utf-8"))
    line = None
    for key in keys:
        place = int(key) if isinstance(node, list) and key.isdigit() else key
        try:
            place_of = node.lc.item if isinstance(node, list) else node.lc.key  # type: ignore[attr-defined]
            line, node = place_of(place)[0], node[place]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return "" if line is None else f":{line + 1}"


def _nearest(key: str, known: list[str], lead: str = "known here") -> str:
    close = difflib.get_close_matches(key, known, n=1)
    listing = f"; {lead}: {', '.join(map(str, known))}" if known else ""
    return f"; did you mean '{close[0]}'?" if close else listing


def _briefly(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _describe_yaml_error(path: Path, error: YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    line = "" if mark is None else f":{mark.line + 1}"
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{path}{line}: not valid YAML: {problem}"
