from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from stages.lib.encoders.batching import by_length
from stages.lib.encoders.encoding import as_table, encode, load_tokenizer
from stages.lib.encoders.inference import Pooling, infer, load, padding_id_of, pooler
from stages.lib.encoders.padding import padded
from stages.lib.exceptions import EncoderError
from tests.tiny_model import write_model

TEXTS = ["fire", "the fire in my town " * 3, "", "lovely music today", "near my street we saw smoke"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_model(folder / "m", [], ["calm", "alarm"], ["text"])
    return folder / "m"


def tokens_of(folder: Path) -> pa.Table:
    return as_table(
        encode(load_tokenizer(folder, 24, "head"), pl.DataFrame({"text": TEXTS})), with_type_ids=False
    )


@pytest.mark.parametrize("batch_tokens", [1, 7, 30, 10_000])
def test_batches_hold_every_row_once_within_their_tokens(batch_tokens: int) -> None:
    lengths = np.random.default_rng(1).integers(0, 20, 200)
    batches = list(by_length(lengths, batch_tokens))
    assert sorted(np.concatenate(batches)) == list(range(200))
    assert all(len(rows) == 1 or len(rows) * lengths[rows].max() <= batch_tokens for rows in batches)
    longest = [lengths[rows].max() for rows in batches]
    assert longest == sorted(longest, reverse=True)


def test_padding_is_on_the_right_and_masked() -> None:
    inputs = padded({"input_ids": [[5, 6, 7], [8]], "token_type_ids": [[0, 1, 1], [0]]}, padding_id=9)
    assert inputs["input_ids"].tolist() == [[5, 6, 7], [8, 9, 9]]
    assert inputs["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert inputs["token_type_ids"].tolist() == [[0, 1, 1], [0, 0, 0]]


def test_a_text_without_tokens_is_one_of_padding_that_is_read() -> None:
    inputs = padded({"input_ids": [[], [5, 6]], "token_type_ids": [[], [0, 1]]}, padding_id=9)
    assert inputs["input_ids"].tolist() == [[9, 9], [5, 6]]
    assert inputs["attention_mask"].tolist() == [[1, 0], [1, 1]]
    assert inputs["token_type_ids"].tolist() == [[0, 0], [0, 1]]


def test_no_other_token_stands_in_for_a_padding_token(folder: Path) -> None:
    model: Any = load(AutoModelForSequenceClassification, folder)
    model.config.pad_token_id = None
    with pytest.raises(EncoderError, match=r"BertForSequenceClassification: its config\.json has no pad_tok"):
        padding_id_of(model)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_batches_of_like_length_give_what_one_by_one_gives_in_the_same_order(
    folder: Path, pooling: Pooling
) -> None:
    model, tokens = load(AutoModelForSequenceClassification, folder), tokens_of(folder)
    pool = pooler(model, pooling)

    def read(outputs: Any, mask_BT: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return outputs.logits, pool(outputs, mask_BT)

    logits_NC, vectors_NH = infer(model, tokens, 60, read, title=None)
    assert (logits_NC.shape, vectors_NH.shape) == ((5, 2), (5, 32))
    for row in range(len(TEXTS)):
        (logits, vector) = infer(model, tokens.slice(row, 1), 60, read, title=None)
        np.testing.assert_allclose(logits_NC[row], logits[0], atol=1e-5)
        np.testing.assert_allclose(vectors_NH[row], vector[0], atol=1e-5)


def test_half_precision_checkpoints_are_loaded_as_float32(folder: Path, tmp_path: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float16)
    model.save_pretrained(tmp_path)
    loaded = load(AutoModelForSequenceClassification, tmp_path)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    assert not loaded.training
