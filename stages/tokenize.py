"""Turn every text into token ids, as Arrow: no padding, cut at max_tokens, with the length of each.

How many tokens each has lost to the cut stands beside them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from pydantic import Field
from tokenizers import Encoding, Tokenizer
from tqdm import tqdm

from stages.lib.arrow import arrow_of, write_stream
from stages.lib.encoders.encoding import KEEP, MAX_TOKENS, Keep, as_table, encode, load_tokenizer, uncut
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


@dataclass
class Counts:
    """Examples by their length and what they lost: of memory that does not grow with their number."""

    examples: Counter[tuple[int, int]] = field(default_factory=Counter)
    unknown: int = 0  # tokens

    def add(self, encodings: list[Encoding], lost_N: np.ndarray, unknown: int) -> None:
        self.examples.update(zip(map(len, encodings), lost_N.tolist(), strict=True))
        self.unknown += sum(encoding.ids.count(unknown) for encoding in encodings)


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


def describe(counts: Counts, special: int) -> dict[str, Any]:
    """`special` is the number of tokens in every example that are not of its texts."""
    lengths_D, lost_D = np.array(list(counts.examples), dtype=np.int64).T  # D different pairs of them
    times_D = np.array(list(counts.examples.values()))
    examples, tokens = int(times_D.sum()), int(lengths_D @ times_D)
    percentiles = {f"p{share}": int(percentile(lengths_D, times_D, share)) for share in (50, 90, 95, 99)}
    return {
        "examples": examples,
        "tokens": tokens,
        "length": {"mean": tokens / examples, "max": int(lengths_D.max())} | percentiles,
        "unknown_share": counts.unknown / max(1, tokens),
    } | describe_losses(lost_D, lengths_D - special, times_D)


def describe_losses(lost_D: np.ndarray, kept_D: np.ndarray, times_D: np.ndarray) -> dict[str, Any]:
    """Of tokens of the texts; median and largest loss are of the examples that lost any."""
    cut_D = lost_D > 0
    truncated, tokens = int(times_D[cut_D].sum()), int(lost_D @ times_D)
    return {
        "truncated": truncated,
        "truncated_share": truncated / int(times_D.sum()),
        "lost": {
            "tokens": tokens,
            "share": tokens / max(1, tokens + int(kept_D @ times_D)),
            "median": percentile(lost_D[cut_D], times_D[cut_D], 50) if truncated else 0.0,
            "max": int(lost_D.max(initial=0)),
            "more_than_half": int(times_D[lost_D > kept_D].sum()),
        },
    }


def percentile(values_D: np.ndarray, times_D: np.ndarray, share: int) -> float:
    """np.percentile of every value, each so many times, without writing them all out."""
    order = np.argsort(values_D)
    ends_D = np.cumsum(times_D[order])
    place = (int(ends_D[-1]) - 1) * (share / 100)
    low, high = values_D[order][np.searchsorted(ends_D, [int(place), int(np.ceil(place))], side="right")]
    return float(low + (high - low) * (place - int(place)))


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
