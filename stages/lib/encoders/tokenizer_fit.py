"""How well an encoder's tokenizer suits texts: how much of them it does not know, how finely it cuts them.

An encoder for English reads [UNK] for most Chinese characters, and spells Russian or Arabic letter by letter:
it takes the texts without complaint, and has learnt next to nothing about either.
"""

import json
from pathlib import Path
from typing import NamedTuple

from tokenizers import Encoding, Tokenizer

from stages.lib.encoders.encoding import uncut

# One text in English, to compare with: about as many tokens as any English prose of its length.
ENGLISH = (
    "The council met again on Tuesday to talk about the new bridge. Most people in the town want it, but "
    "nobody could say who should pay for the work or how long it would take. A teacher asked whether "
    "children would be able to walk across safely in winter, and the answer was that they would have to "
    "wait and see."
)


class Fit(NamedTuple):
    texts: int
    tokens_per_character: float  # white space not counted
    unknown_share: (
        float | None
    )  # of the letters: those in tokens that stand for anything; None: there is no such token


class Reader(NamedTuple):
    tokenizer: Tokenizer
    unknown: int | None  # the id for what the vocabulary lacks; None where it lacks nothing (bytes)

    def fit(self, texts: list[str]) -> Fit:
        encodings = self.tokenizer.encode_batch(texts, add_special_tokens=False)
        tokens = sum(len(encoding.ids) for encoding in encodings)
        characters = sum(len("".join(text.split())) for text in texts)
        share = None
        if self.unknown is not None:
            lost = sum(unknown_letters(*of, self.unknown) for of in zip(encodings, texts, strict=True))
            share = lost / max(1, sum(map(letters, texts)))
        return Fit(len(texts), tokens / max(1, characters), share)


def reader_of(encoder: Path) -> Reader:
    """Of the folder models/encoder."""
    tokenizer = uncut(encoder)
    return Reader(tokenizer, unknown_id(encoder, tokenizer))


def unknown_id(encoder: Path, tokenizer: Tokenizer) -> int | None:
    """Unigram models name it by its place, others by its token; bytes need none."""
    model = json.loads((encoder / "tokenizer.json").read_bytes())["model"]
    if model.get("byte_fallback"):
        return None
    place, token = model.get("unk_id"), model.get("unk_token")
    number = place if token is None else tokenizer.token_to_id(token)
    return None if number is None else int(number)


def letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def unknown_letters(encoding: Encoding, text: str, unknown: int) -> int:
    """How many of the text's letters stand in tokens that the vocabulary lacks."""
    if unknown not in encoding.ids:
        return 0
    spans = [span for number, span in zip(encoding.ids, encoding.offsets, strict=True) if number == unknown]
    return sum(letters(text[start:end]) for start, end in spans)
