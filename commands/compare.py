"""By how much runs differ, and whether by more than chance: `python -m commands.compare main my-experiment`

Each run is a branch, a tag, a commit, the name of a DVC experiment, or `workspace`. The others are compared
with the first, on the examples that all of them have, unchanged. With --seeds, runs whose params differ in
nothing but seeds are one family, and it is families that are compared (stages/lib/paired.py says how).
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
from commands.lib.flipped import flipped, flips_sentence
from commands.lib.runs import opened
from commands.lib.terminal import as_interval, as_p, columns, example_line, visible
from stages.lib.exceptions import ConfigError
from stages.lib.pages import markdown_page
from stages.lib.predictions import FINETUNED
from stages.lib.stage import run

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
        print(json.dumps(as_json(shared, groups, comparisons, settings), indent=2, ensure_ascii=False))
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
        "families": [family_row(group, name) for group in groups for name in shown_scores(shared)]
        if any(len(group.names) > 1 for group in groups)
        else [],
        "rows": [
            score_row(comparison, name, len(comparisons) > 1)
            for comparison in comparisons
            for name in shown_scores(shared)
        ],
        "details": [detail(shared, groups[0], comparison, examples, texts) for comparison in comparisons],
    }


def shown_scores(shared: Shared) -> list[str]:
    return list(dict.fromkeys(["accuracy", *shared.task.metrics]))


def family_row(group: Group, name: str) -> tuple[str, ...]:
    values = group.scores[name]
    spread = f"{np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
    listed = ", ".join(f"{value:.3f}" for value in values)
    return (group.name, name, f"{np.mean(values):.4f}", spread, str(len(values)), listed)


def score_row(comparison: Comparison, name: str, several: bool) -> tuple[str, ...]:
    found = comparison.differences[name]
    cells = (
        comparison.new.name,
        name,
        f"{found.old:.3f}",
        f"{found.new:.3f}",
        as_interval(found.difference, found.low, found.high),
        as_p(found.p),
    )
    return (*cells, as_p(comparison.p_holm[name])) if several else cells


def detail(shared: Shared, first: Group, comparison: Comparison, examples: int, texts: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": comparison.new.name,
        "params": [{"name": name, "old": old, "new": new} for name, (old, new) in comparison.params.items()],
        "flips": None,
        "broken": [],
        "fixed": [],
    }
    if comparison.flips is None:
        return told
    told["flips"] = flips_sentence(comparison.flips, len(shared.labels))
    return told | flipped(rows_of(shared, first, comparison.new), examples, texts)


FAMILY_HEADER = ("family", "score", "mean", "s.d.", "runs", "each")


def as_text(view: dict[str, Any]) -> str:
    lines = [view["title"], *([f"compared with {view['first']}"] if view["rows"] else []), ""]
    if view["families"]:
        lines += [*columns([FAMILY_HEADER, *view["families"]]), ""]
    lines += columns([view["header"], *view["rows"]]) if view["rows"] else []
    for told in view["details"]:
        lines += ["", told["name"] + (f": {told['flips']}" if told["flips"] else "")]
        lines += [f"  param {param['name']}: {param['old']} -> {param['new']}" for param in told["params"]]
        lines += [example_line(way, row) for way in ("broken", "fixed") for row in told[way]]
    return "\n".join(visible(line) for line in lines)


def as_json(
    shared: Shared, groups: list[Group], comparisons: list[Comparison], settings: Settings
) -> dict[str, Any]:
    return {
        **settings._asdict(),
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
