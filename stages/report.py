"""Lay the tables and the numbers out as pages to read: errors.html, one file without network, and errors.md.

Every text is only shown: stages.lib.pages.pages escapes it. What differs by the kind of task are the tables
that stand between the scores and the examples, and a template of its own for each page.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from pydantic import Field

from stages.lib.exceptions import DataError
from stages.lib.kinds import Kind
from stages.lib.pages.pages import html_page, markdown_page
from stages.lib.pages.plots import LIGHT
from stages.lib.pages.shown_classes import classes_to_show, frequent_confusions, matrix
from stages.lib.pages.shown_examples import shown_examples
from stages.lib.pages.shown_labels import frequent_misses, label_rows
from stages.lib.pages.shown_residuals import ranges, residual_plot, scatter_plots
from stages.lib.pages.shown_scores import score_rows, scores_to_show
from stages.lib.pages.vector_map import map_png, map_view
from stages.lib.params import StageParams, load_params
from stages.lib.stage import InPath, OutPath, run
from stages.lib.statistics.predictions import BASELINES, FINETUNED
from stages.lib.tables import replacing_folder, write_json, write_text
from stages.lib.task import Task, read_task

View = dict[str, Any]  # what the templates show


class Params(StageParams):
    role: str
    highest_losses: int = Field(gt=0)
    lowest_losses: int = Field(gt=0)
    confusions: int = Field(gt=0)
    matrix_classes: int = Field(ge=2)
    scatter_points: int = Field(gt=0)
    text_characters: int = Field(gt=0)


class OnRole(NamedTuple):
    """What the pages are about."""

    task: Task
    evaluation: View  # of our own models, baselines first
    tables: dict[str, pl.DataFrame]  # those of data/errors, with the rows of the role
    baselines: list[str]

    @property
    def examples(self) -> pl.DataFrame:
        return self.tables["examples"]


def read_role(task: Task, errors: Path, evaluation: View, role: str) -> OnRole:
    """Raises DataError where nothing was evaluated on the role."""
    evaluated = list(evaluation[FINETUNED])
    if role not in evaluated:
        raise DataError(f"params.yaml: report.role: found '{role}'; evaluated are {', '.join(evaluated)}")
    tables = {
        path.stem: pl.read_parquet(path).filter(pl.col("role") == role)
        for path in sorted(errors.glob("*.parquet"))
    }
    baselines = [name for name in BASELINES if name in tables["examples"].columns]
    return OnRole(task, {name: evaluation[name] for name in (*baselines, FINETUNED)}, tables, baselines)


def view(on: OnRole, params: Params) -> View:
    """All but the map."""
    by_loss = on.examples.sort("loss", descending=True, maintain_order=True)

    def listed(chosen: pl.DataFrame) -> list[View]:
        return shown_examples(chosen, on.task, on.baselines, params.text_characters)

    return {
        "title": on.task.title,
        "role": params.role,
        "n": len(on.examples),
        "selected": on.evaluation[FINETUNED][params.role].get("selected", False),
        "metrics": {name: on.task.lower_is_better(name) for name in scores_to_show(on.task)},
        "scores": score_rows(on.evaluation, params.role, on.task),
        "baselines": on.baselines,
        "highest": listed(by_loss.head(params.highest_losses)),
        "lowest": listed(by_loss.reverse().head(params.lowest_losses)),
    } | VIEW_OF_KINDS[on.task.kind](on, params)


def of_classes(on: OnRole, params: Params) -> View:
    cells, labels = on.tables["confusion"], on.task.labels
    shown = classes_to_show(on.examples, labels, params.matrix_classes)
    of_model = {name: cells.filter(pl.col("model") == name) for name in (FINETUNED, *on.baselines)}
    return {
        "classes": len(labels),
        "mistakes": on.examples.filter(pl.col("label") != pl.col("predicted")).height,
        "matrices": {name: matrix(table, labels, shown) for name, table in of_model.items()},
        "folded": len(labels) - len(shown),
        "confusions": frequent_confusions(of_model[FINETUNED], params.confusions),
    }


def of_scores(on: OnRole, params: Params) -> View:
    scores = on.examples["label"].to_list()
    models = {FINETUNED: "predicted"} | {name: name for name in on.baselines}
    return {
        "mean_error": on.examples["loss"].mean(),
        "low": f"{min(scores):g}",
        "high": f"{max(scores):g}",
        "decimals": decimals_of(on.examples["label"]),
        "drawn": min(params.scatter_points, len(on.examples)),
        "scatters": scatter_plots(on.examples, models, params.scatter_points),
        "residuals": residual_plot(on.examples, params.scatter_points),
        "ranges": ranges(on.tables["by_range"], on.baselines),
    }


def decimals_of(scores: pl.Series) -> int:
    """For three digits of their span, or of a single value."""
    values = scores.to_numpy()
    size = np.ptp(values) or abs(values[0]) or 1.0
    return max(0, 2 - math.floor(math.log10(size)))


def of_labels(on: OnRole, params: Params) -> View:
    by_label, by_class = on.tables["by_label"], on.evaluation[FINETUNED][params.role]["by_class"]
    ours = by_label.filter(pl.col("model") == FINETUNED)
    return {
        "labels": len(on.task.labels),
        "mistakes": on.examples.filter(pl.col("label") != pl.col("predicted")).height,
        "missed": ours["fn"].sum(),
        "extra": ours["fp"].sum(),
        "right": ours["tp"].sum(),
        "by_label": label_rows(by_label, on.baselines, by_class),
        "misses": frequent_misses(on.tables["missed"], by_label, params.confusions),
    }


VIEW_OF_KINDS: dict[Kind, Callable[[OnRole, Params], View]] = {
    "classification": of_classes,
    "regression": of_scores,
    "multi-label": of_labels,
}

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


def plot_files(content: View) -> dict[str, str]:
    """Name -> SVG of the plots that the Markdown links; the page has them in its text."""
    plots = {f"scatter_{name}.svg": plot for name, plot in content.get("scatters", {}).items()}
    plots |= {"residuals.svg": content["residuals"]} if "residuals" in content else {}
    return {name: html_page("plot.svg", {"plot": plot}) for name, plot in plots.items()}


def main(
    *,
    task: InPath,
    errors: InPath,
    evaluation: InPath,
    page: OutPath,
    markdown: OutPath,
    images: OutPath,
    metrics: OutPath,
) -> None:
    params = load_params("report", Params)
    the_task = read_task(task)
    on = read_role(the_task, errors, json.loads(evaluation.read_text(encoding="utf-8")), params.role)
    content = view(on, params) | {"images": images.name}
    points = on.tables["map"]
    content["map"] = map_view(points, the_task, f"{images.name}/map.png")
    with replacing_folder(images) as folder:
        (folder / "map.png").write_bytes(map_png(points, the_task, LIGHT, legend=True))
        for name, text in plot_files(content).items():
            write_text(text, folder / name)
    write_text(markdown_page(MARKDOWN_OF_KINDS[the_task.kind], content), markdown)
    write_text(html_page(PAGE_OF_KINDS[the_task.kind], content), page)
    size = page.stat().st_size
    write_json({"page_bytes": size, "examples": len(content["highest"]) + len(content["lowest"])}, metrics)
    print(f"report: {page} ({size / 1e6:.1f} MB), {markdown}")


if __name__ == "__main__":
    run(main)
