from typing import get_args

import numpy as np
import pytest
from sklearn.metrics import f1_score

from stages.lib.scores import METRIC_NAMES, metric_names, scores, scores_by_class
from stages.lib.source import NEED_POSITIVE, Metric
from stages.lib.task import SourceColumns, Task


def a_task(labels: list[str], positive: str | None = None) -> Task:
    columns = SourceColumns(id=None, text="text", text_pair=None, label="label")
    return Task(
        title="made up",
        kind="classification",
        labels=labels,
        raw_labels=labels,
        positive=positive,
        metrics=["accuracy"],
        columns=columns,
        kept=[],
        copies="remove",
    )


SPAM = a_task(["ham", "spam"], positive="spam")
LABELS_N = np.array([1, 1, 1, 0, 0, 0, 0, 0])
PREDICTED_N = np.array([1, 1, 0, 1, 0, 0, 0, 0])


def test_binary_scores_are_those_of_the_positive_class() -> None:
    values = scores(SPAM, LABELS_N, PREDICTED_N)
    assert values["precision"] == pytest.approx(2 / 3)
    assert values["recall"] == pytest.approx(2 / 3)
    assert values["accuracy"] == 6 / 8


def test_the_other_class_can_be_the_positive_one() -> None:
    ham = a_task(["ham", "spam"], positive="ham")
    assert scores(ham, LABELS_N, PREDICTED_N)["recall"] == pytest.approx(4 / 5)


@pytest.mark.parametrize("positive", [None, "spam"])
def test_the_scores_are_the_names_that_a_source_can_list(positive: str | None) -> None:
    task = a_task(["ham", "spam"], positive)
    assert tuple(scores(task, LABELS_N, PREDICTED_N)) == metric_names(positive)


def test_a_source_can_list_every_metric_and_no_other() -> None:
    assert set(get_args(Metric)) == set(METRIC_NAMES)
    assert set(NEED_POSITIVE) == set(METRIC_NAMES) - set(metric_names(positive=None))


def test_macro_f1_leaves_out_a_class_that_does_not_occur() -> None:
    task = a_task(["a", "b", "c"])
    assert scores(task, np.array([0, 1]), np.array([0, 1]))["macro_f1"] == 1


def test_macro_f1_counts_a_class_that_is_only_predicted() -> None:
    task = a_task(["a", "b", "c"])
    labels_N, predicted_N = np.array([0, 1, 1]), np.array([0, 1, 2])
    expected = f1_score(labels_N, predicted_N, average="macro")
    assert scores(task, labels_N, predicted_N)["macro_f1"] == expected == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_zero_divided_by_zero_is_zero_without_a_warning() -> None:
    never = scores_by_class(SPAM, np.array([1, 0]), np.array([0, 0]))["spam"]
    assert never == {"precision": 0, "recall": 0, "f1": 0}


def test_every_class_of_the_task_has_its_scores() -> None:
    assert list(scores_by_class(a_task(["a", "b", "c"]), np.array([0]), np.array([0]))) == ["a", "b", "c"]
