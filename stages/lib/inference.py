"""A model's outputs for every row of a token table, in batches of like length, in the table's order.

Shapes: N examples, B of them in a batch, T tokens, H hidden size, C classes.
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch
from tqdm import tqdm
from transformers.utils import logging as transformers_logging

from stages.lib.batching import by_length, padded

Pooling = Literal["cls", "mean"]
Read = Callable[[Any, torch.Tensor], tuple[torch.Tensor, ...]]


def load(model_class: Any, folder: Path) -> torch.nn.Module:
    """The model in float32 whatever its checkpoint holds, on the GPU where there is one, dropout off."""
    quieten_transformers()
    model = model_class.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False)
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()  # type: ignore[no-any-return]


def quieten_transformers() -> None:
    """Weights that an encoder does not use, or a head does not have yet, are no news here."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


def infer(model: Any, tokens: pa.Table, batch_tokens: int, read: Read, title: str | None) -> list[np.ndarray]:
    """What `read(outputs, attention_mask_BT)` takes from each batch, as float32 [N, ...] arrays.

    `tokens` has input_ids, length and perhaps token_type_ids. The model is asked for hidden states, so
    `outputs.hidden_states[-1]` is [B, T, H]. Without a title there is no progress bar.
    """
    arrays: list[np.ndarray] = []
    lengths_N = np.asarray(tokens["length"])
    inputs_of = tokens.select(inputs_read(model, tokens.column_names))
    silent = None if title else True  # None: silent where no one watches
    with tqdm(total=len(tokens), desc=title, unit=" examples", delay=2, disable=silent) as bar:
        for rows in by_length(lengths_N, batch_tokens):
            inputs = padded(inputs_of.take(pa.array(rows)).to_pydict(), model.config.pad_token_id or 0)
            inputs = {name: values.to(model.device) for name, values in inputs.items()}
            with torch.inference_mode():
                outputs = model(**inputs, output_hidden_states=True)
            results = [result.float().cpu().numpy() for result in read(outputs, inputs["attention_mask"])]
            arrays = arrays or [np.empty((len(tokens), *result.shape[1:]), np.float32) for result in results]
            for array, result in zip(arrays, results, strict=True):
                array[rows] = result
            bar.update(len(rows))
    return arrays


def inputs_read(model: Any, columns: list[str]) -> list[str]:
    """The columns that the model reads: not every encoder knows token type ids."""
    known = inspect.signature(model.forward).parameters
    return [name for name in ("input_ids", "token_type_ids") if name in columns and name in known]


def pooled(outputs: Any, mask_BT: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """One vector a text, [B, H]: the last layer's first position, or its mean over the text's tokens."""
    states_BTH: torch.Tensor = outputs.hidden_states[-1]
    if pooling == "cls":
        return states_BTH[:, 0]
    weights_BT1 = mask_BT.unsqueeze(-1).to(states_BTH.dtype)
    return (states_BTH * weights_BT1).sum(dim=1) / weights_BT1.sum(dim=1)
