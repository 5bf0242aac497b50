"""How large a full page of errors is and how soon one can work in it: `python -m bench.page`.

20,000 made-up examples of 170 characters on average, with every table that the page may show, laid out and
opened in a browser. The limits are the page's own: 15 MB, and two seconds until map and table answer.
"""

import tempfile
import time
from pathlib import Path

import pytest

from bench.measuring import Row, record
from stages.lib.pages.pages import html_page
from stages.lib.pages.workbench import found_in, workbench_view
from stages.lib.pages.workbench_rows import Limits
from tests.browser import READY, a_browser
from tests.made_errors import BASELINES, made_examples, made_tables, made_task, only_the_workbench

EXAMPLES, WORDS, TIMES = 20_000, 26, 5
MOST_MEGABYTES, MOST_SECONDS = 15.0, 2.0
DATA = f"{EXAMPLES:,} made-up examples of 170 characters"


def write_page(path: Path) -> float:
    """Gives how many seconds laying it out took."""
    task = made_task("classification")
    examples = made_examples(task, EXAMPLES, words=WORDS)
    tables = made_tables(task, examples)
    limits = Limits(EXAMPLES, seed=1, text_characters=600, text_megabytes=9.0)
    start = time.perf_counter()
    view = workbench_view(examples, found_in(tables), task, BASELINES, limits)
    with only_the_workbench(path.parent):
        content = {"title": "Made up", "workbench": view, "filter": "{}"}
        path.write_text(html_page("workbench_page.html", content), encoding="utf-8")
    return time.perf_counter() - start


def opened(path: Path) -> list[float]:
    """Seconds from the address to a drawn map and a filtered table, each in a fresh tab."""
    seconds = []
    with a_browser() as browser:
        for _ in range(TIMES):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            start = time.perf_counter()
            page.goto(path.as_uri())
            page.wait_for_selector(READY, state="attached")
            page.locator("[name=search]").fill("number 77")
            seconds.append(time.perf_counter() - start)
            page.close()
    return seconds


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "errors.html"
        laid_out, megabytes = write_page(path), path.stat().st_size / 1e6
        rows, details = [of_size(megabytes)], f"Laid out in {laid_out:.1f} s."
        try:
            rows.append(of_opening(opened(path)))
        except pytest.skip.Exception as none:
            details += f" How soon it can be worked in was not measured: {none}"
    record("page", rows, details)


def of_size(megabytes: float) -> Row:
    return Row(
        work="size of a full page of errors",
        peer="its own limit",
        data=DATA,
        figures=[megabytes],
        unit="MB",
        goal=MOST_MEGABYTES,
        wanted="at most",
        predicted="10 MB: 3.4 MB of texts, as much again of what is said of them, and the libraries.",
    )


def of_opening(seconds: list[float]) -> Row:
    return Row(
        work="seconds from opening the page to a filtered table",
        peer="its own limit",
        data=DATA,
        figures=seconds,
        unit="seconds",
        goal=MOST_SECONDS,
        wanted="at most",
        predicted="1.5 s: half of it for the browser to read the page, the rest for drawing the map.",
    )


if __name__ == "__main__":
    main()
