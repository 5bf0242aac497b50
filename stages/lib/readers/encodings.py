"""In which encoding a text is written, where nobody stated it.

A byte order mark decides; what is valid UTF-8 is UTF-8, and so is a text with a few broken characters among
valid ones. The rest is judged by a bounded sample, from all over the files. Where two readings are left, that
is an error which shows both: a wrong guess spoils texts in silence.
"""

import codecs
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from stages.lib.exceptions import SourceError
from stages.lib.listing import listed
from stages.lib.readers.archives import open_bytes
from stages.lib.readers.asking import SOURCE_YAML, Asker
from stages.lib.readers.old_encodings import Reading, decoded, readings_of
from stages.lib.readers.rows import ESCAPE, escaped

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
# of the sample: chunks, of which there are up to twice as many; lines of a chunk, and their length
CHUNKS, OF_A_CHUNK, FRAGMENT_BYTES = 16, 16, 2**10


def encoding_of(paths: Sequence[Path], asker: Asker = SOURCE_YAML) -> str:
    """The encoding in which all these files are written. Raises SourceError where it cannot be told."""
    tally = _Tally()
    for path in paths:
        with open_bytes(path) as stream:
            tally.add(stream)
    if len(tally.marked) == 1 and not tally.unmarked:
        return tally.marked.pop()
    found = _without_mark(paths, tally, asker)
    if tally.marked - {found}:
        raise SourceError(f"{paths[0]} and others of its pattern are not in one encoding; name them apart")
    return found


def _without_mark(paths: Sequence[Path], tally: "_Tally", asker: Asker) -> str:
    wide = _wide(tally.head)
    if wide and not (tally.broken == 0 and tally.zeros < tally.bytes / 4):
        return wide
    if tally.broken == 0 or tally.valid >= tally.broken:
        return "utf-8-sig"
    return _legacy(paths, asker)


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


def _legacy(paths: Sequence[Path], asker: Asker) -> str:
    sample = list(_fragments(paths))
    # a fragment of that many bytes may end within a character; any other ends with its line
    fragments = [each for each in sample if decoded(each, "utf-8", final=len(each) < FRAGMENT_BYTES) is None]
    readings = readings_of(fragments)
    where = listed([str(path) for path in paths], 1)
    if readings and len(sample) - len(fragments) > max(1, MIXED * len(sample)):
        raise SourceError(
            f"{where}: written in two encodings: parts of it are UTF-8, others {readings[0].encoding}; write "
            f"it in one, or state {asker.stated('encoding', 'utf-8')} {asker.spared('the other rows')}"
        )
    if len(readings) == 1:
        return readings[0].encoding
    raise SourceError(f"{where}: {_doubt(readings, fragments, asker)}")


def _doubt(readings: list[Reading], fragments: list[bytes], asker: Asker) -> str:
    if not readings:
        line = escaped(next(iter(fragments), b"").decode("ascii", ESCAPE))
        return (
            f"not text in any encoding that can be told: {_around(line)!r}; "
            f"state {asker.stated('encoding', '...')}{asker.place}, "
            f"or {asker.stated('type', '...')} if it is no plain text"
        )
    ways = ", as ".join(f"{reading.encoding} it reads {_around(reading.text)!r}" for reading in readings[:4])
    return (
        f"its encoding cannot be told for sure: as {ways}; state the right one{asker.place}: "
        f"{asker.stated('encoding', readings[0].encoding)}, or utf-8 {asker.spared('such rows')}"
    )


def _around(text: str) -> str:
    """Some characters to either side of the first that is not ASCII."""
    found = re.search(r"[^\x00-\x7f]|\\x", text)
    start = max(0, found.start() - 15) if found else 0
    return text[start : start + 40].split("\n")[0]


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
    whole = whole or lines[:is_first]
    spoken = [line[:FRAGMENT_BYTES] for line in whole if not line.isascii()]
    return spoken[:: 1 + len(spoken) // OF_A_CHUNK]
