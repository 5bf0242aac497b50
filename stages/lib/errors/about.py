"""What errors finds about the labels, and about the texts.

Apart from the stage's own module, which the process of the map imports too, for what all this rests on takes
a second or two to import.
"""

from pathlib import Path
from typing import Any

import polars as pl

from stages.lib.errors.clusters import clustered
from stages.lib.errors.contradictions import contradictions
from stages.lib.errors.data import Data
from stages.lib.errors.judges import judgements
from stages.lib.errors.knobs import Params
from stages.lib.errors.label_issues import issue_table
from stages.lib.errors.learning_curve import learning_curve
from stages.lib.errors.linear_judge import Inputs, inputs_of, linear_logits
from stages.lib.errors.map_beside import Points
from stages.lib.errors.slice_tables import weak_parts
from stages.lib.errors.to_label import rows_to_label, uncertain
from stages.lib.errors.vectors_of_ids import vectors_of_ids
from stages.lib.errors.wrong_labels import issue_numbers
from stages.lib.joining import SPLITS, join_by_id
from stages.lib.labels import array_of
from stages.lib.statistics.cuts import with_cuts
from stages.lib.statistics.learners import words_of
from stages.lib.statistics.predictions import FINETUNED
from stages.lib.tables import in_use
from stages.lib.task import Task

Tables = dict[str, pl.DataFrame]
Numbers = dict[str, dict[str, Any]]  # by role


def linear_inputs(labelled: pl.DataFrame, splits: pl.DataFrame, features: Path, task: Task) -> Inputs:
    texts = join_by_id(labelled.select("id"), splits.select("id", *task.text_columns), SPLITS)
    return inputs_of(words_of(texts, task), vectors_of_ids(features, labelled["id"]))


def about_labels(data: Data, params: Params) -> tuple[Tables, Numbers]:
    """label_issues and contradictions, and by role numbers of the first."""
    task, rows = data.task, data.predictions[FINETUNED].filter(pl.col("label").is_not_null())
    inputs = linear_inputs(rows, data.splits, data.frozen, task)
    linear_NC = linear_logits(rows, array_of(rows["label"], task), inputs, data.copies, params, task)
    judges = judgements(rows, data.crossfitted, linear_NC, data.copies, task)
    issues = [issue_table(judge, task) for judge in judges]
    numbers = {
        table["role"][0]: {"label_issues": issue_numbers(judge, table, params, task)}
        for judge, table in zip(judges, issues, strict=True)
    }
    pairs = contradictions(data.copies, data.splits, task)
    return {"label_issues": pl.concat(issues), "contradictions": pairs}, numbers


def about_texts(data: Data, examples: pl.DataFrame, points: Points, params: Params) -> tuple[Tables, Numbers]:
    """Slices, words, clusters, map, learning curve and rows to label, and by role numbers of some."""
    task, rows = data.task, in_use(data.splits)
    members, clusters = clustered(rows, vectors_of_ids(data.frozen, rows["id"]), task, params)
    weak = weak_parts(examples, with_cuts(rows, data.tokens), members, task, params)
    curve = learning_curve(rows.filter(pl.col("label").is_not_null()), task, params)
    unsure = join_by_id(uncertain(data.predictions, task), members, SPLITS)
    unsure_NH = vectors_of_ids(data.frozen, unsure["id"])
    tables = weak.tables | {
        "clusters": clusters,
        "learning_curve": curve.table,
        "map": join_by_id(points(), members.select("id", "cluster"), SPLITS),
        "to_label": rows_to_label(unsure, rows, unsure_NH, task, params.to_label),
    }
    numbers = {role: {"slices": of_role} for role, of_role in weak.numbers.items()}
    for role, of_role in curve.numbers.items():
        numbers.setdefault(role, {})["learning_curve"] = of_role
    return tables, numbers
