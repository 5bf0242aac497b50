import numpy as np
import polars as pl
import pytest

from stages.lib.errors.to_label import UNCERTAINTY_OF_KINDS, rows_to_label, unlike
from stages.lib.kinds import KINDS
from tests.predicted import task_of


def said(logits: list[list[float]]) -> pl.DataFrame:
    ids = [f"u{place}" for place in range(len(logits))]
    return pl.DataFrame({"id": ids, "logits": pl.Series(np.array(logits, dtype=np.float32))})


def test_of_classes_and_labels_uncertainty_is_the_entropy_from_0_to_1() -> None:
    predictions = {"finetuned": said([[1.0], [2.0]]), "tfidf": said([[1.0], [4.0]])}
    predictions |= {"dummy": said([[9.0], [9.0]]), "features": said([[1.0], [3.0]]).reverse()}
    expected = [np.std([1, 1, 1]), np.std([2, 4, 3])]
    assert UNCERTAINTY_OF_KINDS["regression"](predictions) == pytest.approx(expected)
    assert set(UNCERTAINTY_OF_KINDS) == set(KINDS)


def table_of(uncertainty: list[float], cluster: list[int], texts: list[str], most: int) -> pl.DataFrame:
    """With vectors that are unlike, but for texts that are alike but for case."""
    ids = [f"u{place}" for place in range(len(texts))]
    unsure = pl.DataFrame(
        {"id": ids, "predicted": ["calm"] * len(ids), "uncertainty": uncertainty, "cluster": cluster},
        schema={"id": pl.String, "predicted": pl.String, "uncertainty": pl.Float64, "cluster": pl.Int64},
    )
    labels = [None] * len(ids) + ["calm"]
    rows = pl.DataFrame({"id": [*ids, "t"], "text": [*texts, "known"], "label": labels})
    rows = rows.with_columns(text_original=pl.format("“{}”", "text"))
    kinds = list(dict.fromkeys(text.lower() for text in texts))
    places = np.array([kinds.index(text.lower()) for text in texts], dtype=int)
    return rows_to_label(unsure, rows, np.eye(max(len(kinds), 1), dtype=np.float32)[places], task_of(), most)


def test_each_cluster_gives_its_least_sure_row_in_turn() -> None:
    table = table_of([0.9, 0.8, 0.7, 0.1], [0, 0, 0, 1], ["a", "b", "c", "d"], 3)
    assert table["id"].to_list() == ["u0", "u3", "u1"]
    assert table["rank"].to_list() == [1, 2, 3]
    assert table["text"].to_list() == ["“a”", "“d”", "“b”"]
    assert table.columns == ["rank", "id", "text", "predicted", "uncertainty", "cluster"]


def test_rows_of_which_the_model_is_sure_are_no_candidates_where_there_are_many_others() -> None:
    many, few = [0.9] * 20 + [0.0], [0.9, 0.0]
    texts = [f"text {place:02}" for place in range(21)]
    assert table_of(many, [0] * 20 + [1], texts, 2)["id"].to_list() == ["u0", "u1"]
    assert table_of(few, [0, 1], texts[:2], 2)["id"].to_list() == ["u0", "u1"]
    assert table_of([0.9, 0.9, 0.0], [0, 0, 1], texts[:3], 2)["id"].to_list() == ["u0", "u2"]


def test_near_copies_and_texts_with_a_label_are_left_out() -> None:
    table = table_of([0.9, 0.8, 0.7, 0.6], [0] * 4, ["a", "A", "known", "b"], 4)
    assert table["id"].to_list() == ["u0", "u3"]


def test_without_unlabelled_rows_the_table_is_empty_and_has_its_columns() -> None:
    table = table_of([], [], [], 5)
    assert table.is_empty()
    assert table.schema["rank"] == pl.Int64


def test_none_are_chosen_where_none_are_asked_for() -> None:
    assert unlike(np.eye(3), 0) == []
