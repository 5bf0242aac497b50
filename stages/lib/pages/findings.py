"""What a person should do something about before training, as the profile says it at its top."""

from typing import NamedTuple


class Finding(NamedTuple):
    section: str  # of the page: the id of its heading's section
    says: str
    do: str


def named(name: str) -> str:
    """For the middle of a sentence: a name in another direction of writing leaves its surroundings alone."""
    return f"\u2068{name}\u2069"


def listed(names: list[str], most: int = 5) -> str:
    """`a, b, c`; of more than `most` the first, and how many there are."""
    shown = ", ".join(named(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
