from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from stages.lib.arrow import write_vectors
from stages.lib.errors import map_table as module
from stages.lib.errors.map_beside import Vectors, drawn, drawn_beside
from stages.lib.errors.map_table import lay_out, map_table, on_the_map
from tests.error_knobs import knobs
from tests.predicted import task_of


def test_mistakes_of_evaluation_roles_come_first_and_training_rows_only_fill_the_map() -> None:
    roles = pl.Series(["train", "test", "train", "validation", "test", "test"])
    hard_N = np.array([True, False, False, False, True, False])
    assert on_the_map(roles, hard_N, knobs(map_examples=1)).tolist() == [4]
    assert len(on_the_map(roles, hard_N, knobs(map_examples=3))) == 3
    assert on_the_map(roles, hard_N, knobs(map_examples=4)).tolist() == [1, 3, 4, 5]
    assert on_the_map(roles, hard_N, knobs(map_examples=5)).tolist() == [0, 1, 3, 4, 5]
    assert on_the_map(roles, hard_N, knobs(map_examples=9)).tolist() == [0, 1, 2, 3, 4, 5]


def test_the_map_lays_out_both_vectors_of_its_own_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "lay_out", lambda vectors_NH, params: vectors_NH[:, :2])
    ids = [f"r{place}" for place in range(8)]
    rows = pl.DataFrame({"id": ids, "role": "test", "label": "calm", "predicted": ["calm", "alarm"] * 4})
    tuned_NH, frozen_NH = np.random.default_rng(0).normal(size=(2, 8, 4)).astype(np.float32)
    points = map_table(rows, tuned_NH, frozen_NH, task_of(), knobs(map_examples=5))
    places = [ids.index(name) for name in points["id"]]
    assert {1, 3, 5, 7} < set(places)
    np.testing.assert_array_equal(points.select("x", "y").to_numpy(), tuned_NH[places, :2])
    np.testing.assert_array_equal(points.select("frozen_x", "frozen_y").to_numpy(), frozen_NH[places, :2])


def test_of_a_regression_the_largest_errors_of_each_role_are_hard() -> None:
    rows = pl.DataFrame({"role": ["validation"] * 4 + ["test"] * 4, "loss": [1.0, 2, 3, 4, 9, 8, 7, 6]})
    hard_N = module.HARD_OF_KINDS["regression"](rows, 0.25)
    assert np.flatnonzero(hard_N).tolist() == [3, 4]


@pytest.mark.parametrize("count", [1, 2, 9])
def test_a_few_vectors_are_laid_out_without_umap(count: int) -> None:
    plane = lay_out(np.random.default_rng(0).normal(size=(count, 4)), knobs())
    assert plane.shape == (count, 2)
    assert np.isfinite(plane).all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Tensorflow not installed:ImportWarning")
def test_umap_sets_classes_apart_and_lays_them_out_the_same_again() -> None:
    rng = np.random.default_rng(0)
    centres_NH = np.repeat(rng.normal(size=(2, 16)) * 5, 30, axis=0)
    vectors_NH = (centres_NH + rng.normal(size=(60, 16))).astype(np.float32)
    plane = lay_out(vectors_NH, knobs(map_neighbours=10))
    between = np.linalg.norm(plane[:30].mean(axis=0) - plane[30:].mean(axis=0))
    assert between > 3 * plane[:30].std(axis=0).max()
    np.testing.assert_array_equal(lay_out(vectors_NH, knobs(map_neighbours=10)), plane)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Tensorflow not installed:ImportWarning")
@pytest.mark.parametrize("count", [9, 60])  # without UMAP here, with it in another process
def test_a_map_drawn_beside_the_rest_is_the_same(tmp_path: Path, count: int) -> None:
    ids = [f"r{place}" for place in range(count)]
    rows = pl.DataFrame({"id": ids, "role": "test", "label": "calm", "predicted": "calm", "loss": 0.1})
    vectors = Vectors(tmp_path / "finetuned.arrow", tmp_path / "frozen.arrow")
    for seed, path in enumerate(vectors):
        vectors_NH = np.random.default_rng(seed).normal(size=(count, 8))
        write_vectors(pa.Table.from_batches(rows.reverse().to_arrow().to_batches()), vectors_NH, path)
    params = knobs(map_examples=count, map_neighbours=10)
    with drawn_beside(rows, vectors, task_of(), params) as points:
        beside = points()
    assert beside["id"].to_list() == ids
    assert beside.equals(drawn(rows, vectors, task_of(), params))
