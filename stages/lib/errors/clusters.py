"""Clusters of the texts, and the words that tell each from the others.

They are of the frozen encoder's vectors: those lie by what a text is about, whatever its label, so that a
cluster is a reason that a person can act on. The fine-tuned vectors lie by what the model says, and a cluster
of theirs between two classes would say no more than that the model is unsure there.

K-means (Lloyd 1982) on vectors of unit length, so that distance is that of cosines.
"""

import numpy as np
import polars as pl
from sklearn.cluster import KMeans

from stages.lib.errors.knobs import Params
from stages.lib.statistics.words import by_z, texts_by_word
from stages.lib.task import Task

FITTED_ROWS = 20_000  # more would take time, and move the centres little
NAMED_BY = 3  # words


def unit_length(vectors_NH: np.ndarray) -> np.ndarray:
    return np.asarray(vectors_NH / np.maximum(np.linalg.norm(vectors_NH, axis=1, keepdims=True), 1e-12))


def clusters_of(vectors_NH: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """int64 [N]; as many clusters as are asked for, or fewer where there are fewer different vectors."""
    unit_NH = unit_length(vectors_NH)
    sample = np.sort(np.random.default_rng(seed).permutation(len(unit_NH))[:FITTED_ROWS])
    different = len(np.unique(unit_NH[sample], axis=0))
    model = KMeans(min(clusters, different), n_init=3, random_state=seed).fit(unit_NH[sample])
    return np.asarray(model.predict(unit_NH), dtype=np.int64)


def clustered(
    rows: pl.DataFrame, vectors_NH: np.ndarray, task: Task, params: Params
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """id, cluster, name of each row; and clusters.parquet. `rows` have their texts as cleaned."""
    cluster_N = clusters_of(vectors_NH, params.clusters, params.seed)
    table = cluster_table(rows, cluster_N, task.text_columns, params.cluster_words)
    members = rows.select("id").with_columns(cluster=pl.Series(cluster_N))
    names = table.select("cluster", "name")
    return members.join(names, on="cluster", how="left", maintain_order="left"), table


def cluster_table(rows: pl.DataFrame, cluster_N: np.ndarray, columns: list[str], words: int) -> pl.DataFrame:
    """clusters.parquet.

    The name is of the most telling words; of two clusters with the same ones, and of one without any, the
    number stands in it.
    """
    groups = {str(number): cluster_N == number for number in np.unique(cluster_N)}
    within, overall = texts_by_word(rows, groups, columns)
    totals = overall.rename({"texts": "all"})
    telling = [
        by_z(within.filter(pl.col("label") == name).join(totals, on="word"), totals)["word"].to_list()[:words]
        for name in groups
    ]
    table = pl.DataFrame(
        {"cluster": list(map(int, groups)), "n": [int(of.sum()) for of in groups.values()], "words": telling},
        schema={"cluster": pl.Int64, "n": pl.Int64, "words": pl.List(pl.String)},
    ).with_columns(name=pl.col("words").list.head(NAMED_BY).list.join(", "))
    number = pl.col("cluster").cast(pl.String)
    return table.with_columns(
        name=pl.when(pl.col("name") == "")
        .then(number)
        .when(pl.col("name").is_duplicated())
        .then(pl.format("{}: {}", number, "name"))
        .otherwise("name")
    )
