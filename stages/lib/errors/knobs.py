"""The knobs of section `errors` of params.yaml."""

from pydantic import Field

from stages.lib.params import StageParams

CROSSFITTED = "crossfitted"  # the predictions that `folds` asks for, as FINETUNED are those of all rows


class Params(StageParams):
    seed: int
    confidence: float = Field(gt=0, lt=1)
    resamples: int = Field(ge=1)
    worst_fraction: float = Field(gt=0, lt=1)
    slice_least_n: int = Field(ge=2)
    slice_values: int = Field(ge=1)
    slice_words: int = Field(ge=0)
    slice_q: float = Field(gt=0, lt=1)
    clusters: int = Field(ge=1)
    cluster_words: int = Field(ge=1)
    map_examples: int = Field(gt=0)
    map_neighbours: int = Field(ge=2)
    map_min_distance: float = Field(ge=0, le=1)
    folds: int | None = Field(ge=2)
    judge_folds: int = Field(ge=2)
    judge_repeats: int = Field(ge=1)
    judge_alpha: float = Field(gt=0)
    surest_fraction: float = Field(gt=0, le=1)
    curve_sizes: int = Field(ge=1)
    curve_min_documents: int = Field(ge=1)
    curve_c: float = Field(gt=0)
    max_iterations: int = Field(ge=1)
    to_label: int = Field(ge=0)
