"""The policy of the gate: section `gate` of params.yaml, where comments say what each key means."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from pydantic import Field

from commands.lib.runs import PARAMS, WORKSPACE, Run
from stages.lib.config import StrictModel, read_config
from stages.lib.exceptions import ConfigError, RunError
from stages.lib.params import StageParams, load_params


class Ceilings(StrictModel):
    ece: float | None = Field(ge=0)
    leaked_copies: int | None = Field(ge=0)
    churn: float | None = Field(ge=0)
    model_megabytes: float | None = Field(gt=0)


class Params(StageParams):
    model: str
    roles: list[str] = Field(min_length=1)
    confidence: float = Field(gt=0, lt=1)
    resamples: int = Field(ge=100)
    seed: int
    margins: dict[str, float]
    floors: dict[str, float]
    slice_margin: float = Field(ge=0)
    slice_least_n: int = Field(ge=2)
    slice_values: int = Field(ge=1)
    calibration_bins: int = Field(ge=2)
    ceilings: Ceilings
    texts: Literal["full", "redacted", "ids"]
    examples: int = Field(ge=0)


def policy_of(side: Run) -> Params:
    """Raises RunError, or of the workspace's ConfigError."""
    content = side.read(PARAMS)
    if side.name == WORKSPACE:
        return load_params("gate", Params)
    with TemporaryDirectory() as folder:
        copy = Path(folder) / PARAMS
        copy.write_bytes(content)
        try:
            return read_config(copy, Params, "gate")
        except ConfigError as error:
            told = str(error).replace(str(copy), PARAMS)
            raise RunError(f"{side.title}: no policy to judge by: {told}") from None
