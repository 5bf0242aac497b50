"""The map: vectors laid out in a plane, the fine-tuned model's and the frozen encoder's of the same texts.

UMAP (McInnes et al. 2018). The neighbours it starts from are found here, exactly: for as many vectors as a
page can show that takes less time than UMAP's own approximate search takes to compile.
"""

import contextlib
import warnings
from collections.abc import Callable

import numpy as np
import polars as pl
from sklearn.neighbors import NearestNeighbors

from stages.lib.errors.example_errors import is_wrong
from stages.lib.errors.knobs import Params
from stages.lib.kinds import Kind
from stages.lib.task import Task

FEWEST_FOR_UMAP = 10


def map_table(
    examples: pl.DataFrame, finetuned_NH: np.ndarray, frozen_NH: np.ndarray, task: Task, params: Params
) -> pl.DataFrame:
    """map.parquet but for the cluster; the vectors are of `examples`, in their order."""
    hard_N = HARD_OF_KINDS[task.kind](examples, params.worst_fraction)
    chosen = on_the_map(examples["role"], hard_N, params)
    points, frozen = (lay_out(vectors_NH[chosen], params) for vectors_NH in (finetuned_NH, frozen_NH))
    return (
        examples[chosen]
        .select("id", "role", "label", "predicted")
        .with_columns(x=points[:, 0], y=points[:, 1], frozen_x=frozen[:, 0], frozen_y=frozen[:, 1])
    )


def on_the_map(roles: pl.Series, hard_N: np.ndarray, params: Params) -> np.ndarray:
    """Places of the examples to lay out, in order: of evaluation roles all that are hard and then others, at
    random, and training rows, hard ones first, only to fill it up."""
    shuffled = np.random.default_rng(params.seed).permutation(len(roles))
    trained_on_N, easy_N = (roles == "train").to_numpy()[shuffled], ~hard_N[shuffled]
    chosen = shuffled[np.lexsort([easy_N, trained_on_N])][: params.map_examples]
    return np.sort(chosen)


def lay_out(vectors_NH: np.ndarray, params: Params) -> np.ndarray:
    """float32 [N, 2]; of a few vectors the first two principal components."""
    if len(vectors_NH) < FEWEST_FOR_UMAP:
        return principal_components(vectors_NH)
    import umap  # seconds: only here

    keep_compiled()
    neighbours = min(params.map_neighbours, len(vectors_NH) - 1)
    search = NearestNeighbors(n_neighbors=neighbours, metric="cosine", algorithm="brute").fit(vectors_NH)
    distances, places = search.kneighbors(vectors_NH)
    with warnings.catch_warnings():
        # that new points could not be added: there will be none
        warnings.filterwarnings("ignore", r"precomputed_knn\[2\]", UserWarning)
        reducer = umap.UMAP(
            n_neighbors=neighbours,
            min_dist=params.map_min_distance,
            metric="cosine",
            init="pca",  # the spectral start fails where clusters stand apart, as classes should
            random_state=params.seed,
            n_jobs=1,
            precomputed_knn=(places, distances.astype(np.float32), None),
        )
        return np.asarray(reducer.fit_transform(vectors_NH), dtype=np.float32)


def keep_compiled() -> None:
    """What UMAP compiles anew in every process, for some seven seconds, numba keeps beside its source."""
    from umap import layouts, umap_

    functions = (
        umap_.smooth_knn_dist,
        umap_.compute_membership_strengths,
        layouts._nb_optimize_layout_euclidean_single_epoch,
    )
    with contextlib.suppress(RuntimeError):  # there is no folder to keep it in that may be written
        for function in functions:
            function.enable_caching()


def _mistakes(examples: pl.DataFrame, worst_fraction: float) -> np.ndarray:
    return is_wrong(examples["label"], examples["predicted"])


def _worst(examples: pl.DataFrame, worst_fraction: float) -> np.ndarray:
    """The largest errors of each role."""
    place = pl.col("loss").rank("ordinal", descending=True).over("role")
    return examples.select(place <= worst_fraction * pl.len().over("role")).to_series().to_numpy()


HARD_OF_KINDS: dict[Kind, Callable[[pl.DataFrame, float], np.ndarray]] = {
    "classification": _mistakes,
    "regression": _worst,
    "multi-label": _mistakes,
}


def principal_components(vectors_NH: np.ndarray) -> np.ndarray:
    centred_NH = vectors_NH - vectors_NH.mean(axis=0)
    axes_KH = np.linalg.svd(centred_NH, full_matrices=False)[2][:2]
    plane = np.zeros((len(vectors_NH), 2), dtype=np.float32)
    plane[:, : len(axes_KH)] = centred_NH @ axes_KH.T
    return plane
