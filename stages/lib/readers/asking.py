"""Who has a file read: messages of the readers say in their words how its form is stated."""

from collections.abc import Callable
from typing import NamedTuple


class Asker(NamedTuple):
    place: str  # where it is stated, with a space in front
    stated: Callable[[str, str], str]  # of a key of Format and its value, how that is written
    says: str  # who then says it
    # to what end an encoding that lacks some rows is stated, of their name
    spared: Callable[[str], str]


SOURCE_YAML = Asker(
    " in source.yaml",
    lambda key, value: f"format: {{{key}: {value}}}",
    "source.yaml says",
    lambda rows: f"to have {rows} set aside",
)
