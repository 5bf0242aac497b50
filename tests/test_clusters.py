import numpy as np
import polars as pl

from stages.lib.errors.clusters import clustered, clusters_of
from tests.error_knobs import knobs
from tests.predicted import task_of


def topics(texts: list[str], each: int) -> tuple[pl.DataFrame, np.ndarray]:
    """Rows of each text, and vectors that lie by the text."""
    rng = np.random.default_rng(0)
    names = [text for text in texts for _ in range(each)]
    rows = pl.DataFrame({"id": [f"r{place}" for place in range(len(names))], "text": names})
    vectors_NH = np.repeat(np.eye(len(texts), 8), each, axis=0) * 3 + 0.1 * rng.normal(size=(len(names), 8))
    return rows, vectors_NH.astype(np.float32)


def test_a_cluster_is_a_topic_and_named_by_its_words() -> None:
    rows, vectors_NH = topics(["mud rain", "tea cake", "火灾下雨"], 40)
    members, table = clustered(rows, vectors_NH, task_of(), knobs())
    assert members["id"].to_list() == rows["id"].to_list()
    assert table["n"].to_list() == [40] * 3
    of_text = members.with_columns(rows["text"]).group_by("text").agg(pl.col("name").unique())
    names = {text: name for text, (name,) in of_text.rows()}
    assert names == {
        "mud rain": "mud, rain",
        "tea cake": "cake, tea",
        "火灾下雨": "下雨, 火灾, 灾下",
    }


def test_clusters_without_words_or_with_the_same_ones_are_told_apart_by_their_number() -> None:
    rows, vectors_NH = topics(["", "tea", "tea ", "mud", "rain", "bus", "sun", "old"], 30)
    _, table = clustered(rows, vectors_NH, task_of(), knobs(clusters=8))
    assert table["name"].n_unique() == 8
    alike = table.filter(pl.col("words").list.contains("tea"))
    assert alike["name"].to_list() == [f"{number}: tea" for number in alike["cluster"]]
    silent = table.filter(pl.col("words").list.len() == 0)
    assert silent["name"].to_list() == silent["cluster"].cast(pl.String).to_list()


def test_fewer_vectors_than_clusters_and_vectors_of_zeros_are_no_obstacle() -> None:
    assert clusters_of(np.zeros((5, 4), dtype=np.float32), 3, 1).tolist() == [0] * 5
    assert len(set(clusters_of(np.eye(2, dtype=np.float32), 5, 1))) == 2


def test_clusters_depend_on_the_direction_of_vectors_alone() -> None:
    _, vectors_NH = topics(["mud", "tea", "bus"], 30)
    scale_N1 = np.random.default_rng(1).uniform(0.1, 10, size=(len(vectors_NH), 1))
    first, second = clusters_of(vectors_NH, 3, 1), clusters_of(vectors_NH * scale_N1, 3, 1)
    np.testing.assert_array_equal(first, second)
