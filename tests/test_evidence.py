"""What the gate compares when the examples stay, grow or change."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from commands.lib.evidence import Evidence, gather, growth
from commands.lib.runs import Run
from stages.lib.exceptions import RunError
from stages.lib.task import Task
from tests.past_runs import CLASSES, TOPICS, examples_of, scored_of, topics_of, write_run
from tests.predicted import task_of
from tests.tiny_model import write_model

OLD = examples_of("ccaa", "ccac")


def gathered(old: Run, new: Run, accept: bool = False) -> Evidence:
    return gather(old, new, "finetuned", "test", accept=accept)


def with_model(run: Run, root: Path) -> Run:
    shutil.rmtree(root / "models/finetuned")
    write_model(root / "models/finetuned", [], CLASSES, ["text"])
    return run


@pytest.mark.slow
def test_the_same_examples_are_paired_by_id_whatever_their_order(tmp_path: Path) -> None:
    new = write_run(tmp_path / "new", examples_of("ccaa", "caaa")[::-1], name="new")
    evidence = gathered(write_run(tmp_path / "old", OLD), new)
    rows = {row["id"]: row for row in evidence.rows.iter_rows(named=True)}
    assert (rows["e1"]["old_predicted"], rows["e1"]["predicted"]) == ("calm", "alarm")
    assert (rows["e3"]["old_predicted"], rows["e3"]["predicted"]) == ("calm", "alarm")
    assert not evidence.grown
    assert not evidence.identical


def test_the_same_answers_are_identical_and_other_probabilities_are_not(tmp_path: Path) -> None:
    old = write_run(tmp_path / "old", OLD)
    assert gathered(old, write_run(tmp_path / "new", OLD)).identical
    assert not gathered(old, write_run(tmp_path / "other", OLD, strength=2.9)).identical


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        (OLD[1:], "1 removed (e0)"),
        ([("e0", "text e 0", "alarm", "calm"), *OLD[1:]], "1 relabelled (e0)"),
        ([("e0", "another text", "calm", "calm"), *OLD[1:]], "1 edited (e0)"),
        ([], "no labelled example of role 'test'"),
    ],
)
def test_old_examples_that_changed_are_refused(
    tmp_path: Path, examples: list[tuple[str, str, str, str]], message: str
) -> None:
    with pytest.raises(RunError) as error:
        gathered(write_run(tmp_path / "old", OLD), write_run(tmp_path / "new", examples))
    assert message in str(error.value)


def test_removed_and_relabelled_examples_can_be_accepted(tmp_path: Path) -> None:
    changed = [("e1", "text e 1", "alarm", "alarm"), *OLD[2:]]
    new = write_run(tmp_path / "new", changed)
    evidence = gathered(write_run(tmp_path / "old", OLD), new, accept=True)
    assert sorted(evidence.rows["id"]) == ["e1", "e2", "e3"]
    row = evidence.rows.row(by_predicate=pl.col("id") == "e1", named=True)
    assert (row["label"], row["old_predicted"]) == ("alarm", "calm")  # the old answer, the new label
    assert row["old_true"] == pytest.approx(expit(-3.0))  # which the old model gave the new label
    assert row["true"] == pytest.approx(expit(3.0))
    assert evidence.grown


def test_added_and_edited_examples_are_put_to_the_old_model(tmp_path: Path) -> None:
    old = with_model(write_run(tmp_path / "old", OLD), tmp_path / "old")
    edited = [("e0", "fire and smoke", "calm", "calm"), *OLD[1:]]
    new = write_run(tmp_path / "new", [*edited, *examples_of("ca", "ca", prefix="added")])
    evidence = gathered(old, new, accept=True)
    assert len(evidence.rows) == 6
    assert sorted(evidence.rows.filter(evidence.rows["is_added"])["id"]) == ["added0", "added1"]
    from stages.lib.behaviour.labelling import labeller
    from stages.lib.encoders.served import read_served

    folder = tmp_path / "old/models/finetuned"
    strange = evidence.rows.filter(evidence.rows["id"].is_in(["e0", "added0", "added1"]))
    said_NC = labeller(folder, read_served(folder), 4096)(strange.select("text_original"))
    assert strange["old_predicted"].to_list() == [CLASSES[place] for place in said_NC.argmax(axis=1)]


def test_rows_added_alone_need_no_word(tmp_path: Path) -> None:
    old = with_model(write_run(tmp_path / "old", OLD), tmp_path / "old")
    new = write_run(tmp_path / "new", [*OLD, *examples_of("ca", "ca", prefix="added")])
    assert len(gathered(old, new).rows) == 6


def test_an_old_model_that_is_gone_is_an_error(tmp_path: Path) -> None:
    new = write_run(tmp_path / "new", [*OLD, *examples_of("c", "c", prefix="added")])
    with pytest.raises(RunError, match=r"models/finetuned cannot be used: .*textrail\.json: no such file"):
        gathered(write_run(tmp_path / "old", OLD), new)


def test_an_added_example_that_the_old_model_was_trained_on_is_counted(tmp_path: Path) -> None:
    old = with_model(write_run(tmp_path / "old", OLD), tmp_path / "old")
    moved = ("train0", "some other text", "calm", "calm")
    new = write_run(tmp_path / "new", [*OLD, moved], train=("yet another text",))
    new_splits = tmp_path / "new/data/splits.parquet"
    pl.read_parquet(new_splits).unique("id", keep="first", maintain_order=True).write_parquet(new_splits)
    assert gathered(old, new).trained_on == 1


def test_a_new_class_stands_apart(tmp_path: Path) -> None:
    task = task_of([*CLASSES, "other"])
    new = write_run(tmp_path / "new", [*OLD[:3], ("e3", "text e 3", "alarm", "other"),
                                       ("e4", "text e 4", "other", "other")], task=task)  # fmt: skip
    evidence = gathered(write_run(tmp_path / "old", OLD), new)
    assert evidence.new_class["id"].to_list() == ["e4"]
    assert len(evidence.rows) == 4
    assert evidence.task.labels == ["calm", "alarm", "other"]
    assert evidence.array("predicted").tolist() == [0, 0, 1, 2]


def test_the_change_is_that_of_the_data_and_that_of_the_model(tmp_path: Path) -> None:
    """By hand: old 3 of 4 right; on today's three rows old 2 of 3, new 3 of 3."""
    new = write_run(tmp_path / "new", examples_of("ccaa", "ccaa")[1:])
    parts = growth(gathered(write_run(tmp_path / "old", OLD), new, accept=True))["accuracy"]
    assert parts["data"] == pytest.approx(2 / 3 - 3 / 4)
    assert parts["model"] == pytest.approx(1 - 2 / 3)
    assert parts["change"] == pytest.approx(1 - 3 / 4) == parts["data"] + parts["model"]


def test_a_file_that_is_cut_short_is_named(tmp_path: Path) -> None:
    new = write_run(tmp_path / "new", OLD)
    path = tmp_path / "new/data/predictions/finetuned/finetuned.parquet"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(RunError, match=r"finetuned\.parquet: not a whole Parquet file"):
        gathered(write_run(tmp_path / "old", OLD), new)


def test_a_file_that_is_not_there_says_where_it_was_expected(tmp_path: Path) -> None:
    new = write_run(tmp_path / "new", OLD)
    (tmp_path / "new/data/splits.parquet").unlink()
    with pytest.raises(
        RunError, match="no such file or directory; expected it in the workspace, DVC's cache"
    ):
        gathered(write_run(tmp_path / "old", OLD), new)


REGRESSION, MULTI_LABEL = task_of(kind="regression"), task_of(TOPICS, kind="multi-label")


def test_numbers_that_changed_are_relabelled_and_those_that_did_not_are_paired(tmp_path: Path) -> None:
    old = write_run(tmp_path / "old", scored_of([1, 2.5, 3], [1, 2, 3]), task=REGRESSION)
    new = write_run(tmp_path / "new", scored_of([1, 2.6, 3], [2, 2, 3]), task=REGRESSION)
    with pytest.raises(RunError, match=r"1 relabelled \(e1\)"):
        gathered(old, new)
    labels, before, after = gathered(old, new, accept=True).arrays()
    assert sorted(zip(labels, before, after, strict=True)) == [(1, 1, 2), (2.6, 2, 2), (3, 3, 3)]


def test_sets_of_labels_are_the_same_whatever_their_order(tmp_path: Path) -> None:
    """The sources list their labels in different orders."""
    other = task_of(TOPICS[::-1], kind="multi-label")
    old = write_run(tmp_path / "old", topics_of("fws f -", "fws - s"), task=MULTI_LABEL)
    same = write_run(tmp_path / "same", topics_of("fws f -", "ws f s"), task=other)
    evidence = gathered(old, same)
    assert not evidence.grown
    labels_NC, old_NC, new_NC = evidence.arrays()
    assert evidence.task.labels == TOPICS[::-1]
    assert labels_NC.tolist() == [[True] * 3, [False, False, True], [False] * 3]
    assert old_NC.sum(axis=1).tolist() == [3, 0, 1]
    assert new_NC.sum(axis=1).tolist() == [2, 1, 1]
    relabelled = write_run(tmp_path / "relabelled", topics_of("fs f -", "ws f s"), task=MULTI_LABEL)
    with pytest.raises(RunError, match=r"1 relabelled \(e0\)"):
        gathered(old, relabelled)


def test_a_new_label_among_several_stands_apart(tmp_path: Path) -> None:
    before = task_of(TOPICS[:2], kind="multi-label")
    old = write_run(tmp_path / "old", topics_of("f w -", "f w -"), task=before)
    added = topics_of("fs", "fs", prefix="added")
    new = write_run(tmp_path / "new", [*topics_of("f w -", "f s -"), *added], task=MULTI_LABEL)
    evidence = gathered(old, new)
    assert evidence.new_class["id"].to_list() == ["added0"]
    assert len(evidence.rows) == 3
    assert evidence.array("predicted")[1].tolist() == [False, False, True]


@pytest.mark.parametrize("task", [REGRESSION, MULTI_LABEL], ids=lambda task: task.kind)
def test_the_old_model_of_any_kind_is_asked_as_it_is_served(tmp_path: Path, task: Task) -> None:
    from stages.lib.behaviour.labelling import labeller
    from stages.lib.encoders.served import read_served

    known, more = (
        (scored_of([1, 2], [1, 2]), scored_of([3], [3], prefix="added"))
        if task is REGRESSION
        else (topics_of("f w", "f w"), topics_of("s", "s", prefix="added"))
    )
    old, folder = write_run(tmp_path / "old", known, task=task), tmp_path / "old/models/finetuned"
    shutil.rmtree(folder)
    write_model(folder, [], TOPICS, ["text"], kind=task.kind, label_threshold=0.501)
    evidence = gathered(old, write_run(tmp_path / "new", [*known, *more], task=task))
    said_NC = labeller(folder, read_served(folder), 4096)(pl.DataFrame({"text": ["text added 0"]}))
    expected = said_NC[0] if task is REGRESSION else said_NC[0] >= 0.501
    place = evidence.rows["id"].to_list().index("added0")
    assert np.atleast_1d(evidence.array("old_predicted")[place]).tolist() == expected.tolist()


def test_a_change_without_a_number_is_left_out(tmp_path: Path) -> None:
    """No correlation where every prediction is the same."""
    old = write_run(tmp_path / "old", scored_of([1, 2, 3], [2, 2, 2]), task=REGRESSION)
    new = write_run(tmp_path / "new", scored_of([1, 2], [1, 2]), task=REGRESSION)
    parts = growth(gathered(old, new, accept=True))
    assert set(parts) == {"r2", "rmse", "mae"}
    assert parts["mae"]["model"] == pytest.approx(-0.5)
