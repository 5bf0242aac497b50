"""Writes bench/RESULTS.md from what the other modules measured: `python -m bench.results`.

No figure is typed there by hand; a row that was not measured is not there.
"""

import json
import platform
import statistics
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from bench.measuring import KEPT, Row, in_words

WRITTEN = Path("bench/RESULTS.md")
PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "datasets",
    "polars",
    "pandas",
    "scikit-learn",
    "nltk",
    "dvc",
)

HEAD = """\
# Measured

`make bench` wrote this page: every row side by side in one run (ours, theirs, ours, theirs), medians, and in
brackets the least and greatest of the rounds. Machines differ and are shared: compare ratios, not seconds.
"""


def main() -> None:
    modules = {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(KEPT.glob("*.json"))
    }
    WRITTEN.write_text("\n".join(page(modules)), encoding="utf-8")
    rows = [row for found in modules.values() for row in rows_of(found)]
    print(f"results: {len(rows)} rows in {WRITTEN}, {sum(row.won for row in rows)} of them won")


def page(modules: dict[str, Any]) -> Iterable[str]:
    yield HEAD
    yield f"{machine()}  "
    yield (
        ", ".join(f"{name} {version(name)}" for name in PACKAGES) + f", Python {platform.python_version()}\n"
    )
    yield "| work | data | against | ours | theirs | measured | wanted | |"
    yield "|---|---|---|---|---|---|---|---|"
    for found in modules.values():
        yield from map(line, rows_of(found))
    for module, found in modules.items():
        yield from section(module, found)


def rows_of(found: dict[str, Any]) -> list[Row]:
    return [Row.model_validate(row) for row in found["rows"]]


def line(row: Row) -> str:
    cells = (
        row.work,
        row.data,
        row.peer,
        median(row.ours),
        median(row.theirs),
        in_words(row.figures, row.unit),
        f"{row.wanted} {row.goal:g}",
        "won" if row.won else "**not won**",
    )
    return f"| {' | '.join(cells)} |"


def median(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.3g} s" if seconds else ""


def section(module: str, found: dict[str, Any]) -> Iterable[str]:
    yield f"\n## {module.replace('_', ' ').capitalize()}\n"
    yield f"`python -m bench.{module}`, at commit `{found['commit']}`.\n"
    for row in rows_of(found):
        yield f"- **{row.work}**: foreseen: {row.predicted}; found: {in_words(row.figures, row.unit)}."
        if not row.won:
            yield f"  Not won: {row.why_not or 'no reason given'}"
    if found["details"]:
        yield f"\n{found['details'].strip()}"


def machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    return f"{processor()}, {psutil.cpu_count(logical=True)} cores, {memory:.0f} GiB, {platform.system()}"


def processor() -> str:
    info = Path("/proc/cpuinfo")
    names = (
        row.split(":")[1].strip() for row in info.read_text().splitlines() if row.startswith("model name")
    )
    return next(names, platform.machine()) if info.is_file() else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
