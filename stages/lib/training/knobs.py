"""The knobs of training: section finetune of params.yaml, which says what each costs and gains."""

from typing import Annotated, Literal

from pydantic import Field

from stages.lib.params import StageParams

LoopName = Literal["trainer", "plain", "accelerate"]
Precision = Literal["float32", "bf16", "fp16"]


class Params(StageParams):
    seed: int
    loop: LoopName
    epochs: float = Field(gt=0)
    learning_rate: float = Field(gt=0)
    batch_size: int = Field(ge=1)
    gradient_accumulation: int = Field(ge=1)
    gradient_checkpointing: bool
    warmup_fraction: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0)
    label_smoothing: float = Field(ge=0, lt=1)
    balance: Literal["none", "weights", "sampler"]
    max_gradient_norm: float = Field(gt=0)
    freeze_embeddings: bool
    freeze_layers: int = Field(ge=0)
    lora_rank: int | None = Field(ge=1)
    lora_alpha: int = Field(ge=1)
    lora_dropout: float = Field(ge=0, lt=1)
    precision: Literal["auto"] | Precision
    processes: Literal["auto"] | Annotated[int, Field(ge=1)]
    accelerate_config: str | None
    select: Literal["last", "best"]
    patience: int | None = Field(ge=1)
    log_every_steps: int = Field(ge=1)
    checkpoint_every_steps: int = Field(ge=1)
    batch_tokens: int = Field(ge=1)
