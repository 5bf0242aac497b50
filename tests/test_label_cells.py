"""A label cell says a name, a number or several names, or there is a reason why it says none."""

from typing import Any

import pytest

from stages.lib.kinds import KINDS
from stages.lib.sources.label_cells import LABEL_OF_KINDS, Label, Said, read_label
from stages.lib.sources.source import Source

FLAGS = ["toxic", "rude"]


def source_of(task: str, column: str | list[str] = "label", **keys: Any) -> Source:
    score = {"classification": "accuracy", "regression": "pearson", "multi-label": "micro_f1"}[task]
    return Source.model_validate(
        {
            "title": "moods",
            "task": task,
            "files": {"train": "train.csv"},
            "columns": {"text": "text", "label": column},
            "metrics": [score],
            "copies": "report",
            **keys,
        }
    )


NAMED = source_of("classification", labels={0: "sad", True: "glad"})
RATED = source_of("regression", range=[0, 5])
SEVERAL = source_of("multi-label", labels={2: "love", 10: "joy", 3: "grief"}, separator=",")


def test_every_kind_of_task_has_its_notation() -> None:
    assert set(LABEL_OF_KINDS) == set(KINDS)


@pytest.mark.parametrize(
    ("source", "cell", "label"),
    [
        (NAMED, "0", "sad"),
        (NAMED, 0, "sad"),
        (NAMED, True, "glad"),
        (NAMED, "TRUE", "glad"),
        (NAMED, 0.0, "sad"),
        (NAMED, "0.0", "sad"),
        (NAMED, "0.00", "sad"),
        (source_of("classification", labels={1.0: "one", 2.5: "more"}), 1.0, "one"),
        (source_of("classification", labels={1.0: "one", 2.5: "more"}), "1.0", "one"),
        (source_of("classification", labels={1.0: "one", 2.5: "more"}), 2.5, "more"),
        (source_of("classification", labels={"1": "whole", "1.0": "written"}), "1.0", "written"),
        (SEVERAL, [2.0, 10.0], ["love", "joy"]),
        (RATED, "3.800", 3.8),
        (RATED, " 5 ", 5.0),
        (RATED, "1e-1", 0.1),
        (RATED, 0, 0.0),
        (source_of("regression"), "-1", -1.0),
        (SEVERAL, "2,10", ["love", "joy"]),
        (SEVERAL, "10, 2", ["love", "joy"]),
        (SEVERAL, "2,2,2", ["love"]),
        (SEVERAL, 2, ["love"]),
        (SEVERAL, [10, "2", 10], ["love", "joy"]),
        (SEVERAL, [], []),
    ],
)
def test_a_cell_says_a_label(source: Source, cell: object, label: Label) -> None:
    assert read_label({"label": cell}, "label", source) == Said(label)


EMPTY = "label is empty"
NO_NUMBER = "label is no finite number"
OUTSIDE = "label is outside the range from 0 to 5"
NESTED = "label is a list or an object"
NOBODY = "label is -1: nobody has labelled this row"


@pytest.mark.parametrize(
    ("source", "cell", "fault"),
    [
        *((source, cell, EMPTY) for source in (NAMED, RATED, SEVERAL) for cell in (None, "", "  ")),
        *((source, float("nan"), EMPTY) for source in (NAMED, RATED, SEVERAL)),
        *((source, {"a": 1}, NESTED) for source in (NAMED, RATED, SEVERAL)),
        (NAMED, ["sad"], NESTED),
        (RATED, [1], NESTED),
        (SEVERAL, [["2"]], NESTED),
        *((NAMED, cell, NOBODY) for cell in ("-1", -1, -1.0)),
        *((SEVERAL, cell, NOBODY) for cell in ("-1", [-1])),
        *((RATED, cell, OUTSIDE) for cell in ("-1", -1.0, "5.001")),
        *((RATED, cell, NO_NUMBER) for cell in ("good", "nan", "inf", "-Infinity", "1_0", True, "1.2.3")),
        (RATED, "3,8", "label has a decimal comma; write a decimal point"),
        (SEVERAL, "2,,3", "one of several labels is empty"),
        (SEVERAL, [2, None], "one of several labels is empty"),
    ],
)  # fmt: skip
def test_a_cell_without_a_label_is_a_reason(source: Source, cell: object, fault: str) -> None:
    assert read_label({"label": cell}, "label", source) == Said(fault=fault)


@pytest.mark.parametrize(
    ("source", "cell", "unknown"), [(NAMED, "2", "2"), (SEVERAL, "2,4,5", "4"), (SEVERAL, [7], "7")]
)
def test_a_value_that_no_label_has_is_told(source: Source, cell: object, unknown: str) -> None:
    assert read_label({"label": cell}, "label", source) == Said(unknown=unknown)


def test_minus_one_is_a_class_where_the_source_says_so() -> None:
    source = source_of("classification", labels={-1: "against", 0: "neither", 1: "for"})
    assert read_label({"label": "-1"}, "label", source) == Said("against")


@pytest.mark.parametrize(("text", "cells"), [("", ["", None, "  "]), ("none", ["none", " none"])])
def test_the_source_may_say_which_text_means_no_label(text: str, cells: list[str | None]) -> None:
    source = SEVERAL.model_copy(update={"no_label": text})
    assert [read_label({"label": cell}, "label", source) for cell in cells] == [Said([])] * len(cells)
    if text:
        assert read_label({"label": ""}, "label", source) == Said(fault="label is empty")


def test_without_a_separator_a_cell_is_one_label() -> None:
    source = source_of("multi-label", labels=["a,b", "c"])
    assert read_label({"label": "a,b"}, "label", source) == Said(["a,b"])


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (("0", "0"), Said([])),
        (("0", "1"), Said(["rude"])),
        ((1, True), Said(["toxic", "rude"])),
        ((1.0, "FALSE"), Said(["toxic"])),
        (("1", ""), Said(fault="rude is empty")),
        ((None, "1"), Said(fault="toxic is empty")),
        (("1", "2"), Said(fault="rude is neither 0 nor 1")),
        (("-1", "-1"), Said(fault=NOBODY)),
    ],
)
def test_a_column_for_each_label_holds_zeros_and_ones(cells: tuple[object, object], said: Said) -> None:
    source = source_of("multi-label", FLAGS)
    assert read_label(dict(zip(FLAGS, cells, strict=True)), FLAGS, source) == said


def test_a_column_for_each_label_is_named_as_labels_says() -> None:
    source = source_of("multi-label", FLAGS, labels={"toxic": "poison", "rude": "rough"})
    assert read_label({"t": 1, "r": 0}, ["t", "r"], source) == Said(["poison"])
