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

import polars as pl
from threadpoolctl import threadpool_limits

from stages.lib.errors.data import Data
from stages.lib.errors.error_numbers import error_line, error_numbers
from stages.lib.errors.error_tables import error_tables
from stages.lib.errors.example_errors import error_table
from stages.lib.errors.knobs import CROSSFITTED, Params
from stages.lib.errors.map_beside import Vectors, drawn_beside
from stages.lib.params import load_params
from stages.lib.stage import InPath, OutPath, run
from stages.lib.statistics.predictions import FINETUNED, read_predictions
from stages.lib.tables import replacing_folder, write_json, write_parquet
from stages.lib.task import read_task


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
    with drawn_beside(examples, vectors, data.task, params) as points:
        # a second or two, beside the map, whose process imports this module too and needs none of it
        from stages.lib.errors.about import about_labels, about_texts

        # of libraries that are loaded by now; sums in another order would change the last digits
        with threadpool_limits(limits=1):
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
