"""Cleaning tweets: the customary chain of `re.sub` calls under `pandas.map`, and the same steps as ours.

`python -m bench.cleaning`; the same result on every row, or it fails. The tweets are the sample's, repeated.
"""

import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import polars as pl

from stages.lib.cleaning.cleaning import clean
from stages.lib.cleaning.steps import Cleaning

ROWS, ROUNDS = 200_000, 5
SAMPLE = Path("data/sources/sample")
STEPS = (
    "lowercase",
    "short_links",
    "mentions",
    "hash_signs",
    "ascii_letters_digits",
    "numbers_with_separator",
    "short_words",
    "whitespace",
)


def main() -> None:
    tweets = pl.concat([pl.read_csv(path, columns=["text"]) for path in sorted(SAMPLE.glob("t*.csv"))])[
        "text"
    ]
    texts = pl.concat([tweets] * (ROWS // len(tweets) + 1)).head(ROWS)
    series, table = texts.to_pandas(), pl.LazyFrame({"text": texts})
    cleaning = Cleaning.model_validate({"steps": list(STEPS), "language": "english"})
    ours_once, theirs_once = ours(table, cleaning), theirs(series)
    assert ours_once["text"].to_list() == theirs_once.to_list()
    pairs = [(timed(lambda: ours(table, cleaning)), timed(lambda: theirs(series))) for _ in range(ROUNDS)]
    ratios = [slow / fast for fast, slow in pairs]
    print(
        f"cleaning {ROWS:,} tweets: ours {statistics.median(fast for fast, _ in pairs):.2f} s, "
        f"pandas.map {statistics.median(slow for _, slow in pairs):.2f} s; "
        f"{statistics.median(ratios):.1f} times as fast (of {ROUNDS} pairs {min(ratios):.1f} to "
        f"{max(ratios):.1f})"
    )


def ours(table: pl.LazyFrame, cleaning: Cleaning) -> pl.DataFrame:
    return table.select(clean(pl.col("text"), cleaning)).collect(engine="streaming")


def theirs(texts: pd.Series) -> pd.Series:
    return texts.map(customary)


def customary(text: str) -> str:
    text = text.lower()
    text = re.sub(r"https?://t\.co/[A-Za-z0-9]+", "", text)
    text = re.sub(r"@\w+", "", text)
    text = re.sub(r"#", "", text)
    text = re.sub(r"[^A-Za-z0-9]", " ", text)
    text = re.sub(r"\d+\W", "", text)
    text = re.sub(r"\b\w{1,2}\b", "", text)
    return re.sub(r"\s+", " ", text).strip()


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
