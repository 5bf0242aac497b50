"""Frozen features as the tutorials take them: padded to the longest text of all, a thousand at a time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import AutoModel, AutoTokenizer

BATCH_SIZE = 1_000


def extractor(encoder: Path, texts: list[str], padded_to: int) -> Callable[[], np.ndarray]:
    """What `map(extract_hidden_states)` costs; the texts are tokenized and the model is loaded before it.

    `padded_to` is the length of the longest text of the whole dataset. Vectors are means over tokens.
    """
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    model = AutoModel.from_pretrained(encoder)

    def tokenize(batch: dict[str, Any]) -> Any:
        return tokenizer(batch["text"], padding="max_length", truncation=True, max_length=padded_to)

    def extract_hidden_states(batch: dict[str, Any]) -> dict[str, np.ndarray]:
        inputs = {name: values for name, values in batch.items() if name in tokenizer.model_input_names}
        with torch.no_grad():
            last_hidden_state = model(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1)
        return {"hidden_state": ((last_hidden_state * mask).sum(1) / mask.sum(1)).numpy()}

    encoded = Dataset.from_dict({"text": texts}).map(tokenize, batched=True)
    encoded.set_format("torch", columns=tokenizer.model_input_names)

    def extract() -> np.ndarray:
        hidden = encoded.map(
            extract_hidden_states, batched=True, batch_size=BATCH_SIZE, load_from_cache_file=False
        )
        return np.asarray(hidden.with_format("numpy")["hidden_state"][:])

    return extract
