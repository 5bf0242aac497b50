"""Turn every text into token ids, as Arrow: no padding, cut at max_tokens, with the length of each.

How many tokens each has lost to the cut stands beside them.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from pydantic import Field
from tokenizers import Encoding, Tokenizer
from tqdm import tqdm

from stages.lib.arrow import write_stream
from stages.lib.encoders.encoding import KEEP, MAX_TOKENS, Keep, as_table, encode, load_tokenizer, uncut
from stages.lib.encoders.tokenizer_fit import unknown_id
from stages.lib.encoders.traits import Traits, read_traits
from stages.lib.exceptions import ConfigError
from stages.lib.kinds import Kind
from stages.lib.labels import numbers_of
from stages.lib.params import StageParams, load_params
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


def tokenized(
    table: pl.DataFrame, task: Task, tokenizers: Tokenizers, schema: pa.Schema, measured: list[pl.DataFrame]
) -> Iterator[pa.RecordBatch]:
    """Batches of `schema`; what describe() needs of each is appended to `measured`."""
    slices = range(0, len(table), ROWS_PER_BATCH)
    for start in tqdm(slices, desc="tokenize", unit_scale=ROWS_PER_BATCH, delay=2, disable=None):
        rows = table.slice(start, ROWS_PER_BATCH)
        texts = rows.select(task.text_columns)
        encodings = encode(tokenizers.cutting, texts)
        lost = lost_of(encodings, texts, tokenizers.uncut)
        batch = as_table(encodings, "token_type_ids" in schema.names)
        columns = {
            "id": rows["id"].to_arrow().cast(pa.string()),
            "role": rows["role"].to_arrow().cast(pa.string()),
            "label": numbers_of(rows["label"], task).to_arrow().cast(LABEL_TYPE_OF_KINDS[task.kind]),
            "lost": pa.array(lost, pa.int32()),
        } | {name: batch[name].combine_chunks() for name in batch.column_names}
        measured.append(
            pl.DataFrame(
                {
                    "length": [len(encoding.ids) for encoding in encodings],
                    "unknown": [encoding.ids.count(tokenizers.unknown) for encoding in encodings],
                    "lost": lost,
                }
            )
        )
        yield pa.record_batch([columns[name] for name in schema.names], schema=schema)


def lost_of(encodings: list[Encoding], texts: pl.DataFrame, uncut: Tokenizer) -> np.ndarray:
    """How many tokens of each text, or pair, were cut off: int32 [N]."""
    lost_N = np.zeros(len(encodings), dtype=np.int32)
    cut = np.flatnonzero([bool(encoding.overflowing) for encoding in encodings])
    for row, whole in zip(cut, encode(uncut, texts[cut]), strict=True):
        lost_N[row] = len(whole.ids) - len(encodings[row].ids)
    return lost_N


def describe(measured: pl.DataFrame, special: int) -> dict[str, Any]:
    """`special` is the number of tokens in every example that are not of its texts."""
    lengths = measured["length"].to_numpy()
    percentiles = {f"p{share}": int(np.percentile(lengths, share)) for share in (50, 90, 95, 99)}
    return {
        "examples": len(lengths),
        "tokens": int(lengths.sum()),
        "length": {"mean": float(lengths.mean()), "max": int(lengths.max())} | percentiles,
        "unknown_share": int(measured["unknown"].sum()) / max(1, int(lengths.sum())),
    } | describe_losses(measured["lost"].to_numpy(), lengths - special)


def describe_losses(lost_N: np.ndarray, kept_N: np.ndarray) -> dict[str, Any]:
    """Of tokens of the texts; median and largest loss are of the examples that lost any."""
    losses = lost_N[lost_N > 0]
    return {
        "truncated": len(losses),
        "truncated_share": len(losses) / len(lost_N),
        "lost": {
            "tokens": int(losses.sum()),
            "share": int(losses.sum()) / max(1, int(losses.sum() + kept_N.sum())),
            "median": float(np.median(losses)) if len(losses) else 0.0,
            "max": int(losses.max(initial=0)),
            "more_than_half": int((lost_N > kept_N).sum()),
        },
    }


def main(*, task: InPath, splits: InPath, encoder: InPath, tokens: OutPath, metrics: OutPath) -> None:
    params = load_params("tokenize", Params)
    traits = read_traits(encoder)
    check_fits(params.max_tokens, traits)
    what = read_task(task)
    cutting = load_tokenizer(encoder, params.max_tokens, params.keep)
    table = in_use(pl.read_parquet(splits))
    schema = schema_for(what, params, traits)
    measured: list[pl.DataFrame] = []
    unknown = unknown_id(encoder, cutting)
    tokenizers = Tokenizers(cutting, uncut(encoder), -1 if unknown is None else unknown)
    write_stream(schema, tokenized(table, what, tokenizers, schema, measured), tokens)
    special = cutting.num_special_tokens_to_add(is_pair=len(what.text_columns) == 2)
    numbers = describe(pl.concat(measured), special)
    write_json(numbers, metrics)
    print(
        f"tokenize: {numbers['examples']:,} examples, {numbers['length']['mean']:.1f} tokens on average, "
        f"{numbers['length']['max']} at most; {numbers['truncated_share']:.2%} cut at {params.max_tokens}, "
        f"{numbers['unknown_share']:.2%} of tokens unknown"
    )


if __name__ == "__main__":
    run(main)
