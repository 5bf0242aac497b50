"""Writes bench/RESULTS.md from what the other modules measured: `python -m bench.results`.

No figure is typed there by hand. A module that left nothing is named as not measured.
"""

import statistics
from collections.abc import Iterable
from pathlib import Path

from bench.measuring import Kept, Row, in_figures, in_words, kept, wanted

WRITTEN = Path("bench/RESULTS.md")

# Those that `make bench` runs, in the order of the page.
MODULES = (
    "cleaning",
    "words",
    "tokenize_rows",
    "features",
    "training",
    "knobs",
    "predict",
    "evaluate",
    "pipeline",
    "nothing_to_do",
    "report_knob",
    "handover",
    "scale",
    "near_copies",
    "page",
)
# And those that it does not, with the reason. What such a one left is on the page all the same.
APART = {
    "measuring": "what the others measure with",
    "results": "writes the page",
    "corpora": "the texts that the others measure on",
    "emotion": "the emotion tweets as they are before training",
    "projects": "a copy of this project for a bench to run in",
    "side_by_side": "two whole runs, of which no row of the table asks",
    "quality": "trains for an hour; bench.training tells what came of it",
    "same_rows": "trains for most of an hour; docs/results.md tells what came of it",
    "gpu": "needs a GPU",
    "coverage": "a trial of the intervals' statistics, not of time: half an hour, `make trials`",
    "gate": "a trial of the gate's statistics, not of time: `make trials`",
}

HEAD = """\
# Measured

`make bench` wrote this page, and no figure in it is typed by hand. Ours and theirs took turns in one run
(ours, theirs, ours, theirs); seconds are medians, and in brackets stand the least and the greatest of the
rounds. Machines differ and are shared: compare ratios, not seconds. What each knob gains:
[docs/performance.md](../docs/performance.md).
"""
TABLE = (
    "| work | data | against | ours | theirs | measured | wanted | |",
    "|---|---|---|---|---|---|---|---|",
)


def main() -> None:
    found = kept()
    WRITTEN.write_text("\n".join(page(found)) + "\n", encoding="utf-8")
    print(summary(found))


def summary(found: dict[str, Kept]) -> str:
    rows = [row for one in found.values() for row in one.rows]
    absent = f"; not measured: {', '.join(without(found))}" if without(found) else ""
    return f"results: {len(rows)} rows in {WRITTEN}, {sum(row.won for row in rows)} of them won{absent}"


def without(found: dict[str, Kept]) -> list[str]:
    return [name for name in MODULES if name not in found]


def page(found: dict[str, Kept]) -> Iterable[str]:
    order = [*MODULES, *sorted(set(found) - set(MODULES))]
    found = {name: found[name] for name in order if name in found}
    yield HEAD
    yield from ("\n".join(place) for place in places(found))
    yield "\n".join([*TABLE, *(line(row) for one in found.values() for row in one.rows)])
    if without(found):
        yield f"\n**Not measured** in this run: {', '.join(without(found))}."
    for module, one in found.items():
        yield from section(module, one)


def places(found: dict[str, Kept]) -> Iterable[list[str]]:
    """Each machine with its versions, and which modules it measured where they are not all of one."""
    by_place: dict[tuple[str, str], list[str]] = {}
    for name, one in found.items():
        versions = ", ".join(f"{package} {number}" for package, number in one.versions.items())
        by_place.setdefault((one.machine, versions), []).append(name)
    for (machine, versions), names in by_place.items():
        which = f" ({', '.join(names)})" if len(by_place) > 1 else ""
        yield [f"{machine}{which}  ", f"{versions}\n"]


def line(row: Row) -> str:
    cells = (
        row.work,
        row.data,
        row.peer,
        median(row.ours),
        median(row.theirs),
        in_words(row.figures, row.unit),
        wanted(row),
        "won" if row.won else "**not won**",
    )
    escaped = [cell.replace("|", r"\|") for cell in cells]
    return f"| {' | '.join(escaped)} |"


def median(seconds: list[float]) -> str:
    return f"{in_figures(statistics.median(seconds))} s" if seconds else ""


def section(module: str, found: Kept) -> Iterable[str]:
    yield f"\n## {module.replace('_', ' ').capitalize()}\n"
    yield f"`python -m bench.{module}`, at commit `{found.commit}`.\n"
    for row in found.rows:
        yield f"- **{row.work}**, wanted {wanted(row)}. Foreseen: {row.predicted}"
        yield f"  Found: {in_words(row.figures, row.unit)}."
        if not row.won:
            yield f"  Not won: {row.why_not or 'no reason given.'}"
    if found.details:
        yield f"\n{found.details.strip()}"


if __name__ == "__main__":
    main()
