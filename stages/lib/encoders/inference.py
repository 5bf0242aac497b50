"""A model's outputs for every row of a token table, in batches of like length, in the table's order.

Shapes: N examples, B of them in a batch, T tokens, H hidden size, C classes.
"""

import inspect
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch
from tqdm import tqdm
from transformers.utils import logging as transformers_logging

from stages.lib.arrow import arrow_of, numpy_of
from stages.lib.encoders.batching import by_length
from stages.lib.encoders.onednn import linear_by_onednn
from stages.lib.encoders.padding import padded
from stages.lib.encoders.traits import reads_type_ids
from stages.lib.exceptions import EncoderError

Pooling = Literal["cls", "mean"]
Read = Callable[[Any, torch.Tensor], tuple[torch.Tensor, ...]]
Pool = Callable[[Any, torch.Tensor], torch.Tensor]


def load(model_class: Any, folder: Path) -> torch.nn.Module:
    """The model in float32 whatever its checkpoint holds, on the GPU where there is one, dropout off."""
    quieten_transformers()
    model = model_class.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False)
    model.config.use_cache = False  # of keys and values, which only the next word of a text would need
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()  # type: ignore[no-any-return]


def quieten_transformers() -> None:
    """Weights that an encoder does not use, or a head does not have yet, are no news here."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


def infer(model: Any, tokens: pa.Table, batch_tokens: int, read: Read, title: str | None) -> list[np.ndarray]:
    """What `read(outputs, attention_mask_BT)` takes from each batch, as float32 [N, ...] arrays.

    `tokens` has input_ids, length and perhaps token_type_ids. The model is asked for hidden states: see
    states_of. Without a title there is no progress bar.
    """
    arrays: list[np.ndarray] = []
    lengths_N = numpy_of(tokens["length"])
    inputs_of = tokens.select(inputs_read(model, tokens.column_names))
    padding_id = padding_id_of(model)
    silent = None if title else True  # None: silent where no one watches
    with tqdm(total=len(tokens), desc=title, unit=" examples", delay=2, disable=silent) as bar:
        for rows in by_length(lengths_N, batch_tokens):
            inputs = padded(inputs_of.take(arrow_of(rows)).to_pydict(), padding_id)
            inputs = {name: values.to(model.device) for name, values in inputs.items()}
            with torch.inference_mode(), linear_by_onednn():
                outputs = model(**inputs, output_hidden_states=True)
            results = [result.float().cpu().numpy() for result in read(outputs, inputs["attention_mask"])]
            arrays = arrays or [np.empty((len(tokens), *result.shape[1:]), np.float32) for result in results]
            for array, result in zip(arrays, results, strict=True):
                array[rows] = result
            bar.update(len(rows))
    return arrays


def inputs_read(model: Any, columns: list[str]) -> list[str]:
    """The columns that the model reads: not every one knows token type ids."""
    known = set(inspect.signature(model.forward).parameters)
    if not reads_type_ids(model.config):
        known.discard("token_type_ids")
    return [name for name in ("input_ids", "token_type_ids") if name in columns and name in known]


def padding_id_of(model: Any) -> int:
    """Raises EncoderError where there is none: another token's would be taken for text."""
    padding_id = getattr(model.config, "pad_token_id", None)
    if padding_id is None:
        raise EncoderError(
            f"{type(model).__name__}: its config.json has no pad_token_id, and texts of a batch need one: "
            "name a token there"
        )
    return int(padding_id)


def pooler(model: Any, pooling: Pooling) -> Pool:
    """Outputs and attention_mask_BT to one vector a text, [B, H], of the last layer's states.

    mean: over the text's tokens. cls: the one position that a head reads, which is an encoder's first; a
    decoder has seen the whole text at its last token alone, and an encoder-decoder's head reads there too.
    """
    if pooling == "mean":
        return mean_of
    return last_of if model.config.is_encoder_decoder or is_causal(model) else first_of


def mean_of(outputs: Any, mask_BT: torch.Tensor) -> torch.Tensor:
    states_BTH = states_of(outputs)
    weights_BT1 = mask_BT.unsqueeze(-1).to(states_BTH.dtype)
    return (states_BTH * weights_BT1).sum(dim=1) / weights_BT1.sum(dim=1)


def first_of(outputs: Any, mask_BT: torch.Tensor) -> torch.Tensor:
    return states_of(outputs)[:, 0]


def last_of(outputs: Any, mask_BT: torch.Tensor) -> torch.Tensor:
    states_BTH = states_of(outputs)
    return states_BTH[torch.arange(len(mask_BT), device=mask_BT.device), mask_BT.sum(dim=1) - 1]


def states_of(outputs: Any) -> torch.Tensor:
    """The last layer's hidden states, [B, T, H]; of an encoder-decoder those of the decoder."""
    layers = outputs.get("decoder_hidden_states") or outputs.hidden_states
    states_BTH: torch.Tensor = layers[-1]
    return states_BTH


def is_causal(model: Any) -> bool:
    """Whether a token sees but those before it, as in a decoder: does a second change the first's states?"""
    first, second, other = words_of(model)
    inputs = padded({"input_ids": [[first, second], [first, other]]}, padding_id_of(model))
    inputs = {name: values.to(model.device) for name, values in inputs.items()}
    with torch.inference_mode():
        states_BTH = states_of(model(**inputs, output_hidden_states=True))
    return torch.allclose(states_BTH[0, 0], states_BTH[1, 0], rtol=0, atol=1e-6)


def words_of(model: Any) -> list[int]:
    """Three ids of the vocabulary that stand for no end of a text and no padding."""
    named = ("pad_token_id", "eos_token_id", "bos_token_id")
    special = {getattr(model.config, name, None) for name in named}  # T5's has no bos_token_id
    last_first = range(model.config.vocab_size - 1, -1, -1)
    return list(islice((number for number in last_first if number not in special), 3))
