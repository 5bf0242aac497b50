"""Turn every text into token ids, as Arrow: no padding, cut at max_tokens, with the length of each."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from pydantic import Field
from tokenizers import Tokenizer
from tqdm import tqdm

from stages.lib.arrow import write_stream
from stages.lib.encoding import MAX_TOKENS, as_table, encode, load_tokenizer
from stages.lib.exceptions import ConfigError
from stages.lib.params import StageParams, load_params
from stages.lib.stage import InPath, OutPath, run
from stages.lib.tables import in_use, write_json
from stages.lib.task import Task, read_task

ROWS_PER_BATCH = 10_000


class Params(StageParams):
    max_tokens: int = Field(ge=1)


def check_fits(max_tokens: int, encoder: Path) -> None:
    limit = json.loads((encoder / "config.json").read_text(encoding="utf-8")).get("max_position_embeddings")
    if limit is not None and max_tokens > limit:
        raise ConfigError(
            f"params.yaml: tokenize.max_tokens: found {max_tokens}; the encoder has room for {limit} tokens"
        )


def schema_for(task: Task, max_tokens: int) -> pa.Schema:
    """Pairs have type ids, which a model without them ignores.

    max_tokens goes into the metadata: what serves the model later cuts at the same length.
    """
    columns = {
        "id": pa.string(),
        "role": pa.string(),
        "label": pa.int64(),
        "input_ids": pa.list_(pa.int32()),
        "length": pa.int32(),
    }
    if len(task.text_columns) == 2:
        columns["token_type_ids"] = pa.list_(pa.int32())
    return pa.schema(columns, metadata={MAX_TOKENS: str(max_tokens)})


def tokenized(
    table: pl.DataFrame, task: Task, tokenizer: Tokenizer, schema: pa.Schema, measured: list[pl.DataFrame]
) -> Iterator[pa.RecordBatch]:
    """Batches of `schema`; what describe() needs of each is appended to `measured`."""
    numbers = {name: number for number, name in enumerate(task.labels)}
    unknown = unknown_id(tokenizer)
    slices = range(0, len(table), ROWS_PER_BATCH)
    for start in tqdm(slices, desc="tokenize", unit_scale=ROWS_PER_BATCH, delay=2, disable=None):
        rows = table.slice(start, ROWS_PER_BATCH)
        encodings = encode(tokenizer, rows.select(task.text_columns))
        batch = as_table(encodings, "token_type_ids" in schema.names)
        columns = {
            "id": rows["id"].to_arrow().cast(pa.string()),
            "role": rows["role"].to_arrow().cast(pa.string()),
            "label": pa.array([numbers.get(label) for label in rows["label"]], pa.int64()),
        } | {name: batch[name].combine_chunks() for name in batch.column_names}
        measured.append(
            pl.DataFrame(
                {
                    "length": [len(encoding.ids) for encoding in encodings],
                    "unknown": [encoding.ids.count(unknown) for encoding in encodings],
                    "truncated": [bool(encoding.overflowing) for encoding in encodings],
                }
            )
        )
        yield pa.record_batch([columns[name] for name in schema.names], schema=schema)


def unknown_id(tokenizer: Tokenizer) -> int:
    """The id for what the vocabulary lacks, or -1: byte-level vocabularies lack nothing."""
    token = getattr(tokenizer.model, "unk_token", None)
    number = None if token is None else tokenizer.token_to_id(token)
    return -1 if number is None else int(number)


def describe(measured: pl.DataFrame) -> dict[str, Any]:
    lengths = measured["length"].to_numpy()
    percentiles = {f"p{share}": int(np.percentile(lengths, share)) for share in (50, 90, 95, 99)}
    return {
        "examples": len(lengths),
        "tokens": int(lengths.sum()),
        "length": {"mean": float(lengths.mean()), "max": int(lengths.max())} | percentiles,
        "truncated": int(measured["truncated"].sum()),
        "truncated_share": float(measured["truncated"].mean()),  # type: ignore[arg-type]
        "unknown_share": int(measured["unknown"].sum()) / int(lengths.sum()),
    }


def main(*, task: InPath, splits: InPath, encoder: InPath, tokens: OutPath, metrics: OutPath) -> None:
    params = load_params("tokenize", Params)
    check_fits(params.max_tokens, encoder)
    what = read_task(task)
    tokenizer = load_tokenizer(encoder, params.max_tokens)
    table = in_use(pl.read_parquet(splits))
    schema = schema_for(what, params.max_tokens)
    measured: list[pl.DataFrame] = []
    write_stream(schema, tokenized(table, what, tokenizer, schema, measured), tokens)
    numbers = describe(pl.concat(measured))
    write_json(numbers, metrics)
    print(
        f"tokenize: {numbers['examples']:,} examples, {numbers['length']['mean']:.1f} tokens on average, "
        f"{numbers['length']['max']} at most; {numbers['truncated_share']:.2%} cut at {params.max_tokens}, "
        f"{numbers['unknown_share']:.2%} of tokens unknown"
    )


if __name__ == "__main__":
    run(main)
