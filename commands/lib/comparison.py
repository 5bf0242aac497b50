"""Runs compared on the examples that they share, one by one or as families that differ only in their seed."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from commands.lib.pairing import TEXTS, answers_of, common_task
from commands.lib.runs import SPLITS, Run, changed, flat
from stages.lib.exceptions import RunError
from stages.lib.labels import array_of_names
from stages.lib.statistics.intervals import of_nothing
from stages.lib.statistics.paired import Difference, Flips, compare, compare_families, flips, holm
from stages.lib.statistics.scores import scores
from stages.lib.task import Task

SEEDS = ("baseline.seed", "encoder.seed", "finetune.seed")  # all that the runs of a family may differ in


class Settings(NamedTuple):
    model: str
    role: str
    resamples: int
    confidence: float
    seed: int


class Shared(NamedTuple):
    """What every run answered, about the same texts with the same labels."""

    task: Task  # with the classes of all runs
    examples: pl.DataFrame  # id, label, texts, and of each run predicted_0, true_0, predicted_1 ...
    labels: np.ndarray  # [N], or of several labels an example [N, C]: stages/lib/labels.py
    answers: np.ndarray  # [M, N] or [M, N, C]
    left_out: int  # examples of any run that are not shared


class Group(NamedTuple):
    """A run, or a family of runs."""

    names: list[str]
    places: list[int]
    scores: dict[str, list[float | None]]  # of each run; None where undefined

    @property
    def name(self) -> str:
        return self.names[0] if len(self.names) == 1 else f"{self.names[0]} and {len(self.names) - 1} more"


class Comparison(NamedTuple):
    """A group less the first one."""

    new: Group
    differences: dict[str, Difference]  # of the scores that are defined for all runs of both
    p_holm: dict[str, float]  # after as many comparisons of that score as there are groups
    flips: Flips | None  # None for families, and where predictions are numbers
    params: dict[str, tuple[Any, Any]]  # name -> the first group's value, this one's


def shared_by(runs: Sequence[Run], model: str, role: str) -> Shared:
    """Raises RunError where nothing is, or the runs are of different kinds."""
    task = common_task(runs)
    tables = [answers_of(run, model, role) for run in runs]
    told = ["id", "label", *[name for name in TEXTS if all(name in table.columns for table in tables)]]
    examples = tables[0].select(told)
    for place, table in enumerate(tables):
        answers = table.select(
            *told, *(pl.col(name).alias(f"{name}_{place}") for name in ("predicted", "true"))
        )
        examples = examples.join(answers, on=told, how="inner", nulls_equal=True, maintain_order="left")
    if examples.is_empty():
        raise RunError(f"role {role}: no example stands in all of {', '.join(run.title for run in runs)}")
    all_ids = pl.concat([table.select("id") for table in tables])["id"].n_unique()
    return Shared(
        task,
        examples,
        array_of_names(examples["label"], task),
        np.stack([array_of_names(examples[f"predicted_{place}"], task) for place in range(len(runs))]),
        all_ids - len(examples),
    )


def groups_of(runs: Sequence[Run], shared: Shared, families: bool) -> list[Group]:
    """In the order of their first runs. Raises RunError where a family has but one run."""
    kinds: dict[Any, list[int]] = {}
    for place, run in enumerate(runs):
        kinds.setdefault(_without_seeds(run) if families else place, []).append(place)
    alone = [runs[places[0]].title for places in kinds.values() if len(places) == 1]
    if families and alone:
        raise RunError(
            f"{', '.join(alone)}: no other run on the same data differs in nothing but {', '.join(SEEDS)}; "
            "a family's spread needs two runs or more: run it again with another finetune.seed"
        )
    return [_group(runs, shared, places) for places in kinds.values()]


def _without_seeds(run: Run) -> tuple[Any, ...]:
    """What the runs of a family have in common: their params but for seeds, and their data."""
    params = flat(run.params())
    others = sorted((name, repr(value)) for name, value in params.items() if name not in SEEDS)
    return run.hashes[SPLITS], *others


def _group(runs: Sequence[Run], shared: Shared, places: list[int]) -> Group:
    task, labels_N = shared.task, shared.labels
    said_SN = shared.answers[places]
    of_runs = [
        scores(task, labels_N, said_N) | dict.fromkeys(of_nothing(task, labels_N, said_N))
        for said_N in said_SN
    ]
    return Group(
        [runs[place].title for place in places],
        places,
        {name: [of_run[name] for of_run in of_runs] for name in of_runs[0]},
    )


def compare_all(
    runs: Sequence[Run], shared: Shared, groups: list[Group], settings: Settings
) -> list[Comparison]:
    """Every group but the first with the first."""
    first = groups[0]
    found = [(group, _differences(shared, first, group, settings)) for group in groups[1:]]
    corrected = _corrected([differences for _, differences in found])
    return [
        Comparison(
            group,
            differences,
            corrected[place],
            _flips(shared, first, group),
            changed(runs[first.places[0]].params(), runs[group.places[0]].params()),
        )
        for place, (group, differences) in enumerate(found)
    ]


def _corrected(comparisons: list[dict[str, Difference]]) -> list[dict[str, float]]:
    """Of each comparison its p by score, after as many as that score is defined in."""
    corrected: list[dict[str, float]] = [{} for _ in comparisons]
    for name in dict.fromkeys(name for differences in comparisons for name in differences):
        places = [place for place, differences in enumerate(comparisons) if name in differences]
        for place, p in zip(places, holm([comparisons[place][name].p for place in places]), strict=True):
            corrected[place][name] = p
    return corrected


def _differences(shared: Shared, old: Group, new: Group, settings: Settings) -> dict[str, Difference]:
    old_SN, new_SN = shared.answers[old.places], shared.answers[new.places]
    options: dict[str, Any] = settings._asdict()
    del options["model"], options["role"]
    if len(old_SN) == len(new_SN) == 1:
        found = compare(shared.task, shared.labels, old_SN[0], new_SN[0], **options)
    else:
        found = compare_families(shared.task, shared.labels, old_SN, new_SN, **options)
    return {name: of for name, of in found.items() if None not in old.scores[name] + new.scores[name]}


def _flips(shared: Shared, old: Group, new: Group) -> Flips | None:
    if len(old.places) > 1 or len(new.places) > 1:
        return None
    return flips(shared.task, shared.labels, *shared.answers[[*old.places, *new.places]])


def rows_of(shared: Shared, old: Group, new: Group) -> pl.DataFrame:
    """The examples as commands.lib.flipped reads them, of two single runs."""
    (before,), (after,) = old.places, new.places
    return shared.examples.with_columns(
        old_predicted=f"predicted_{before}",
        old_true=f"true_{before}",
        predicted=f"predicted_{after}",
        true=f"true_{after}",
    )
