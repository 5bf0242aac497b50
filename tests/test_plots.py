from pathlib import Path

import matplotlib

from stages.lib.pages.plots import DARK, LIGHT, Theme, color_of, drawing, marker_of, png, write_png


def bar(label: str = "joy", theme: Theme = LIGHT) -> bytes:
    with drawing(2, 1, theme) as figure:
        axes = figure.subplots()
        axes.barh([0], [1], color=color_of(0))
        axes.set_yticks([0], [label])
        return png(figure)


def test_the_same_figure_is_the_same_bytes_whatever_a_person_has_set() -> None:
    first = bar()
    with matplotlib.rc_context({"axes.ymargin": 0.4}):
        assert bar() == first


def test_the_file_names_no_software_and_no_date() -> None:
    assert not any(word in bar() for word in (b"tEXt", b"iTXt", b"zTXt", b"tIME"))


def test_themes_differ() -> None:
    assert bar(theme=DARK) != bar(theme=LIGHT)


def test_class_names_are_no_formulas_and_may_be_in_scripts_the_font_lacks() -> None:
    assert bar("$a_1$") != bar("a_1")
    assert bar("$\\broken$")
    assert bar("喜び")


def test_many_classes_differ_in_colour_or_in_shape() -> None:
    assert len({(color_of(place), marker_of(place)) for place in range(49)}) == 49


def test_settings_are_put_back(tmp_path: Path) -> None:
    before = matplotlib.rcParams["text.parse_math"]
    with drawing(1, 1) as figure:
        write_png(figure, tmp_path / "empty.png")
    assert matplotlib.rcParams["text.parse_math"] == before
    assert (tmp_path / "empty.png").read_bytes().startswith(b"\x89PNG")
