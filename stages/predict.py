"""Predict every example with the fine-tuned model, unlabelled ones too.

Where the source has unlabelled rows there is a submission as well: the source's own column names and raw
label values, in the source's order.
"""

from pathlib import Path

import polars as pl
from pydantic import Field
from transformers import AutoModelForSequenceClassification

from stages.lib.arrow import open_stream, write_vectors
from stages.lib.inference import Pooling, infer, load, pooled
from stages.lib.params import StageParams, load_params
from stages.lib.predictions import write_predictions
from stages.lib.stage import InPath, OutPath, run
from stages.lib.tables import replacing_folder, write_json
from stages.lib.task import UNLABELLED, Task, read_task
from stages.lib.versions import warn_of_drift


class Params(StageParams):
    pooling: Pooling
    batch_tokens: int = Field(ge=1)


def write_submission(predicted: pl.DataFrame, ingested: pl.DataFrame, task: Task, path: Path) -> int:
    """The unlabelled rows' ids and raw label values. Returns their number; writes nothing where it is 0."""
    rows = predicted.filter(pl.col("role") == UNLABELLED)
    if rows.is_empty():
        return 0
    source_ids = ingested.select("id", name=pl.coalesce("source_id", "id"))
    raw = pl.Series(task.raw_labels, dtype=pl.String)
    submission = rows.join(source_ids, on="id", how="left", maintain_order="left").select(
        pl.col("name").alias(task.columns.id or "id"),
        raw.gather(rows["predicted"]).alias(task.columns.label or "label"),
    )
    submission.write_csv(path)
    return len(submission)


def main(
    *, task: InPath, ingested: InPath, tokens: InPath, model: InPath, predictions: OutPath, metrics: OutPath
) -> None:
    params = load_params("predict", Params)
    warn_of_drift()
    what = read_task(task)
    table = open_stream(tokens)
    logits_NC, vectors_NH = infer(
        load(AutoModelForSequenceClassification, model),
        table,
        params.batch_tokens,
        lambda outputs, mask_BT: (outputs.logits, pooled(outputs, mask_BT, params.pooling)),
        title="predict",
    )
    examples = pl.DataFrame(pl.from_arrow(table.select(["id", "role", "label"])))
    predicted = examples.with_columns(predicted=logits_NC.argmax(axis=1))
    with replacing_folder(predictions) as folder:
        write_predictions(examples, logits_NC, folder / "finetuned.parquet")
        write_vectors(table, vectors_NH, folder / "vectors.arrow")
        submitted = write_submission(predicted, pl.read_parquet(ingested), what, folder / "submission.csv")
    write_json({"examples": len(examples), "submitted": submitted}, metrics)
    print(
        f"predict: {len(examples):,} examples" + (f", {submitted:,} in the submission" if submitted else "")
    )


if __name__ == "__main__":
    run(main)
