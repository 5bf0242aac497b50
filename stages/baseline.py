"""Fit the three baselines that fine-tuning has to beat, and predict every example with each.

dummy says how often each class occurs in training; tfidf is a linear model over words and word pairs;
features is a linear model over the frozen encoder's vectors. Their logits are calibrated on validation, and
for training rows there are logits out of fold: from a model that was not trained on the row.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import Field
from safetensors.numpy import save_file
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from stages.lib.arrow import open_stream, vectors_of
from stages.lib.calibration import fit_temperature
from stages.lib.exceptions import DataError
from stages.lib.params import StageParams, load_params
from stages.lib.predictions import write_predictions
from stages.lib.scores import scores
from stages.lib.stage import InPath, OutPath, run
from stages.lib.tables import in_use, replacing_folder, write_json
from stages.lib.task import Task, read_task

# Scripts written without spaces: each of their characters counts as a word, a pair of them as a word pair.
UNSPACED = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])"


class Params(StageParams):
    seed: int
    folds: int = Field(ge=2)
    max_iterations: int = Field(ge=1)
    tfidf_min_documents: int = Field(ge=1)
    tfidf_c: float = Field(gt=0)
    features_c: float = Field(gt=0)


def words_of(table: pl.DataFrame, task: Task) -> np.ndarray:
    """Each example's texts as one string, words apart, in scripts without spaces too."""
    joined = pl.concat_str([pl.col(column).fill_null("") for column in task.text_columns], separator="\n")
    return table.select(joined.str.replace_all(UNSPACED, " $1 ")).to_series().to_numpy()


def unfitted(name: str, params: Params) -> Pipeline:
    match name:
        case "dummy":
            return make_pipeline(DummyClassifier(strategy="prior"))
        case "tfidf":
            words = TfidfVectorizer(
                token_pattern=r"(?u)\w+",
                ngram_range=(1, 2),
                sublinear_tf=True,
                min_df=params.tfidf_min_documents,
            )
            return make_pipeline(words, linear(params.tfidf_c, "saga", params))
        case "features":
            return make_pipeline(StandardScaler(), linear(params.features_c, "lbfgs", params))
    raise ValueError(name)


def linear(c: float, solver: str, params: Params) -> LogisticRegression:
    # saga on sparse words: as good as lbfgs on the emotion tweets in a fiftieth of its time
    return LogisticRegression(
        C=c, solver=solver, tol=1e-3, max_iter=params.max_iterations, random_state=params.seed
    )


def fitted(model: Pipeline, X_N: np.ndarray, examples: pl.DataFrame) -> Pipeline:
    train_N = (examples["role"] == "train").to_numpy()
    return fit(model, X_N[train_N], examples["label"].to_numpy()[train_N].astype(int))


def fit(model: Pipeline, X_N: np.ndarray, labels_N: np.ndarray) -> Pipeline:
    """Raises DataError where no text has a word."""
    try:
        return model.fit(X_N, labels_N)
    except ValueError as error:
        if "empty vocabulary" not in str(error) and "no terms remain" not in str(error):
            raise
        raise DataError(
            f"tfidf: no word is left in {len(X_N):,} training texts "
            "(baseline.tfidf_min_documents too high, or cleaning removed them all): see data/splits.parquet"
        ) from None


def logits(model: Pipeline, X_N: np.ndarray, classes: int) -> np.ndarray:
    """Log probabilities, float32 [N, C]; a class that training never saw gets the least of all."""
    least = np.finfo(np.float32).tiny
    probabilities_NC = np.full((len(X_N), classes), least)
    probabilities_NC[:, model.classes_] = model.predict_proba(X_N)
    return np.log(np.maximum(probabilities_NC, least)).astype(np.float32)


def predicted_out_of_fold(
    model: Pipeline, X_N: np.ndarray, examples: pl.DataFrame, params: Params, task: Task
) -> np.ndarray:
    """[N, C], NaN outside the training role."""
    rows = np.flatnonzero(examples["role"] == "train")
    labels = examples["label"].to_numpy()[rows].astype(int)
    result_NC = np.full((len(examples), len(task.labels)), np.nan, dtype=np.float32)
    for fold_train, fold_rest in folds_of(labels, params):
        fit(model, X_N[rows[fold_train]], labels[fold_train])
        result_NC[rows[fold_rest]] = logits(model, X_N[rows[fold_rest]], len(task.labels))
    return result_NC


def folds_of(labels: np.ndarray, params: Params) -> list[tuple[np.ndarray, np.ndarray]]:
    """Raises DataError where there are too few training rows to hold a fold out."""
    _, sizes = np.unique(labels, return_counts=True)
    if sizes.max() < params.folds:
        raise DataError(
            f"baseline.folds: found {params.folds}, but the largest class has {sizes.max()} training examples"
        )
    folds = StratifiedKFold(params.folds, shuffle=True, random_state=params.seed)
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "The least populated class"
        )  # such a row's fold has no other of its class
        return list(folds.split(labels, labels))


def temperature_on_validation(logits_NC: np.ndarray, examples: pl.DataFrame) -> float:
    rows = np.flatnonzero(examples["role"] == "validation")
    return fit_temperature(logits_NC[rows], examples["label"].to_numpy()[rows].astype(int))


def validation_scores(task: Task, logits_NC: np.ndarray, examples: pl.DataFrame) -> dict[str, Any]:
    rows = np.flatnonzero(examples["role"] == "validation")
    labels = examples["label"].to_numpy()[rows].astype(int)
    return {"validation": scores(task, labels, logits_NC[rows].argmax(axis=1)) | {"n": len(rows)}}


def describe(numbers: dict[str, Any], metric: str) -> str:
    figures = [f"{name} {of['validation'][metric]:.3f}" for name, of in numbers.items()]
    return ", ".join(figures) + f" (n {numbers['dummy']['validation']['n']:,})"


def save(model: Pipeline, temperature: float, folder: Path, name: str) -> None:
    """The fitted numbers as plain arrays, and what else they mean as JSON: no pickle, always the same bytes.

    logits / temperature is what the predictions hold. dummy: log(prior_C). tfidf: idf_V, coefficients_CV and
    intercepts_C over `vocabulary`. features: (x_H - mean_H) / scale_H, then coefficients_CH and intercepts_C.
    With two classes the linear models have one row, for the second class against the first.
    """
    first, last = model[0], model[-1]
    described: dict[str, Any] = {
        "temperature": temperature,
        "classes": [int(number) for number in last.classes_],
    }
    if name == "dummy":
        arrays = {"prior": last.class_prior_}
    else:
        arrays = {"coefficients": last.coef_, "intercepts": last.intercept_}
    if name == "tfidf":
        arrays["idf"] = first.idf_
        described["vocabulary"] = first.get_feature_names_out().tolist()
        described["vectorizer"] = {
            "token_pattern": first.token_pattern,
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
    features: InPath,
    models: OutPath,
    predictions: OutPath,
    metrics: OutPath,
) -> None:
    params = load_params("baseline", Params)
    what = read_task(task)
    vectors = open_stream(features)
    examples = pl.DataFrame(pl.from_arrow(vectors.select(["id", "role", "label"])))
    inputs = {
        "dummy": np.zeros((len(examples), 1)),
        "tfidf": words_of(in_use(pl.read_parquet(splits)), what),
        "features": vectors_of(vectors),
    }
    numbers = {}
    with replacing_folder(models) as model_folder, replacing_folder(predictions) as prediction_folder:
        for name, X_N in tqdm(inputs.items(), desc="baseline", delay=2, disable=None):
            model = fitted(unfitted(name, params), X_N, examples)
            logits_NC = logits(model, X_N, len(what.labels))
            out_of_fold_NC = predicted_out_of_fold(unfitted(name, params), X_N, examples, params, what)
            temperature = temperature_on_validation(logits_NC, examples)
            save(model, temperature, model_folder, name)
            path = prediction_folder / f"{name}.parquet"
            write_predictions(examples, logits_NC / temperature, path, out_of_fold_NC / temperature)
            numbers[name] = validation_scores(what, logits_NC, examples) | {"temperature": temperature}
    write_json(numbers, metrics)
    print(f"baseline: validation {what.metrics[0]} " + describe(numbers, what.metrics[0]))


if __name__ == "__main__":
    run(main)
