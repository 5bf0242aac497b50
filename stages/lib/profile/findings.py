"""What a person should do something about before training, as the profile says it at its top."""

from typing import NamedTuple

from stages.lib.listing import listed


class Finding(NamedTuple):
    section: str  # of the page: the id of its heading's section
    says: str
    do: str


def named(name: str) -> str:
    """For the middle of a sentence: a name in another direction of writing leaves its surroundings alone."""
    return f"\u2068{name}\u2069"


def some(names: list[str]) -> str:
    return listed([named(name) for name in names], 5)
