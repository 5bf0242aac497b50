"""In which encoding a text is written, where source.yaml leaves it open.

A byte order mark decides; what is valid UTF-8 is UTF-8, and so is a text with a few broken characters among
valid ones. For the rest charset-normalizer is asked about a bounded sample. Encodings of Latin letters
differ in a few of them, which its statistics do not tell apart; the alphabets of the languages do. Where two
readings are left, that is an error which shows both: a wrong guess spoils texts in silence.
"""

import codecs
import io
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from charset_normalizer import from_bytes

from stages.lib.exceptions import SourceError
from stages.lib.sources.archives import open_bytes
from stages.lib.sources.rows import ESCAPE, escaped

MARKS = {  # the longer ones first: UTF-32's begins with UTF-16's
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
CHUNK_BYTES = 2**16
ENOUGH_BROKEN = 10_000  # bytes that are no UTF-8: from there on the answer does not change
# Chance makes valid UTF-8 of single characters of old encodings, but not of so many lines.
MIXED = 0.1
MULTI_BYTE = ("gb18030", "big5hkscs", "cp932", "euc_jp", "cp949")
SINGLE_BYTE = ("cp1251", "koi8_r", "cp866", "iso8859_5", "cp1253", "iso8859_7", "cp1255", "cp1256", "cp874")
LATIN = ("cp1252", "iso8859_15", "cp1250", "cp1254", "cp1257", "iso8859_2")
OLD_LATIN = ("cp850", "mac_roman")  # only where none of those fits
# of the sample: chunks, of which there are up to twice as many; lines of a chunk, and their length
CHUNKS, OF_A_CHUNK, FRAGMENT_BYTES = 16, 16, 2**10
BROKEN_FRAGMENTS = 0.1  # so many may be cut or damaged
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


def encoding_of(paths: Sequence[Path]) -> str:
    """The encoding in which all these files are written. Raises SourceError where it cannot be told."""
    tally = _Tally()
    for path in paths:
        with open_bytes(path) as stream:
            tally.add(stream)
    if len(tally.marked) == 1 and not tally.unmarked:
        return tally.marked.pop()
    if tally.marked - {"utf-8-sig"}:
        raise SourceError(f"{paths[0]} and others of its pattern are not in one encoding; name them apart")
    wide = _wide(tally.head)
    if wide and not (tally.broken == 0 and tally.zeros < tally.bytes / 4):
        return wide
    if tally.broken == 0 or tally.valid >= tally.broken:
        return "utf-8-sig"
    return _legacy(paths)


class _Tally:
    """What whole files hold, by numbers that need no memory."""

    def __init__(self) -> None:
        self.marked: set[str] = set()
        self.unmarked = 0
        self.head = b""
        self.bytes = self.zeros = 0
        self.valid = 0  # bytes that go on a valid character of UTF-8
        self.broken = 0  # bytes that belong to none

    def add(self, stream: io.BufferedReader) -> None:
        head = stream.peek(CHUNK_BYTES)
        mark = next((mark for mark in MARKS if head.startswith(mark)), None)
        if mark is not None:
            self.marked.add(MARKS[mark])
            if MARKS[mark] != "utf-8-sig":
                return
        else:
            self.unmarked += 1
        self.head = self.head or head[:CHUNK_BYTES]
        decoder = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")
        while self.broken < ENOUGH_BROKEN or self.valid > self.broken / 2:
            chunk = stream.read(CHUNK_BYTES)
            self._count(chunk, decoder.decode(chunk, final=not chunk))
            if not chunk:
                return

    def _count(self, chunk: bytes, text: str) -> None:
        self.bytes += len(chunk)
        self.zeros += chunk.count(0)
        if len(text) == len(chunk) and text.isascii():
            return
        self.valid += max(0, len(chunk) - len(text))
        try:
            text.encode()
        except UnicodeEncodeError:
            self.broken += len(re.findall("[\udc00-\udcff]", text))


def _wide(head: bytes) -> str | None:
    """UTF-16 without a mark: every second byte of line ends, digits and Latin letters is zero."""
    head = head[: len(head) // 2 * 2]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) <= 20 * min(even, odd):
        return None
    name = "utf-16-be" if even > odd else "utf-16-le"
    try:
        text = codecs.getincrementaldecoder(name)().decode(head)
    except UnicodeDecodeError:
        return None
    return name if re.search("[\r\n]", text) and not re.search("[\x00-\x08\x0e-\x1f\x7f]", text) else None


def _legacy(paths: Sequence[Path]) -> str:
    sample = list(_fragments(paths))
    fragments = [fragment for fragment in sample if not _decodes(fragment, "utf-8")]
    readings = readings_of(fragments)
    where = str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1:,} more"
    if readings and len(sample) - len(fragments) > max(1, MIXED * len(sample)):
        raise SourceError(
            f"{where}: written in two encodings: parts of it are UTF-8, others {readings[0].encoding}; write "
            "it in one, or state format: {encoding: utf-8} to have the other rows set aside"
        )
    if len(readings) == 1:
        return readings[0].encoding
    raise SourceError(f"{where}: {_doubt(readings, fragments)}")


def _doubt(readings: list[Reading], fragments: list[bytes]) -> str:
    if not readings:
        line = escaped(next(iter(fragments), b"").decode("ascii", ESCAPE))
        return (
            f"not text in any encoding that can be told: {_around(line)!r}; state format: {{encoding: ...}} "
            "in source.yaml, or format: {type: ...} if it is no plain text"
        )
    ways = ", as ".join(f"{reading.encoding} it reads {_around(reading.text)!r}" for reading in readings[:4])
    return (
        f"its encoding cannot be told for sure: as {ways}; state the right one in source.yaml: "
        f"format: {{encoding: {readings[0].encoding}}}, or utf-8 to have such rows set aside"
    )


def _around(text: str) -> str:
    """Some characters to either side of the first that is not ASCII."""
    found = re.search(r"[^\x00-\x7f]|\\x", text)
    start = max(0, found.start() - 15) if found else 0
    return text[start : start + 40].split("\n")[0]


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
        sound = [fragment for fragment in fragments if _decodes(fragment, encoding)]
        if len(sound) < (1 - BROKEN_FRAGMENTS) * len(fragments):
            continue
        sample = b"\n".join(sound)
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


def _decodes(fragment: bytes, encoding: str) -> bool:
    try:
        fragment.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _keeps_scripts_apart(text: str) -> bool:
    words = [word for word in re.findall(r"[^\W\d_]+", text) if not word.isascii()]
    mixed = sum(re.search("[A-Za-z]", word) is not None for word in words)
    return mixed <= SCRIPT_MIXED * len(words)


def _fragments(paths: Sequence[Path]) -> Iterator[bytes]:
    """Some lines that are not ASCII, spread over the files; their number and length are bounded."""
    kept: list[list[bytes]] = []
    number, every = 0, 1
    for path in paths:
        with open_bytes(path) as stream:
            is_first = True
            while chunk := stream.read(CHUNK_BYTES):
                if not chunk.isascii():
                    if number % every == 0:
                        kept.append(_spoken_in(chunk, is_first=is_first))
                    number += 1
                if len(kept) > 2 * CHUNKS:
                    kept, every = kept[::2], every * 2
                is_first = False
    for spoken in kept:
        yield from spoken


def _spoken_in(chunk: bytes, *, is_first: bool) -> list[bytes]:
    """At most a few lines; where there are no line ends, fields. None that a chunk's end may have cut."""
    lines = re.split(rb"[\r\n]+", chunk)
    lines = lines if len(lines) > 2 else re.split(rb"[ ,;\t\"\r\n]+", chunk)
    whole = lines[0 if is_first else 1 : -1 if len(chunk) == CHUNK_BYTES else None]
    spoken = [line[:FRAGMENT_BYTES] for line in whole if not line.isascii()]
    return spoken[:: 1 + len(spoken) // OF_A_CHUNK]
