"""Frozen features of the emotion tweets: ours beside the tutorial's, and beside a large matrix product.

`python -m bench.features`, after `make run`: about three minutes, nearly all of them the tutorial's.
"""

import statistics
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import datasets
import numpy as np
import polars as pl
import pyarrow as pa
import torch
import typer
from transformers import AutoModel

from bench.corpora import emotion
from bench.measuring import Row, by_profiler, in_pairs, matrix_product, record, seconds
from bench.peers.features import extractor
from stages.features import Params
from stages.lib.encoders import inference
from stages.lib.encoders.encoding import as_table, encode, load_tokenizer
from stages.lib.encoders.inference import infer, load, pooler
from stages.lib.encoders.onednn import linear_by_onednn
from stages.lib.params import load_params
from stages.tokenize import Params as TokenizeParams

ENCODER = Path("models/encoder")
SEED, ROUNDS = 13, 3
WORK = "frozen features of emotion, equal to 1e-5"


def main(texts: Annotated[int, typer.Option(help="Of emotion, drawn at random.")] = 2_000) -> None:
    datasets.disable_progress_bars()
    cut = load_params("tokenize", TokenizeParams)
    everything, named = emotion()
    tokens = as_table(
        encode(load_tokenizer(ENCODER, cut.max_tokens, cut.keep), pl.DataFrame({"text": everything})), False
    )
    longest = int(np.asarray(tokens["length"]).max())
    drawn = np.sort(np.random.default_rng(SEED).choice(len(everything), min(texts, len(everything)), False))
    data = f"{len(drawn):,} drawn at random {named}; the longest of all has {longest} tokens"
    theirs = extractor(ENCODER, everything[drawn].to_list(), longest)
    rows, details = measure(tokens.take(pa.array(drawn)), theirs, data)
    record("features", rows, details)


def measure(tokens: pa.Table, theirs: Any, data: str) -> tuple[list[Row], str]:
    batch_tokens = load_params("features", Params).batch_tokens
    model: Any = load(AutoModel, ENCODER)
    pool = pooler(model, "mean")

    def ours() -> np.ndarray:
        return infer(
            model, tokens, batch_tokens, lambda outputs, mask_BT: (pool(outputs, mask_BT),), title=None
        )[0]

    np.testing.assert_allclose(ours(), theirs(), rtol=0, atol=1e-5)
    pairs = in_pairs(ours, theirs, ROUNDS)
    operations = operations_of(np.asarray(tokens["length"]), model)
    alone, limits = zip(*[(seconds(ours), matrix_product()) for _ in range(2 * ROUNDS)], strict=True)
    shares = [100 * operations / took / limit for took, limit in zip(alone, limits, strict=True)]
    rows = [
        Row.of_pairs(
            pairs,
            "times as fast",
            work=WORK,
            peer="the tutorial: `map(extract_hidden_states)`, 1,000 at a time, padded to the longest of all",
            data=data,
            goal=8,
            predicted=(
                "7 before, by like lengths alone (4 times fewer tokens, activations stay in caches), "
                "12 with linear layers by oneDNN, which multiplies at 2.2 times MKL's rate on this AMD"
            ),
        ),
        Row(
            work=WORK,
            peer="a matrix product of 2,048 by 2,048 in float32, torch's own",
            data=data,
            ours=[*alone],
            figures=shares,
            unit="% of the limit",
            goal=75,
            wanted="at least",
            predicted=(
                "75 before (84 % of the time in products at nearly the limit's rate); 140 with oneDNN, "
                "above 100, because torch's own product is MKL's and not the best that the machine can do"
            ),
        ),
    ]
    return rows, "\n".join([by_mkl(ours, pairs.ours), best(operations, alone), f"- {by_profiler(ours)}"])


def operations_of(lengths_N: np.ndarray, model: Any) -> float:
    """Floating-point operations that the real tokens need: layers' matrices and attention, no padding."""
    config = model.config
    hidden, inner = config.hidden_size, config.intermediate_size
    tokens = lengths_N.astype(np.float64)
    matrices = 2 * (4 * hidden**2 + 2 * hidden * inner) * tokens
    attention = 4 * hidden * tokens**2
    return float(config.num_hidden_layers * (matrices + attention).sum())


def by_mkl(ours: Any, with_onednn: list[float]) -> str:
    """What the linear layers gain."""
    with patch.object(inference, "linear_by_onednn", nullcontext):
        mkl = statistics.median(seconds(ours) for _ in range(ROUNDS))
    gain = mkl / statistics.median(with_onednn)
    return (
        f"- With torch's own linear layers, by MKL, ours takes {mkl:.2f} s; oneDNN's gain {gain:.2f} times."
    )


def best(operations: float, alone: tuple[float, ...]) -> str:
    """Of the fastest product that we know of on this machine, which is harder than the row's limit."""
    left, right = torch.randn(2048, 2048), torch.randn(2048, 2048)
    with linear_by_onednn(), torch.inference_mode():
        fastest = min(seconds(lambda: torch.nn.functional.linear(left, right)) for _ in range(8))
    rate = 2 * 2048**3 / fastest
    ours = operations / statistics.median(alone)
    return (
        f"- Counted are the operations of real tokens, 2 (4 H² + 2 H I) + 4 T H a token and layer: ours does "
        f"{ours / 1e9:.0f} GFLOP/s. oneDNN's product of the same size does {rate / 1e9:.0f}; that is "
        f"{ours / rate:.0%} of it."
    )


if __name__ == "__main__":
    typer.run(main)
