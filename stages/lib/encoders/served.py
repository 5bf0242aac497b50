"""What a model needs besides its weights to be served as it was trained: textrail.json in its folder."""

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import ValidationError

from stages.lib.cleaning.steps import Cleaning
from stages.lib.config import StrictModel
from stages.lib.exceptions import EncoderError
from stages.lib.kinds import Kind
from stages.lib.statistics.operating import OperatingPoint
from stages.lib.tables import write_json

FILE = "textrail.json"

Record = TypeVar("Record", bound=StrictModel)


class Served(StrictModel):
    kind: Kind
    cleaning: Cleaning
    text_columns: list[str | list[str]]  # by text that the model reads, the source's name; a list is one text
    labels: list[str]  # none for a regression
    max_tokens: int
    keep: Literal["head", "tail"]  # of longer texts
    temperature: float | None  # already divided out of the head's weights; here for the record
    operating: list[OperatingPoint]  # the probability from which no person need look, by precision
    thresholds: list[float] | None  # of several labels a text, the least probability of each


def write_served(served: Served, folder: Path) -> None:
    write_json(served.model_dump(), folder / FILE)


def read_served(folder: Path) -> Served:
    """Raises EncoderError where the folder holds no model that textrail made."""
    return read_record(
        folder / FILE,
        Served,
        expected="expected a model that `dvc repro` made, such as models/finetuned",
        otherwise="was it made by another version?",
    )


def read_record(path: Path, record: type[Record], expected: str, otherwise: str) -> Record:
    """What was written beside a model.

    Raises EncoderError, which ends in `expected` where there is no file and in `otherwise` where it is wrong.
    """
    try:
        return record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise EncoderError(f"{path}: no such file; {expected}") from None
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise EncoderError(f"{path}: {where}: {problem['msg']}; {otherwise}") from None
