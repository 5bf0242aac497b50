"""The map, laid out in a process of its own: it takes as long as all else of the stage, on one core."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import polars as pl
from threadpoolctl import threadpool_limits

from stages.lib.errors.knobs import Params
from stages.lib.errors.map_table import FEWEST_FOR_UMAP, map_table
from stages.lib.errors.vectors_of_ids import vectors_of_ids
from stages.lib.task import Task

Points = Callable[[], pl.DataFrame]  # waits for the map


class Vectors(NamedTuple):
    finetuned: Path
    frozen: Path


@contextmanager
def drawn_beside(examples: pl.DataFrame, vectors: Vectors, task: Task, params: Params) -> Iterator[Points]:
    """The map's points, but for the cluster; what else is computed meanwhile has the other core."""
    if min(len(examples), params.map_examples) < FEWEST_FOR_UMAP:
        yield lambda: drawn(examples, vectors, task, params)
        return
    # spawned: a fork of a process with threads, Polars' among them, may hang
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        yield pool.submit(drawn, examples, vectors, task, params).result


def drawn(examples: pl.DataFrame, vectors: Vectors, task: Task, params: Params) -> pl.DataFrame:
    finetuned_NH, frozen_NH = (vectors_of_ids(path, examples["id"]) for path in vectors)
    with threadpool_limits(limits=1):
        return map_table(examples, finetuned_NH, frozen_NH, task, params)
