from pathlib import Path

import matplotlib
import pytest

from stages.lib.exceptions import DataError
from stages.lib.pages import fonts
from stages.lib.pages.plots import (
    DARK,
    LIGHT,
    Theme,
    color_of,
    drawing,
    marker_of,
    png,
    short_name,
    write_png,
)


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


def test_chinese_japanese_and_korean_names_are_drawn() -> None:
    """Letters that a font lacks all look alike."""
    assert len({bar(name) for name in ("平静", "警报", "喜び", "カナ", "한국", "국한", "𠀀𠀁 a")}) == 7
    assert bar("กขค") == bar("งจฉ")  # Thai: a box for each letter


@pytest.mark.parametrize(
    "name", ["ไทย", "हिन्दी", "العربية", "עברית", "😀🔥", "\u202eevil", "a\x00b", "ⴰⵣⵓⵍ", ""]
)
def test_names_in_any_script_are_drawn_without_a_warning(name: str) -> None:
    assert bar(name).startswith(b"\x89PNG")


def test_a_long_name_is_cut() -> None:
    assert short_name("a" * 40) == "a" * 40
    assert short_name("a" * 41) == "a" * 39 + "…"


def test_the_large_font_is_opened_only_where_a_name_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> str:
        raise AssertionError("opened")

    monkeypatch.setattr(fonts, "cjk_family", refuse)
    assert bar("Größe Привет λ")
    with pytest.raises(AssertionError, match="opened"):
        bar("喜び")


def test_another_font_than_the_pinned_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "SHA256", "0" * 64)
    with pytest.raises(DataError, match=r"NotoSansCJKtc-Regular\.otf: SHA-256 is f57e46120a3d.*expected 000"):
        fonts.cjk_family.__wrapped__()
    monkeypatch.setattr(fonts, "PACKAGE", "no_such_font")
    with pytest.raises(DataError, match="no_such_font: not installed"):
        fonts.cjk_family.__wrapped__()
