"""Turn every text into token ids, as Arrow: no padding, cut at max_tokens, with the length of each.

How many tokens each has lost to the cut stands beside them.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from pydantic import Field
from tokenizers import Encoding, Tokenizer
from tqdm import tqdm

from stages.lib.arrow import arrow_of, write_stream
from stages.lib.encoders.encoding import KEEP, MAX_TOKENS, Keep, as_table, encode, load_tokenizer, uncut
from stages.lib.encoders.token_counts import Counts, describe
from stages.lib.encoders.tokenizer_fit import unknown_id
from stages.lib.encoders.traits import Traits, read_traits
from stages.lib.exceptions import ConfigError
from stages.lib.kinds import Kind
from stages.lib.labels import numbers_of
from stages.lib.params import StageParams, load_params
from stages.lib.parquet_rows import row_groups
from stages.lib.stage import InPath, OutPath, run
from stages.lib.tables import in_use, write_json
from stages.lib.task import Task, read_task

ROWS_PER_BATCH = 10_000
LABEL_TYPE_OF_KINDS: dict[Kind, pa.DataType] = {
    "classification": pa.int64(),
    "regression": pa.float64(),
    "multi-label": pa.list_(pa.int64()),
}


class Params(StageParams):
    max_tokens: int = Field(ge=1)
    keep: Keep


def check_fits(max_tokens: int, traits: Traits) -> None:
    if traits.room is not None and max_tokens > traits.room:
        raise ConfigError(
            f"params.yaml: tokenize.max_tokens: found {max_tokens}; "
            f"the encoder has room for {traits.room} tokens"
        )


def schema_for(task: Task, params: Params, traits: Traits) -> pa.Schema:
    """Pairs have type ids where the encoder reads them.

    The knobs go into the metadata: what serves the model later cuts in the same way.
    """
    columns = {
        "id": pa.string(),
        "role": pa.string(),
        "label": LABEL_TYPE_OF_KINDS[task.kind],
        "input_ids": pa.list_(pa.int32()),
        "length": pa.int32(),
        "lost": pa.int32(),
    }
    if traits.type_ids and len(task.text_columns) == 2:
        columns["token_type_ids"] = pa.list_(pa.int32())
    return pa.schema(columns, metadata={MAX_TOKENS: str(params.max_tokens), KEEP: params.keep})


class Tokenizers(NamedTuple):
    cutting: Tokenizer
    uncut: Tokenizer  # for what the other leaves out
    unknown: int  # the id for what the vocabulary lacks; -1 where it lacks nothing


def batches_of(groups: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The rows in use, ROWS_PER_BATCH at a time whatever the groups they come in."""
    left = pl.DataFrame()
    for group in groups:
        left = pl.concat([left, in_use(group)]) if len(left) else in_use(group)
        while len(left) >= ROWS_PER_BATCH:
            yield left[:ROWS_PER_BATCH]
            left = left[ROWS_PER_BATCH:]
    if len(left):
        yield left


def tokenized(
    tables: Iterable[pl.DataFrame], task: Task, tokenizers: Tokenizers, schema: pa.Schema, counts: Counts
) -> Iterator[pa.RecordBatch]:
    """A batch of `schema` for each table; what describe() needs is counted in `counts`."""
    for rows in tables:
        texts = rows.select(task.text_columns)
        encodings = encode(tokenizers.cutting, texts)
        lost_N = lost_of(encodings, texts, tokenizers.uncut)
        batch = as_table(encodings, "token_type_ids" in schema.names)
        columns = {
            "id": rows["id"].to_arrow().cast(pa.string()),
            "role": rows["role"].to_arrow().cast(pa.string()),
            "label": numbers_of(rows["label"], task).to_arrow().cast(LABEL_TYPE_OF_KINDS[task.kind]),
            "lost": arrow_of(lost_N),
        } | {name: batch[name].combine_chunks() for name in batch.column_names}
        counts.add(encodings, lost_N, tokenizers.unknown)
        yield pa.record_batch([columns[name] for name in schema.names], schema=schema)


def lost_of(encodings: list[Encoding], texts: pl.DataFrame, uncut: Tokenizer) -> np.ndarray:
    """How many tokens of each text, or pair, were cut off: int32 [N]."""
    lost_N = np.zeros(len(encodings), dtype=np.int32)
    cut = np.flatnonzero([bool(encoding.overflowing) for encoding in encodings])
    for row, whole in zip(cut, encode(uncut, texts[cut]), strict=True):
        lost_N[row] = len(whole.ids) - len(encodings[row].ids)
    return lost_N


def main(*, task: InPath, splits: InPath, encoder: InPath, tokens: OutPath, metrics: OutPath) -> None:
    params = load_params("tokenize", Params)
    traits = read_traits(encoder)
    check_fits(params.max_tokens, traits)
    what = read_task(task)
    cutting = load_tokenizer(encoder, params.max_tokens, params.keep)
    schema = schema_for(what, params, traits)
    counts = Counts()
    unknown = unknown_id(encoder, cutting)
    tokenizers = Tokenizers(cutting, uncut(encoder), -1 if unknown is None else unknown)
    batches = tqdm(
        batches_of(row_groups(splits)), desc="tokenize", unit_scale=ROWS_PER_BATCH, delay=2, disable=None
    )
    write_stream(schema, tokenized(batches, what, tokenizers, schema, counts), tokens)
    special = cutting.num_special_tokens_to_add(is_pair=len(what.text_columns) == 2)
    numbers = describe(counts, special)
    write_json(numbers, metrics)
    print(
        f"tokenize: {numbers['examples']:,} examples, {numbers['length']['mean']:.1f} tokens on average, "
        f"{numbers['length']['max']} at most; {numbers['truncated_share']:.2%} cut at {params.max_tokens}, "
        f"{numbers['unknown_share']:.2%} of tokens unknown"
    )


if __name__ == "__main__":
    run(main)
