"""Two runs' answers to the same examples, paired by id, and what became of the examples in between."""

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.special import softmax

from commands.lib.runs import MODEL, SPLITS, Run
from stages.lib.exceptions import RunError, TextrailError
from stages.lib.predictions import evaluation_roles, logits_of
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


def answers_of(run: Run, model: str, role: str) -> pl.DataFrame:
    """The labelled examples of a role: id, logits, label and predicted (names), sure, true, what is kept.

    `sure` is the probability of the predicted class, `true` that of the label. Raises RunError.
    """
    task, predictions = run.task(), run.predictions(model)
    rows = predictions.filter(pl.col("label").is_not_null() & (pl.col("role") == role))
    if rows.is_empty():
        raise RunError(
            f"{run.title}: {model}: no labelled example of role '{role}'; "
            f"it was judged on {', '.join(evaluation_roles(predictions))}"
        )
    probabilities_NC = softmax(logits_of(rows).astype(np.float64), axis=1)
    predicted_N, labels_N = probabilities_NC.argmax(axis=1), rows["label"].to_numpy()
    splits = run.table(SPLITS)
    told = splits.select("id", *[name for name in (*TEXTS, *task.kept) if name in splits.columns])
    table = rows.select("id", "logits").with_columns(
        label=names_of(labels_N, task),
        predicted=names_of(predicted_N, task),
        sure=probabilities_NC.max(axis=1),
        true=probabilities_NC[np.arange(len(rows)), labels_N],
    )
    joined = table.join(told, on="id", how="left", maintain_order="left")
    if joined["text_original"].null_count():
        raise RunError(
            f"{run.title}: {model}: predicted ids that {SPLITS} lacks; the files are not of one run"
        )
    return joined


def names_of(numbers_N: np.ndarray, task: Task) -> pl.Series:
    return pl.Series(np.array(task.labels, dtype=object)[numbers_N], dtype=pl.String)


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

    Its own cleaning goes before. `old_true` is 0 where it does not know the label. Raises RunError.
    """
    # torch takes seconds to import, and few comparisons need it
    from commands.lib.labelling import labeller
    from stages.lib.served import read_served

    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        run.fetch(MODEL, model)
        try:
            served = read_served(model)
            texts = rows.select(TEXTS[: len(served.text_columns)])
            probabilities_NC = labeller(model, served, BATCH_TOKENS)(texts).astype(np.float64)
        except (TextrailError, OSError, pl.exceptions.PolarsError) as error:
            raise RunError(f"{run.title}: {MODEL} cannot be used: {error}") from None
    places = {name: place for place, name in enumerate(served.labels)}
    padded_NC = np.pad(probabilities_NC, ((0, 0), (0, 1)))
    label_N = [places.get(name, len(places)) for name in rows["label"]]
    return rows.with_columns(
        old_predicted=pl.Series([served.labels[place] for place in probabilities_NC.argmax(axis=1)]),
        old_sure=probabilities_NC.max(axis=1),
        old_true=padded_NC[np.arange(len(rows)), label_N],
    )
