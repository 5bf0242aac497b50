"""Cleaning words by NLTK: the tutorials' loop over tweets, and the same steps as ours.

`python -m bench.words`; the same result on every row, or it fails. The loop takes a tweet apart, asks
`stopwords.words("english")` again for each token, and stems what is left. The tweets are the sample's, each
once: a tweet that came twice would cost us nothing. Where NLTK's stop words or punkt_tab are missing, it says
so instead.

Foreseen, from 0.73 ms for a call of `stopwords.words`, 21 tokens a tweet, and 61 us (tokenize) and 173 us
(tokenize_punkt) for the tokenizer, which we must call as often: 150 and 70 times. Found on two cores: 58 and
21, and beside other work 81 and 30.
"""

import time

import polars as pl
from nltk.corpus import stopwords
from nltk.stem import SnowballStemmer
from nltk.tokenize import TweetTokenizer, word_tokenize

from bench.cleaning import SAMPLE, ours
from stages.lib.cleaning.steps import Cleaning, StepName
from stages.lib.exceptions import CleaningError

ROWS = 4_000


def main() -> None:
    texts = pl.concat([pl.read_csv(path, columns=["text"]) for path in sorted(SAMPLE.glob("t*.csv"))])["text"]
    tweets = texts.unique(maintain_order=True).head(ROWS)
    for tokenizer in ("tokenize", "tokenize_punkt"):
        try:
            compare(tweets, tokenizer)
        except CleaningError as error:
            print(f"NLTK cleaning: not measured: {error}")


def compare(tweets: pl.Series, tokenizer: StepName) -> None:
    cleaning = Cleaning(steps=["lowercase", tokenizer, "stopwords", "stem"], language="english")
    table = pl.LazyFrame({"text": tweets})
    begun = time.perf_counter()
    mine = ours(table, cleaning)["text"].to_list()
    between = time.perf_counter()
    theirs = [customary(tweet, tokenizer) for tweet in tweets]
    fast, slow = between - begun, time.perf_counter() - between
    assert mine == theirs
    print(
        f"cleaning {len(tweets):,} tweets by NLTK ({tokenizer}, stopwords, stem): ours {fast:.2f} s, the "
        f"loop {slow:.2f} s; {slow / fast:.0f} times as fast"
    )


TWEETS, STEMMER = TweetTokenizer(), SnowballStemmer("english")


def customary(tweet: str, tokenizer: StepName) -> str:
    tokens = (TWEETS.tokenize if tokenizer == "tokenize" else word_tokenize)(tweet.lower())
    kept = []
    for token in tokens:
        if token not in stopwords.words("english"):
            kept.append(STEMMER.stem(token))
    return " ".join(kept)


if __name__ == "__main__":
    main()
