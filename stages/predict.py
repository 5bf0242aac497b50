"""Predict every example with the fine-tuned model, unlabelled ones too.

Where the source has unlabelled rows there is a submission as well: the source's own column names and raw
label values, in the source's order.
"""

import polars as pl
from pydantic import Field
from transformers import AutoModelForSequenceClassification

from stages.lib.arrow import open_stream, write_vectors
from stages.lib.encoders.devices import claim_gpus
from stages.lib.encoders.inference import Pooling, infer, load, pooler
from stages.lib.encoders.served import read_served
from stages.lib.labels import column_of
from stages.lib.params import StageParams, load_params
from stages.lib.sources.submission import write_submissions
from stages.lib.stage import InPath, OutPath, run
from stages.lib.statistics.answers import answers
from stages.lib.statistics.predictions import FINETUNED, write_predictions
from stages.lib.tables import replacing_folder, write_json
from stages.lib.task import read_task
from stages.lib.versions import warn_of_drift


class Params(StageParams):
    pooling: Pooling
    batch_tokens: int = Field(ge=1)


def main(
    *, task: InPath, ingested: InPath, tokens: InPath, model: InPath, predictions: OutPath, metrics: OutPath
) -> None:
    params = load_params("predict", Params)
    claim_gpus(1)
    warn_of_drift()
    what = read_task(task)
    table = open_stream(tokens)
    finetuned = load(AutoModelForSequenceClassification, model)
    pool = pooler(finetuned, params.pooling)
    logits_NC, vectors_NH = infer(
        finetuned,
        table,
        params.batch_tokens,
        lambda outputs, mask_BT: (outputs.logits, pool(outputs, mask_BT)),
        title="predict",
    )
    examples = pl.DataFrame(pl.from_arrow(table.select(["id", "role", "label"])))
    thresholds = read_served(model).thresholds
    with replacing_folder(predictions) as folder:
        write_predictions(what, examples, logits_NC, folder / f"{FINETUNED}.parquet", thresholds=thresholds)
        write_vectors(table, vectors_NH, folder / "vectors.arrow")
        said = column_of(answers(what, logits_NC, thresholds), what)
        source_ids = pl.read_parquet(ingested, columns=["id", "source_id"])
        submitted = write_submissions(examples.with_columns(predicted=said), source_ids, what, folder)
    rows = sum(submitted.values())
    write_json({"examples": len(examples), "submitted": rows}, metrics)
    print(f"predict: {len(examples):,} examples" + (f", {rows:,} in the submission" if rows else ""))


if __name__ == "__main__":
    run(main)
