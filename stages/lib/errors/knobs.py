"""The knobs of section `errors` of params.yaml."""

from pydantic import Field

from stages.lib.params import StageParams


class Params(StageParams):
    seed: int
    worst_fraction: float = Field(gt=0, lt=1)
    map_examples: int = Field(gt=0)
    map_neighbours: int = Field(ge=2)
    map_min_distance: float = Field(ge=0, le=1)
