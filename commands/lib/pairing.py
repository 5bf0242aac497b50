"""Two runs' answers to the same examples, paired by id, and what became of the examples in between."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from commands.lib.runs import MODEL, SPLITS, Run
from stages.lib.exceptions import RunError, TextrailError
from stages.lib.labels import NAME_TYPE_OF_KINDS, names_of, names_of_array, numbers_of
from stages.lib.statistics.operating import probabilities_of
from stages.lib.statistics.predictions import evaluation_roles, logits_of, predicted_of
from stages.lib.task import Task

TEXTS = ("text_original", "text_pair_original")
BATCH_TOKENS = 4096


class Pairing(NamedTuple):
    """Tables with a row an example; those that both runs have carry the old run's columns as `old_...`."""

    same: pl.DataFrame
    relabelled: pl.DataFrame
    edited: pl.DataFrame  # another text under the same id
    added: pl.DataFrame  # the new run's alone
    removed: pl.DataFrame  # the old run's alone


def common_task(runs: Sequence[Run]) -> Task:
    """That of the first run, with the labels of all. Raises RunError where they are of different kinds."""
    tasks = [run.task() for run in runs]
    for run, task in zip(runs, tasks, strict=True):
        if task.kind != tasks[0].kind:
            raise RunError(
                f"{run.title} has a {task.kind} task ('{task.title}') and {runs[0].title} a {tasks[0].kind} "
                f"task ('{tasks[0].title}'): their answers cannot be compared"
            )
    labels = dict.fromkeys(name for task in tasks for name in task.labels)
    return tasks[0].model_copy(update={"labels": list(labels)})


def has_any(labels: pl.Expr, names: list[str], task: Task) -> pl.Expr:
    """Whether one of the names is the label, or one of several."""
    if NAME_TYPE_OF_KINDS[task.kind] != pl.List(pl.String):
        return labels.cast(pl.String).is_in(names)
    return labels.list.eval(pl.element().is_in(names)).list.any()


def answers_of(run: Run, model: str, role: str) -> pl.DataFrame:
    """The labelled examples of a role: id, logits, label and predicted (names), sure, true, what is kept.

    `sure` is the probability of the predicted class, `true` that of the label; null where the kind has none.
    Several labels stand in alphabetical order. Raises RunError.
    """
    task, predictions = run.task(), run.predictions(model)
    rows = predictions.filter(pl.col("label").is_not_null() & (pl.col("role") == role))
    if rows.is_empty():
        raise RunError(
            f"{run.title}: {model}: no labelled example of role '{role}'; "
            f"it was judged on {', '.join(evaluation_roles(predictions))}"
        )
    splits = run.table(SPLITS)
    told = splits.select("id", *[name for name in (*TEXTS, *task.kept) if name in splits.columns])
    labels = names_of(rows["label"], task)
    table = rows.select(
        "id",
        "logits",
        _in_order(labels).alias("label"),
        _in_order(names_of_array(predicted_of(rows, task), task)).alias("predicted"),
        *certainties(task, probabilities_of(logits_of(rows)), labels),
    )
    joined = table.join(told, on="id", how="left", maintain_order="left")
    if joined["text_original"].null_count():
        raise RunError(
            f"{run.title}: {model}: predicted ids that {SPLITS} lacks; the files are not of one run"
        )
    return joined


def certainties(task: Task, probabilities_NC: np.ndarray, labels: pl.Series) -> list[pl.Series]:
    """`sure` and `true`, as in answers_of, for the names of labels."""
    if not task.facts.has_probabilities:
        return [pl.Series(name, [None] * len(labels), dtype=pl.Float64) for name in ("sure", "true")]
    true_N = probabilities_NC[np.arange(len(labels)), numbers_of(labels, task).to_numpy()]
    return [pl.Series("sure", probabilities_NC.max(axis=1)), pl.Series("true", true_N)]


def _in_order(names: pl.Series) -> pl.Series:
    """The order of labels can differ between runs, as their sources list them."""
    return names.list.sort() if isinstance(names.dtype, pl.List) else names


def pair(old: pl.DataFrame, new: pl.DataFrame) -> Pairing:
    """Of two tables of `answers_of`."""
    before = old.rename({name: f"old_{name}" for name in old.columns if name != "id"})
    both = new.join(before, on="id", how="inner", maintain_order="left")
    texts = [name for name in TEXTS if name in new.columns and f"old_{name}" in both.columns]
    edited = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"old_{name}")) for name in texts)
    relabelled = pl.col("label") != pl.col("old_label")
    return Pairing(
        same=both.filter(~edited & ~relabelled),
        relabelled=both.filter(~edited & relabelled),
        edited=both.filter(edited),
        added=new.join(old, on="id", how="anti", maintain_order="left"),
        removed=old.join(new, on="id", how="anti", maintain_order="left"),
    )


def answered_anew(run: Run, rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` with old_predicted, old_sure, old_true: what the run's stored fine-tuned model says of them.

    Its own cleaning goes before; all its labels must be known to it. Raises RunError.
    """
    # torch takes seconds to import, and few comparisons need it
    from stages.lib.behaviour.labelling import labeller
    from stages.lib.behaviour.said import names_said
    from stages.lib.encoders.served import read_served

    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        run.fetch(MODEL, model)
        try:
            served = read_served(model)
            texts = rows.select(TEXTS[: len(served.text_columns)])
            said_NC = labeller(model, served, BATCH_TOKENS)(texts).astype(np.float64)
        except (TextrailError, OSError, pl.exceptions.PolarsError) as error:
            raise RunError(f"{run.title}: {MODEL} cannot be used: {error}") from None
    sure, true = certainties(run.task(), said_NC, rows["label"])
    return rows.with_columns(
        _in_order(names_said(served, said_NC)).alias("old_predicted"),
        sure.alias("old_sure"),
        true.alias("old_true"),
    )
