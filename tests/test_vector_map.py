import matplotlib
import polars as pl
import pytest
from matplotlib.colors import to_rgb

from stages.lib.kinds import Kind
from stages.lib.pages.plots import DARK, LIGHT, Theme
from stages.lib.pages.vector_map import by_rarest_label, colors_of, map_png, map_view, rarest_labels
from tests.predicted import LABELS, task_of

POINTS: dict[Kind, pl.DataFrame] = {
    "classification": pl.DataFrame({"label": ["calm", "alarm"], "predicted": ["calm", "calm"]}),
    "regression": pl.DataFrame({"label": [0.0, 5.0], "predicted": [0.5, 5.0]}),
    "multi-label": pl.DataFrame({"label": [["calm", "alarm"], []], "predicted": [["calm"], []]}),
}


def points_of(kind: Kind) -> pl.DataFrame:
    return POINTS[kind].with_columns(x=pl.Series([0.0, 1.0]), y=pl.Series([0.0, 1.0]))


@pytest.mark.parametrize("kind", POINTS)
def test_a_ring_tells_what_went_wrong(kind: Kind) -> None:
    task, points = task_of(kind=kind), points_of(kind)
    right = points.with_columns(predicted="label")
    assert map_png(points, task, LIGHT, legend=False) != map_png(right, task, LIGHT, legend=False)


@pytest.mark.slow
@pytest.mark.parametrize("kind", POINTS)
@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_points_are_drawn(kind: Kind, count: int) -> None:
    points = points_of(kind).head(count)
    assert map_view(points, task_of(kind=kind))["points"] == count
    assert map_png(points, task_of(kind=kind), LIGHT, legend=True)


def test_the_rarest_label_of_a_row_is_the_one_that_fewest_rows_have() -> None:
    labels = pl.Series([["calm", "alarm"], ["calm"], ["alarm", "other"], ["calm", "alarm"], []])
    assert rarest_labels(labels, LABELS).to_list() == ["calm", "calm", "other", "calm", None]


def test_rows_without_a_label_have_a_colour_of_their_own_and_absent_labels_no_entry() -> None:
    layers = by_rarest_label(points_of("multi-label"), task_of(kind="multi-label"))
    assert [layer.name for layer in layers] == ["calm", "(none)"]
    assert [layer.members.tolist() for layer in layers] == [[True, False], [False, True]]


def test_the_scale_of_scores_names_its_ends() -> None:
    scale = map_view(points_of("regression"), task_of(kind="regression"))["scale"]
    assert (scale["low"], scale["high"]) == ("0", "5")
    assert scale["light"] != scale["dark"]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_every_colour_of_a_score_stands_out_from_the_paper(theme: Theme) -> None:
    scale = colors_of(theme)
    contrasts = [contrast(scale(step / 20)[:3], to_rgb(theme.paper)) for step in range(21)]
    assert min(contrasts) > 1.5
    assert matplotlib.colormaps["viridis"].N == scale.N


def contrast(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """As WCAG has it."""
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color: tuple[float, ...]) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in color]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
