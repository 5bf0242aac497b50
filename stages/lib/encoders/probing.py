"""An encoder's traits, found by running it on a few tokens: configurations name them in too many ways."""

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoModelForSequenceClassification

from stages.lib.encoders.inference import is_causal, load, padding_id_of, words_of
from stages.lib.encoders.padding import padded
from stages.lib.encoders.traits import Shape, Traits, reads_type_ids
from stages.lib.exceptions import EncoderError

EMBEDDING = torch.ops.aten.embedding.default


def probe(folder: Path) -> Traits:
    """Raises EncoderError where transformers has no head for it, or where padding changes its answers."""
    try:
        model: Any = load(AutoModelForSequenceClassification, folder)
    except ValueError as error:
        if "Unrecognized configuration class" not in str(error):
            raise
        model_type = json.loads((folder / "config.json").read_bytes()).get("model_type")
        raise EncoderError(
            f"encoder.name: transformers has no sequence-classification head for the architecture "
            f"{model_type!r}: choose an encoder of another"
        ) from None
    check_padding(model)
    return Traits(shape=shape_of(model), room=room_of(model), type_ids=reads_type_ids(model.config))


def shape_of(model: Any) -> Shape:
    if model.config.is_encoder_decoder:
        return "encoder-decoder"
    return "decoder" if is_causal(model) else "encoder"


def check_padding(model: Any) -> None:
    """A text's logits may not depend on how long the other texts of its batch are. Raises EncoderError."""
    short, long = ids_of(model, 3), ids_of(model, 6)
    (alone_C,), (beside_C, _) = logits_of(model, [short]), logits_of(model, [short, long])
    if not torch.allclose(alone_C, beside_C, rtol=1e-3, atol=1e-4):
        raise EncoderError(
            f"{type(model).__name__}: answers otherwise where a text is padded on the right, "
            "so its batches would mix: choose another architecture"
        )


def room_of(model: Any) -> int | None:
    """By its tables of positions; without one, what its configuration says."""
    tables = positions_of(model)
    if tables:
        return min(tables)
    config = model.config
    stated = getattr(config, "max_position_embeddings", None) or 0
    # DeBERTa clips relative positions, so that any length has them
    return None if stated < 1 or getattr(config, "relative_attention", False) else stated


def positions_of(model: Any) -> list[int]:
    """How many tokens each table of positions has room for.

    Such a table is one in which one more token looks up one more row. RoBERTa starts at row 2, and so does
    BART in a table with two rows more.
    """
    first, second = looked_up(model, 3), looked_up(model, 4)
    return [
        rows - (highest - 3)
        for (rows, lowest), (_, highest) in zip(first, second, strict=True)
        if highest == lowest + 1
    ]


def looked_up(model: Any, length: int) -> list[tuple[int, int]]:
    """Of each embedding that is looked up once a token: its rows, and the highest of those read."""
    with Lookups() as lookups:
        logits_of(model, [ids_of(model, length)])
    # T5 looks up once a pair of tokens, in a table of distances whose last row stands for all longer ones
    return [(rows, top) for rows, shape, top in lookups.seen if math.prod(shape) == shape[-1]]


class Lookups(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Rows, shape of the indices and highest index of every embedding lookup within."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[tuple[int, tuple[int, ...], int]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is EMBEDDING:
            table, indices = args[:2]
            self.seen.append((table.shape[0], tuple(indices.shape), int(indices.max())))
        return func(*args, **(kwargs or {}))


def ids_of(model: Any, length: int) -> list[int]:
    """Any words; an encoder-decoder's head reads at the token that ends a text."""
    first, second, _ = words_of(model)
    if not model.config.is_encoder_decoder:
        return [first] + [second] * (length - 1)
    return [first] + [second] * (length - 2) + [model.config.eos_token_id]


def logits_of(model: Any, id_lists: list[list[int]]) -> torch.Tensor:
    inputs = padded({"input_ids": id_lists}, padding_id_of(model))
    with torch.inference_mode():
        logits_BC: torch.Tensor = model(
            **{name: values.to(model.device) for name, values in inputs.items()}
        ).logits
    return logits_BC
