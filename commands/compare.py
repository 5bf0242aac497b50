"""By how much runs differ, and whether by more than chance: `python -m commands.compare main my-experiment`

Each run is a branch, a tag, a commit, the name of a DVC experiment, or `workspace`. The others are compared
with the first, on the examples that all of them have, unchanged. With --seeds, runs whose params differ in
nothing but seeds are one family, and it is families that are compared (stages/lib/statistics/paired.py says
how).
"""

import json
from enum import StrEnum
from typing import Annotated, Any

import numpy as np
import typer

from commands.lib.comparison import (
    Comparison,
    Group,
    Settings,
    Shared,
    compare_all,
    groups_of,
    rows_of,
    shared_by,
)
from commands.lib.flipped import change_sentence, flipped, lines_of, tables_of
from commands.lib.runs import opened
from commands.lib.terminal import as_interval, as_p, columns, score_name, visible
from stages.lib.exceptions import ConfigError
from stages.lib.pages.pages import markdown_page
from stages.lib.pages.shown_scores import scores_to_show
from stages.lib.stage import run
from stages.lib.statistics.predictions import FINETUNED
from stages.lib.task import Task

UNDEFINED = "-"
HEADER = ("run", "score", "first", "this", "difference", "p", "p (Holm)")


class Form(StrEnum):
    terminal = "terminal"
    markdown = "markdown"
    json = "json"


class Texts(StrEnum):
    full = "full"
    redacted = "redacted"
    ids = "ids"


def main(
    runs: Annotated[list[str], typer.Argument(help="branches, tags, commits, experiments, `workspace`")],
    *,
    seeds: Annotated[bool, typer.Option("--seeds", help="differing in seeds alone is a family")] = False,
    model: Annotated[str, typer.Option(help="dummy, tfidf, features or finetuned")] = FINETUNED,
    role: Annotated[str, typer.Option(help="the examples to compare on")] = "test",
    examples: Annotated[int, typer.Option(help="of those that flipped, so many each way")] = 5,
    texts: Annotated[Texts, typer.Option(help="how to tell their texts")] = Texts.full,
    form: Annotated[Form, typer.Option("--format", help="how to print")] = Form.terminal,
    confidence: Annotated[float, typer.Option(help="of the intervals")] = 0.95,
    resamples: Annotated[int, typer.Option(help="of the bootstrap")] = 10_000,
    seed: Annotated[int, typer.Option(help="of the resamples")] = 13,
) -> None:
    """Compare runs on the same examples: differences with intervals and p, flips, params."""
    if len(runs) < 2:
        raise ConfigError(f"found one run, {runs[0]}; expected two or more to compare")
    settings = Settings(model, role, resamples, confidence, seed)
    with opened(*runs) as opened_runs:
        shared = shared_by(opened_runs, model, role)
        groups = groups_of(opened_runs, shared, seeds)
        comparisons = compare_all(opened_runs, shared, groups, settings)
        view = view_of(shared, groups, comparisons, settings, examples, texts)
    if form is Form.json:
        found = as_json(shared, groups, comparisons, settings)
        print(json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print(markdown_page("compare.md", view) if form is Form.markdown else as_text(view))


def view_of(
    shared: Shared,
    groups: list[Group],
    comparisons: list[Comparison],
    settings: Settings,
    examples: int,
    texts: str,
) -> dict[str, Any]:
    """What the page and the terminal show, in words."""
    lacking = (
        f"; {shared.left_out:,} examples are not in all runs and are left out" if shared.left_out else ""
    )
    return {
        "title": f"{settings.role}, n = {len(shared.labels):,}, {settings.model}, "
        f"{100 * settings.confidence:g} % intervals{lacking}",
        "first": groups[0].name,
        "header": HEADER if len(comparisons) > 1 else HEADER[:-1],
        "families": [
            family_row(shared.task, group, name) for group in groups for name in scores_to_show(shared.task)
        ]
        if any(len(group.names) > 1 for group in groups)
        else [],
        "rows": [
            score_row(shared.task, groups[0], comparison, name, len(comparisons) > 1)
            for comparison in comparisons
            for name in scores_to_show(shared.task)
        ],
        "details": [detail(shared, groups[0], comparison, examples, texts) for comparison in comparisons],
    }


def family_row(task: Task, group: Group, name: str) -> tuple[str, ...]:
    """A dash where a run has no such score."""
    values = [value for value in group.scores[name] if value is not None]
    whole = len(values) == len(group.names)
    spread = f"{np.std(values, ddof=1):.4f}" if whole and len(values) > 1 else ""
    listed = ", ".join(_score(value) for value in group.scores[name])
    mean = f"{np.mean(values):.4f}" if whole else UNDEFINED
    return (group.name, score_name(task.kind, name), mean, spread, str(len(group.names)), listed)


def score_row(task: Task, first: Group, comparison: Comparison, name: str, several: bool) -> tuple[str, ...]:
    run, shown = comparison.new.name, score_name(task.kind, name)
    found = comparison.differences.get(name)
    if found is None:
        values = (_mean(group.scores[name]) for group in (first, comparison.new))
        return (run, shown, *values, *([UNDEFINED] * (3 if several else 2)))
    interval = as_interval(found.difference, found.low, found.high)
    cells = (run, shown, _score(found.old), _score(found.new), interval, as_p(found.p))
    return (*cells, as_p(comparison.p_holm[name])) if several else cells


def _mean(values: list[float | None]) -> str:
    there = [value for value in values if value is not None]
    return _score(float(np.mean(there))) if len(there) == len(values) else UNDEFINED


def _score(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.3f}"


def detail(shared: Shared, first: Group, comparison: Comparison, examples: int, texts: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": comparison.new.name,
        "params": [{"name": name, "old": old, "new": new} for name, (old, new) in comparison.params.items()],
        "flips": None,
        "tables": [],
        "lines": [],
    }
    if len(first.names) > 1 or len(comparison.new.names) > 1:
        return told
    task, answers = shared.task, shared.answers[[*first.places, *comparison.new.places]]
    found = flipped(task.kind, rows_of(shared, first, comparison.new), examples, texts)
    return told | {
        "flips": change_sentence(task, shared.labels, *answers),
        "tables": tables_of(task.kind, found),
        "lines": lines_of(task.kind, found),
    }


FAMILY_HEADER = ("family", "score", "mean", "s.d.", "runs", "each")


def as_text(view: dict[str, Any]) -> str:
    lines = [view["title"], *([f"compared with {view['first']}"] if view["rows"] else []), ""]
    if view["families"]:
        lines += [*columns([FAMILY_HEADER, *view["families"]]), ""]
    lines += columns([view["header"], *view["rows"]]) if view["rows"] else []
    for told in view["details"]:
        lines += ["", told["name"] + (f": {told['flips']}" if told["flips"] else "")]
        lines += [f"  param {param['name']}: {param['old']} -> {param['new']}" for param in told["params"]]
        lines += told["lines"]
    return "\n".join(visible(line) for line in lines)


def as_json(
    shared: Shared, groups: list[Group], comparisons: list[Comparison], settings: Settings
) -> dict[str, Any]:
    return {
        **settings._asdict(),
        "kind": shared.task.kind,
        "n": len(shared.labels),
        "left_out": shared.left_out,
        "groups": [{"runs": group.names, "scores": group.scores} for group in groups],
        "comparisons": [
            {
                "old": groups[0].names,
                "new": comparison.new.names,
                "differences": {
                    name: found._asdict() | {"p_holm": comparison.p_holm[name]}
                    for name, found in comparison.differences.items()
                },
                "flips": None if comparison.flips is None else comparison.flips._asdict(),
                "params": {name: list(values) for name, values in comparison.params.items()},
            }
            for comparison in comparisons
        ],
    }


if __name__ == "__main__":
    run(main)
