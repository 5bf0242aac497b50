"""A submission: one file for each unlabelled role, in the source's own notation and order."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.lib.kinds import KINDS, Kind
from stages.lib.labels import NUMBER_TYPE_OF_KINDS
from stages.lib.sources.submission import RAW_OF_KINDS, write_submissions
from stages.lib.task import Submission, Task
from tests.predicted import task_of

RAW = ["sad;", "glad", "a, b"]


def task_with(kind: Kind = "classification", **told: Any) -> Task:
    form = {"delimiter": ",", "id": "Id", "label": "said", "files": {"unlabelled": "submission.csv"}}
    separator = told.pop("separator", None)
    changes = {
        "raw_labels": RAW,
        "separator": separator,
        "submission": Submission.model_validate(form | told),
    }
    return task_of(["x", "y", "z"], kind=kind).model_copy(update=changes)


def written(task: Task, predicted: list[Any], folder: Path, roles: list[str] | None = None) -> str:
    numbers = pl.Series(predicted, dtype=NUMBER_TYPE_OF_KINDS[task.kind])
    ids = [f"id{n}" for n in range(len(numbers))]
    examples = pl.DataFrame({"id": ids, "role": roles or ["unlabelled"] * len(ids), "predicted": numbers})
    source_ids = pl.DataFrame({"id": ids[::-1], "source_id": [str(n) for n in range(len(ids))][::-1]})
    write_submissions(examples, source_ids, task, folder)
    return (folder / "submission.csv").read_text()


def test_every_kind_of_task_has_its_notation() -> None:
    assert set(RAW_OF_KINDS) == set(KINDS)


def test_a_class_is_its_raw_value_quoted_where_it_must_be(tmp_path: Path) -> None:
    assert written(task_with(), [2, 0], tmp_path) == 'Id,said\n0,"a, b"\n1,sad;\n'


def test_another_delimiter_quotes_other_cells(tmp_path: Path) -> None:
    assert written(task_with(delimiter="\t"), [2, 0], tmp_path) == "Id\tsaid\n0\ta, b\n1\tsad;\n"


def test_a_number_is_plain_and_has_no_digits_that_the_model_did_not_compute(tmp_path: Path) -> None:
    said = [3.799999952316284, 1e-7, 5.0, -0.25]
    assert written(task_with("regression"), said, tmp_path) == "Id,said\n0,3.8\n1,0.0000001\n2,5\n3,-0.25\n"


def test_several_labels_stand_in_one_cell_as_in_the_sources_files(tmp_path: Path) -> None:
    task = task_with("multi-label", separator="|")
    assert written(task, [[0, 1], [], [1]], tmp_path) == 'Id,said\n0,sad;|glad\n1,""\n2,glad\n'
    task = task_with("multi-label", separator="|", no_label="none")
    assert written(task, [[0, 1], []], tmp_path) == "Id,said\n0,sad;|glad\n1,none\n"


def test_several_labels_without_a_separator_are_a_json_list(tmp_path: Path) -> None:
    text = written(task_with("multi-label"), [[1, 2], []], tmp_path)
    assert text == 'Id,said\n0,"[""glad"", ""a, b""]"\n1,[]\n'


def test_a_column_for_each_label_holds_zeros_and_ones(tmp_path: Path) -> None:
    task = task_with("multi-label", label=["toxic", "rude", "mild"])
    assert written(task, [[0, 2], []], tmp_path) == "Id,toxic,rude,mild\n0,1,0,1\n1,0,0,0\n"


def test_each_unlabelled_role_has_its_file_and_no_other_row_is_in_it(tmp_path: Path) -> None:
    files = {"unlabelled": "submission.csv", "unlabelled_far": "far.tsv", "unlabelled_none": "none.csv"}
    roles = ["unlabelled_far", "unlabelled", "train", "test", "unlabelled_far"]
    assert written(task_with(files=files), [0, 1, 1, 1, 1], tmp_path, roles) == "Id,said\n1,glad\n"
    assert (tmp_path / "far.tsv").read_text() == "Id,said\n0,sad;\n4,glad\n"
    assert not (tmp_path / "none.csv").exists()


def test_rows_without_an_id_of_the_source_are_named_by_ours(tmp_path: Path) -> None:
    examples = pl.DataFrame({"id": ["h1", "h2"], "role": ["unlabelled"] * 2, "predicted": [1, 0]})
    ids = pl.DataFrame({"id": ["h2", "h1"], "source_id": pl.Series([None, None], dtype=pl.String)})
    assert write_submissions(examples, ids, task_with(), tmp_path) == {"unlabelled": 2}
    assert (tmp_path / "submission.csv").read_text() == "Id,said\nh1,glad\nh2,sad;\n"


@pytest.mark.parametrize("kind", KINDS)
def test_without_unlabelled_rows_nothing_is_written(kind: Kind, tmp_path: Path) -> None:
    examples = pl.DataFrame(
        {"id": ["a"], "role": ["test"], "predicted": pl.Series([None], dtype=NUMBER_TYPE_OF_KINDS[kind])}
    )
    ids = pl.DataFrame({"id": ["a"], "source_id": ["1"]})
    assert write_submissions(examples, ids, task_with(kind), tmp_path) == {}
    assert list(tmp_path.iterdir()) == []
