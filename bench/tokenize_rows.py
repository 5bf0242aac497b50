"""Texts to token ids in Arrow, ours beside `datasets.map(batched=True)`, after `make run`.

`python -m bench.tokenize_rows` holds both to the same ids first. It takes about a minute.
"""

import statistics
import tempfile
from pathlib import Path

import datasets
import polars as pl
from datasets import Dataset

from bench.corpora import SHARED, lines_of, tweets
from bench.measuring import Pairs, Row, in_pairs, record, seconds
from bench.peers.tokenize import load_tokenizer as load_peer
from bench.peers.tokenize import tokenize as theirs
from stages.lib.arrow import open_stream, write_stream
from stages.lib.encoders.encoding import encode, load_tokenizer, uncut
from stages.lib.encoders.token_counts import Counts
from stages.lib.encoders.traits import read_traits
from stages.lib.params import load_params
from stages.lib.parquet_rows import row_groups
from stages.lib.tables import write_parquet
from stages.lib.task import read_task
from stages.tokenize import Params, Tokenizers, batches_of, schema_for, tokenized

ENCODER, TASK = Path("models/encoder"), Path("data/task.json")
EMOTION, SST2 = 20_000, 67_349
ROUNDS = 5
PREDICTED = (
    "2.5 times: both run the same Rust encoder; theirs also tracks offsets, makes masks and type ids, and a "
    "Python object of every number, which took them half of their time"
)


def main() -> None:
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as name:
        measured = [measure(work, *texts, Path(name)) for work, texts in corpora().items()]
    rows = [row for row, _ in measured]
    record("tokenize_rows", rows, "\n".join(told for _, told in measured))


def corpora() -> dict[str, tuple[list[str], str]]:
    """The texts, and what they are."""
    emotion, sst2 = SHARED / "emotion", SHARED / "glue/SST-2/train.tsv"
    if not (emotion.is_dir() and sst2.is_file()):
        shaped = {"emotion": EMOTION, "SST-2": SST2}
        return {name: (found.to_list(), told) for name, (found, told) in map_tweets(shaped).items()}
    files = [emotion / f"{role}.txt" for role in ("train", "val", "test")]
    tweeted = [line.rpartition(";")[0] for path in files for line in lines_of(path)]
    reviewed = [line.rpartition("\t")[0] for line in lines_of(sst2)[1:]]
    return {
        "emotion": (tweeted, f"{len(tweeted):,} tweets of emotion"),
        "SST-2": (reviewed, f"{len(reviewed):,} sentences of SST-2"),
    }


def map_tweets(rows: dict[str, int]) -> dict[str, tuple[pl.Series, str]]:
    return {name: tweets(count) for name, count in rows.items()}


def measure(name: str, texts: list[str], data: str, folder: Path) -> tuple[Row, str]:
    """The row, and how much of ours the Rust encoder is."""
    max_tokens = load_params("tokenize", Params).max_tokens
    splits, arrow = folder / "splits.parquet", folder / "tokens.arrow"
    write_splits(texts, splits)
    dataset, peer = Dataset.from_dict({"text": texts}), load_peer(ENCODER)

    def map_batched() -> Dataset:
        return theirs(dataset, peer, max_tokens, folder / "cache.arrow")

    def stage() -> None:
        tokenize(splits, arrow)

    stage()
    assert open_stream(arrow)["input_ids"].to_pylist() == list(map_batched()["input_ids"])
    pairs = in_pairs(stage, map_batched, ROUNDS)
    row = Row.of_pairs(
        pairs,
        "times as fast",
        work=f"tokenize {name} to Arrow, same ids",
        peer="`datasets.map(batched=True)` with the fast AutoTokenizer",
        data=data,
        goal=2,
        predicted=PREDICTED,
    )
    return row, limit(name, texts, pairs, max_tokens)


def write_splits(texts: list[str], path: Path) -> None:
    """As stage split does."""
    count = len(texts)
    columns = {"id": [f"train-{number}" for number in range(count)], "text": texts, "role": ["train"] * count}
    nothing = pl.Series([None] * count, dtype=pl.String)
    label = pl.Series([read_task(TASK).labels[0]] * count, dtype=pl.String)
    write_parquet(pl.DataFrame(columns).with_columns(label=label, left_out=nothing), path)


def tokenize(splits: Path, arrow: Path) -> None:
    """What stage tokenize does once its knobs are read."""
    params, traits = load_params("tokenize", Params), read_traits(ENCODER)
    task = read_task(TASK)
    task = task.model_copy(update={"columns": task.columns.model_copy(update={"text_pair": None})})
    cutting = load_tokenizer(ENCODER, params.max_tokens, params.keep)
    schema = schema_for(task, params, traits)
    batches = tokenized(
        batches_of(row_groups(splits)), task, Tokenizers(cutting, uncut(ENCODER), -1), schema, Counts()
    )
    write_stream(schema, batches, arrow)


def limit(name: str, texts: list[str], pairs: Pairs, max_tokens: int) -> str:
    cutting, frame = load_tokenizer(ENCODER, max_tokens, "head"), pl.DataFrame({"text": texts})
    alone = min(seconds(lambda: encode(cutting, frame)) for _ in range(3))
    ours = statistics.median(pairs.ours)
    return (
        f"- {name}: {len(texts) / ours:,.0f} texts a second; the Rust encoder alone takes {alone:.2f} s, "
        f"{alone / ours:.0%} of the stage's work; the rest is reading the tokenizer's file, labels, ids to "
        "Arrow, and the file."
    )


if __name__ == "__main__":
    main()
