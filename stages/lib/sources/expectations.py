"""What a source says that a change of its texts should do: data/expectations.json, for robustness alone.

It is no part of the task, so that what is learned does not depend on it.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, TypeAdapter, ValidationInfo, field_validator

from stages.lib.cleaning.steps import Replacement
from stages.lib.config import StrictModel
from stages.lib.source_keys import LabelName
from stages.lib.tables import write_json

FORMS = "say {becomes: LABEL}, {label: LABEL, moves: up} or, of a regression, {moves: up}"


class Expect(StrictModel):
    """One of three: the text gets a label; a label's probability moves; of a regression the score moves."""

    becomes: LabelName | None = None
    label: LabelName | None = None
    moves: Literal["up", "down"] | None = None

    @property
    def of(self) -> str | None:
        """The label that it is about."""
        return self.becomes if self.label is None else self.label


class Expectation(Replacement):
    """A text changed by a pattern, as a cleaning step of the user's own would, and what should follow."""

    name: str = Field(min_length=1)
    column: Literal["text", "text_pair"] = "text"
    expect: Expect

    @field_validator("expect")
    @classmethod
    def _is_one_of_three(cls, expect: Expect, info: ValidationInfo) -> Expect:
        if (expect.becomes is None) == (expect.moves is None) or (expect.becomes and expect.label):
            raise ValueError(FORMS)
        return expect


Expectations = TypeAdapter(list[Expectation])


def fault_of(expectations: list[Expectation], labels: list[str] | None, has_pair: bool) -> str | None:
    """What is wrong with them in a source of these labels, None of a regression."""
    names = [expectation.name for expectation in expectations]
    for number, expectation in enumerate(expectations):
        expect, where = expectation.expect, f"{expectation.name!r}: "
        if expectation.name in names[:number]:
            return f"{where}the name stands there twice; their figures go by it"
        if expectation.column == "text_pair" and not has_pair:
            return f"{where}column: columns names no text_pair; leave it out"
        if labels is None and expect.of is not None:
            return f"{where}expect: a regression has no labels; say {{moves: up}} or {{moves: down}}"
        if labels is not None and expect.of is None:
            return f"{where}expect: label: whose probability moves? labels names {', '.join(labels)}"
        if labels is not None and expect.of not in labels:
            return f"{where}expect: no label {expect.of!r}; labels names {', '.join(labels)}"
    return None


def read_expectations(path: Path) -> list[Expectation]:
    return Expectations.validate_json(path.read_bytes())


def write_expectations(expectations: list[Expectation], path: Path) -> None:
    write_json([expectation.model_dump(exclude_none=True) for expectation in expectations], path)
