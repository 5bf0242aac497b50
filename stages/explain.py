"""Find the words that carried each of the worst predictions.

explanations.parquet: id, role, said, words (column, word, weight). `said` is what the weights speak for: the
predicted class; of several labels the one with the largest loss; of a regression a higher score. A weight
above 0 speaks for it, one below against it (stages/lib/behaviour/attribution.py).
"""

import numpy as np
import polars as pl
from pydantic import Field

from stages.lib.behaviour.attribution import METHOD, Explainer, explain
from stages.lib.encoders.devices import claim_gpus
from stages.lib.encoders.served import read_served
from stages.lib.joining import SPLITS, join_by_id
from stages.lib.labels import array_of_names
from stages.lib.params import StageParams, load_params
from stages.lib.stage import InPath, OutPath, run
from stages.lib.tables import write_json, write_parquet
from stages.lib.task import Task, read_task
from stages.lib.versions import warn_of_drift

HIGHER = "a higher score"


class Params(StageParams):
    examples: int = Field(ge=0)
    label_issues: int = Field(ge=0)
    most_words: int = Field(ge=2)
    batch_tokens: int = Field(ge=1)


def chosen(examples: pl.DataFrame, issues: pl.DataFrame, params: Params) -> pl.DataFrame:
    """To explain, in their order: the highest losses, those of training last, and the top of the issues."""
    order = [pl.col("role") == "train", -pl.col("loss")]
    ids = examples.sort(order, maintain_order=True).head(params.examples)["id"].to_list()
    ids += issues.filter(pl.col("rank") <= params.label_issues)["id"].to_list()
    return examples.filter(pl.col("id").is_in(ids))


def _predicted(examples: pl.DataFrame, task: Task) -> np.ndarray:
    return array_of_names(examples["predicted"], task)


def _most_wrong(examples: pl.DataFrame, task: Task) -> np.ndarray:
    """int64 [N]: the label with the largest loss, missed or too many."""
    probability_NC = examples["probabilities"].to_numpy()
    return np.asarray(np.abs(array_of_names(examples["label"], task) - probability_NC).argmax(axis=1))


# the place of the class or label that the weights speak for, [N]
SAID_OF_KINDS = {
    "classification": _predicted,
    "regression": lambda examples, task: np.zeros(len(examples), dtype=np.int64),
    "multi-label": _most_wrong,
}


def names_of_said(said_N: np.ndarray, task: Task) -> pl.Series:
    names = task.labels if task.facts.has_classes else [HIGHER]
    return pl.Series("said", [names[place] for place in said_N], dtype=pl.String)


def cleaned_texts(examples: pl.DataFrame, splits: pl.DataFrame, task: Task) -> pl.DataFrame:
    """As the model reads them, in the order of `examples`. Raises DataError."""
    joined = join_by_id(examples.select("id"), splits, SPLITS, "examples to explain")
    return joined.select(task.text_columns)


def main(
    *,
    task: InPath,
    splits: InPath,
    examples: InPath,
    issues: InPath,
    model: InPath,
    explanations: OutPath,
    metrics: OutPath,
) -> None:
    params = load_params("explain", Params)
    claim_gpus(1)
    warn_of_drift()
    what = read_task(task)
    asked_for = chosen(pl.read_parquet(examples), pl.read_parquet(issues), params)
    texts = cleaned_texts(asked_for, pl.read_parquet(splits), what)
    said_N = SAID_OF_KINDS[what.kind](asked_for, what)
    asked = Explainer(model, read_served(model), params.most_words, params.batch_tokens)
    words = explain(texts, said_N, asked)
    write_parquet(asked_for.select("id", "role", names_of_said(said_N, what), words), explanations)
    count = int(words.list.len().sum())
    write_json({"method": METHOD, "n": len(asked_for), "words": count}, metrics)
    print(f"explain: {len(asked_for):,} examples, {count:,} words left out one at a time")


if __name__ == "__main__":
    run(main)
