"""The policy of the gate: section `gate` of params.yaml, where comments say what each key means.

One policy is for sources of every kind: it may name scores of any, and of a task those of its kind count.
What does not count is told. A name that no kind has is refused.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

from pydantic import Field, field_validator

from commands.lib.runs import PARAMS, WORKSPACE, Run
from stages.lib.config import StrictModel, read_config
from stages.lib.exceptions import ConfigError, RunError
from stages.lib.kinds import KINDS, Facts
from stages.lib.params import StageParams, load_params
from stages.lib.source_keys import nearest
from stages.lib.statistics.scores import metric_names
from stages.lib.task import Task


class Ceilings(StrictModel):
    ece: float | None = Field(ge=0)
    rmse: float | None = Field(ge=0)
    mae: float | None = Field(ge=0)
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

    @field_validator("margins", "floors")
    @classmethod
    def _name_scores(cls, limits: dict[str, float]) -> dict[str, float]:
        known = dict.fromkeys(name for facts in KINDS.values() for name in scores_of(facts))
        for name in limits:
            if name not in known:
                raise ValueError(f"no kind of task has a score '{name}'{nearest(name, known, 'there are')}")
        return limits

    @field_validator("floors")
    @classmethod
    def _are_for_what_should_be_high(cls, floors: dict[str, float]) -> dict[str, float]:
        for name in floors:
            if any(name in facts.lower_is_better for facts in KINDS.values()):
                raise ValueError(f"of {name} the less is the better: give it a ceiling, gate.ceilings.{name}")
        return floors


class Limits(NamedTuple):
    """What of a policy counts for a task: a limit each by name, and the names that do not count."""

    margins: dict[str, float]
    floors: dict[str, float]
    ceilings: dict[str, float]  # on the predictions of a role
    others: list[str]


def scores_of(facts: Facts) -> tuple[str, ...]:
    """Those of any task of the kind, and those of a positive class."""
    return facts.scores + facts.positive_scores


def limits_for(policy: Params, task: Task, owner: str) -> Limits:
    """Raises RunError where no margin is for the task's kind, or one is that this very task lacks."""
    facts, there = task.facts, metric_names(task.kind, task.positive)
    for name in (*policy.margins, *policy.floors):
        if name in scores_of(facts) and name not in there:
            raise RunError(f"gate: no score '{name}' for this task; it has {', '.join(there)}")
    margins, floors = (
        {name: limit for name, limit in limits.items() if name in there}
        for limits in (policy.margins, policy.floors)
    )
    if not margins:
        raise RunError(
            f"gate.margins: found {', '.join(policy.margins) or 'none'}, no score of a {task.kind} task, "
            f"which has {', '.join(there)}; add one, such as `{facts.scores[0]}: 0.02`, to params.yaml "
            f"of {owner}, whose policy counts"
        )
    ceilings = {name: limit for name, limit in _role_ceilings(policy).items() if name in _measured(facts)}
    named = (*policy.margins, *policy.floors, *_role_ceilings(policy))
    kept = (*margins, *floors, *ceilings)
    return Limits(margins, floors, ceilings, [name for name in dict.fromkeys(named) if name not in kept])


def _role_ceilings(policy: Params) -> dict[str, float]:
    """Those that are set, on what is measured role by role."""
    limits = policy.ceilings.model_dump(exclude={"leaked_copies", "model_megabytes"})
    return {name: limit for name, limit in limits.items() if limit is not None}


def _measured(facts: Facts) -> set[str]:
    """What of a role's predictions can have a ceiling."""
    return {
        *facts.lower_is_better,
        *(["ece"] if facts.has_probabilities else []),
        *(["churn"] if facts.has_classes else []),
    }


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
