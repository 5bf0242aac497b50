"""Pages as a browser lays them out: no request, no message, no sideways scroll, nothing that axe minds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from stages.lib.encoders.traits import Traits, write_traits
from stages.lib.pages.card import rendered
from stages.lib.pages.pages import html_page
from stages.lib.tables import write_json
from tests import test_profile as profiled
from tests.browser import NARROW, WIDE, a_browser, violations
from tests.predicted import splits_of, task_of
from tests.test_report import HOSTILE, PARAMS, WRITE, run_stages
from tests.tiny import write_encoder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with a_browser() as found:
        yield found


@pytest.fixture(scope="module", params=["classification", "regression", "multi-label"])
def reports(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages of hostile texts with every section filled."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "params.yaml").write_text(PARAMS.format(role="test"), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        WRITE[request.param](folder, HOSTILE)
        run_stages(folder, with_tables=True)
    return folder / "reports"


# contrast is a matter of the theme, layout of the width: each once
@pytest.mark.parametrize(("width", "theme"), [(WIDE, "dark"), (NARROW, "light")])
@pytest.mark.parametrize("name", ["index", "errors", "card"])
def test_pages_are_sound_at_every_width_and_in_every_theme(
    reports: Path, browser: Browser, name: str, width: int, theme: Any
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    # BokehJS tells, as information, how long it took
    page.on("console", lambda message: said.append(message.text) if message.type != "info" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    address = (reports / f"{name}.html").as_uri()
    page.goto(address)
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [address]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.querySelectorAll('details').forEach(of => { of.open = true })")
    assert violations(page) == []
    context.close()


WIDE_CARD = """\
# Made up

## By class

| class | examples | precision | recall | f1 | threshold | decided | flips |
|---|--:|--:|--:|--:|--:|--:|--:|
| ordinary | 12,673 | 0.914 | 0.834 | 0.872 | 0.80412 | 88.04% | 10.03% |

```
python -m commands.predict in.csv out.csv --text text --model models/finetuned --device cpu
```
"""


def test_a_card_on_a_narrow_screen(browser: Browser, tmp_path: Path) -> None:
    """Its wide table and long command scroll, by keyboard too, and no number is broken in two."""
    content = {"title": "Made up", "card": rendered(WIDE_CARD, "Made up", ".."), "metadata": "a: " + "b" * 99}
    (tmp_path / "card.html").write_text(html_page("card.html", content), encoding="utf-8")
    page = browser.new_page(viewport={"width": NARROW, "height": 900})
    page.goto((tmp_path / "card.html").as_uri())
    assert violations(page) == []
    lines = "cells => cells.map(cell => { const range = new Range(); range.selectNodeContents(cell);"
    lines += " return new Set([...range.getClientRects()].map(of => of.top)).size })"
    assert page.locator("td").evaluate_all(lines) == [1] * 8
    assert page.evaluate("document.documentElement.scrollWidth") == NARROW
    page.close()


@pytest.mark.parametrize(("width", "theme"), [(WIDE, "dark"), (NARROW, "light")])
def test_the_page_of_the_data_too(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, theme: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(profiled.PARAMS, encoding="utf-8")
    encoder = tmp_path / "encoder"
    write_encoder(encoder)
    write_traits(Traits(shape="encoder", room=64, type_ids=True), encoder)
    write_json({"name": "tiny"}, encoder / "provenance.json")
    profiled.write_found(tmp_path, drift=profiled.DRIFT)
    profiled.write_data(tmp_path, task_of(), splits_of({"a": HOSTILE["f"]}))
    profiled.run_stage(tmp_path)
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
    page.goto((tmp_path / "profile.html").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(of => { of.open = true })")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.close()


# --- paper, and a palette of the system's -----------------------------------------------------------------


def test_what_a_background_draws_is_drawn_in_forced_colours_and_in_print(
    reports: Path, browser: Browser
) -> None:
    page = browser.new_page(viewport={"width": WIDE, "height": 900}, forced_colors="active")
    page.goto((reports / "errors.html").as_uri())
    looks = "e => { const of = getComputedStyle(e); return [of.backgroundColor, of.printColorAdjust] }"
    ground = page.locator("body").evaluate(looks)[0]
    for drawn in (".scores .point", ".scores .range", ".track"):
        color, printed = page.locator(drawn).first.evaluate(looks)
        assert (color != ground, printed) == (True, "exact"), drawn
    page.close()
