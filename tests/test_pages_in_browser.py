"""Pages as a browser lays them out: no request, no message, no sideways scroll, nothing that axe minds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser import NARROW, WIDE, a_browser, violations
from tests.test_report import HOSTILE, PARAMS, WRITE, run_stages

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
