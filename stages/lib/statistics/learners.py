"""The baselines' models, for every kind of task: a dummy, and a linear model over words or over vectors.

Legend: N examples, C classes or labels, V words.
"""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
import polars as pl
from scipy import sparse
from scipy.special import logit
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from stages.lib.exceptions import DataError
from stages.lib.kinds import Kind
from stages.lib.scripts import UNSPACED
from stages.lib.task import Task

# Without spaces each character counts as a word, a pair of them as a word pair.
SIGN = rf"([{UNSPACED}])"
LEAST = 1e-6  # of the probability of a label, so that its log odds are finite


class Solving(Protocol):
    """Of a section of params.yaml: what any linear model here is fitted with."""

    @property
    def seed(self) -> int: ...
    @property
    def max_iterations(self) -> int: ...


class Knobs(Solving, Protocol):
    """Of section `baseline` of params.yaml."""

    @property
    def tfidf_min_documents(self) -> int: ...
    @property
    def tfidf_c(self) -> float: ...
    @property
    def features_c(self) -> float: ...


class Words(BaseEstimator, TransformerMixin):  # type: ignore[misc]  # scikit-learn has no types
    """TF-IDF of words and word pairs; of two texts together, and beside it the cosine of the two."""

    def __init__(self, min_documents: int):
        self.min_documents = min_documents

    def fit(self, texts: np.ndarray, labels: np.ndarray) -> "Words":
        """`texts` are [N, 1] or [N, 2]."""
        self.tfidf_ = TfidfVectorizer(
            token_pattern=r"(?u)\w+", ngram_range=(1, 2), sublinear_tf=True, min_df=self.min_documents
        ).fit(joined(texts))
        return self

    def transform(self, texts: np.ndarray) -> sparse.csr_matrix:
        words_NV = self.tfidf_.transform(joined(texts))
        if texts.shape[1] == 1:
            return words_NV
        first_NV, second_NV = (self.tfidf_.transform(column) for column in texts.T)
        cosine_N1 = sparse.csr_matrix(first_NV.multiply(second_NV).sum(axis=1))
        return sparse.hstack([words_NV, cosine_N1], format="csr")


def joined(texts: np.ndarray) -> list[str]:
    return ["\n".join(row) for row in texts]


def words_of(table: pl.DataFrame, task: Task) -> np.ndarray:
    """Each example's texts, [N, 1] or [N, 2], words apart, in scripts without spaces too."""
    columns = [pl.col(column).fill_null("").str.replace_all(SIGN, " $1 ") for column in task.text_columns]
    return table.select(columns).to_numpy()


class Learner(NamedTuple):
    """What a kind of task learns with; `logits` are of a fitted pipeline, float64 [N, C]."""

    dummy: Callable[[], Any]
    linear: Callable[[float, str, Solving], Any]  # C, solver of a logistic regression
    logits: Callable[[Pipeline, np.ndarray, int], np.ndarray]
    arrays: Callable[[Any], dict[str, np.ndarray]]  # of the last step


def logistic(c: float, solver: str, params: Solving) -> LogisticRegression:
    # saga on sparse words: as good as lbfgs on the emotion tweets in a fiftieth of its time
    return LogisticRegression(
        C=c, solver=solver, tol=1e-3, max_iter=params.max_iterations, random_state=params.seed
    )


def ridge(c: float, solver: str, params: Solving) -> Ridge:
    return Ridge(alpha=1 / c, max_iter=params.max_iterations, random_state=params.seed)


def log_probabilities(model: Pipeline, X_N: np.ndarray, classes: int) -> np.ndarray:
    """A class that training never saw gets the least of all."""
    least = np.finfo(np.float32).tiny
    probabilities_NC = np.full((len(X_N), classes), least)
    probabilities_NC[:, model.classes_] = model.predict_proba(X_N)
    return np.log(np.maximum(probabilities_NC, least))


def log_odds(model: Pipeline, X_N: np.ndarray, labels: int) -> np.ndarray:
    return np.asarray(logit(np.clip(model.predict_proba(X_N), LEAST, 1 - LEAST)))


def of_classifier(last: Any) -> dict[str, np.ndarray]:
    if isinstance(last, DummyClassifier):
        return {"prior": last.class_prior_}
    return {"coefficients": last.coef_, "intercepts": last.intercept_}


def of_regressor(last: Any) -> dict[str, np.ndarray]:
    if isinstance(last, DummyRegressor):
        return {"mean": last.constant_.reshape(-1)}
    return {"coefficients": last.coef_.reshape(1, -1), "intercepts": np.array([last.intercept_])}


def of_each_label(last: OneVsRestClassifier) -> dict[str, np.ndarray]:
    """A label that all training rows have or lack has no weights, and all or nothing for its intercept."""
    rows = [of_label(model) for model in last.estimators_]
    names = {name: np.shape(values) for row in rows for name, values in row.items()}
    return {
        name: np.stack([row.get(name, np.zeros(shape)).reshape(shape) for row in rows])
        for name, shape in names.items()
    }


def of_label(model: Any) -> dict[str, np.ndarray]:
    if isinstance(model, DummyClassifier):
        return {"prior": model.class_prior_[-1:]}
    if isinstance(model, LogisticRegression):
        return {"coefficients": model.coef_[0], "intercepts": model.intercept_}
    always = bool(model.y_[0])
    return {"intercepts": np.array([logit(1 - LEAST if always else LEAST)])}


LEARNERS_OF_KINDS: dict[Kind, Learner] = {
    "classification": Learner(
        dummy=lambda: DummyClassifier(strategy="prior"),
        linear=logistic,
        logits=log_probabilities,
        arrays=of_classifier,
    ),
    "regression": Learner(
        dummy=lambda: DummyRegressor(strategy="mean"),
        linear=ridge,
        logits=lambda model, X_N, outputs: model.predict(X_N).reshape(-1, outputs),
        arrays=of_regressor,
    ),
    "multi-label": Learner(
        dummy=lambda: OneVsRestClassifier(DummyClassifier(strategy="prior")),
        linear=lambda c, solver, params: OneVsRestClassifier(logistic(c, solver, params)),
        logits=log_odds,
        arrays=of_each_label,
    ),
}


def unfitted(name: str, learner: Learner, params: Knobs) -> Pipeline:
    match name:
        case "dummy":
            return make_pipeline(learner.dummy())
        case "tfidf":
            return make_pipeline(
                Words(params.tfidf_min_documents), learner.linear(params.tfidf_c, "saga", params)
            )
        case "features":
            return make_pipeline(StandardScaler(), learner.linear(params.features_c, "lbfgs", params))
    raise ValueError(name)


def fit(model: Pipeline, X_N: np.ndarray, labels_N: np.ndarray) -> Pipeline:
    """Raises DataError where no text has a word."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"Label (not )?\S+ is present in all training examples")
            return model.fit(X_N, labels_N)
    except ValueError as error:
        if "empty vocabulary" not in str(error) and "no terms remain" not in str(error):
            raise
        raise DataError(
            f"tfidf: no word is left in {len(X_N):,} training texts "
            "(baseline.tfidf_min_documents too high, or cleaning removed them all): see data/splits.parquet"
        ) from None
