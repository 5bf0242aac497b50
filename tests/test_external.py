from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from stages.lib.exceptions import SourceError
from stages.lib.statistics.external import External, read_external
from stages.lib.statistics.predictions import logits_of, predicted_of
from stages.lib.task import Task
from tests.predicted import LABELS, examples, task_of

TEST_IDS = ("e", "f", "g", "h")
TASK = task_of()


def write(folder: Path, text: str, name: str = "vendor.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def read(folder: Path, text: str, task: Task = TASK) -> pl.DataFrame:
    return read_external(write(folder, text), task, examples())["vendor"].predictions


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(SourceError) as error:
        read(folder, text)
    return str(error.value)


def labelled(labels: tuple[str, ...], ids: tuple[str, ...] = TEST_IDS) -> str:
    return "id,label\n" + "".join(f"{name},{label}\n" for name, label in zip(ids, labels, strict=True))


def test_labels_are_one_prediction_an_example_in_the_order_of_the_examples(tmp_path: Path) -> None:
    rows = read(tmp_path, labelled(("alarm", "other", "calm", "calm"), ids=("h", "g", "f", "e")))
    assert rows["id"].to_list() == list(TEST_IDS)
    assert [LABELS[number] for number in logits_of(rows).argmax(axis=1)] == ["calm", "calm", "other", "alarm"]
    assert set(rows["role"]) == {"test"}


def test_labels_tell_no_probability(tmp_path: Path) -> None:
    write(tmp_path, labelled(("calm",) * 4))
    write(tmp_path, "id,calm,alarm,other\n" + "".join(f"{name},1,0,0\n" for name in TEST_IDS), "sure.csv")
    models = read_external(tmp_path, TASK, examples())
    assert not models["vendor"].has_probabilities
    assert models["sure"].has_probabilities


def test_the_sources_own_values_are_labels_too(tmp_path: Path) -> None:
    task = TASK.model_copy(update={"raw_labels": ["0", "1", "2"]})
    rows = read(tmp_path, labelled(("0", "1", "alarm", "2")), task)
    assert logits_of(rows).argmax(axis=1).tolist() == [0, 1, 1, 2]


def test_probabilities_stay_what_they_are(tmp_path: Path) -> None:
    given = [[0.2, 0.7, 0.1], [1.0, 0.0, 0.0], [0.3, 0.3, 0.4], [0.05, 0.05, 0.9]]
    lines = [f"{name},{','.join(map(str, row))}" for name, row in zip(TEST_IDS, given, strict=True)]
    rows = read(tmp_path, "\n".join(["id,calm,alarm,other", *lines]))
    assert np.exp(logits_of(rows)) == pytest.approx(np.array(given), abs=1e-6)


def test_a_folder_without_a_csv_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("how", encoding="utf-8")
    assert read_external(tmp_path, TASK, examples()) == {}


def test_a_role_is_covered_whole_or_not_at_all(tmp_path: Path) -> None:
    message = refusal(tmp_path, labelled(("calm",) * 3, ids=("e", "f", "g")))
    assert (
        "vendor.csv: has 3 of the 4 examples of role test; a role is covered whole or not at all" in message
    )


def test_training_rows_may_stand_there_and_judge_nothing(tmp_path: Path) -> None:
    assert len(read(tmp_path, labelled(("calm",) * 5, ids=(*TEST_IDS, "a")))) == 5
    assert "has no example of validation, test" in refusal(tmp_path, labelled(("calm",), ids=("a",)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label\ncalm\n", "no column 'id'; it has label"),
        (
            labelled(("calm", "loud", "calm", "calm")),
            "id 'f': label 'loud' is no class; expected one of calm, alarm",
        ),
        (
            labelled(("calm",) * 4, ids=("e", "f", "g", "zz")),
            "1 of 4 ids are of no example in use, such as 'zz'",
        ),
        (labelled(("calm",) * 5, ids=(*TEST_IDS, "e")), "id 'e' stands there twice"),
        ("id,calm,alarm\ne,1,0\n", "none of probabilities for other; it has id, calm, alarm"),
        ("id,calm,alarm,other\ne,0.5,0.1,0.1\n", "id 'e': ('0.5', '0.1', '0.1') are no probabilities"),
        ("id,calm,alarm,other\ne,2,-1,0\n", "are no probabilities"),
        ("id,calm,alarm,other\ne,x,1,0\n", "are no probabilities"),
        ("", "not a CSV in UTF-8"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(tmp_path, text)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "vendor.csv").write_bytes(b"id,label\ne,\xff\xfe\n")
    with pytest.raises(SourceError, match=r"vendor\.csv: not a CSV"):
        read_external(tmp_path, TASK, examples())


def test_the_name_of_one_of_our_models_is_taken(tmp_path: Path) -> None:
    write(tmp_path, labelled(("calm",) * 4), "tfidf.csv")
    with pytest.raises(SourceError, match=r"'tfidf' is the name of one of our own models; rename the file"):
        read_external(tmp_path, TASK, examples())


# --- numbers, and several labels an example -----------------------------------------------------------------

SCORE, TAGS = task_of(kind="regression"), task_of(kind="multi-label")
NUMBERS = {"regression": [1.0, 2.0, 3.0, 4.0], "multi-label": [[0], [0, 1], [], [2]]}


def examples_of(task: Task) -> pl.DataFrame:
    """Two of validation, two of test."""
    return pl.DataFrame(
        {"id": list(TEST_IDS), "role": ["validation"] * 2 + ["test"] * 2, "label": NUMBERS[task.kind]}
    )


def read_as(folder: Path, text: str, task: Task) -> External:
    return read_external(write(folder, text), task, examples_of(task))["vendor"]


def test_numbers_are_what_is_predicted(tmp_path: Path) -> None:
    found = read_as(tmp_path, labelled(("1.5", "-2", "3e0", "4")), SCORE)
    assert predicted_of(found.predictions, SCORE).tolist() == [1.5, -2, 3, 4]
    assert not found.has_probabilities


@pytest.mark.parametrize("cell", ["calm", "", "nan", "inf", "1,5"])
def test_a_cell_that_is_no_number_is_refused(tmp_path: Path, cell: str) -> None:
    text = "id,label\n" + "".join(f'{name},"{cell}"\n' for name in TEST_IDS)
    with pytest.raises(SourceError, match=r"id 'e': label .* is no number; expected one, such as 3\.4"):
        read_as(tmp_path, text, SCORE)


def test_a_regression_has_no_column_a_class(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no column 'label'; it has id, calm"):
        read_as(tmp_path, "id,calm\ne,0.5\n", SCORE)


def test_several_labels_stand_in_one_cell_and_an_empty_one_is_none(tmp_path: Path) -> None:
    found = read_as(tmp_path, labelled(('"calm, other"', "alarm", "", '"other,calm"')), TAGS)
    assert found.predictions["predicted"].to_list() == [[0, 2], [1], [], [0, 2]]
    assert not found.has_probabilities


def test_the_separator_is_that_of_the_source(tmp_path: Path) -> None:
    task = TAGS.model_copy(update={"separator": "|"})
    found = read_as(tmp_path, labelled(("calm|other", "alarm", "", "calm")), task)
    assert found.predictions["predicted"].to_list() == [[0, 2], [1], [], [0]]
    with pytest.raises(SourceError, match="label 'calm;other' is no class"):
        read_as(tmp_path, labelled(("calm;other", "alarm", "", "calm")), task)


def test_a_probability_a_label_need_not_add_up_and_is_decided_where_validation_says(tmp_path: Path) -> None:
    rows = ("0.3,0.9,0.2", "0.4,0.8,0.1", "0.35,0.1,0.6", "0.2,0.95,0.4")
    lines = [f"{name},{row}" for name, row in zip(TEST_IDS, rows, strict=True)]
    found = read_as(tmp_path, "\n".join(["id,calm,alarm,other", *lines]), TAGS)
    assert found.has_probabilities
    # validation: calm is in both from 0.3 on; alarm only in the second, best said of both; other in none: 0.5
    assert found.predictions["predicted"].to_list() == [[0, 1], [0, 1], [0, 2], [1]]
    assert expit(logits_of(found.predictions))[:, 0] == pytest.approx([0.3, 0.4, 0.35, 0.2], abs=1e-6)


def test_without_validation_rows_a_half_decides(tmp_path: Path) -> None:
    found = read_as(tmp_path, "id,calm,alarm,other\ng,0.49,0.5,1\nh,0,0.2,0.51\n", TAGS)
    assert found.predictions["predicted"].to_list() == [[1, 2], [2]]


def test_what_is_no_probability_of_a_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"are no probabilities; expected numbers from 0 to 1$"):
        read_as(tmp_path, "id,calm,alarm,other\ng,0.49,1.5,1\nh,0,0.2,0.51\n", TAGS)
