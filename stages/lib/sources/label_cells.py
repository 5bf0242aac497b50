"""What the label cells of a row say, in the source's notation: a name, a number, or several names.

A label of -1, where source.yaml does not name it, is the way of the Hub and of Kaggle to say: nobody labelled
this row.
"""

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from stages.lib.kinds import Kind
from stages.lib.source_keys import LabelColumn, raw_text
from stages.lib.sources.source import Source

SPELLINGS = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}  # YAML reads them as one
LARGEST_EXACT = 2**53  # of a float: up to here every whole number is one
WHOLE = re.compile(r"([+-]?\d+)\.0+")  # 1.0, as pandas writes 1 into a column that lacks some values
FLAGS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
NOBODYS = ("-1", "-1.0")

Label = str | float | list[str]  # a name, a number, names in the order of source.yaml


class Said(NamedTuple):
    """A label, or why there is none, or the raw value that source.yaml does not name."""

    label: Label | None = None
    fault: str | None = None
    unknown: str | None = None


EMPTY = Said(fault="label is empty")
NESTED = Said(fault="label is a list or an object")
UNLABELLED = Said(fault="label is -1: nobody has labelled this row")


def read_label(cells: dict[str, Any], column: LabelColumn, source: Source) -> Said:
    if isinstance(column, list):
        return _flags({name: as_text(cells.get(name)) for name in column}, source)
    return LABEL_OF_KINDS[source.task](cells.get(column), source)


def as_text(value: object) -> str | None:
    """As a CSV has it, None where it is missing; 1 and not 1.0, though pandas and Excel keep a fraction."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return str(int(value)) if value.is_integer() and abs(value) < LARGEST_EXACT else str(value)
    return None if value is None else raw_text(value)


def _name(value: object, source: Source) -> Said:
    if isinstance(value, list | dict):
        return NESTED
    text = as_text(value)
    if text is None or not text.strip():
        return EMPTY
    for spelling in (text, SPELLINGS.get(text, text), f"{text}.0", WHOLE.sub(r"\1", text)):
        if spelling in source.labels:
            return Said(source.labels[spelling])
    return UNLABELLED if text in NOBODYS else Said(unknown=text)


def _number(value: object, source: Source) -> Said:
    if isinstance(value, list | dict):
        return NESTED
    text = (as_text(value) or "").strip()
    if not text:
        return EMPTY
    if re.fullmatch(r"[+-]?\d+,\d+", text):
        return Said(fault="label has a decimal comma; write a decimal point")
    number = _finite(text)
    if number is None:
        return Said(fault="label is no finite number")
    if source.range is not None and not source.range[0] <= number <= source.range[1]:
        least, greatest = source.range
        return Said(fault=f"label is outside the range from {least:g} to {greatest:g}")
    return Said(number)


def _finite(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None  # Python reads 1_000 as a number


def _names(value: object, source: Source) -> Said:
    if isinstance(value, list):
        return _all_of(value, source)
    text = as_text(value) or ""
    if source.no_label is not None and text.strip() == source.no_label:
        return Said([])
    if not text.strip():
        return EMPTY
    if isinstance(value, dict):
        return NESTED
    return _all_of([text] if source.separator is None else text.split(source.separator), source)


def _all_of(values: list[Any], source: Source) -> Said:
    said = [_name(value.strip() if isinstance(value, str) else value, source) for value in values]
    for one in said:
        if one.label is None:
            return Said(fault="one of several labels is empty") if one is EMPTY else one
    return _in_order({str(one.label) for one in said}, source)


def _flags(cells: dict[str, str | None], source: Source) -> Said:
    there = set()
    for (column, cell), name in zip(cells.items(), source.labels.values(), strict=True):
        if cell is None or not cell.strip():
            return Said(fault=f"{column} is empty")
        if cell.strip() in NOBODYS:
            return UNLABELLED
        if cell.strip().lower() not in FLAGS:
            return Said(fault=f"{column} is neither 0 nor 1")
        if FLAGS[cell.strip().lower()]:
            there.add(name)
    return _in_order(there, source)


def _in_order(names: set[str], source: Source) -> Said:
    return Said([name for name in source.labels.values() if name in names])


LABEL_OF_KINDS: dict[Kind, Callable[[Any, Source], Said]] = {
    "classification": _name,
    "regression": _number,
    "multi-label": _names,
}
