"""What a search varies: section `search` of params.yaml, where comments say what each key means."""

from collections.abc import Mapping
from typing import Any

from optuna import Trial
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import FrozenTrial
from pydantic import Field, field_validator

from stages.lib.params import StageParams
from stages.lib.source_keys import nearest
from stages.lib.training.knobs import Params as Knobs

SIGNIFICANT_DIGITS = 3  # what is trained with is what `--apply` writes
SELECTS_LUCK = "seed"


class Params(StageParams):
    seed: int
    pruner_startup_trials: int = Field(ge=0)
    pruner_warmup_epochs: int = Field(ge=0)
    retries: int = Field(ge=0)
    space: dict[str, dict[str, Any]] = Field(min_length=1)

    @field_validator("space")
    @classmethod
    def _hold_knobs(cls, space: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, values in space.items():
            if name not in Knobs.model_fields:
                raise ValueError(
                    f"finetune has no knob '{name}'{nearest(name, Knobs.model_fields, 'it has')}"
                )
            if name == SELECTS_LUCK:
                raise ValueError("the best of several seeds is the luckiest: leave seed out")
            check_values(name, values)
        return space


def check_values(name: str, values: Mapping[str, Any]) -> None:
    """Raises ValueError."""
    if set(values) == {"choices"}:
        if not isinstance(values["choices"], list) or not values["choices"]:
            raise ValueError(f"{name}.choices is to be a list of one value or more")
        return
    if set(values) != {"low", "high", "log"}:
        raise ValueError(
            f"{name} has {', '.join(values) or 'nothing'}; it needs low, high and log, or choices"
        )
    low, high, log = values["low"], values["high"], values["log"]
    if not all(isinstance(bound, int | float) and not isinstance(bound, bool) for bound in (low, high)):
        raise ValueError(f"{name}: low and high are to be numbers")
    if not isinstance(log, bool):
        raise ValueError(f"{name}.log is to be true or false")
    if low > high or (log and low <= 0):
        raise ValueError(f"{name}: low {low} is to be at most high {high}" + (", and above 0" if log else ""))


def suggest(trial: Trial, space: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A value for each knob of the space."""
    for name, values in space.items():
        _suggest_one(trial, name, values)
    return trained_with(trial)


def _suggest_one(trial: Trial, name: str, values: dict[str, Any]) -> None:
    low, high, log = (values.get(key) for key in ("low", "high", "log"))
    if "choices" in values:
        trial.suggest_categorical(name, values["choices"])
    elif isinstance(low, int) and isinstance(high, int):
        trial.suggest_int(name, low, high, log=bool(log))
    else:
        trial.suggest_float(name, values["low"], values["high"], log=bool(log))


def trained_with(trial: Trial | FrozenTrial) -> dict[str, Any]:
    """Its values, those from a range with few digits; a choice is as it was written."""
    kinds = trial.distributions
    return {name: rounded(value, kinds[name]) for name, value in trial.params.items()}


def rounded(value: Any, kind: BaseDistribution) -> Any:
    if not isinstance(kind, FloatDistribution):
        return value
    return min(max(float(f"{value:.{SIGNIFICANT_DIGITS}g}"), kind.low), kind.high)


def within(space: dict[str, dict[str, Any]], values: Mapping[str, Any]) -> bool:
    """Whether a search could propose these."""
    return all(
        values[name] in found["choices"]
        if "choices" in found
        else _is_between(values[name], found["low"], found["high"])
        for name, found in space.items()
    )


def _is_between(value: Any, low: float, high: float) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    whole = isinstance(low, int) and isinstance(high, int)
    return low <= value <= high and (not whole or value == int(value))
