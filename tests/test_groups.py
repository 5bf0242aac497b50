import polars as pl

from stages.lib.statistics.groups import groups_of, in_groups
from tests.predicted import LABELS, task_of


def members(labels: pl.Series, kind: str) -> dict[str, list[int]]:
    groups = groups_of(labels, task_of(kind=kind))  # type: ignore[arg-type]
    return {name: [int(row) for row in member_N.nonzero()[0]] for name, member_N in groups.items()}


def test_every_class_is_a_group_also_an_absent_one() -> None:
    labels = pl.Series(["alarm", "calm", "alarm"])
    assert members(labels, "classification") == {"calm": [1], "alarm": [0, 2], "other": []}


def test_a_row_is_in_the_group_of_each_of_its_labels_or_of_none() -> None:
    labels = pl.Series([["alarm", "calm"], [], ["alarm"]])
    assert members(labels, "multi-label") == {"calm": [0], "alarm": [0, 2], "other": [], "(none)": [1]}
    assert list(members(labels.head(1), "multi-label")) == LABELS


def test_scores_are_in_ranges_that_hold_each_of_them_once() -> None:
    labels = pl.Series([0.0, 0.5, 1.0, 4.9, 5.0])
    assert members(labels, "regression") == {
        "0 to 1": [0, 1],
        "1 to 2": [2],
        "2 to 3": [],
        "3 to 4": [],
        "4 to 5": [3, 4],
    }


def test_equal_scores_are_one_group_and_none_at_all_are_no_group() -> None:
    assert members(pl.Series([2.5, 2.5]), "regression") == {"2.5": [0, 1]}
    assert members(pl.Series([], dtype=pl.Float64), "regression") == {}


def test_rows_stand_once_for_each_of_their_groups() -> None:
    rows = pl.DataFrame({"id": ["a", "b"], "label": [["calm", "alarm"], []]})
    groups = groups_of(rows["label"], task_of(kind="multi-label"))
    assert in_groups(rows, groups).rows() == [("a", "calm"), ("a", "alarm"), ("b", "(none)")]
    assert in_groups(rows.clear(), {}).schema["label"] == pl.String
