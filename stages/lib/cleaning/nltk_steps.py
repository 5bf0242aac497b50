"""The steps that are NLTK's: its tokenizers, stop words, stemmers and lemmas, with NLTK's own results.

NLTK's data is looked for in NLTK_DATA and NLTK's other folders, and never fetched: `commands.get_corpora`
does that. NLTK is imported by the steps that need it alone, since that takes seconds.
"""

import os
import warnings
from collections.abc import Callable
from typing import Any

import polars as pl

from stages.lib.cleaning.mapping import over_plain_words, over_words, without_words
from stages.lib.cleaning.steps import StepName
from stages.lib.exceptions import CleaningError

# What a step needs of NLTK's data: package -> its folder there.
FOLDERS = {
    "stopwords": "corpora/stopwords/",
    "punkt_tab": "tokenizers/punkt_tab/",
    "wordnet": "corpora/wordnet/",
}
PACKAGE_OF_STEPS: dict[StepName, str] = {
    "stopwords": "stopwords",
    "tokenize_punkt": "punkt_tab",
    "lemmatize": "wordnet",
}
Work = Callable[[str], str]


def _tweet_tokenized(text: pl.Expr, language: str) -> pl.Expr:
    from nltk.tokenize import TweetTokenizer

    return _tokenized(text, "tokenize", _joined(TweetTokenizer().tokenize))


def _treebank_tokenized(text: pl.Expr, language: str) -> pl.Expr:
    from nltk.tokenize import TreebankWordTokenizer

    return _tokenized(text, "tokenize_treebank", _joined(TreebankWordTokenizer().tokenize))


def _punkt_tokenized(text: pl.Expr, language: str) -> pl.Expr:
    from nltk.tokenize import word_tokenize

    step: StepName = "tokenize_punkt"
    _check_language(step, language, _folders_of(_data_for(step)))
    return _tokenized(text, step, _joined(lambda each: word_tokenize(each, language)))


def _without_stop_words(text: pl.Expr, language: str) -> pl.Expr:
    from nltk.corpus.reader.wordlist import StopwordsCorpusReader

    reader = StopwordsCorpusReader(_data_for("stopwords"), r"[a-z-]+")
    _check_language("stopwords", language, reader.fileids())
    return without_words(text, list(reader.words(language)))


def _stemmed(text: pl.Expr, language: str) -> pl.Expr:
    from nltk.stem import SnowballStemmer

    _check_language("stem", language, SnowballStemmer.languages)
    return _over_words(text, "stem", SnowballStemmer(language).stem)


def _porter_stemmed(text: pl.Expr, language: str) -> pl.Expr:
    from nltk.stem import PorterStemmer

    _check_english("stem_porter", language, "; for other languages there is stem")
    return _over_words(text, "stem_porter", PorterStemmer().stem)


def _lemmatized(text: pl.Expr, language: str) -> pl.Expr:
    """As NLTK's WordNetLemmatizer without a part of speech: nouns."""
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    _check_english("lemmatize", language, "; for other languages there is stem")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of other languages' wordnets, which no one asks for
        try:
            wordnet = WordNetCorpusReader(_data_for("lemmatize"), None)
        except OSError as error:
            raise CleaningError(
                f"cleaning step 'lemmatize': WordNet is not whole: {error}; docs/cleaning.md says what it has"
            ) from None

    def lemma(word: str) -> str:
        return min(wordnet._morphy(word, "n"), key=len, default=word)

    return _over_words(text, "lemmatize", lemma)


NLTK_STEPS: dict[StepName, Callable[[pl.Expr, str], pl.Expr]] = {
    "tokenize": _tweet_tokenized,
    "tokenize_treebank": _treebank_tokenized,
    "tokenize_punkt": _punkt_tokenized,
    "stopwords": _without_stop_words,
    "stem": _stemmed,
    "stem_porter": _porter_stemmed,
    "lemmatize": _lemmatized,
}


def _joined(tokenize: Callable[[str], list[str]]) -> Work:
    return lambda text: " ".join(tokenize(text))


def _tokenized(text: pl.Expr, step: StepName, work: Work) -> pl.Expr:
    return over_plain_words(text, _named(step, work))


def _over_words(text: pl.Expr, step: StepName, work: Work) -> pl.Expr:
    return over_words(text, _named(step, work))


def _named(step: StepName, work: Work) -> Work:
    """`work`, whose errors say which step it was, and on what."""

    def named(text: str) -> str:
        try:
            return work(text)
        except Exception as error:
            shown = text if len(text) <= 60 else f"{text[:57]}..."
            raise CleaningError(
                f"cleaning step '{step}': NLTK failed on {shown!r}: {type(error).__name__}: {error}; "
                "leave the step out, or mend that text in the source"
            ) from error

    return named


def _data_for(step: StepName) -> Any:
    """NLTK's pointer to the step's folder, packed or not."""
    import nltk

    package = PACKAGE_OF_STEPS[step]
    folder = FOLDERS[package]
    try:
        return nltk.data.find(folder)
    except LookupError:
        raise CleaningError(
            f"cleaning step '{step}': NLTK's data for it is not there; looked for {folder.rstrip('/')} in "
            f"{', '.join(nltk.data.path)}. Get it with `python -m commands.get_corpora`, or set NLTK_DATA to "
            "a folder that has it, and that no other account can write to, or NLTK refuses it"
        ) from None


def _folders_of(pointer: Any) -> list[str]:
    if hasattr(pointer, "zipfile"):
        inside = [name.removeprefix(pointer.entry) for name in pointer.zipfile.namelist()]
        return sorted({name.split("/")[0] for name in inside if "/" in name})
    return sorted(entry.name for entry in os.scandir(pointer.path) if entry.is_dir())


def _check_language(step: StepName, language: str, known: tuple[str, ...] | list[str]) -> None:
    if language not in known:
        raise CleaningError(
            f"cleaning step '{step}': NLTK has no language {language!r} for it; "
            f"it has {', '.join(sorted(known))}"
        )


def _check_english(step: StepName, language: str, instead: str) -> None:
    if language != "english":
        raise CleaningError(f"cleaning step '{step}': knows English alone, not {language!r}{instead}")
