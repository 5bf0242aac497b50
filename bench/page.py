"""How large a full page of errors is and how soon one can work in it: `python -m bench.page`.

20,000 made-up examples of 170 characters on average, with every table that the page may show, laid out and
opened in a browser. The limits are the page's own: 15 MB, and two seconds until map and table answer.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import pytest

from stages.lib.pages.pages import html_page
from stages.lib.pages.workbench import found_in, workbench_view
from stages.lib.pages.workbench_rows import Limits
from tests.browser import READY, a_browser
from tests.made_errors import BASELINES, made_examples, made_tables, made_task, only_the_workbench

EXAMPLES, WORDS, TIMES = 20_000, 26, 5
MOST_MEGABYTES, MOST_SECONDS = 15.0, 2.0


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
        try:
            seconds = opened(path)
        except pytest.skip.Exception as none:
            print(f"page: {EXAMPLES:,} examples, {megabytes:.1f} MB; {none}")
            return
    median = statistics.median(seconds)
    most_mb, most_s = f"limit {MOST_MEGABYTES:.0f}", f"limit {MOST_SECONDS:.0f}"
    print(f"page: {EXAMPLES:,} examples, {megabytes:.1f} MB ({most_mb}), laid out in {laid_out:.1f} s")
    print(
        f"page: to work in after {median:.2f} s, the median of {TIMES} ({most_s}); at most {max(seconds):.2f}"
    )
    if megabytes > MOST_MEGABYTES or median > MOST_SECONDS:
        sys.exit("page: beyond its limits")


if __name__ == "__main__":
    main()
