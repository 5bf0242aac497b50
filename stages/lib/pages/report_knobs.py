"""The knobs of section `report` of params.yaml."""

from pydantic import Field

from stages.lib.params import StageParams


class Params(StageParams):
    role: str
    highest_losses: int = Field(gt=0)
    lowest_losses: int = Field(gt=0)
    findings: int = Field(gt=0)
    label_issues: int = Field(gt=0)
    contradictions: int = Field(gt=0)
    slices: int = Field(gt=0)
    words: int = Field(gt=0)
    clusters: int = Field(gt=0)
    rows_to_label: int = Field(gt=0)
    examples_each: int = Field(gt=0)
    confusions: int = Field(gt=0)
    matrix_classes: int = Field(ge=2)
    map_classes: int = Field(gt=0)
    hexagons_across: int = Field(gt=1)
    scatter_points: int = Field(gt=0)
    text_characters: int = Field(gt=0)
    examples: int = Field(gt=0)
    seed: int
    text_megabytes: float = Field(gt=0)
    markdown_rows: int = Field(gt=0)
    markdown_text_characters: int = Field(gt=0)
