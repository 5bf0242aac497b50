"""The cleaning steps, and the file that says which of them a model was trained behind.

Every step leaves nulls null, empty texts empty and rows in their place; params.yaml says what each is for.
Patterns are in the syntax of Polars' engine, Rust's regex: linear time, no look-around.
"""

import functools
import html
import html.entities
import re
import string
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import polars as pl

from stages.lib.config import StrictModel
from stages.lib.exceptions import CleaningError
from stages.lib.tables import write_json

Step = Literal[
    "unicode",
    "html",
    "lowercase",
    "urls",
    "short_links",
    "mentions",
    "hashtags",
    "hash_signs",
    "emoji",
    "punctuation",
    "ascii_letters_digits",
    "numbers",
    "numbers_with_separator",
    "short_words",
    "repeated_characters",
    "whitespace",
    "tokenize",
    "stopwords",
    "stem",
]


class Cleaning(StrictModel):
    """What data/cleaning.json holds."""

    steps: list[Step]  # in the order in which they are applied
    language: str  # NLTK's name for it: stop words and stems


# Scripts whose words are one or two characters long, or that put no space between words and links.
DENSE = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
# Python's \w, character for character; Rust's holds combining marks too, but not numbers such as ² and ½.
WORD = r"\p{L}\p{N}_"
# Marks that belong to letters; those that make 1️⃣ of a 1 do not.
MARKS = r"[\p{M}--[\x{FE00}-\x{FE0F}\x{20E3}]]"

# The tutorial's patterns: on every text the same as Python's re.sub with the pattern in the comment.
SHORT_LINKS = r"https?://t\.co/[A-Za-z0-9]+"
MENTIONS = rf"@[{WORD}]+"  # @\w+
NO_ASCII_LETTER_OR_DIGIT = r"[^A-Za-z0-9 ]"  # a space that becomes a space only costs time
NUMBERS_WITH_SEPARATOR = rf"\d+[^{WORD}]"  # \d+\W
# \s+, which in Python holds the separators \x1c to \x1f too; a single space stays what it is.
WHITESPACE = r"[\s\x1c-\x1f]{2,}|[[\s\x1c-\x1f]--\x20]"
# \b\w{1,2}\b on ASCII texts; elsewhere a letter keeps its marks, and dense scripts keep their words.
SHORT_WORDS = rf"\b(?:[[{WORD}]--[{DENSE}]]{MARKS}*){{1,2}}\b"

# A link ends in no punctuation: "(see https://a.org/b)." keeps ")."; nor does it go on in "看https://a.org很好".
_LINK_LETTERS = rf"[[\p{{L}}\p{{M}}\p{{N}}]--[{DENSE}]]"
_LINK = rf"[{_LINK_LETTERS}\-._~:/?\#\[\]@!$\&'()*+,;=%]*[{_LINK_LETTERS}/_\~=\&\#%+\-$@*]"
URLS = rf"(?i)(?:(?:https?|ftp)://|(?-u:\b)www\.){_LINK}"
# The first form is Weibo's #topic#, which the text follows without a space. A tag has a letter: "#1" is none.
HASHTAGS = rf"[#＃][^#＃\s]*[{DENSE}][^#＃\s]*[#＃]|[#＃][\p{{Nd}}_]*\p{{L}}\w*"
NUMBERS = r"\b\p{Nd}+(?:[.,:/٫٬]\p{Nd}+)*\b"

# What shows as an emoji by itself, and older symbols that phones show so (☎ ❤); © and ↔ need U+FE0F for it.
_PICTOGRAPH = r"[\p{Emoji_Presentation}[\p{Emoji}&&[\x{2300}-\x{23FF}\x{2600}-\x{27BF}\x{1F000}-\x{1FAFF}]]]"
_EMOJI_TAIL = r"[\x{FE0E}\x{FE0F}\x{200D}\x{20E3}\p{Emoji_Modifier}\x{E0020}-\x{E007F}]*"
EMOJI = rf"(?:(?:[#*0-9]\x{{FE0F}}?\x{{20E3}}|[\p{{Emoji}}--[#*0-9]]\x{{FE0F}}|{_PICTOGRAPH}){_EMOJI_TAIL})+"
PUNCTUATION = rf"(?:[[\p{{P}}\p{{S}}]--{_PICTOGRAPH}][\x{{FE0F}}\x{{20E3}}]*)+"

# Not the joiners, which Persian, Indic scripts and emoji are written with, nor what counts as whitespace.
INVISIBLE = (
    r"[[\p{Cc}--[\s\x1c-\x1f]]\x{00AD}\x{180E}\x{200B}\x{200E}\x{200F}\x{202A}-\x{202E}"
    r"\x{2060}-\x{2064}\x{2066}-\x{206F}\x{FEFF}\x{FFF9}-\x{FFFB}]+"
)
# Elements of HTML by name, so that "I <3 you", "a < b > c" and a data set's "<user>" stay.
_INLINE = (
    "a|abbr|acronym|b|bdi|bdo|big|cite|code|del|dfn|em|font|i|ins|kbd|mark|q|s|samp|small|span|strike|strong|sub|sup|"
    "tt|u|var"
)
_BLOCK = (
    "address|article|aside|blockquote|body|br|button|caption|center|dd|details|div|dl|dt|figcaption|figure|footer|"
    "form|h[1-6]|head|header|hr|html|iframe|img|input|label|li|link|main|meta|nav|ol|option|p|picture|pre|section|"
    "select|source|summary|table|tbody|td|textarea|tfoot|th|thead|title|tr|ul|video|wbr"
)
_ATTRIBUTES = r"(?:\s[^<>]*)?/?>"
INLINE_TAGS = rf"(?i)</?(?:{_INLINE}){_ATTRIBUTES}"
BLOCK_TAGS = rf"(?i)</?(?:{_BLOCK}){_ATTRIBUTES}"
UNSEEN_HTML = r"(?is)<!--.*?-->|<script\b.*?</script\s*>|<style\b.*?</style\s*>"
# Whole ones only: html.unescape alone would read "?a=1&region=2" as "?a=1®ion=2".
ENTITY = r"&(?:#[0-9]+|#[xX][0-9A-Fa-f]+|[A-Za-z][A-Za-z0-9]*);"
REPEATED_LETTERS = r"([^\W\d_])\1{2,}"  # Python's re: Rust's has no backreferences
# Wherever the one above is found, and seldom elsewhere.
MAYBE_REPEATED_LETTERS = (
    "|".join(letter * 3 for letter in string.ascii_letters) + r"|[[\p{L}\p{N}]--[0-9A-Za-z]]{3}"
)


def _replacing(pattern: str, value: str) -> Callable[[pl.Expr], pl.Expr]:
    return lambda text: text.str.replace_all(pattern, value)


def _as_unicode(text: pl.Expr) -> pl.Expr:
    return text.str.replace_all(INVISIBLE, "").str.normalize("NFC")


def _without_html(text: pl.Expr) -> pl.Expr:
    """Tags before entities: "&lt;b&gt;" is text that speaks of a tag, and stays as "<b>"."""
    visible = text.str.replace_all(UNSEEN_HTML, " ").str.replace_all(INLINE_TAGS, "")
    return _mapped(visible.str.replace_all(BLOCK_TAGS, " "), _unescaped, where=ENTITY)


def _unescaped(text: str) -> str:
    return re.sub(ENTITY, lambda entity: _character(entity[0]), text)


def _character(entity: str) -> str:
    known = entity[1] == "#" or entity[1:] in html.entities.html5
    return html.unescape(entity) if known else entity


def _shortened(text: str) -> str:
    return re.sub(REPEATED_LETTERS, r"\1\1", text)


def _squeezed(text: pl.Expr) -> pl.Expr:
    return text.str.replace_all(WHITESPACE, " ").str.strip_chars(" ")


EXPRESSIONS: dict[Step, Callable[[pl.Expr], pl.Expr]] = {
    "unicode": _as_unicode,
    "html": _without_html,
    "lowercase": lambda text: text.str.to_lowercase(),
    "urls": _replacing(URLS, ""),
    "short_links": _replacing(SHORT_LINKS, ""),
    "mentions": _replacing(MENTIONS, ""),
    "hashtags": _replacing(HASHTAGS, ""),
    "hash_signs": _replacing("#", ""),
    "emoji": _replacing(EMOJI, " "),
    "punctuation": _replacing(PUNCTUATION, " "),
    "ascii_letters_digits": _replacing(NO_ASCII_LETTER_OR_DIGIT, " "),
    "numbers": _replacing(NUMBERS, ""),
    "numbers_with_separator": _replacing(NUMBERS_WITH_SEPARATOR, ""),
    "short_words": _replacing(SHORT_WORDS, ""),
    "repeated_characters": lambda text: _mapped(text, _shortened, where=MAYBE_REPEATED_LETTERS),
    "whitespace": _squeezed,
}


def clean(text: pl.Expr, cleaning: Cleaning) -> pl.Expr:
    """The text behind all the steps. Raises CleaningError, before a row is read, if a step cannot run."""
    for step in cleaning.steps:
        if step in EXPRESSIONS:
            text = EXPRESSIONS[step](text)
        else:
            text = _mapped(text, NLTK_STEPS[step](cleaning.language))
    return text


def cleaned(texts: pl.Series, cleaning: Cleaning) -> pl.Series:
    """The texts behind all the steps, under the same name. Raises CleaningError as `clean` does."""
    return texts.to_frame().select(clean(pl.first(), cleaning)).to_series()


def read_cleaning(path: Path) -> Cleaning:
    return Cleaning.model_validate_json(path.read_bytes())


def write_cleaning(cleaning: Cleaning, path: Path) -> None:
    write_json(cleaning.model_dump(), path)


def _mapped(text: pl.Expr, function: Callable[[str], str], where: str = "") -> pl.Expr:
    """`function` of each distinct text of a batch that holds the pattern `where`; the others as they are."""

    def over_batch(texts: pl.Series) -> pl.Series:
        old = texts.filter(texts.str.contains(where)).unique()
        new = pl.Series([function(each) for each in old], dtype=pl.String)
        return texts.replace(old, new)

    return text.map_batches(over_batch, return_dtype=pl.String, is_elementwise=True)


# NLTK is imported by the steps that need it alone: it takes seconds.


def _tokenizer(language: str) -> Callable[[str], str]:
    from nltk.tokenize import TweetTokenizer

    tokenizer = TweetTokenizer()
    return lambda text: " ".join(tokenizer.tokenize(text))


def _stop_word_remover(language: str) -> Callable[[str], str]:
    stop_words = frozenset(_stop_words(language))
    return lambda text: " ".join(word for word in text.split() if word.lower() not in stop_words)


def _stop_words(language: str) -> list[str]:
    import nltk
    from nltk.corpus.reader import WordListCorpusReader

    try:
        folder = nltk.data.find("corpora/stopwords/")
    except LookupError:
        raise CleaningError(
            "cleaning step 'stopwords': NLTK's stop words are not installed; looked for corpora/stopwords in "
            f"{', '.join(nltk.data.path)}. Get them with `python -m nltk.downloader stopwords`, or set "
            "NLTK_DATA to a folder that has them, and that no other account can write to, or NLTK refuses it"
        ) from None
    reader = WordListCorpusReader(folder, r"[a-z-]+")
    _check_language("stopwords", language, reader.fileids())
    return list(reader.words(language))


def _stemmer(language: str) -> Callable[[str], str]:
    from nltk.stem import SnowballStemmer

    _check_language("stem", language, SnowballStemmer.languages)
    stem = functools.lru_cache(maxsize=1_000_000)(SnowballStemmer(language).stem)
    return lambda text: " ".join(stem(word) for word in text.split())


def _check_language(step: Step, language: str, known: tuple[str, ...] | list[str]) -> None:
    if language not in known:
        raise CleaningError(
            f"cleaning step '{step}': NLTK has no language {language!r} for it; "
            f"it has {', '.join(sorted(known))}"
        )


NLTK_STEPS: dict[Step, Callable[[str], Callable[[str], str]]] = {
    "tokenize": _tokenizer,
    "stopwords": _stop_word_remover,
    "stem": _stemmer,
}
