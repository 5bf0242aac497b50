import numpy as np

from stages.lib.statistics.scores import scores
from stages.lib.statistics.thresholds import best_f1_threshold, predicted_at
from stages.lib.task import Task
from tests.predicted import task_of


def f1_at(task: Task, logits_NC: np.ndarray, labels_N: np.ndarray, threshold: float) -> float:
    value = scores(task, labels_N, predicted_at(task, logits_NC, threshold))["f1"]
    assert value is not None
    return value


def test_no_other_threshold_has_a_better_f1() -> None:
    rng = np.random.default_rng(3)
    task, labels_N = task_of(["ham", "spam", "other"], positive="spam"), rng.integers(0, 3, 300)
    logits_NC = rng.normal(size=(300, 3)) + 1.5 * np.eye(3)[labels_N]
    best = best_f1_threshold(task, logits_NC, labels_N)
    assert best is not None
    others = [f1_at(task, logits_NC, labels_N, threshold) for threshold in np.linspace(0, 1, 101)]
    assert f1_at(task, logits_NC, labels_N, best) >= max(others)
    assert min(others) < max(others)


def test_below_the_threshold_the_best_of_the_others_is_said() -> None:
    task = task_of(["ham", "spam", "other"], positive="spam")
    logits_NC = np.log([[0.3, 0.6, 0.1], [0.1, 0.5, 0.4], [0.1, 0.7, 0.2]])
    assert predicted_at(task, logits_NC, 0.65).tolist() == [0, 2, 1]


def test_without_a_positive_class_or_example_there_is_no_best_threshold() -> None:
    logits_NC = np.zeros((2, 2))
    assert best_f1_threshold(task_of(["a", "b"]), logits_NC, np.array([0, 1])) is None
    assert best_f1_threshold(task_of(["a", "b"], positive="b"), logits_NC, np.array([0, 0])) is None
