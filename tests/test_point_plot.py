import re

import numpy as np

from stages.lib.pages.point_plot import LARGE, LAYERS, SMALL, line_in, point_plot, span_of

SPANS = ((0.0, 10.0), (0.0, 10.0))


def points_of(layers: list[str]) -> set[tuple[float, float]]:
    found = re.findall(r"M([\d.-]+) ([\d.-]+)h0", "".join(layers))
    return {(float(x), float(y)) for x, y in found}


def test_points_lie_in_the_box_and_y_grows_upwards() -> None:
    plot = point_plot(np.array([0, 10, 5]), np.array([0, 10, 5]), SPANS, LARGE)
    box = plot["box"]
    assert box["top"] < box["bottom"]  # as SVG counts
    middle = ((box["left"] + box["right"]) / 2, (box["top"] + box["bottom"]) / 2)
    assert points_of(plot["layers"]) == {(box["left"], box["bottom"]), (box["right"], box["top"]), middle}


def test_every_point_is_in_one_layer_and_neighbours_are_in_different_ones() -> None:
    plot = point_plot(np.arange(20.0), np.zeros(20), ((0, 20), (0, 1)), SMALL)
    assert [layer.count("M") for layer in plot["layers"]] == [4, 4, 3, 3, 3, 3]
    assert len(plot["layers"]) == LAYERS
    assert len(points_of(plot["layers"])) == 20


def test_ticks_are_round_numbers_within_the_box() -> None:
    plot = point_plot(np.array([0.0]), np.array([0.0]), ((-0.2, 5.2), (-0.2, 5.2)), LARGE)
    assert [tick["text"] for tick in plot["x_ticks"]] == ["0", "1", "2", "3", "4", "5"]
    assert all(plot["box"]["left"] <= tick["at"] <= plot["box"]["right"] for tick in plot["x_ticks"])


def test_a_line_joins_two_points() -> None:
    plot = point_plot(np.array([0.0]), np.array([0.0]), SPANS, LARGE)
    box = plot["box"]
    line = line_in(plot, SPANS, (0, 0), (10, 10))
    assert line == f"M{box['left']}.0 {box['bottom']}.0L{box['right']}.0 {box['top']}.0"


def test_a_span_holds_all_values_with_a_margin_and_constants_have_one_too() -> None:
    assert span_of(np.array([0.0, 5.0]), np.array([-5.0])) == (-5.4, 5.4)
    assert span_of(np.array([3.0])) == (2.5, 3.5)
