"""Cleaning by NLTK as tutorials have it: a loop over the tokens of each text.

The stop words are asked for again for each token, as is customary; `with_stop_words_once` is the same loop by
someone who has noticed.
"""

from collections.abc import Callable, Sequence

from nltk.corpus import stopwords
from nltk.stem import SnowballStemmer
from nltk.tokenize import TweetTokenizer, word_tokenize

STEMMER = SnowballStemmer("english")
TOKENIZERS: dict[str, Callable[[str], list[str]]] = {
    "word_tokenize": word_tokenize,
    "TweetTokenizer": TweetTokenizer().tokenize,
}


def clean_texts(texts: Sequence[str], tokenizer: str) -> list[str]:
    cleaned = []
    for text in texts:
        kept = []
        for token in TOKENIZERS[tokenizer](text.lower()):
            if token not in stopwords.words("english"):
                kept.append(STEMMER.stem(token))
        cleaned.append(" ".join(kept))
    return cleaned


def with_stop_words_once(texts: Sequence[str], tokenizer: str) -> list[str]:
    stop_words = set(stopwords.words("english"))
    cleaned = []
    for text in texts:
        tokens = TOKENIZERS[tokenizer](text.lower())
        cleaned.append(" ".join(STEMMER.stem(token) for token in tokens if token not in stop_words))
    return cleaned
