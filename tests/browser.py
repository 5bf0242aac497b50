"""A browser to try pages in: Debian's Chromium, or the one that Playwright brings."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
READY = "html[data-ready]"  # the map is drawn
WIDE, NARROW = 1280, 400
SCREEN = {WIDE: 900, NARROW: 860}  # width -> height


@contextmanager
def a_browser() -> Iterator[Browser]:
    """Skips the test where there is none."""
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        found = next(filter(None, map(shutil.which, NAMES)), own if Path(own).exists() else None)
        if found is None:
            pytest.skip("no Chromium here (.ci/run installs Debian's), so no page was tried in a browser")
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visits:
    """Pages opened in a browser, and what went wrong in them."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.files: list[str] = []

    def open(self, path: Path, width: int = WIDE, scheme: Any = "light", script: str = "") -> Page:
        context = self.browser.new_context(
            viewport={"width": width, "height": SCREEN[width]}, color_scheme=scheme, reduced_motion="reduce"
        )
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda told: self.complain(told.type, told.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        if script:
            page.add_init_script(script)
        self.files.append(path.as_uri())
        page.goto(self.files[-1])
        page.wait_for_selector(READY, state="attached")
        return page

    def complain(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def check(self) -> None:
        """No page said a word in the console or asked for anything but its own file."""
        for context in self.browser.contexts:
            context.close()
        assert self.complaints == []
        assert set(self.requests) <= {*self.files}


def violations(page: Page) -> list[str]:
    """What axe finds (https://github.com/dequelabs/axe-core), contrast included."""
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        f"{rule['id']}: {node['target']} {node['failureSummary']}" for rule in found for node in rule["nodes"]
    ]
