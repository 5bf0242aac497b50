"""Cleaning words by NLTK: the tutorials' loop over tokens, and the same steps as ours.

`python -m bench.words`; the same result on every row, or it fails. The loop asks
`stopwords.words("english")` again for each token. Each round has texts of its own, so that no text is cleaned
twice by either. NLTK's stop words and punkt_tab are needed: ../shared/data/nltk_data, or NLTK_DATA.
"""

from functools import partial

import nltk
import polars as pl

from bench.cleaning import cleaned
from bench.corpora import SHARED, emotion
from bench.measuring import Pairs, Row, in_pairs, record, seconds_by_defaults
from bench.peers.words import clean_texts, with_stop_words_once
from stages.lib.cleaning.steps import Cleaning, StepName

ROUNDS = 2
PEER = 'the tutorial\'s loop over tokens, `stopwords.words("english")` for each'
STEP_OF_TOKENIZERS: dict[str, StepName] = {"word_tokenize": "tokenize_punkt", "TweetTokenizer": "tokenize"}
PREDICTED = (
    "before the change 20 (word_tokenize) to 60 times (TweetTokenizer), as on the sample's tweets: most of "
    "our time was NLTK's tokenizer, called for each text. Emotion is ASCII letters and spaces, where no "
    "tokenizer of NLTK looks beyond a word; so each distinct word is tokenised once, which leaves 16,000 "
    "words instead of 380,000 to Python: 100 times or more. A first try with a call a word won far less, "
    "since word_tokenize takes nearly as long for a word as for a tweet; hence a call for a thousand words: "
    "150 times."
)
WHY_NOT = "texts with marks or digits are tokenised whole, by NLTK's Python."


def main() -> None:
    folder = SHARED / "nltk_data"
    if folder.is_dir():
        nltk.data.path.insert(0, str(folder.resolve()))
    texts, data = emotion()
    rows, details = [], []
    for tokenizer, step in STEP_OF_TOKENIZERS.items():
        pairs = side_by_side(texts, tokenizer, step)
        rows.append(row(tokenizer, data, pairs))
        slow = seconds_by_defaults(partial(with_stop_words_once, texts.to_list(), tokenizer))
        details.append(
            f"- {tokenizer}: a loop that asks for the stop words once, and keeps them in a set, takes "
            f"{slow:.1f} s for all of the texts; ours {sum(pairs.ours):.2f} s."
        )
    record("words", rows, "Most of what the loop takes are stop words:\n\n" + "\n".join(details))


def row(tokenizer: str, data: str, pairs: Pairs) -> Row:
    return Row.of_pairs(
        pairs,
        "times as fast",
        work=f"NLTK cleaning of emotion ({tokenizer}, stop words, Snowball stems)",
        peer=PEER,
        data=data,
        goal=20,
        predicted=PREDICTED,
        why_not=WHY_NOT,
    )


def side_by_side(texts: pl.Series, tokenizer: str, step: StepName) -> Pairs:
    """A part of the texts a round."""
    cleaning = Cleaning(steps=["lowercase", step, "stopwords", "stem"], language="english")
    ours, theirs = Parts(texts), Parts(texts)
    clean_texts(["warm up"], tokenizer)
    cleaned(pl.LazyFrame({"text": ["warm up"]}), cleaning)
    pairs = in_pairs(
        lambda: ours.add(cleaned(ours.next().to_frame().lazy(), cleaning).to_list()),
        lambda: theirs.add(clean_texts(theirs.next().to_list(), tokenizer)),
        ROUNDS,
    )
    assert ours.found == theirs.found, "some row differs"
    assert len(ours.found) == len(texts)
    return pairs


class Parts:
    """Of the texts, one a round, and what came of them."""

    def __init__(self, texts: pl.Series) -> None:
        self.found: list[str] = []
        self._parts = texts.to_frame().iter_slices(-(-len(texts) // ROUNDS))

    def next(self) -> pl.Series:
        return next(self._parts)["text"]

    def add(self, cleaned: list[str]) -> None:
        self.found += cleaned


if __name__ == "__main__":
    main()
