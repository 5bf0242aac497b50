"""Labels that are probably wrong, who judges them, and how many they are."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest

from stages.lib.errors.contradictions import contradictions
from stages.lib.errors.judges import Judged, best_weight, judgements
from stages.lib.errors.knobs import Params
from stages.lib.errors.label_issues import issue_table
from stages.lib.errors.linear_judge import inputs_of, linear_logits, out_of_fold
from stages.lib.errors.wrong_labels import issue_numbers, wrong_share
from stages.lib.exceptions import DataError
from stages.lib.kinds import Kind
from stages.lib.labels import NAME_TYPE_OF_KINDS, array_of, numbers_of
from stages.lib.statistics.folds import copies_of_training, deal, groups_of_copies
from stages.lib.statistics.learners import words_of
from stages.lib.task import Task
from tests.error_knobs import knobs as params_of
from tests.predicted import copies_of, task_of
from tests.tiny import sentence

NO_COPIES = copies_of(pl.DataFrame(schema={"id": pl.String, "role": pl.String, "label": pl.Int64}), [])
TWO = task_of(["calm", "alarm"])


def judged(
    labels: Sequence[Any], said: Sequence[Sequence[float]], task: Task = TWO, role: str = "test"
) -> Judged:
    rows = pl.DataFrame({"id": [f"r{n}" for n in range(len(labels))], "role": role})
    names = pl.Series("label", labels, dtype=NAME_TYPE_OF_KINDS[task.kind])
    return Judged(rows.with_columns(numbers_of(names, task)), np.array(said, dtype=float), "finetuned")


# --- cleanlab's ranking ------------------------------------------------------------------------------------


def test_the_label_that_its_judge_believes_least_comes_first() -> None:
    found = issue_table(judged(["calm", "alarm", "calm"], [[0.9, 0.1], [0.95, 0.05], [0.4, 0.6]]), TWO)
    assert found.select("id", "rank", "quality", "label", "suggested").rows() == [
        ("r1", 1, 0.05, "alarm", "calm"),
        ("r2", 2, 0.4, "calm", "alarm"),
        ("r0", 3, 0.9, "calm", "calm"),
    ]
    assert found["is_issue"].dtype == pl.Boolean
    assert found["judged_by"].unique().to_list() == ["finetuned"]


def test_the_cut_of_confident_learning_takes_the_sure_contradictions_alone() -> None:
    labels = ["calm"] * 20 + ["alarm"] * 20
    said = [[0.95, 0.05]] * 20 + [[0.05, 0.95]] * 20
    said[3], said[30], said[7] = [0.03, 0.97], [0.97, 0.03], [0.55, 0.45]
    found = issue_table(judged(labels, said), TWO)
    assert set(found.filter("is_issue")["id"]) == {"r3", "r30"}
    assert found["id"].head(2).to_list() == ["r3", "r30"]


def test_a_score_far_from_what_is_said_is_an_issue() -> None:
    task = task_of(kind="regression")
    chance = np.random.default_rng(0).normal(size=50)
    labels = np.linspace(0, 500, 50) + chance
    labels[17] += 40
    found = issue_table(judged(labels.tolist(), np.linspace(0, 500, 50).reshape(-1, 1).tolist(), task), task)
    assert found.filter("is_issue")["id"].to_list() == ["r17"]
    assert found["id"][0] == "r17"
    assert found["suggested"][0] == pytest.approx(17 * 500 / 49)
    assert found["quality"].is_between(0, 1).all()
    far = issue_table(
        judged((labels * 1000).tolist(), np.linspace(0, 5e5, 50).reshape(-1, 1).tolist(), task), task
    )
    assert far["quality"].to_list() == pytest.approx(found["quality"].to_list())
    assert far["is_issue"].to_list() == found["is_issue"].to_list()


def test_of_several_labels_the_worst_counts_most() -> None:
    task = task_of(["calm", "alarm", "loud"], kind="multi-label")
    said = [[0.9, 0.1, 0.1], [0.9, 0.1, 0.1], [0.1, 0.9, 0.9], [0.1, 0.1, 0.1]] * 10
    labels = [["calm"], ["calm"], ["alarm", "loud"], []] * 10
    labels[1], labels[6] = [], ["alarm"]
    found = issue_table(judged(labels, said, task), task)
    assert set(found["id"].head(2)) == {"r1", "r6"}
    assert set(found.filter("is_issue")["id"]) == {"r1", "r6"}
    suggested = dict(zip(found["id"], found["suggested"].to_list(), strict=True))
    assert suggested["r1"] == ["calm"]
    assert suggested["r6"] == ["alarm", "loud"]
    assert suggested["r3"] == []


@pytest.mark.parametrize(
    ("kind", "labels", "said"),
    [
        ("classification", ["alarm"], [[0.5, 0.5]]),
        ("classification", ["calm", "calm"], [[0.5, 0.5], [1.0, 0.0]]),
        ("classification", ["alarm", "alarm"], [[0.5, 0.5], [1.0, 0.0]]),
        ("regression", [2.0], [[5.0]]),
        ("regression", [2.0, 2.0], [[2.0], [2.0]]),
        ("multi-label", [[]], [[0.9, 0.1]]),
        ("multi-label", [[], []], [[0.9, 0.1], [0.1, 0.1]]),
        ("multi-label", [["calm", "alarm"]] * 2, [[0.9, 0.1], [0.1, 0.1]]),
    ],
)
def test_rows_that_are_few_or_alike_are_ranked_without_an_issue_too_many(
    kind: Kind, labels: list[object], said: list[list[float]]
) -> None:
    task = task_of(["calm", "alarm"], kind=kind)
    of = judged(labels, said, task)
    found = issue_table(of, task)
    assert found["quality"].is_between(0, 1).all()
    assert found["rank"].to_list() == list(range(1, len(labels) + 1))
    numbers = issue_numbers(of, found, params_of(), task)
    assert [numbers[name] for name in ("share", "low", "high")] == [None] * 3
    assert numbers["reason"]


def test_a_single_label_is_judged() -> None:
    task = task_of(["calm"], kind="multi-label")
    found = issue_table(judged([["calm"], []], [[0.2], [0.1]], task), task)
    assert found["quality"].to_list() == pytest.approx([0.2, 0.9])


def test_a_row_that_nobody_can_judge_comes_last() -> None:
    found = issue_table(judged(["calm", "alarm", "calm"], [[0.9, 0.1], [np.nan, np.nan], [0.4, 0.6]]), TWO)
    assert found["id"].to_list() == ["r2", "r0", "r1"]
    last = found.row(-1, named=True)
    assert (last["quality"], last["suggested"], last["is_issue"], last["rank"]) == (None, None, False, 3)


# --- how many ----------------------------------------------------------------------------------------------


def test_the_share_is_that_of_the_surest_answers_that_the_labels_differ_from() -> None:
    labels = ["calm"] * 1000 + ["alarm"] * 1000
    sure = np.tile(np.linspace(0.999, 0.51, 1000), 2)
    said = np.column_stack([sure, 1 - sure])
    said[1000:] = said[1000:, ::-1]
    labels[10], labels[1005], labels[999] = "alarm", "calm", "alarm"  # the last where the judge is unsure
    found = wrong_share(judged(labels, said.tolist()), 0.05, 0.95, TWO)
    assert found["share"] == 2 / 100
    assert 0 < found["low"] < 0.02 < found["high"] < 0.08
    narrow = wrong_share(judged(labels, said.tolist()), 0.05, 0.5, TWO)
    assert found["low"] < narrow["low"] < 0.02 < narrow["high"] < found["high"]


def test_a_rare_class_has_its_part_of_the_surest() -> None:
    labels = ["calm"] * 900 + ["alarm"] * 100
    said = [[0.99, 0.01]] * 900 + [[0.3, 0.7]] * 100
    labels[900:905] = ["calm"] * 5  # all of the surest tenth of what is called an alarm come first
    assert wrong_share(judged(labels, said), 0.1, 0.95, TWO)["share"] == 5 / 100


def test_of_several_labels_yes_and_no_are_counted_each() -> None:
    task = task_of(["calm", "alarm"], kind="multi-label")
    said = [[0.9, 0.2], [0.1, 0.8]] * 100
    labels = [["calm"], ["alarm"]] * 100
    labels[0] = ["calm", "alarm"]
    assert wrong_share(judged(labels, said, task), 0.1, 0.95, task)["share"] == 1 / 40


# --- who judges --------------------------------------------------------------------------------------------


def test_training_rows_are_never_judged_by_the_model_that_learned_them() -> None:
    roles, label_N = [*["train"] * 4, "test"], np.array([0, 1, 0, 1, 1])
    rows = pl.DataFrame({"id": list("abcde"), "role": roles, "label": label_N})
    heart_NC = 9 * (2 * np.eye(2)[label_N] - 1)
    finetuned = rows.with_columns(logits=pl.Series(heart_NC, dtype=pl.Array(pl.Float32, 2)))
    linear_NC = np.eye(2)[1 - label_N]
    train, test = judgements(finetuned, finetuned.clear(), linear_NC, NO_COPIES, TWO)
    assert (train.judged_by, test.judged_by) == ("features, tfidf", "finetuned")
    assert train.said[0].tolist() == pytest.approx([1 / (1 + np.e), np.e / (1 + np.e)])
    held_out = finetuned.head(4).with_columns(logits=finetuned["logits"].head(4).reverse()).reverse()
    train, _ = judgements(finetuned, held_out, linear_NC, NO_COPIES, TWO)
    assert train.said.argmax(axis=1).tolist() == [1, 0, 1, 0]
    with pytest.raises(DataError, match=r"crossfit lacks 1 of the 4 training examples: 'a'.*dvc repro"):
        judgements(finetuned, held_out.head(3), linear_NC, NO_COPIES, TWO)


def test_an_evaluation_row_whose_copy_trained_is_not_judged_by_the_fine_tuned_model() -> None:
    rows = pl.DataFrame(
        {"id": list("abcd"), "role": ["train", "test", "test", "test"], "label": [1, 1, 1, 0]}
    )
    copies = copies_of(rows, [("a", "b"), ("d", "c")])
    taught_N = copies_of_training(rows, groups_of_copies(rows["id"], copies))
    assert taught_N.tolist() == [False, True, False, False]
    heart = np.array([[-9.0, 9.0]] * 3 + [[9.0, -9.0]])
    finetuned = rows.with_columns(logits=pl.Series(heart, dtype=pl.Array(pl.Float32, 2)))
    linear_NC = np.array([[1.0, 0.0]] * 4)
    _, test = judgements(finetuned, finetuned.clear(), linear_NC, copies, TWO)
    assert test.said.argmax(axis=1).tolist() == [0, 1, 0]
    assert test.judged_by == "finetuned, features, tfidf"
    all_copies = copies_of(rows, [("a", "b"), ("a", "c"), ("a", "d")])
    _, alone = judgements(finetuned, finetuned.clear(), linear_NC, all_copies, TWO)
    assert alone.judged_by == "features, tfidf"


@pytest.mark.parametrize("crossfitted", [False, True])
def test_the_only_text_of_a_class_in_training_is_not_judged(crossfitted: bool) -> None:
    """Its copies lie in its own fold, and the models of the others never saw the class."""
    task = task_of(["calm", "alarm", "other"])
    roles = ["train"] * 6 + ["test"]
    rows = pl.DataFrame({"id": list("abcdefg"), "role": roles, "label": [0, 0, 1, 1, 2, 2, 2]})
    copies = copies_of(rows, [("a", "b"), ("e", "f")])
    finetuned = rows.with_columns(logits=pl.Series(np.zeros((7, 3)), dtype=pl.Array(pl.Float32, 3)))
    held_out = finetuned.head(6) if crossfitted else finetuned.clear()
    train, test = judgements(finetuned, held_out, np.zeros((7, 3)), copies, task)
    assert np.isnan(train.said).all(axis=1).tolist() == [True, True, False, False, True, True]
    assert not np.isnan(test.said).any()


def test_two_judges_are_weighed_by_the_loss_of_their_mean() -> None:
    label_N = np.array([0, 1] * 50)
    right = np.eye(2)[label_N] * 0.8 + 0.1
    coin = np.full((100, 2), 0.5)
    assert best_weight(right, coin, label_N, TWO) == 1
    assert best_weight(coin, right, label_N, TWO) == 0
    first, second = right.copy(), right.copy()
    first[:25], second[25:50] = right[:25, ::-1], right[25:50, ::-1]
    assert 0.3 <= best_weight(first, second, label_N, TWO) <= 0.7
    unknown = np.full((100, 2), np.nan)
    assert best_weight(right, unknown, label_N, TWO) == 1


# --- linear models, out of fold ----------------------------------------------------------------------------


def rows_of(kind: Kind, count: int = 120) -> tuple[Task, pl.DataFrame]:
    """Calm and alarming sentences; the labels of r7 and r8 are wrong."""
    chance = random.Random(5)
    named: dict[Kind, Callable[[int], object]] = {
        "classification": lambda number: ["calm", "alarm"][number],
        "regression": lambda number: 3.0 * number + 0.01 * chance.random(),
        "multi-label": lambda number: [["calm"], ["alarm", "loud"]][number],
    }
    task = task_of(["calm", "alarm", "loud"] if kind == "multi-label" else ["calm", "alarm"], kind=kind)
    numbers = [n % 2 for n in range(count)]
    texts = [sentence(number, chance).lower() for number in numbers]
    numbers[7], numbers[8] = 1 - numbers[7], 1 - numbers[8]
    labels = pl.Series("label", [named[kind](number) for number in numbers])
    table = pl.DataFrame({"id": [f"r{n}" for n in range(count)], "role": "train", "text": texts})
    return task, table.with_columns(numbers_of(labels, task))


def linear_of(task: Task, rows: pl.DataFrame, knobs: Params | None = None) -> np.ndarray:
    inputs = inputs_of(words_of(rows, task), np.random.default_rng(0).normal(size=(len(rows), 4)))
    label_N = array_of(rows["label"], task)
    return linear_logits(rows, label_N, inputs, NO_COPIES, knobs or params_of(judge_folds=10), task)


@pytest.mark.parametrize("kind", ["classification", "regression", "multi-label"])
def test_linear_models_find_wrong_labels_of_every_kind(kind: Kind) -> None:
    task, rows = rows_of(kind)
    logits_NC = linear_of(task, rows)
    empty = rows.with_columns(logits=pl.Series(logits_NC, dtype=pl.Array(pl.Float64, task.outputs)))
    (train,) = judgements(empty, empty.clear(), logits_NC, NO_COPIES, task)
    assert set(issue_table(train, task)["id"].head(2)) == {"r7", "r8"}


def test_no_row_teaches_its_own_judge() -> None:
    task, rows = rows_of("classification")
    X_NV = inputs_of(words_of(rows, task), np.eye(len(rows)))[1]
    label_N = rows["label"].to_numpy()
    turned_N = np.where(np.arange(len(rows)) == 0, 1 - label_N, label_N)
    fold_N = np.arange(len(rows)) % 10
    said, other = (
        out_of_fold(X_NV, np.eye(2)[labels], fold_N, params_of()) for labels in (label_N, turned_N)
    )
    assert said[0].tolist() == other[0].tolist()
    assert said[10].tolist() == other[10].tolist()  # of the same fold
    assert said[1].tolist() != other[1].tolist()


def test_folds_that_cannot_be_dealt_leave_rows_without_a_judge() -> None:
    task, rows = rows_of("classification")
    rows = rows.head(2)
    copies = copies_of(rows, [("r0", "r1")])
    logits_NC = linear_logits(rows, array_of(rows["label"], task), [np.eye(2)], copies, params_of(), task)
    assert np.isnan(logits_NC).all()
    finetuned = rows.with_columns(logits=pl.Series(np.zeros((2, 2)), dtype=pl.Array(pl.Float32, 2)))
    (train,) = judgements(finetuned, finetuned.clear(), logits_NC, NO_COPIES, task)
    assert issue_table(train, task)["quality"].to_list() == [None, None]


def test_texts_without_a_common_word_leave_the_vectors() -> None:
    texts_N = np.array([["one"], ["two"], ["three"]])
    assert len(inputs_of(texts_N, np.eye(3))) == 1
    chinese = words_of(pl.DataFrame({"text": ["洪水来了", "洪水走了", "好音乐"]}), TWO)
    assert len(inputs_of(chinese, np.eye(3))) == 3


# --- folds and copies --------------------------------------------------------------------------------------


def test_copies_of_copies_are_in_one_fold_and_labels_in_all() -> None:
    examples = pl.DataFrame({"id": [f"r{n}" for n in range(40)], "role": "train", "label": [0, 0, 0, 1] * 10})
    copies = copies_of(examples, [("r1", "r0"), ("r2", "r1"), ("r9", "elsewhere")])
    groups_N = groups_of_copies(examples["id"], copies)
    assert groups_N[0] == groups_N[1] == groups_N[2] != groups_N[3]
    fold_N = deal(examples, copies, 5, seed=1)
    assert fold_N[0] == fold_N[1] == fold_N[2]
    assert all(((fold_N == fold) & (examples["label"] == 1).to_numpy()).sum() == 2 for fold in range(5))
    assert deal(examples, copies, 5, seed=2).tolist() != fold_N.tolist()
    backwards = deal(examples.reverse(), copies, 5, seed=1)
    assert backwards[::-1].tolist() == fold_N.tolist()


def test_copies_of_a_row_that_is_not_dealt_are_in_one_fold() -> None:
    """A copy is listed beside the first row that reads so, which may be of another role or left out."""
    rows = pl.DataFrame({"id": ["t", "a", "b", "c"], "role": ["test", *["train"] * 3], "label": [0] * 4})
    copies = copies_of(rows, [("a", "t"), ("b", "t")])
    groups_N = groups_of_copies(rows["id"].tail(3), copies)
    assert len(groups_N) == 3
    assert groups_N[0] == groups_N[1] != groups_N[2]
    fold_N = deal(rows.tail(3), copies, 2, seed=1)
    assert fold_N[0] == fold_N[1] != fold_N[2]


@pytest.mark.parametrize("label", [[0.5, 2.0, 3.5, 9.0], [[0], [0, 1], [], [1]]])
def test_scores_and_sets_of_labels_are_dealt(label: list[object]) -> None:
    examples = pl.DataFrame({"id": list("abcd"), "role": "train", "label": label})
    assert sorted(deal(examples, NO_COPIES, 2, seed=1).tolist()) == [0, 0, 1, 1]
    assert sorted(deal(examples, NO_COPIES, 9, seed=1).tolist()) == [0, 1, 2, 3]


def test_copies_whose_labels_disagree_are_listed_with_their_texts() -> None:
    task = task_of(pair="second")
    splits = pl.DataFrame(
        {
            "id": ["a", "b", "c", "d"],
            "role": ["train", "test", "train", "unlabelled"],
            "label": ["calm", "alarm", "calm", None],
            "text_original": ["A!", "a", "A", "a"],
            "text_pair_original": ["P", "p", "P", "p"],
        }
    )
    copies = copies_of(splits, [("a", "b"), ("c", "a"), ("d", "b")])
    found = contradictions(copies, splits, task)
    assert found.rows(named=True) == [
        {"id": "a", "role": "train", "label": "calm", "text": "A!", "text_pair": "P"}
        | {"other_id": "b", "other_role": "test", "other_label": "alarm", "other_text": "a"}
        | {"other_text_pair": "p", "similarity": 1.0, "exact": True}
    ]
