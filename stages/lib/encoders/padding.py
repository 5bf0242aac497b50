"""Lists of token ids as tensors, padded on the right to the longest of the batch.

Shapes: B examples in a batch, T tokens in the longest of them.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

IdLists = Sequence[Sequence[int]]


def padded(batch: Mapping[str, IdLists], padding_id: int) -> dict[str, torch.Tensor]:
    """The model's inputs, int64 [B, T] each, padded on the right: input_ids, attention_mask, token_type_ids.

    `batch` has one list an example under input_ids, and under token_type_ids where the model has them. A text
    without any token, as tokenizers without special tokens leave of an empty one, is read as one of padding.
    """
    input_ids = [ids or [padding_id] for ids in batch["input_ids"]]
    inputs = {
        "input_ids": _rectangle(input_ids, padding_id),
        "attention_mask": _rectangle([[1] * len(ids) for ids in input_ids], 0),
    }
    if "token_type_ids" in batch:
        inputs["token_type_ids"] = _rectangle([ids or [0] for ids in batch["token_type_ids"]], 0)
    return inputs


def _rectangle(lists: IdLists, filler: int) -> torch.Tensor:
    rows_BT = np.full((len(lists), max(map(len, lists))), filler, dtype=np.int64)
    for row_T, values in zip(rows_BT, lists, strict=True):
        row_T[: len(values)] = values
    return torch.from_numpy(rows_BT)
