"""Made-up tables of data/errors and data/explanations.parquet, of every kind and any size."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from stages.lib.kinds import Kind
from stages.lib.labels import NAME_TYPE_OF_KINDS
from stages.lib.pages import pages
from stages.lib.task import Task
from tests.predicted import LABELS, task_of

ROLES = ("train", "validation", "test")
WORDS = (
    "storm",
    "river",
    "quiet",
    "lovely",
    "fire",
    "smoke",
    "garden",
    "music",
    "tea",
    "flood",
    "street",
    "town",
)
BASELINES = ["dummy", "tfidf", "features"]


def made_task(kind: Kind, labels: list[str] = LABELS, pair: bool = False) -> Task:
    return task_of(labels, kind=kind, pair="second" if pair else None, kept=("place", "stars"))


def made_examples(
    task: Task, n: int, texts: dict[int, str] | None = None, wrong_every: int = 4, words: int = 12
) -> pl.DataFrame:
    """examples.parquet: example 7 is e07, of the roles in turn, and every so many of them is a mistake."""
    chance = np.random.default_rng(0)
    said = [" ".join(chance.choice(WORDS, size=words)) + f" number {i}" for i in range(n)]
    for place, text in (texts or {}).items():
        said[place] = text
    columns: dict[str, Any] = {
        "id": [name_of(i) for i in range(n)],
        "role": [ROLES[i % 3] for i in range(n)],
    }
    columns |= ANSWERS[task.kind](task, n, wrong_every)
    kept = [{"place": ["Oslo", "Lima", None][i % 3], "stars": i % 5} for i in range(n)]
    table = pl.DataFrame(columns | {"text_original": said, "kept": kept})
    pair = [] if len(task.text_columns) == 1 else [pl.format("pair of {}", "id").alias("text_pair_original")]
    return table.with_columns(pair)


def name_of(place: int) -> str:
    """Of so many digits that none of the first hundred begins another."""
    return f"e{place:02}"


def of_classes(task: Task, n: int, wrong_every: int) -> dict[str, Any]:
    label = [task.labels[i % len(task.labels)] for i in range(n)]
    wrong = [i % wrong_every == 0 for i in range(n)]
    said = [task.labels[(i + wrong[i]) % len(task.labels)] for i in range(n)]
    return {
        "label": label,
        "predicted": said,
        "probability": [0.6 + 0.3 * (i % 10) / 10 for i in range(n)],
        "loss": [round((3 if wrong[i] else 0.1) + (i % 97) / 100, 4) for i in range(n)],
    } | {name: [task.labels[place]] * n for place, name in enumerate(BASELINES)}


def of_scores(task: Task, n: int, wrong_every: int) -> dict[str, Any]:
    label = [float(i % 6) for i in range(n)]
    residual = [
        (1 if i % 2 else -1) * (2.5 if i % wrong_every == 0 else 0.1 + (i % 7) / 10) for i in range(n)
    ]
    return {
        "label": label,
        "predicted": [value - off for value, off in zip(label, residual, strict=True)],
        "residual": residual,
        "loss": [abs(off) for off in residual],
    } | {name: [2.5] * n for name in BASELINES}


def of_labels(task: Task, n: int, wrong_every: int) -> dict[str, Any]:
    """Of every so many one label is missed; of every second of these another one is said instead."""
    label = [[name for place, name in enumerate(task.labels) if (i >> place) & 1] for i in range(n)]
    said = [labels[1:] if i % wrong_every == 0 else labels for i, labels in enumerate(label)]
    table = {"label": label, "predicted": said} | dict.fromkeys(BASELINES, label)
    lists = pl.DataFrame(table, schema=dict.fromkeys(table, pl.List(pl.String)))
    right = lists["label"].list.set_difference(lists["predicted"])
    probabilities = [[0.9 if name in labels else 0.1 for name in task.labels] for labels in said]
    return lists.to_dict() | {
        "missed": right,
        "extra": lists["predicted"].list.set_difference(lists["label"]),
        "probabilities": pl.Series(probabilities, dtype=pl.Array(pl.Float64, len(task.labels))),
        "loss": [float(2 * (i % wrong_every == 0) + (i % 97) / 100) for i in range(n)],
    }


ANSWERS = {"classification": of_classes, "regression": of_scores, "multi-label": of_labels}


def made_tables(task: Task, examples: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """All that the stage errors says besides, by the names of the files, and `explanations`.

    Every tenth example is a suspicious label. Examples 0 to 9 have no place on the map. e01 and e02 are
    copies of rows that are not among the examples. Slice 7 holds e00 to e04, slice 9 what is in Lima.
    """
    n = len(examples)
    place = np.arange(n)
    return {
        "map": map_of(examples.slice(10)),
        "label_issues": issues_of(task, examples),
        "contradictions": contradictions_of(task, examples),
        "slices": pl.DataFrame(
            {"slice": [7, 9], "role": ["test", "train"], "kind": ["word", "column"]}
            | {"name": ["has <b>storm</b>", "place is Lima"], "n": [5, n // 3]}
        ),
        "slice_members": pl.DataFrame(
            {"slice": [7] * 5 + [9] * len(place[1::3]), "id": [name_of(i) for i in (*range(5), *place[1::3])]}
        ),
        "clusters": pl.DataFrame({"cluster": [0, 1], "n": [n // 2, n // 2], "name": ["fire, smoke", "tea"]}),
        "explanations": explanations_of(task, examples.head(3)),
    }


def map_of(examples: pl.DataFrame) -> pl.DataFrame:
    """Two clouds; the frozen layout is the same turned upside down."""
    chance = np.random.default_rng(1)
    cluster = np.arange(len(examples)) % 2
    xy_N2 = chance.normal(size=(len(examples), 2)) + 6 * cluster[:, None]
    return examples.select("id", "role", "label", "predicted").with_columns(
        x=pl.Series(xy_N2[:, 0], dtype=pl.Float32),
        y=pl.Series(xy_N2[:, 1], dtype=pl.Float32),
        frozen_x=pl.Series(xy_N2[:, 0], dtype=pl.Float32),
        frozen_y=pl.Series(-xy_N2[:, 1], dtype=pl.Float32),
        cluster=pl.Series(cluster, dtype=pl.Int64),
    )


def issues_of(task: Task, examples: pl.DataFrame) -> pl.DataFrame:
    n = len(examples)
    return examples.select("id", "role", "label", pl.col("predicted").alias("suggested")).with_columns(
        rank=pl.cum_count("id").over("role").cast(pl.Int64),
        quality=pl.Series([(i % 100) / 100 for i in range(n)]),
        is_issue=pl.Series([i % 10 == 0 for i in range(n)]),
        judged_by=pl.lit("features, tfidf"),
    )


def contradictions_of(task: Task, examples: pl.DataFrame) -> pl.DataFrame:
    other: Any = {"classification": "other", "regression": 4.5, "multi-label": ["other"]}[task.kind]
    label = NAME_TYPE_OF_KINDS[task.kind]
    rows = examples[1:3].select("id", "role", "label", pl.col("text_original").alias("text"))
    return rows.with_columns(
        other_id=pl.Series(["left-out-1", "left-out-2"]),
        other_role=pl.lit("train"),
        other_label=pl.Series([other, other], dtype=label),
        other_text=pl.Series(["the same <i>storm</i>", "nearly the same"]),
        similarity=pl.Series([1.0, 0.9]),
        exact=pl.Series([True, False]),
    )


def explanations_of(task: Task, examples: pl.DataFrame) -> pl.DataFrame:
    said = {"classification": "alarm", "regression": "a higher score", "multi-label": "alarm"}[task.kind]
    words = [
        [
            {"column": "text", "word": word, "weight": 0.5 - place / 5}
            for place, word in enumerate(text.split()[:6])
        ]
        for text in examples["text_original"]
    ]
    return examples.select("id", "role").with_columns(said=pl.lit(said), words=pl.Series(words))


@contextmanager
def only_the_workbench(folder: Path) -> Iterator[None]:
    """Within, workbench_page.html, a page of nothing else, is a template too; the folder gets a copy."""
    copy = folder / "templates"
    if not copy.exists():
        shutil.copytree(pages.TEMPLATES, copy)
        shutil.copy2(Path(__file__).parent / "workbench_page.html", copy)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "TEMPLATES", copy)
        yield
