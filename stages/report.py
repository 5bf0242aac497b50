"""Lay the tables and the numbers out as pages to read: errors.html, one file without network, and errors.md.

Every text is only shown: stages.lib.pages escapes it.
"""

import base64
import json
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from pydantic import Field

from stages.lib.exceptions import DataError
from stages.lib.pages import html_page, markdown_page
from stages.lib.params import StageParams, load_params
from stages.lib.plots import DARK, LIGHT, Theme, color_of, drawing, marker_of, png
from stages.lib.predictions import FINETUNED
from stages.lib.stage import InPath, OutPath, run
from stages.lib.tables import replacing_folder, write_json, write_text
from stages.lib.task import Task, read_task

OTHERS = "all others"

View = dict[str, Any]  # what the templates show


class Params(StageParams):
    role: str
    highest_losses: int = Field(gt=0)
    lowest_losses: int = Field(gt=0)
    confusions: int = Field(gt=0)
    matrix_classes: int = Field(ge=2)
    text_characters: int = Field(gt=0)


def rows_of(table: pd.DataFrame, role: str) -> pd.DataFrame:
    return table[table["role"] == role].reset_index(drop=True)


def check_role(role: str, evaluated: list[str]) -> None:
    """Raises DataError."""
    if role not in evaluated:
        raise DataError(f"params.yaml: report.role: found '{role}'; evaluated are {', '.join(evaluated)}")


def scores(evaluation: dict[str, Any], role: str, metrics: list[str]) -> list[View]:
    """One entry a model: n, and each metric with the bounds of its interval (None where it is undefined)."""
    bounds = {"value": "", "low": "_low", "high": "_high"}
    return [
        {
            "model": model,
            "n": roles[role]["n"],
            "metrics": {
                name: {key: roles[role][name + end] for key, end in bounds.items()} for name in metrics
            },
        }
        for model, roles in evaluation.items()
    ]


def classes_to_show(rows: pd.DataFrame, labels: list[str], most: int) -> list[str]:
    """In the task's order; of more than `most`, those with the most mistakes, as actual or as predicted."""
    mistakes = rows[rows["label"] != rows["predicted"]]
    involved = pd.concat([mistakes["label"], mistakes["predicted"]]).value_counts()
    ranked = sorted(labels, key=lambda label: -int(involved.get(label, 0)))
    return [label for label in labels if label in ranked[:most]]


def matrix(confusion: pd.DataFrame, labels: list[str], shown: list[str]) -> View:
    """One model's confusion matrix; classes that are not shown are one. Shares are of the actual class."""
    folded = confusion.assign(
        **{
            axis: confusion[axis].where(confusion[axis].isin(shown), OTHERS)
            for axis in ("actual", "predicted")
        }
    )
    classes = shown if len(shown) == len(labels) else [*shown, OTHERS]
    counts = folded.pivot_table(index="actual", columns="predicted", values="count", aggfunc="sum")
    counts_CC = counts.reindex(index=classes, columns=classes).to_numpy()
    totals_C = counts_CC.sum(axis=1)
    shares_CC = counts_CC / np.maximum(totals_C, 1)[:, None]
    return {
        "classes": classes,
        "counts": counts_CC.tolist(),
        "totals": totals_C.tolist(),
        "shares": shares_CC.tolist(),
    }


def frequent_confusions(confusion: pd.DataFrame, most: int) -> list[View]:
    """One model's mistakes by actual and predicted class, the most frequent first."""
    mistakes = confusion[(confusion["actual"] != confusion["predicted"]) & (confusion["count"] > 0)]
    return records(mistakes.sort_values("count", ascending=False, kind="stable").head(most))


def shown_examples(rows: pd.DataFrame, task: Task, baselines: list[str], most_characters: int) -> list[View]:
    return [
        {
            "id": row["id"],
            "texts": [clipped(row[f"{name}_original"], most_characters) for name in task.text_columns],
            "kept": {name: value for name, value in (row.get("kept") or {}).items() if value},
            "label": row["label"],
            "predicted": row["predicted"],
            "hit": row["predicted"] == row["label"],
            "probability": row["probability"],
            "loss": row["loss"],
            "said": {name: {"label": row[name], "hit": row[name] == row["label"]} for name in baselines},
        }
        for row in records(rows)
    ]


def clipped(text: str | None, most: int) -> str:
    text = text or ""
    return text if len(text) <= most else f"{text[:most].rstrip()} … ({len(text):,} characters)"


def records(rows: pd.DataFrame) -> list[View]:
    return [{str(key): value for key, value in row.items()} for row in rows.to_dict("records")]


def view(
    task: Task, evaluation: View, examples: pd.DataFrame, confusion: pd.DataFrame, params: Params
) -> View:
    rows, cells = rows_of(examples, params.role), rows_of(confusion, params.role)
    models = list(cells["model"].unique())
    baselines = [model for model in models if model != FINETUNED]
    shown = classes_to_show(rows, task.labels, params.matrix_classes)
    by_loss = rows.sort_values("loss", ascending=False, kind="stable")

    def listed(chosen: pd.DataFrame) -> list[View]:
        return shown_examples(chosen, task, baselines, params.text_characters)

    return {
        "title": task.title,
        "role": params.role,
        "n": len(rows),
        "classes": len(task.labels),
        "mistakes": int((rows["label"] != rows["predicted"]).sum()),
        "metrics": task.metrics,
        "scores": scores({model: evaluation[model] for model in models}, params.role, task.metrics),
        "baselines": baselines,
        "matrices": {
            model: matrix(cells[cells["model"] == model], task.labels, shown)
            for model in [FINETUNED, *baselines]
        },
        "folded": len(task.labels) - len(shown),
        "confusions": frequent_confusions(cells[cells["model"] == FINETUNED], params.confusions),
        "highest": listed(by_loss.head(params.highest_losses)),
        "lowest": listed(by_loss[::-1].head(params.lowest_losses)),
    }


def map_png(points: pd.DataFrame, labels: list[str], theme: Theme, legend: bool) -> bytes:
    """Colour and shape tell the class, a ring a mistake."""
    hit = points["label"] == points["predicted"]
    looks: dict[bool, dict[str, Any]] = {
        True: {"s": 12, "alpha": 0.6, "linewidths": 0, "zorder": 1},
        False: {"s": 28, "edgecolors": theme.ink, "linewidths": 0.9, "zorder": 2},
    }
    with drawing(8.5 if legend else 7, 6, theme) as figure:
        axes = figure.subplots()
        for place, label in enumerate(labels):
            for is_hit, look in looks.items():
                shown = points[(points["label"] == label) & (hit == is_hit)]
                axes.scatter(shown["x"], shown["y"], color=color_of(place), marker=marker_of(place), **look)
        axes.set_axis_off()  # the axes of a UMAP mean nothing
        axes.set_aspect("equal", adjustable="datalim")
        if legend:
            swatches = [
                Line2D([], [], linestyle="", color=color_of(place), marker=marker_of(place), label=label)
                for place, label in enumerate(labels)
            ]
            figure.legend(handles=swatches, loc="outside right upper")
        return png(figure)


def map_view(points: pd.DataFrame, labels: list[str], image: str) -> View:
    """`image` is the path that the Markdown links; the page carries its pictures in itself."""
    return {
        "points": len(points),
        "image": image,
        "light": data_uri(map_png(points, labels, LIGHT, legend=False)),
        "dark": data_uri(map_png(points, labels, DARK, legend=False)),
        "legend": [
            {"label": label, "color": color_of(place), "path": outline(marker_of(place))}
            for place, label in enumerate(labels)
        ],
    }


def outline(marker: str) -> str:
    """The marker as an SVG path in a box from -5 to 5."""
    shape = MarkerStyle(marker)
    polygon = shape.get_path().transformed(shape.get_transform()).to_polygons()[0]
    points = " ".join(f"{9 * x:.2f},{-9 * y:.2f}" for x, y in np.asarray(polygon))
    return f"M{points}Z"


def data_uri(image: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(image).decode('ascii')}"


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
    tables = {name: pd.read_parquet(errors / f"{name}.parquet") for name in ("examples", "confusion", "map")}
    judged = json.loads(evaluation.read_text(encoding="utf-8"))
    check_role(params.role, list(judged[FINETUNED]))
    points = rows_of(tables["map"], params.role)
    content = view(the_task, judged, tables["examples"], tables["confusion"], params)
    content["map"] = map_view(points, the_task.labels, f"{images.name}/map.png")
    with replacing_folder(images) as folder:
        (folder / "map.png").write_bytes(map_png(points, the_task.labels, LIGHT, legend=True))
    write_text(markdown_page("errors.md", content), markdown)
    write_text(html_page("errors.html", content), page)
    size = page.stat().st_size
    write_json({"page_bytes": size, "examples": len(content["highest"]) + len(content["lowest"])}, metrics)
    print(f"report: {page} ({size / 1e6:.1f} MB), {markdown}")


if __name__ == "__main__":
    run(main)
