"""The model that is trained: a fresh head on the encoder, and which of its weights learn.

LoRA is Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", through peft.
"""

import warnings
from pathlib import Path
from typing import Any

from torch import nn
from transformers.pytorch_utils import Conv1D

from stages.lib.encoders.heads import load_model
from stages.lib.exceptions import ConfigError
from stages.lib.task import Task
from stages.lib.training.knobs import Params


def make_model(task: Task, encoder: Path, params: Params) -> Any:
    """In training mode, in float32; the same weights for the same seed. Raises ConfigError."""
    model = load_model(task, encoder, params.seed)
    if params.freeze_embeddings:
        freeze_embeddings(model)
    freeze_layers(model, params.freeze_layers)
    if params.gradient_checkpointing:
        model.activation_checkpointing_enable()
    if params.lora_rank is not None:
        model = with_adapters(model, params, params.lora_rank)
    return model.train()


def freeze_embeddings(model: Any) -> None:
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            module.requires_grad_(False)


def freeze_layers(model: Any, count: int) -> None:
    """The lowest ones; of an encoder-decoder those of its encoder."""
    layers = layers_of(model)
    if count > len(layers):
        raise ConfigError(
            f"params.yaml: finetune.freeze_layers: found {count}; the encoder has {len(layers)} layers"
        )
    for layer in layers[:count]:
        layer.requires_grad_(False)


def layers_of(model: Any) -> list[nn.Module]:
    count = model.config.get_text_config().num_hidden_layers
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    return next((list(found) for found in lists if len(found) == count), [])


def with_adapters(model: Any, params: Params, rank: int) -> Any:
    """Beside every linear layer one of low rank learns; of the model itself the head alone does."""
    if params.freeze_embeddings or params.freeze_layers:
        raise ConfigError(
            f"params.yaml: finetune.lora_rank: found {rank}, with frozen embeddings or layers; "
            "LoRA freezes the whole encoder: set freeze_embeddings to false and freeze_layers to 0"
        )
    from peft import LoraConfig, inject_adapter_in_model  # takes a second: only where it is asked for

    encoder = f"{model.base_model_prefix}."
    linear = [name for name, module in model.named_modules() if isinstance(module, (nn.Linear, Conv1D))]
    adapters = LoraConfig(
        r=rank,
        lora_alpha=params.lora_alpha,
        lora_dropout=params.lora_dropout,
        target_modules=[name for name in linear if name.startswith(encoder)],
    )
    with warnings.catch_warnings(
        action="ignore"
    ):  # peft asks transformers by old names, and tells what it sets
        inject_adapter_in_model(adapters, model)
    for name, parameter in model.named_parameters():
        if not name.startswith(encoder):
            parameter.requires_grad = True  # the head
    return model


def merged(model: Any) -> Any:
    """The same, adapters added into its weights and gone."""
    for name, layer in list(model.named_modules()):
        if hasattr(layer, "get_delta_weight"):  # of peft's, whose import takes a second
            layer.merge()
            model.set_submodule(name, layer.get_base_layer())
    return model
