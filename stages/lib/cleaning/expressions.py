"""The steps that are patterns, as Polars expressions: on all cores, in linear time.

Every step leaves nulls null, empty texts empty and rows in their place. Patterns are in the syntax of
Polars' engine, Rust's regex.
"""

import html
import html.entities
import re
import string
from collections.abc import Callable

import polars as pl

from stages.lib.cleaning.mapping import over_texts
from stages.lib.cleaning.steps import REFERENCE, Replacement, StepName
from stages.lib.scripts import UNSPACED

# Scripts whose words are one or two characters long, or that put no space between words and links.
DENSE = rf"{UNSPACED}\p{{Hangul}}"
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
    return over_texts(visible.str.replace_all(BLOCK_TAGS, " "), _unescaped, where=ENTITY)


def _unescaped(text: str) -> str:
    return re.sub(ENTITY, lambda entity: _character(entity[0]), text)


def _character(entity: str) -> str:
    known = entity[1] == "#" or entity[1:] in html.entities.html5
    return html.unescape(entity) if known else entity


def _shortened(text: str) -> str:
    return re.sub(REPEATED_LETTERS, r"\1\1", text)


def _squeezed(text: pl.Expr) -> pl.Expr:
    return text.str.replace_all(WHITESPACE, " ").str.strip_chars(" ")


EXPRESSIONS: dict[StepName, Callable[[pl.Expr], pl.Expr]] = {
    "unicode": _as_unicode,
    "nfc": lambda text: text.str.normalize("NFC"),
    "nfkc": lambda text: text.str.normalize("NFKC"),
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
    "repeated_characters": lambda text: over_texts(text, _shortened, where=MAYBE_REPEATED_LETTERS),
    "whitespace": _squeezed,
}


def replaced(text: pl.Expr, step: Replacement) -> pl.Expr:
    return text.str.replace_all(step.pattern, REFERENCE.sub(_braced, step.replacement))


def _braced(reference: re.Match[str]) -> str:
    """In braces a group's name ends where it ends, whatever text follows."""
    name = reference["marked"] or reference["plain"]
    return "$$" if name is None else f"${{{name}}}"
