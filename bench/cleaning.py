"""Cleaning tweets by the customary chain of `re.sub` calls under `pandas.map`, and by the same steps as ours.

`python -m bench.cleaning`; the same result on every row, or it fails.
"""

import pandas as pd
import polars as pl

from bench.corpora import tweets
from bench.measuring import Pairs, Row, in_pairs, record
from bench.peers.cleaning import clean_column
from stages.lib.cleaning.cleaning import clean
from stages.lib.cleaning.steps import Cleaning

ROUNDS = {180_000: 5, 2_000_000: 2}  # of the latter the peer takes a minute
PREDICTED = {
    180_000: "12 times: 390,000 rows a second through Polars on two cores and 38,000 through pandas.map, by "
    "an earlier trial; and a little more, since a space is no longer replaced by a space. No code changed.",
    2_000_000: "as many times as for the fewer: either way takes time in proportion to the rows.",
}
WHY_NOT = (
    "half of our gain is the second core, so what else runs on the machine takes from us first; of the eight "
    "patterns the one that looks at every character, [^A-Za-z0-9 ], costs most."
)
CUSTOMARY = Cleaning(
    steps=[
        "lowercase",
        "short_links",
        "mentions",
        "hash_signs",
        "ascii_letters_digits",
        "numbers_with_separator",
        "short_words",
        "whitespace",
    ],
    language="english",
)


def main() -> None:
    record("cleaning", [measured(rows, rounds) for rows, rounds in ROUNDS.items()])


def measured(rows: int, rounds: int) -> Row:
    texts, data = tweets(rows)
    pairs = side_by_side(texts, rounds)
    return Row.of_pairs(
        pairs,
        "times as fast",
        work=f"clean {rows:,} tweets",
        peer="the tutorial's chain of `re.sub` under `pandas.map`",
        data=data,
        goal=9,
        predicted=PREDICTED[rows],
        why_not=WHY_NOT,
    )


def side_by_side(texts: pl.Series, rounds: int) -> Pairs:
    table, series = pl.LazyFrame({"text": texts}), texts.to_pandas()
    found: dict[str, pl.Series] = {}

    def ours() -> None:
        found["ours"] = cleaned(table, CUSTOMARY)

    def theirs() -> None:
        found["theirs"] = as_polars(clean_column(series))

    pairs = in_pairs(ours, theirs, rounds)
    assert found["ours"].equals(found["theirs"]), "some row differs"
    return pairs


def cleaned(table: pl.LazyFrame, cleaning: Cleaning) -> pl.Series:
    """As stage clean does it."""
    return table.select(clean(pl.col("text"), cleaning)).collect(engine="streaming")["text"]


def as_polars(texts: pd.Series) -> pl.Series:
    return pl.from_pandas(texts).cast(pl.String).rename("text")


if __name__ == "__main__":
    main()
