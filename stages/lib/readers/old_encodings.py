"""Which of the encodings from before Unicode a text is in, judged by what it would read like.

charset-normalizer's statistics tell scripts apart. Encodings of Latin letters differ in a few of them, which
those do not; the alphabets of the languages do.
"""

import codecs
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from charset_normalizer import from_bytes

MULTI_BYTE = ("gb18030", "big5hkscs", "cp932", "euc_jp", "cp949")
SINGLE_BYTE = ("cp1251", "koi8_r", "cp866", "iso8859_5", "cp1253", "iso8859_7", "cp1255", "cp1256", "cp874")
LATIN = ("cp1252", "iso8859_15", "cp1250", "cp1254", "cp1257", "iso8859_2")
OLD_LATIN = ("cp850", "mac_roman")  # only where none of those fits
BROKEN_FRAGMENTS = 0.1  # so many may be damaged
LITTLE_LATIN, LITTLE_OTHER = 8, 200  # characters and bytes that are not ASCII: below, doubt is cast sooner
NEAR_CHAOS, NEAR_COHERENCE = 0.05, 0.15  # charset-normalizer's measures; closer than this is as good
NEARER_IF_LITTLE = 2.0
MUCH_KANA = 0.25  # of the characters that are not ASCII: Japanese, and nothing else
JAPANESE = ("cp932", "euc_jp")
LATIN_FITS, LATIN_MARGIN = 0.9, 0.04
SCRIPT_MIXED = 0.1  # so many words may mix Latin with other letters
HIGH = re.compile(rb"[\x80-\xff]")
WINDOWS_APOSTROPHE = re.compile(rb"[a-z]\x92(?:s|t|re|ve|ll|d|m)\b")  # can't, it's, as Word writes them
ALPHABETS = (  # beyond a to z, lower case
    "àâæçéèêëîïôœùûüÿñ",  # French; with guests, also English
    "äöüßéà",  # German
    "áéíñóúüç",  # Spanish
    "áâãàçéêíóôõúü",  # Portuguese
    "àèéìíîòóùú",  # Italian
    "àçèéíïòóúü",  # Catalan
    "éèëïöüêáóíç",  # Dutch
    "åäöéüà",  # Swedish, Finnish
    "æøåéóòôüä",  # Danish, Norwegian
    "áðéíóúýþæö",  # Icelandic
    "ąćęłńóśźż",  # Polish
    "áčďéěíňóřšťúůýž",  # Czech
    "áäčďéíľňóôšťúýž",  # Slovak, but for two letters as good as never met
    "áéíóöőúüű",  # Hungarian
    "ăâîşţșț",  # Romanian
    "čćđšž",  # Croatian, Slovene, Serbian
    "çğıöşüâîûi\u0307",  # Turkish
    "ąčęėįšųūž",  # Lithuanian
    "āčēģīķļņšūž",  # Latvian
    "äõöüšž",  # Estonian
)
QUOTES = "“”„‘’‚‹›«»–—…•¡¿\xa0\xad"
OPENING = "„‚¡¿"
BETWEEN_LETTERS = "’‘\xad"
BEFORE_LETTERS = "°ªº·´"
SYMBOLS = "€£¥¢§°©®™²³½¼¾ªº×÷±·´"


class Reading(NamedTuple):
    """A text as one encoding would have it."""

    encoding: str
    text: str
    fit: float  # of the Latin alphabet that fits best; 1 is perfect


def readings_of(fragments: list[bytes]) -> list[Reading]:
    """How they may be meant, the likeliest first: one where there is no doubt, none where it is no text."""
    sample = b"\n".join(fragments)
    few = len(HIGH.findall(sample)) < LITTLE_LATIN and not WINDOWS_APOSTROPHE.search(sample)
    for latin in [(*LATIN, *OLD_LATIN)] if few else [LATIN, OLD_LATIN]:
        readings = _latin_readings([sample], latin)
        if readings:
            return readings
    readings = _latin_readings(fragments, LATIN)  # names from all over the world, each line by itself
    if readings and readings[0].encoding == LATIN[0]:
        return readings[:1]
    return readings or _other_readings(fragments)


def _latin_readings(samples: list[bytes], encodings: Sequence[str]) -> list[Reading]:
    readings = []
    for encoding in encodings:
        texts = [sample.decode(encoding, "replace") for sample in samples]
        readings.append(Reading(encoding, "\n".join(texts), _fit(texts)))
    best = max(reading.fit for reading in readings)
    near = [reading for reading in readings if reading.fit >= max(LATIN_FITS, best - LATIN_MARGIN)]
    return _that_differ(near)


def _that_differ(readings: list[Reading]) -> list[Reading]:
    """Of those that say the same, the first."""
    seen: dict[str, Reading] = {}
    for reading in readings:
        seen.setdefault(reading.text, reading)
    return list(seen.values())


def _fit(texts: list[str]) -> float:
    """How much of what is not ASCII is in its place, in each text by the alphabet that fits it best."""
    good, others = zip(*map(_fitting, texts), strict=True)
    return float(sum(good) / max(1, sum(others)))


def _fitting(text: str) -> tuple[int, int]:
    """How many are letters of one language in a Latin word, or signs where such stand; and of how many."""
    signs = letters = 0
    within: list[str] = []
    for found in re.finditer(r"[^\W\d_]+|[^\x00-\x7f]", text):
        word = found[0]
        if word.isascii():
            continue
        others = [char for char in word if not char.isascii()]
        if not word[0].isalpha():
            signs += _is_in_place(word, found.start(), text)
        elif _is_latin_word(word, others, found, text):
            within += others
        letters += len(others)
    best = max(sum(char in alphabet for char in "".join(within).lower()) for alphabet in ALPHABETS)
    return signs + best, letters


def _is_latin_word(word: str, others: list[str], found: re.Match[str], text: str) -> bool:
    """`été`, `Über`, `à`: no capital behind a small letter, no digit beside it, not accents all through."""
    beside = text[max(0, found.start() - 1) : found.start()] + text[found.end() : found.end() + 1]
    if re.search(r"\d", beside) or any(sign in SYMBOLS for sign in beside):
        return False
    if len(word) > 1 and len(others) > 0.75 * len(word):
        return False
    return not any(a.islower() and b.isupper() and not b.isascii() for a, b in pairwise(word))


def _is_in_place(sign: str, place: int, text: str) -> bool:
    before, after = text[max(0, place - 1) : place], text[place + 1 : place + 2]
    if sign in QUOTES:
        both = before.isalpha() and after.isalpha()
        return sign in BETWEEN_LETTERS or not (both or (sign in OPENING and before.isalpha()))
    beside = [char for char in before + after if not char.isascii() and char not in QUOTES]
    return sign in SYMBOLS and not beside and (sign in BEFORE_LETTERS or not after.isalpha())


def _other_readings(fragments: list[bytes]) -> list[Reading]:
    """By charset-normalizer's two measures: how odd the characters are together, and how like a language."""
    found = []
    for encoding in (*MULTI_BYTE, *SINGLE_BYTE):
        texts = [decoded(fragment, encoding) for fragment in fragments]
        sound = [text for text in texts if text is not None]
        if len(sound) < (1 - BROKEN_FRAGMENTS) * len(fragments):
            continue
        sample = "\n".join(sound).encode(encoding, "replace")
        match = from_bytes(sample, steps=16, cp_isolation=[encoding], enable_fallback=False).best()
        if match is not None and (encoding in MULTI_BYTE or _keeps_scripts_apart(str(match))):
            found.append((match.chaos, match.coherence, Reading(encoding, str(match), 0.0)))
    japanese = [one for one in found if one[2].encoding in JAPANESE and _is_kana(one[2].text)]
    found = sorted(japanese or found, key=lambda one: (one[0] - one[1], one[0]))
    little = len(HIGH.findall(b"".join(fragments))) < LITTLE_OTHER
    margin = NEARER_IF_LITTLE if little else 1.0
    near = [
        reading
        for chaos, coherence, reading in found
        if chaos < found[0][0] + margin * NEAR_CHAOS and coherence > found[0][1] - margin * NEAR_COHERENCE
    ]
    return _that_differ(near)


def _is_kana(text: str) -> bool:
    others = re.findall(r"[^\x00-\x7f]", text)
    kana = [char for char in others if "\u3041" <= char <= "\u30ff"]
    return len(kana) > MUCH_KANA * len(others)


def decoded(fragment: bytes, encoding: str, final: bool = False) -> str | None:
    """None where a character is broken; unless `final`, one that is cut off at the end is left out."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(fragment, final)
    except UnicodeDecodeError:
        return None


def _keeps_scripts_apart(text: str) -> bool:
    words = [word for word in re.findall(r"[^\W\d_]+", text) if not word.isascii()]
    mixed = sum(re.search("[A-Za-z]", word) is not None for word in words)
    return mixed <= SCRIPT_MIXED * len(words)
