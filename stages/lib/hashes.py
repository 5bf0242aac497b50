"""64 bits that stand for a text, the same on every machine and in every version."""

import hashlib


def hash_of(text: str, kind: bytes = b"") -> int:
    """Texts of another `kind` have other hashes."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8, person=kind).digest(), "big")
