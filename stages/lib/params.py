"""params.yaml, a section at a time. It is the only place where values live: no field has a default."""

from pathlib import Path
from typing import TypeVar

from stages.lib.config import StrictModel, read_config

PARAMS_FILE = Path("params.yaml")  # DVC runs every stage in the project's root


class StageParams(StrictModel):
    """What a stage reads of params.yaml; each stage declares its own, in its own file."""


Params = TypeVar("Params", bound=StageParams)


def load_params(section: str, model: type[Params]) -> Params:
    """The section, checked. Raises ConfigError that names the line, the key and the rule."""
    return read_config(PARAMS_FILE, model, section)
