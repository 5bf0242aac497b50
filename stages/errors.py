"""Find what goes wrong, where and why: tables for the report.

Each with a module of stages/lib/errors.

examples           one row a labelled example: its texts as written, its label, what the fine-tuned model
                   says, how wrong that is (example_errors.py), and what each baseline says (of a training row
                   out of fold, so that no baseline is quoted on what it learned by heart)
label_issues       one row a labelled example, the labels that are probably wrong first (label_issues.py)
contradictions     copies whose labels disagree (contradictions.py)
slices, slice_members, words    where a role fails, which examples, and what they have in common
                   (slice_tables.py)
clusters           of the frozen vectors, and the words that tell each from the rest (clusters.py)
map                id, role, label, predicted, cluster, and where UMAP lays the fine-tuned vectors (x, y) and
                   the frozen ones (frozen_x, frozen_y): map_table.py
learning_curve     scores of a cheap model by rows of training (learning_curve.py)
to_label           the unlabelled rows most worth labelling (to_label.py)

and by the kind of task those of error_tables.py: confusion, by_range, or by_label and
missed.
"""

from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from threadpoolctl import threadpool_limits

from stages.lib.errors.clusters import clustered
from stages.lib.errors.contradictions import contradictions
from stages.lib.errors.error_numbers import error_line, error_numbers
from stages.lib.errors.error_tables import error_tables
from stages.lib.errors.example_errors import error_table
from stages.lib.errors.folds import copies_of_training
from stages.lib.errors.judges import judgements
from stages.lib.errors.knobs import CROSSFITTED, Params
from stages.lib.errors.label_issues import issue_table
from stages.lib.errors.learning_curve import learning_curve
from stages.lib.errors.linear_judge import Inputs, inputs_of, linear_logits
from stages.lib.errors.map_beside import Points, Vectors, drawn_beside
from stages.lib.errors.slice_tables import weak_parts
from stages.lib.errors.to_label import rows_to_label, uncertain
from stages.lib.errors.vectors_of_ids import vectors_of_ids
from stages.lib.errors.wrong_labels import issue_numbers
from stages.lib.joining import SPLITS, join_by_id
from stages.lib.labels import array_of
from stages.lib.params import load_params
from stages.lib.stage import InPath, OutPath, run
from stages.lib.statistics.cuts import with_cuts
from stages.lib.statistics.learners import words_of
from stages.lib.statistics.predictions import BASELINES, FINETUNED, read_predictions
from stages.lib.tables import in_use, replacing_folder, write_json, write_parquet
from stages.lib.task import Task, read_task

Tables = dict[str, pl.DataFrame]
Numbers = dict[str, dict[str, Any]]  # by role


def linear_inputs(labelled: pl.DataFrame, splits: pl.DataFrame, features: Path, task: Task) -> Inputs:
    texts = join_by_id(labelled.select("id"), splits.select("id", *task.text_columns), SPLITS)
    return inputs_of(words_of(texts, task), vectors_of_ids(features, labelled["id"]))


class Data(NamedTuple):
    """What the other stages left."""

    task: Task
    splits: pl.DataFrame  # every row
    copies: pl.DataFrame
    predictions: dict[str, pl.DataFrame]  # of the baselines in their order, then of the fine-tuned model
    crossfitted: pl.DataFrame
    tokens: Path
    frozen: Path  # vectors
    tuned: Path  # vectors

    @property
    def baselines(self) -> dict[str, pl.DataFrame]:
        return {name: self.predictions[name] for name in BASELINES if name in self.predictions}


def about_labels(data: Data, params: Params) -> tuple[Tables, Numbers]:
    """label_issues and contradictions, and by role numbers of the first."""
    task, rows = data.task, data.predictions[FINETUNED].filter(pl.col("label").is_not_null())
    inputs = linear_inputs(rows, data.splits, data.frozen, task)
    linear_NC = linear_logits(rows, array_of(rows["label"], task), inputs, data.copies, params, task)
    taught_N = copies_of_training(rows, data.copies)
    judges = judgements(rows, data.crossfitted, linear_NC, taught_N, task)
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


def main(
    *,
    task: InPath,
    splits: InPath,
    copies: InPath,
    tokens: InPath,
    features: InPath,
    baseline: InPath,
    finetuned: InPath,
    crossfitted: InPath,
    errors: OutPath,
    metrics: OutPath,
) -> None:
    params = load_params("errors", Params)
    data = Data(
        task=read_task(task),
        splits=pl.read_parquet(splits),
        copies=pl.read_parquet(copies),
        predictions=read_predictions(baseline) | read_predictions(finetuned),
        crossfitted=read_predictions(crossfitted)[CROSSFITTED],
        tokens=tokens,
        frozen=features,
        tuned=finetuned / "vectors.arrow",
    )
    examples = error_table(data.splits, data.predictions[FINETUNED], data.baselines, data.task)
    numbers = error_numbers(examples, list(data.baselines), params.worst_fraction, data.task)
    models = {name: name for name in data.baselines} | {FINETUNED: "predicted"}
    tables = {"examples": examples} | error_tables(examples, models, data.task)
    vectors = Vectors(data.tuned, data.frozen)
    # sums in another order would change the last digits
    with threadpool_limits(limits=1), drawn_beside(examples, vectors, data.task, params) as points:
        parts = about_labels(data, params), about_texts(data, examples, points, params)
    for more, counts in parts:
        tables |= more
        numbers = {role: numbers.get(role, {}) | counts.get(role, {}) for role in numbers | counts}
    with replacing_folder(errors) as folder:
        for name, table in tables.items():
            write_parquet(table, folder / f"{name}.parquet")
    write_json(numbers, metrics)
    print(f"errors: {error_line(numbers, params.worst_fraction, data.task)}")


if __name__ == "__main__":
    run(main)
