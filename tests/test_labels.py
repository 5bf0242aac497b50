import polars as pl
import pytest

from stages.lib.kinds import Kind
from stages.lib.labels import (
    NAME_TYPE_OF_KINDS,
    NUMBER_TYPE_OF_KINDS,
    array_of,
    column_of,
    names_of,
    numbers_of,
)
from tests.predicted import task_of

COLUMNS: dict[Kind, list[object]] = {
    "classification": ["other", None, "calm", "alarm"],
    "regression": [2.5, None, -1.0, 0.0],
    "multi-label": [["alarm", "calm"], None, [], ["other"]],
}
AS_NUMBERS: dict[Kind, list[object]] = {
    "classification": [2, None, 0, 1],
    "regression": [2.5, None, -1.0, 0.0],
    "multi-label": [[1, 0], None, [], [2]],
}
KINDS = list(COLUMNS)


@pytest.mark.parametrize("kind", KINDS)
def test_names_become_numbers_and_names_again(kind: Kind) -> None:
    task = task_of(kind=kind)
    names = pl.Series("label", COLUMNS[kind], dtype=NAME_TYPE_OF_KINDS[kind])
    numbers = numbers_of(names, task)
    assert (numbers.dtype, numbers.to_list()) == (NUMBER_TYPE_OF_KINDS[kind], AS_NUMBERS[kind])
    assert names_of(numbers, task).equals(names, check_dtypes=True, check_names=True, null_equal=True)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_become_an_array_and_numbers_again(kind: Kind) -> None:
    task = task_of(kind=kind)
    numbers = pl.Series(AS_NUMBERS[kind], dtype=NUMBER_TYPE_OF_KINDS[kind]).drop_nulls()
    array = array_of(numbers, task)
    assert len(array) == 3
    back = column_of(array, task)
    assert back.dtype == numbers.dtype
    expected = [sorted(row) if isinstance(row, list) else row for row in numbers.to_list()]
    assert back.to_list() == expected


def test_the_array_of_several_labels_has_a_column_a_label() -> None:
    numbers = pl.Series([[0, 2], [], [1]], dtype=pl.List(pl.Int64))
    expected = [[True, False, True], [False, False, False], [False, True, False]]
    assert array_of(numbers, task_of(kind="multi-label")).tolist() == expected


@pytest.mark.parametrize("kind", KINDS)
def test_no_rows_and_no_labels(kind: Kind) -> None:
    task = task_of(kind=kind)
    nobody = pl.Series("label", [None, None], dtype=NAME_TYPE_OF_KINDS[kind])
    assert numbers_of(nobody, task).to_list() == [None, None]
    assert len(array_of(numbers_of(nobody, task).drop_nulls(), task)) == 0
    assert column_of(array_of(numbers_of(nobody, task).drop_nulls(), task), task).is_empty()


@pytest.mark.parametrize(("kind", "name"), [("classification", "storm"), ("multi-label", ["calm", "storm"])])
def test_an_unknown_name_is_no_null(kind: Kind, name: object) -> None:
    with pytest.raises(pl.exceptions.InvalidOperationError, match="replace_strict"):
        numbers_of(pl.Series([name], dtype=NAME_TYPE_OF_KINDS[kind]), task_of(kind=kind))
