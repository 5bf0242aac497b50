"""Fit the three baselines that fine-tuning has to beat, and predict every example with each.

dummy says how often each class or label occurs in training, or the mean of the scores; tfidf is a linear
model over words and word pairs, of two texts also over how alike they are; features is a linear model over
the frozen encoder's vectors. Linear models are logistic regressions, one a label where there are several,
and ridge regressions. Their logits are calibrated on validation, and for training rows there are logits out
of fold: from a model that was trained neither on the row nor on a copy of it.

Legend: N examples, C classes or labels, V words, H hidden size.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from pydantic import Field
from safetensors.numpy import save_file
from sklearn.pipeline import Pipeline, make_pipeline
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from stages.lib.arrow import open_stream, vectors_of
from stages.lib.exceptions import DataError
from stages.lib.labels import array_of
from stages.lib.params import StageParams, load_params
from stages.lib.stage import InPath, OutPath, run
from stages.lib.statistics.answers import answers
from stages.lib.statistics.calibration import fit_temperature
from stages.lib.statistics.folds import deal, too_few
from stages.lib.statistics.learners import LEARNERS_OF_KINDS, fit, unfitted, words_of
from stages.lib.statistics.multi_label import fit_thresholds
from stages.lib.statistics.predictions import write_predictions
from stages.lib.statistics.scores import scores
from stages.lib.tables import in_use, replacing_folder, write_json
from stages.lib.task import Task, read_task


class Params(StageParams):
    seed: int
    folds: int = Field(ge=2)
    max_iterations: int = Field(ge=1)
    tfidf_min_documents: int = Field(ge=1)
    tfidf_c: float = Field(gt=0)
    features_c: float = Field(gt=0)


def said_out_of_fold(
    task: Task, model: Pipeline, X_N: np.ndarray, fold_N: np.ndarray, labels_N: np.ndarray
) -> np.ndarray:
    """float64 [N, C] of the training rows, which are those of all three."""
    learner = LEARNERS_OF_KINDS[task.kind]
    result_NC = np.empty((len(X_N), task.outputs))
    for fold in range(fold_N.max() + 1):
        rest_N = fold_N == fold
        learned_N = labels_N[~rest_N]
        # of one class alone there is nothing to learn: it is what is said
        one_label = len(np.unique(learned_N, axis=0)) < 2
        fitted_model = fit(make_pipeline(learner.dummy()) if one_label else model, X_N[~rest_N], learned_N)
        result_NC[rest_N] = learner.logits(fitted_model, X_N[rest_N], task.outputs)
    return result_NC


def dealt(train: pl.DataFrame, copies: pl.DataFrame, params: Params) -> np.ndarray:
    """Each training row's fold, all copies of a text in one. Raises DataError where there are too few."""
    fold_N = deal(train, copies, params.folds, params.seed)
    if few := too_few(fold_N, params.folds):
        raise DataError(f"baseline.folds: {few}")
    return fold_N


class Fitted(NamedTuple):
    model: Pipeline
    logits: np.ndarray  # float32 [N, C], calibrated
    out_of_fold: np.ndarray  # the same of training rows, NaN elsewhere
    temperature: float | None
    thresholds: list[float] | None
    validation: dict[str, Any]  # its scores there, and n


def fitted(
    task: Task, name: str, X_N: np.ndarray, examples: pl.DataFrame, fold_N: np.ndarray, params: Params
) -> Fitted:
    """`fold_N` are the folds of the training rows."""
    learner = LEARNERS_OF_KINDS[task.kind]
    train, validation = (np.flatnonzero(examples["role"] == role) for role in ("train", "validation"))
    labels_N, known_N = (array_of(examples["label"].gather(rows), task) for rows in (train, validation))
    model = fit(unfitted(name, learner, params), X_N[train], labels_N)
    logits_NC = learner.logits(model, X_N, task.outputs).astype(np.float32)
    held_out_NC = np.full_like(logits_NC, np.nan, dtype=np.float64)
    held_out_NC[train] = said_out_of_fold(task, unfitted(name, learner, params), X_N[train], fold_N, labels_N)
    temperature = fit_temperature(task.kind, logits_NC[validation], known_N)
    if temperature is not None:
        logits_NC, held_out_NC = logits_NC / temperature, held_out_NC / temperature
    thresholds = fit_thresholds(logits_NC[validation], known_N) if task.facts.has_thresholds else None
    scored = scores(task, known_N, answers(task, logits_NC[validation], thresholds)) | {"n": len(known_N)}
    return Fitted(model, logits_NC, held_out_NC.astype(np.float32), temperature, thresholds, scored)


def describe(numbers: dict[str, Any], metric: str) -> str:
    values = {name: of["validation"][metric] for name, of in numbers.items()}
    shown = [f"{name} {'undefined' if value is None else f'{value:.3f}'}" for name, value in values.items()]
    return ", ".join(shown) + f" (n {numbers['dummy']['validation']['n']:,})"


def save(task: Task, found: Fitted, folder: Path, name: str) -> None:
    """The fitted numbers as plain arrays, and what else they mean as JSON: no pickle, always the same bytes.

    logits / temperature is what the predictions hold. dummy: log(prior_C), of several labels the log odds of
    the prior, of a regression the mean. tfidf: idf_V, coefficients_CV and intercepts_C over `vocabulary`,
    and behind those a coefficient of the cosine where there are two texts. features: (x_H - mean_H) /
    scale_H, then coefficients_CH and intercepts_C. With two classes the linear models have one row, for the
    second class against the first; `classes` are those that training saw.
    """
    first, last = found.model[0], found.model[-1]
    arrays = LEARNERS_OF_KINDS[task.kind].arrays(last)
    described: dict[str, Any] = {"temperature": found.temperature, "thresholds": found.thresholds}
    if task.facts.has_probabilities:
        described["classes"] = [int(number) for number in last.classes_]
    if name == "tfidf":
        arrays["idf"] = first.tfidf_.idf_
        described["vocabulary"] = first.tfidf_.get_feature_names_out().tolist()
        described["vectorizer"] = {
            "token_pattern": first.tfidf_.token_pattern,
            "ngrams": [1, 2],
            "sublinear_tf": True,
        }
    if name == "features":
        arrays |= {"mean": first.mean_, "scale": first.scale_}
    arrays = {key: np.ascontiguousarray(values) for key, values in arrays.items()}  # else written transposed
    save_file(arrays, folder / f"{name}.safetensors")
    write_json(described, folder / f"{name}.json")


def main(
    *,
    task: InPath,
    splits: InPath,
    copies: InPath,
    features: InPath,
    models: OutPath,
    predictions: OutPath,
    metrics: OutPath,
) -> None:
    params = load_params("baseline", Params)
    what = read_task(task)
    vectors = open_stream(features)
    examples = pl.DataFrame(pl.from_arrow(vectors.select(["id", "role", "label"])))
    fold_N = dealt(examples.filter(pl.col("role") == "train"), pl.read_parquet(copies), params)
    inputs = {
        "dummy": np.zeros((len(examples), 1)),
        "tfidf": words_of(in_use(pl.read_parquet(splits)), what),
        "features": vectors_of(vectors),
    }
    numbers = {}
    with replacing_folder(models) as model_folder, replacing_folder(predictions) as prediction_folder:
        for name, X_N in tqdm(inputs.items(), desc="baseline", delay=2, disable=None):
            with threadpool_limits(1):  # sums of several threads differ in their last digits from sums of one
                found = fitted(what, name, X_N, examples, fold_N, params)
            save(what, found, model_folder, name)
            write_predictions(
                what,
                examples,
                found.logits,
                prediction_folder / f"{name}.parquet",
                thresholds=found.thresholds,
                out_of_fold_NC=found.out_of_fold,
            )
            numbers[name] = {
                "validation": found.validation,
                "temperature": found.temperature,
                "thresholds": found.thresholds,
            }
    write_json(numbers, metrics)
    print(f"baseline: validation {what.metrics[0]} " + describe(numbers, what.metrics[0]))


if __name__ == "__main__":
    run(main)
