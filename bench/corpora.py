"""The texts that are measured on: real ones from ../shared/data where it is, else the sample's.

Each function says which, for Row.data.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import polars as pl

SHARED, SAMPLE = Path("../shared/data"), Path("data/sources/sample")


def tweets(rows: int) -> tuple[pl.Series, str]:
    """So many disaster tweets, again and again, since there are not as many."""
    real = SHARED / "disaster_tweets"
    paths = [real / "train.csv", real / "test.csv"] if real.is_dir() else sample_files()
    distinct = pl.concat([pl.read_csv(path, columns=["text"]) for path in paths])["text"]
    texts = pl.concat([distinct] * (rows // len(distinct) + 1)).head(rows)
    return texts, f"{rows:,} tweets: {len(distinct):,} {named(real)}, repeated"


def emotion() -> tuple[pl.Series, str]:
    """Each text once: one that came twice would cost us nothing."""
    real = SHARED / "emotion"
    if real.is_dir():
        lines = [line for name in ("train", "val", "test") for line in lines_of(real / f"{name}.txt")]
        texts = pl.Series("text", [line.rpartition(";")[0] for line in lines])
    else:
        texts = tweets(20_000)[0]
    texts = texts.unique(maintain_order=True)
    return texts, f"{len(texts):,} {named(real)}, each once"


def labelled_tweets() -> Iterator[tuple[str, str, str]]:
    """Keyword, text and label of the sample's rows."""
    for path in sample_files():
        with path.open(encoding="utf-8", newline="") as file:
            yield from ((row["keyword"], row["text"], row["target"]) for row in csv.DictReader(file))


def sample_files() -> list[Path]:
    return sorted(SAMPLE.glob("t*.csv"))


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def named(real: Path) -> str:
    return f"of {real.name.replace('_', ' ')}" if real.is_dir() else "of the sample (generated)"
