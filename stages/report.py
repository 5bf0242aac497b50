"""Lay the tables and the numbers out as pages to read.

errors.html   what to fix, in order of what it would gain, and what speaks for it: one file without network
errors.md     the same in short, for a pull request, with its pictures in a folder beside it
index.html    the scores of all models, and the way to every page and plot
card.html     the model's card, rendered

Every text is only shown: stages.lib.pages.pages escapes it. What differs by the kind of task are the tables
that stand between the scores and the examples, and a template of its own for each page.
"""

import json
import os
from pathlib import Path
from typing import Any

import polars as pl

from stages.lib.kinds import Kind
from stages.lib.pages.card import card_parts, rendered
from stages.lib.pages.findings import counted
from stages.lib.pages.hexagons import hexagon_png, hexagon_view
from stages.lib.pages.learning import curve_png, curve_view
from stages.lib.pages.model_findings import grown
from stages.lib.pages.on_role import OnRole, read_role
from stages.lib.pages.pages import html_page, markdown_page, within
from stages.lib.pages.plots import LIGHT
from stages.lib.pages.report_knobs import Params
from stages.lib.pages.score_pictures import residual_png, scatter_png
from stages.lib.pages.shown_changes import Changed, read_changed, shown_changes
from stages.lib.pages.shown_examples import shown_examples, shown_to_label
from stages.lib.pages.shown_findings import shown_findings
from stages.lib.pages.shown_issues import shown_contradictions, shown_issues
from stages.lib.pages.shown_kinds import columns_of_models, decimals_of, of_kind
from stages.lib.pages.shown_mended import shown_mended
from stages.lib.pages.shown_scores import score_rows, scores_to_show
from stages.lib.pages.shown_slices import shown_clusters, shown_slices, shown_words
from stages.lib.pages.vector_map import map_png, map_view
from stages.lib.pages.what_to_fix import findings
from stages.lib.pages.workbench import found_in, workbench_view
from stages.lib.pages.workbench_rows import Limits
from stages.lib.params import load_params
from stages.lib.stage import InPath, OutPath, run
from stages.lib.statistics.predictions import FINETUNED
from stages.lib.tables import replacing_folder, write_json, write_text
from stages.lib.task import read_task

View = dict[str, Any]

MOST_CHARACTERS = 60_000  # of the Markdown: a comment on GitHub holds 65,536


def view(on: OnRole, changed: Changed, params: Params) -> View:
    """All but the maps."""
    characters = params.text_characters
    decimals = 0 if on.task.facts.has_classes else decimals_of(on.examples["label"])
    to_label = on.table("to_label")
    return {
        "scores": score_rows(on.evaluation, on.role, on.task),
        "metrics": {name: on.task.lower_is_better(name) for name in scores_to_show(on.task)},
        "findings": shown_findings(findings(on, changed.rates), on, decimals, params.findings),
        "issues": shown_issues(on, params.label_issues, characters),
        "contradictions": shown_contradictions(on, params.contradictions, characters),
        "mended": shown_mended(on, params.examples_each, characters),
        "slices": shown_slices(on, params.slices),
        "words": shown_words(on, params.words),
        "clusters": shown_clusters(on, params.clusters),
        "changes": shown_changes(on, changed, characters),
        "curve": curve_view(on.rows("learning_curve")),
        "grown": grown(on),
        "to_label": shown_to_label(to_label.head(params.rows_to_label), on.task, characters),
        "unlabelled": len(to_label),
        "highest": listed(on, params.highest_losses, params),
        "lowest": listed(on, -params.lowest_losses, params),
    } | about(on)


def about(on: OnRole) -> View:
    """What every page says at its top."""
    return {
        "title": on.task.title,
        "role": on.role,
        "n": on.n,
        "score_name": on.task.facts.example_score.replace("_", " "),
        "has_classes": on.task.facts.has_classes,
        "selected": on.evaluation[FINETUNED][on.role].get("selected", False),
        "baselines": on.baselines,
    }


def workbench_of(on: OnRole, explanations: pl.DataFrame, method: str, params: Params) -> View:
    """The part of the page about the examples of every role."""
    limits = Limits(params.examples, params.seed, params.text_characters, params.text_megabytes)
    found = found_in(on.tables, explanations, method)
    return workbench_view(on.tables["examples"], found, on.task, on.baselines, limits)


def listed(on: OnRole, most: int, params: Params) -> list[View]:
    """The examples with the highest losses, or of a number below 0 those with the lowest."""
    rows = on.by_loss.head(most) if most > 0 else on.by_loss.reverse().head(-most)
    return shown_examples(rows, on.task, on.baselines, params.text_characters)


SHORTENED = [
    *("highest_losses", "lowest_losses", "findings", "label_issues", "contradictions", "slices", "words"),
    *("clusters", "rows_to_label", "confusions"),
]


def in_short(params: Params) -> Params:
    """For the Markdown: fewer rows, shorter texts."""
    fewer = {name: min(getattr(params, name), params.markdown_rows) for name in SHORTENED}
    characters = min(params.text_characters, params.markdown_text_characters)
    return params.model_copy(update=fewer | {"text_characters": characters})


PAGE_OF_KINDS: dict[Kind, str] = {
    "classification": "classification_errors.html",
    "regression": "regression_errors.html",
    "multi-label": "multi_label_errors.html",
}

MARKDOWN_OF_KINDS: dict[Kind, str] = {
    "classification": "classification_errors.md",
    "regression": "regression_errors.md",
    "multi-label": "multi_label_errors.md",
}


def pictures(on: OnRole, params: Params) -> dict[str, bytes]:
    """Name -> PNG of those that the Markdown links; the page has its own in its text."""
    points = on.rows("map")
    found = {
        "map.png": map_png(points, on.task, LIGHT, legend=True),
        "hexagons.png": hexagon_png(points, on.task, params.map_classes, params.hexagons_across),
        "growth.png": curve_png(on.rows("learning_curve")),
    }
    if on.task.kind == "regression":
        found["scatter.png"] = scatter_png(on.examples, columns_of_models(on), params.scatter_points)
        found["residuals.png"] = residual_png(on.examples, params.scatter_points)
    return {name: picture for name, picture in found.items() if picture is not None}


def main(
    *,
    task: InPath,
    errors: InPath,
    numbers: InPath,
    evaluation: InPath,
    comparisons: InPath,
    robustness: InPath,
    flips: InPath,
    explanations: InPath,
    explained: InPath,
    card: InPath,
    page: OutPath,
    markdown: OutPath,
    images: OutPath,
    index: OutPath,
    card_page: OutPath,
    metrics: OutPath,
) -> None:
    params = load_params("report", Params)
    on = read_role(read_task(task), errors, numbers, evaluation, comparisons, params.role)
    changed = read_changed(robustness, flips)
    method = json.loads(explained.read_bytes())["method"]
    points, kind = on.rows("map"), on.task.kind
    drawn = pictures(on, params)
    with replacing_folder(images) as folder:
        for name, picture in drawn.items():
            (folder / name).write_bytes(picture)
    maps = {
        "map": map_view(points, on.task),
        "hexagons": hexagon_view(points, on.task, params.map_classes, params.hexagons_across),
    }
    bench = {"workbench": workbench_of(on, pl.read_parquet(explanations), method, params)}
    full = view(on, changed, params) | of_kind(on, params) | maps | bench
    short = view(on, changed, in_short(params)) | of_kind(on, in_short(params)) | maps
    short |= {"pictures": {name: f"{images.name}/{name}" for name in drawn}}
    write_text(within(markdown_page(MARKDOWN_OF_KINDS[kind], short), MOST_CHARACTERS), markdown)
    write_text(html_page(PAGE_OF_KINDS[kind], full), page)
    write_text(html_page("index.html", full | {"pictures": short["pictures"]}), index)
    write_card(on, card, card_page)
    size, found = page.stat().st_size, full["findings"]["count"]
    write_json({"page_bytes": size, "examples": on.n, "findings": found}, metrics)
    print(
        f"report: {page} ({size / 1e6:.1f} MB), {counted(found, 'finding', 'findings')}; {markdown}, {index}"
    )


def write_card(on: OnRole, card: Path, page: Path) -> None:
    metadata, text = card_parts(card.read_text(encoding="utf-8"))
    folder = Path(os.path.relpath(card.parent, page.parent)).as_posix()
    write_text(
        html_page(
            "card.html", about(on) | {"metadata": metadata, "card": rendered(text, on.task.title, folder)}
        ),
        page,
    )


if __name__ == "__main__":
    run(main)
