"""Text to token ids with the Rust tokenizer alone, unpadded: the same ids as transformers' fast tokenizer.

A special token's name within a text, "[SEP]" in a tweet, is text like any other.
"""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pyarrow as pa
from tokenizers import Encoding, Tokenizer

from stages.lib.arrow import arrow_of
from stages.lib.exceptions import EncoderError

MAX_TOKENS, KEEP = b"max_tokens", b"keep"  # keys in the metadata of data/tokens.arrow
Keep = Literal["head", "tail"]  # the end of a long text that is kept
CUT_FROM: dict[Keep, str] = {"head": "right", "tail": "left"}


def load_tokenizer(folder: Path, max_tokens: int, keep: Keep) -> Tokenizer:
    """The folder's tokenizer, cutting what is longer than `max_tokens`, special tokens counted in.

    Pairs lose tokens from the longer text first. Raises EncoderError where nothing would be left of a text.
    """
    tokenizer = uncut(folder)
    special = tokenizer.num_special_tokens_to_add(is_pair=True)
    if max_tokens <= special:
        raise EncoderError(
            f"tokenize.max_tokens: found {max_tokens}; a pair takes {special} special tokens "
            "and needs room for its texts"
        )
    tokenizer.enable_truncation(max_tokens, strategy="longest_first", direction=CUT_FROM[keep])
    return tokenizer


def uncut(folder: Path) -> Tokenizer:
    """The folder's tokenizer, giving every token of a text."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True  # those within a text, as text
    return tokenizer


def encode(tokenizer: Tokenizer, texts: pl.DataFrame) -> list[Encoding]:
    """One encoding a row of `texts`: one column, or the text and its pair; null reads as empty."""
    columns = [texts[name].fill_null("").to_list() for name in texts.columns]
    inputs = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
    encodings: list[Encoding] = tokenizer.encode_batch_fast(inputs)
    return encodings


def as_arrow(id_lists: Sequence[Sequence[int]]) -> pa.ListArray:
    """list<int32>, one list an example."""
    lengths = np.fromiter(map(len, id_lists), dtype=np.int32, count=len(id_lists))
    offsets = np.concatenate([np.zeros(1, np.int32), np.cumsum(lengths, dtype=np.int32)])
    flat = np.fromiter(chain.from_iterable(id_lists), dtype=np.int32, count=int(offsets[-1]))
    return pa.ListArray.from_arrays(arrow_of(offsets), arrow_of(flat))


def max_tokens_of(tokens: pa.Table) -> int:
    """The length at which tokenize cut this table's texts."""
    return int(tokens.schema.metadata[MAX_TOKENS])


def keep_of(tokens: pa.Table) -> Keep:
    """The end that tokenize kept of this table's long texts."""
    return "tail" if tokens.schema.metadata[KEEP] == b"tail" else "head"


def as_table(encodings: list[Encoding], with_type_ids: bool) -> pa.Table:
    """input_ids, length, and token_type_ids where asked for."""
    input_ids = as_arrow([encoding.ids for encoding in encodings])
    columns = {"input_ids": input_ids, "length": input_ids.value_lengths()}
    if with_type_ids:
        columns["token_type_ids"] = as_arrow([encoding.type_ids for encoding in encodings])
    return pa.table(columns)
