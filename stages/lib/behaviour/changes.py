"""Changes of a text that should not matter to what is said of it, after CheckList (Ribeiro et al. 2020).

Each takes a text as it was written and a number that stands for its choices, and gives the changed text, or
None where there is nothing to change. Links, mentions, entities and tags are let stand: who shouts, or
mistypes, pastes those.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Literal

Change = Callable[[str, int], str | None]
ChangeName = Literal[
    "lower_case", "upper_case", "typing_errors", "punctuation", "added_link", "added_mention", "white_space"
]

LEFT_ALONE = re.compile(r"((?:https?://|www\.)[!-~]+|[@＠]\w+|&#?\w+;|<[^<>]*>)", re.IGNORECASE)
WORD = re.compile(r"[^\W\d_]{4,}")
# by the first word of a letter's Unicode name; elsewhere a character is more than a key, or has no neighbour
ALPHABETS = {"LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "GEORGIAN", "ARABIC", "HEBREW"}
FULL_WIDTH = {"CJK", "HIRAGANA", "KATAKANA"}
STOPS = ".…。．｡۔।"
WORDS_FOR_TWO_ERRORS = 10
TAG_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def lower_case(text: str, number: int) -> str | None:
    return _unless_same(text, _elsewhere(text, str.lower))


def upper_case(text: str, number: int) -> str | None:
    return _unless_same(text, _elsewhere(text, str.upper))


def typing_errors(text: str, number: int) -> str | None:
    """Two neighbouring letters swapped, in one word; in two words where there are many."""
    words = [places for word in WORD.finditer(_masked(text)) if (places := _swappable(text, word))]
    if not words:
        return None
    first = number % len(words)
    chosen = {first}
    if len(words) >= WORDS_FOR_TWO_ERRORS:
        chosen.add((first + 1 + (number >> 20) % (len(words) - 1)) % len(words))
    letters = list(text)
    for places in (words[place] for place in chosen):
        at = places[(number >> 40) % len(places)]
        letters[at], letters[at + 1] = letters[at + 1], letters[at]
    return "".join(letters)


def punctuation(text: str, number: int) -> str | None:
    """The full stop at the end goes, or comes; other marks may matter, and stay."""
    body = text.rstrip()
    rest = text[len(body) :]
    without = body.rstrip(STOPS)
    if _masked(body)[-1:].isspace() or not without:
        return None
    if without != body:
        return without + rest
    if unicodedata.category(body[-1])[0] not in "LMN":
        return None
    return body + ("。" if _script(body[-1]) in FULL_WIDTH else ".") + rest


def added_link(text: str, number: int) -> str | None:
    return f"{text} https://t.co/{_tag(number, 10)}" if text.strip() else None


def added_mention(text: str, number: int) -> str | None:
    return f"@{_tag(number, 6)} {text}" if text.strip() else None


def white_space(text: str, number: int) -> str | None:
    """Two spaces at the end, a space doubled and, where there is another, one become a line break."""
    if not text.strip():
        return None
    spaces = [place for place, character in enumerate(_masked(text)) if text[place] == character == " "]
    characters = list(text)
    if spaces:
        doubled = number % len(spaces)
        characters[spaces[doubled]] = "  "
        if len(spaces) > 1:
            broken = (doubled + 1 + (number >> 20) % (len(spaces) - 1)) % len(spaces)
            characters[spaces[broken]] = "\n"
    return "".join(characters) + "  "


CHANGES: dict[ChangeName, Change] = {
    "lower_case": lower_case,
    "upper_case": upper_case,
    "typing_errors": typing_errors,
    "punctuation": punctuation,
    "added_link": added_link,
    "added_mention": added_mention,
    "white_space": white_space,
}


def _unless_same(text: str, changed: str) -> str | None:
    return None if changed == text else changed


def _elsewhere(text: str, change: Callable[[str], str]) -> str:
    """Changed but for what is left alone."""
    parts = LEFT_ALONE.split(text)  # every second one is left alone
    return "".join(part if place % 2 else change(part) for place, part in enumerate(parts))


def _masked(text: str) -> str:
    """As long as the text, with spaces for what is left alone."""
    return LEFT_ALONE.sub(lambda found: " " * len(found[0]), text)


def _swappable(text: str, word: re.Match[str]) -> list[int]:
    """Places within the word, its first letter let stand, of letters that differ from the one behind them.

    A mark behind the second letter belongs to it, and forbids the swap.
    """
    if not all(_script(letter) in ALPHABETS for letter in word[0]):
        return []
    inner = range(word.start() + 1, word.end() - 1)
    return [at for at in inner if text[at] != text[at + 1] and not _is_mark(text[at + 2 : at + 3])]


def _is_mark(character: str) -> bool:
    return character != "" and unicodedata.category(character)[0] == "M"


@cache
def _script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0].partition("-")[0]


def _tag(number: int, length: int) -> str:
    letters = []
    for _ in range(length):
        number, place = divmod(number, len(TAG_LETTERS))
        letters.append(TAG_LETTERS[place])
    return "".join(letters)
