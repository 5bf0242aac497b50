"""One table says what differs between kinds of tasks; nothing beside it may lack one of them."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, get_args

import pytest

import commands
import stages
from stages.lib.kinds import KINDS, Kind
from stages.lib.statistics.diagrams import DIAGRAMS, NEED_PROBABILITIES
from stages.lib.statistics.intervals import with_intervals
from stages.lib.statistics.paired import compare, example_difference
from stages.lib.statistics.scores import scores
from tests.test_scores import TASKS, random_examples

EVERY_KIND = set(get_args(Kind))
each_kind = pytest.mark.parametrize("kind", get_args(Kind))


def modules() -> Iterator[ModuleType]:
    for package in (stages, commands):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.ispkg:
                yield importlib.import_module(found.name)


def tables(module: ModuleType) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if name.endswith("_OF_KINDS")}


def complaints(name: str, table: Mapping[Any, Any]) -> Iterator[str]:
    yield from (f"{name} lacks {kind}" for kind in sorted(EVERY_KIND - set(table)))
    yield from (f"{name} has {kind}, which is no kind" for kind in sorted(set(table) - EVERY_KIND))


def test_the_table_has_every_kind() -> None:
    assert list(complaints("KINDS", KINDS)) == []


def test_every_table_beside_the_code_has_every_kind() -> None:
    found = {f"{module.__name__}.{name}": t for module in modules() for name, t in tables(module).items()}
    assert len(found) > 20
    assert [line for name, table in found.items() for line in complaints(name, table)] == []


def test_a_table_that_lacks_a_kind_or_has_one_too_many_is_found() -> None:
    spoiled: dict[str, Any] = {"classification": None, "regression": None, "ranking": None}
    assert list(complaints("T", spoiled)) == ["T lacks multi-label", "T has ranking, which is no kind"]


@each_kind
def test_every_score_of_the_table_is_computed_with_an_interval_and_compared(kind: Kind) -> None:
    task, facts = TASKS[kind], KINDS[kind]
    names = facts.scores + (facts.positive_scores if task.positive else ())
    labels_N, predicted_N = random_examples(kind, seed=4)
    options: dict[str, Any] = {"resamples": 100, "confidence": 0.95, "seed": 1}
    figures = with_intervals(task, labels_N, predicted_N, **options)
    assert set(scores(task, labels_N, predicted_N)) == set(names)
    assert {f"{name}{end}" for name in names for end in ("", "_low", "_high")} | {"n"} <= set(figures)
    assert ("by_class" in figures) == facts.has_classes
    assert set(compare(task, labels_N, predicted_N, labels_N, **options)) == set(names)
    found = example_difference(task, labels_N, predicted_N, labels_N, 0.95)
    assert found.old == pytest.approx(figures[facts.example_score])


@each_kind
def test_the_scores_that_the_table_singles_out_are_among_its_scores(kind: Kind) -> None:
    facts = KINDS[kind]
    assert facts.example_score in facts.scores
    assert facts.lower_is_better <= set(facts.scores)


def test_every_plot_of_the_table_can_be_drawn_and_every_one_drawn_is_in_it() -> None:
    assert {name for facts in KINDS.values() for name in facts.plots} == set(DIAGRAMS)
    assert set(NEED_PROBABILITIES) <= set(DIAGRAMS)


@each_kind
def test_a_kind_without_classes_has_no_plot_of_probabilities(kind: Kind) -> None:
    if not KINDS[kind].has_classes:
        assert not set(KINDS[kind].plots) & set(NEED_PROBABILITIES)
