"""Which cleaning steps there are, and the file that says which of them a model was trained behind.

params.yaml says what each step is for. Fine-tuning reads this module of the room and no other.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

import polars as pl
from pydantic import Discriminator, Tag, ValidationInfo, field_validator

from stages.lib.config import StrictModel
from stages.lib.tables import write_json

StepName = Literal[
    "unicode",
    "nfc",
    "nfkc",
    "html",
    "lowercase",
    "urls",
    "short_links",
    "mentions",
    "hashtags",
    "hash_signs",
    "emoji",
    "punctuation",
    "ascii_letters_digits",
    "numbers",
    "numbers_with_separator",
    "short_words",
    "repeated_characters",
    "whitespace",
    "tokenize",
    "tokenize_treebank",
    "tokenize_punkt",
    "stopwords",
    "stem",
    "stem_porter",
    "lemmatize",
]

REFERENCE = re.compile(r"\$(?:(?P<dollar>\$)|<(?P<marked>\w+)>|(?P<plain>\w+))?", re.ASCII)
LINEAR = "; this engine is linear in the text's length, whatever the pattern, and for that it goes without {}"
HINTS = {
    "look-around": LINEAR.format("look-around: match what stands around too, and put it back with $1"),
    "backreferences": LINEAR.format("backreferences: list the cases, as in aa+|bb+"),
    "unrecognized escape": "; in YAML, write patterns in single quotes",
}


class Replacement(StrictModel):
    """A step of the user's own, in the syntax of Polars' engine, Rust's regex."""

    pattern: str
    replacement: str  # $1, $name or $<name> for what a group matched, $0 for all of it, $$ for a dollar

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        _refuse_braces(pattern, "for two dollars, say, [$]{2}")
        try:
            groups_of(pattern)
        except pl.exceptions.PolarsError as error:
            problem = str(error).partition("\n\nThis error occurred")[0].removeprefix("regex error: ")
            hint = next((HINTS[word] for word in HINTS if word in problem), "")
            raise ValueError(f"does not compile: {problem}{hint}") from None
        return pattern

    @field_validator("replacement")
    @classmethod
    def _refers_to_groups(cls, replacement: str, info: ValidationInfo) -> str:
        _refuse_braces(replacement, "$<name>")
        if "pattern" not in info.data:  # refused already
            return replacement
        groups = groups_of(info.data["pattern"])
        for found in REFERENCE.finditer(replacement):
            name = found["marked"] or found["plain"]
            if found[0] == "$":
                raise ValueError(f"the $ at character {found.start() + 1} names no group; a dollar is $$")
            if name is not None and name not in groups:
                known = ", ".join(f"${group}" for group in groups)
                raise ValueError(
                    f"the pattern has no group {name!r}; known here: {known}. Where text follows a group's "
                    "name write $<name>; a dollar is $$"
                )
        return replacement


def groups_of(pattern: str) -> list[str]:
    """By number and, where they have one, by name too: ["0", "1", "year"]. Raises PolarsError."""
    extracted = pl.LazyFrame({"text": [""]}).select(pl.first().str.extract_groups(pattern))
    names = extracted.collect_schema()["text"].fields  # type: ignore[attr-defined]
    extracted.collect()
    pl.select(pl.lit("").str.replace_all(pattern, ""))
    numbers = [str(number) for number in range(len(names) + 1)]
    return numbers + [field.name for field in names if field.name not in numbers]


def _refuse_braces(text: str, instead: str) -> None:
    if "${" in text:
        raise ValueError(
            f"holds '${{', on which `dvc exp run -S` fails, as it reads ${{...}} as its own; write {instead}"
        )


def _tag(step: object) -> str:
    return "<replacement>" if isinstance(step, dict | Replacement) else "<name>"


Step = Annotated[
    Annotated[StepName, Tag("<name>")] | Annotated[Replacement, Tag("<replacement>")], Discriminator(_tag)
]


class Cleaning(StrictModel):
    """What data/cleaning.json holds."""

    steps: list[Step]  # in the order in which they are applied
    language: str  # NLTK's name for it: stop words, stems, sentences


def name_of(step: Step) -> str:
    """As messages say it."""
    return step if isinstance(step, str) else f"pattern {step.pattern!r}"


def read_cleaning(path: Path) -> Cleaning:
    return Cleaning.model_validate_json(path.read_bytes())


def write_cleaning(cleaning: Cleaning, path: Path) -> None:
    write_json(cleaning.model_dump(), path)
