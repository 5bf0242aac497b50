from typing import Any

import numpy as np
import polars as pl
import pytest

from stages.lib.config import read_yaml
from stages.lib.errors.learning_curve import (
    CURVE,
    gain_of_doubling,
    learning_curve,
    nested_order,
    said_by_size,
    sizes_of,
)
from stages.lib.kinds import Kind
from tests.error_knobs import knobs
from tests.predicted import task_of
from tests.tiny import ROOT

ALARM, CALM = ["mud", "rain", "fire", "火灾"], ["tea", "cake", "sun", "喝茶"]


def rows_of(kind: Kind, train: int = 160, pair: bool = False) -> pl.DataFrame:
    """Alarming and calm texts, and as many of validation and of test as a quarter of `train`."""
    rng = np.random.default_rng(0)
    roles = ["train"] * train + ["validation"] * (train // 4) + ["test"] * (train // 4)
    alarm_N = rng.random(len(roles)) < 0.5
    text = [
        " ".join([*rng.choice(ALARM if alarm else CALM, 2), str(place)])
        for place, alarm in enumerate(alarm_N)
    ]
    label: dict[Kind, list[Any]] = {
        "classification": ["alarm" if alarm else "calm" for alarm in alarm_N],
        "regression": [float(alarm) for alarm in alarm_N],
        "multi-label": [["alarm", "other"] if alarm else [] for alarm in alarm_N],
    }
    ids = [f"r{place}" for place in range(len(roles))]
    rows = pl.DataFrame({"id": ids, "role": roles, "label": label[kind], "text": text})
    return rows.with_columns(text_pair=pl.lit("the same")) if pair else rows


def test_sizes_are_halves_down_to_a_few_rows() -> None:
    assert sizes_of(1000, 4) == [125, 250, 500, 1000]
    assert sizes_of(50, 6) == [25, 50]
    assert sizes_of(7, 6) == [7]
    assert sizes_of(0, 6) == []


def test_smaller_sets_are_parts_of_larger_ones_whatever_the_order_of_rows() -> None:
    rows = rows_of("classification")
    ids = rows["id"].gather(nested_order(rows, task_of()))
    shuffled = rows.sample(fraction=1, shuffle=True, seed=3)
    again = shuffled["id"].gather(nested_order(shuffled, task_of()))
    assert again.to_list() == ids.to_list()
    fewer = rows.filter(pl.col("id") != ids[0])
    assert fewer["id"].gather(nested_order(fewer, task_of())).to_list() == ids.to_list()[1:]
    assert ids.to_list() != rows.filter(pl.col("role") == "train")["id"].to_list()


@pytest.mark.parametrize("kind", ["classification", "regression", "multi-label"])
def test_every_kind_has_a_curve_of_every_evaluation_role(kind: Kind) -> None:
    task = task_of(kind=kind)
    table, numbers = learning_curve(rows_of(kind), task, knobs())
    assert table.schema == CURVE
    for role in ("validation", "test"):
        of_role = table.filter(pl.col("role") == role)
        assert of_role["rows"].to_list() == [20, 40, 80, 160]
        assert of_role["score"].unique().to_list() == [task.metrics[0]]
        assert (of_role["low"] <= of_role["value"]).all()
        assert (of_role["value"] <= of_role["high"]).all()
        found = numbers[role]
        assert (found["rows"], found["half_of_the_rows"]) == (160, 80)
        assert found["low"] <= found["gain_of_last_doubling"] <= found["high"]
        assert found["gain_of_last_doubling"] == pytest.approx(found["value"] - found["value_at_half"])
        assert found["gain_of_twice_the_data"] >= 0
    assert max(table["value"].to_list()) > 0.8


def test_a_model_of_a_size_has_seen_the_first_rows_of_the_order_alone() -> None:
    rows = rows_of("classification", train=40)
    order = rows["id"].gather(nested_order(rows, task_of())).to_list()
    swapped = pl.col("label").replace({"alarm": "calm", "calm": "alarm"})
    late = rows.with_columns(label=pl.when(pl.col("id").is_in(order[20:])).then(swapped).otherwise("label"))
    said, of_late = (said_by_size(of, task_of(), knobs()) for of in (rows, late))
    np.testing.assert_array_equal(said[20], of_late[20])
    assert (said[40] != of_late[40]).any()


def test_pairs_are_learned_from_both_texts() -> None:
    table, _ = learning_curve(rows_of("classification", pair=True), task_of(pair="second"), knobs())
    assert len(table) == 8


def test_a_model_is_judged_on_rows_it_was_not_trained_on_alone() -> None:
    rows = rows_of("classification")
    swapped = {"alarm": "calm", "calm": "alarm"}
    spoiled = rows.with_columns(
        label=pl.when(pl.col("role") == "test").then(pl.col("label").replace(swapped)).otherwise("label")
    )
    good, bad = (learning_curve(of, task_of(), knobs()).table for of in (rows, spoiled))
    on = pl.col("role") == "test"
    assert bad.filter(on)["value"].to_list() == pytest.approx([1 - v for v in good.filter(on)["value"]])


def test_what_cannot_be_learned_from_is_left_out() -> None:
    rows = rows_of("classification").with_columns(label=pl.lit("calm"))
    table, numbers = learning_curve(rows, task_of(), knobs())
    assert table.is_empty()
    assert numbers == {}
    wordless = rows_of("classification").with_columns(text=pl.lit(""))
    assert said_by_size(wordless, task_of(), knobs()) == {}


def test_the_gain_of_a_power_law_is_read_off_exactly() -> None:
    rows = np.array([100, 200, 400, 800])
    error = 2 * rows**-0.5
    table = pl.DataFrame({"rows": rows, "value": 1 - error})
    assert gain_of_doubling(table, False) == pytest.approx(error[-1] - 2 * 1600**-0.5)
    assert gain_of_doubling(table.with_columns(value=error), True) == pytest.approx(error[-1] * (1 - 2**-0.5))


def test_no_gain_is_promised_where_more_rows_did_not_help_or_nothing_is_left_to_gain() -> None:
    rows = [100, 200, 400, 800]
    assert gain_of_doubling(pl.DataFrame({"rows": rows, "value": [0.8, 0.7, 0.7, 0.6]}), False) == 0
    assert gain_of_doubling(pl.DataFrame({"rows": rows, "value": [0.8, 0.9, 0.95, 1.0]}), False) == 0


def test_the_curve_as_shipped_is_the_baselines() -> None:
    params: Any = read_yaml(ROOT / "params.yaml")
    curve, baseline = params["errors"], params["baseline"]
    of_curve = [curve[name] for name in ("curve_min_documents", "curve_c", "max_iterations")]
    assert of_curve == [baseline[name] for name in ("tfidf_min_documents", "tfidf_c", "max_iterations")]
