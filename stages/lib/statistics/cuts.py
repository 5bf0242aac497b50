"""Which texts the encoder could not read whole."""

from pathlib import Path

import polars as pl

from stages.lib.arrow import open_stream


def with_cuts(splits: pl.DataFrame, tokens: Path) -> pl.DataFrame:
    """With `cut_share`, the share of its tokens that each example lost."""
    measured = pl.DataFrame(pl.from_arrow(open_stream(tokens).select(["id", "length", "lost"])))
    share = pl.col("lost") / (pl.col("lost") + pl.col("length"))
    return splits.join(measured.select("id", cut_share=share), on="id", how="left", maintain_order="left")
