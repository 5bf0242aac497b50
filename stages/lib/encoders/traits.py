"""What the encoder reads, so that texts are laid before it as it expects them: traits.json in its folder."""

from pathlib import Path
from typing import Any, Literal

from stages.lib.config import StrictModel
from stages.lib.tables import write_json

FILE = "traits.json"
Shape = Literal["encoder", "decoder", "encoder-decoder"]


class Traits(StrictModel):
    shape: Shape
    room: int | None  # most tokens of an example, special ones counted in; null: as many as memory holds
    type_ids: bool  # which of a pair's two texts a token is of


def reads_type_ids(config: Any) -> bool:
    """By its table: RoBERTa has one for a single type, and GPT-2 would look type ids up as words."""
    return (getattr(config, "type_vocab_size", None) or 0) > 1


def read_traits(folder: Path) -> Traits:
    return Traits.model_validate_json((folder / FILE).read_bytes())


def write_traits(traits: Traits, folder: Path) -> None:
    write_json(traits.model_dump(), folder / FILE)
