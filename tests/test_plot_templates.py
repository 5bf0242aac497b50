"""Our own templates for the plots of dvc.yaml: each fits its files and tells revisions apart."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dvc_render.vega import OPTIONAL_ANCHORS  # type: ignore[import-untyped]
from dvc_render.vega_templates import TEMPLATES  # type: ignore[import-untyped]

from stages.evaluate import write_empty_plots
from stages.lib.config import read_yaml
from stages.lib.kinds import KINDS
from stages.lib.pages.plots import PALETTE
from stages.lib.statistics.diagrams import DIAGRAMS
from tests.predicted import task_of
from tests.tiny import ROOT, commit, dvc, git

FOLDER = ROOT / ".dvc/plots"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
PLOTS: dict[str, dict[str, Any]] = {
    name: properties
    for entry in read_yaml(ROOT / "dvc.yaml")["plots"]
    if isinstance(entry, dict)
    for name, properties in entry.items()
}
# What evaluate writes, at least.
COLUMNS = {
    "reliability": ["model", "temperature", "confidence", "accuracy", "low", "high", "n"],
    "precision_recall": ["model", "recall", "precision", "threshold"],
    "roc": ["model", "false_positive_rate", "true_positive_rate", "threshold"],
    "risk_coverage": ["model", "coverage", "risk", "low", "high", "threshold"],
    "scatter": ["model", "id", "actual", "predicted"],
    "residuals": ["model", "predicted", "residual", "low", "high", "n"],
    "by_label": ["model", "label", "score", "value", "low", "high", "n"],
    "slices": ["model", "column", "value", "slice", "n", "score", "score_low", "score_high", "better"],
}
# The columns that are no numbers.
WORDS: dict[str, dict[str, str]] = {
    "reliability": {"temperature": "after"},
    "scatter": {"id": "7"},
    "by_label": {"label": "alarm", "score": "f1"},
    "slices": {"column": "place", "value": "Oslo", "slice": "place = Oslo", "better": "less"},
}
FILLED = ("data", "title", "x", "y", "x_label")  # without these the properties in dvc.yaml would do nothing


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.json").read_text(encoding="utf-8")


def properties_of(name: str) -> dict[str, Any]:
    return next(properties for properties in PLOTS.values() if properties["template"] == name)


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    """Every object in the JSON."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(child)


def fields(spec: dict[str, Any]) -> set[str]:
    """Columns of the data that are read; not those that the spec makes itself."""
    read, made = set(spec["data"]["format"]["parse"]), {"rev"}
    for node in nodes(spec):
        read |= {value for value in (node.get("field"), *node.get("groupby", ())) if value}
        formulas = f"{node.get('filter', '')} {node.get('calculate', '')}"
        read |= set(re.findall(r"datum(?:\.|\[')(\w+)", formulas))
        made |= {node["as"]} if "as" in node else set()
        if isinstance(values := node.get("values"), list):
            made |= {column for row in values for column in row}
    return read - made


def complaints(text: str, properties: dict[str, Any], columns: list[str]) -> Iterator[str]:
    anchors = {name.lower() for name in re.findall(r"<DVC_METRIC_(\w+)>", text)}
    yield from (f"has no {name}" for name in FILLED if name not in anchors)
    yield from (f"DVC fills no {name}" for name in anchors - {*FILLED, "y_label", *OPTIONAL_ANCHORS})
    for axis in ("x", "y"):
        text = text.replace(f"<DVC_METRIC_{axis.upper()}>", properties[axis])
    spec = json.loads(text)
    yield from (f"no column {name}" for name in sorted(fields(spec) - set(columns)))
    channels = [channel for node in nodes(spec) for channel in node.get("encoding", {}).items()]
    if not any(name in ("strokeDash", "shape") and to.get("field") == "rev" for name, to in channels):
        yield "revisions look alike"


def test_every_template_is_there_and_used() -> None:
    used = {properties["template"] for properties in PLOTS.values()}
    of_dvc = {template.DEFAULT_NAME for template in TEMPLATES}
    assert used - of_dvc <= set(NAMES) <= used  # one of ours may go by the name of one of DVC's: scatter does
    assert set(NAMES) == set(COLUMNS)


@pytest.mark.parametrize("name", NAMES)
def test_templates_fit_their_plots(name: str) -> None:
    assert list(complaints(text_of(name), properties_of(name), COLUMNS[name])) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"<DVC_METRIC_DATA>"', "[]", "has no data"),
        ("<DVC_METRIC_TITLE>", "Test", "has no title"),
        ("<DVC_METRIC_X>", "abscissa", "has no x"),
        ("<DVC_METRIC_X>", "abscissa", "no column abscissa"),
        ("<DVC_METRIC_X_LABEL>", "<DVC_METRIC_X_TITLE>", "DVC fills no x_title"),
        ('"model"', '"moodel"', "no column moodel"),
        ('"rev"', '"model"', "revisions look alike"),
    ],
)
def test_a_template_that_does_not_fit_is_found(name: str, old: str, new: str, complaint: str) -> None:
    text = text_of(name)
    assert old in text
    assert complaint in complaints(text.replace(old, new), properties_of(name), COLUMNS[name])


@pytest.mark.parametrize("column", ["score_low", "n", "better"])
def test_a_column_that_the_files_lack_is_found(column: str) -> None:
    columns = [name for name in COLUMNS["slices"] if name != column]
    found = list(complaints(text_of("slices"), properties_of("slices"), columns))
    assert found == [f"no column {column}"]


def test_a_model_has_one_colour_in_every_plot() -> None:
    channels = [
        node["encoding"].get("color", {})
        for name in NAMES
        for node in nodes(json.loads(text_of(name)))
        if "encoding" in node
    ]
    colours = [channel for channel in channels if "scale" in channel]  # not the one ink of a diagonal
    assert len(colours) == len(NAMES)
    assert {colour["field"] for colour in colours} == {"model"}
    assert all(colour["sort"] == colours[0]["sort"] for colour in colours)
    assert all(colour["scale"] == colours[0]["scale"] for colour in colours)
    assert set(colours[0]["scale"]["range"]) == set(PALETTE)


# --- through DVC -------------------------------------------------------------------------------------------


def write_plots(folder: Path, number: float) -> None:
    for name, columns in COLUMNS.items():
        path = folder / f"metrics/evaluate/{name}/test.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        words = WORDS.get(name, {}) | {"model": "finetuned"}
        rows = {column: [words.get(column, number), words.get(column, number / 2)] for column in columns}
        pl.DataFrame(rows, strict=False).write_csv(path)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plots of 0.25 in the commit, of 0.75 in the workspace."""
    folder = tmp_path_factory.mktemp("plots")
    git(folder, "init", "--quiet")
    dvc(folder, "init", "--quiet")
    shutil.copytree(FOLDER, folder / ".dvc/plots")
    section = [{name: properties} for name, properties in PLOTS.items() if properties["template"] in NAMES]
    (folder / "dvc.yaml").write_text(json.dumps({"plots": section}), encoding="utf-8")
    write_plots(folder, 0.25)
    commit(folder)
    write_plots(folder, 0.75)
    return folder


def drawn(repository: Path, *words: str) -> dict[str, dict[str, Any]]:
    """Template's name -> the one plot that DVC made with it."""
    plots = json.loads(dvc(repository, "plots", *words, "--json"))["data"]
    assert len(plots) == len(NAMES)
    return {name: only(plots[f"metrics/evaluate/{name}/test.csv"]) for name in NAMES}


def only(plots: list[dict[str, Any]]) -> dict[str, Any]:
    assert len(plots) == 1
    return plots[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "revisions"), [(("show",), ["workspace"]), (("diff", "HEAD"), ["workspace", "HEAD"])]
)
def test_all_revisions_come_on_one_plot(
    repository: Path, words: tuple[str, ...], revisions: list[str]
) -> None:
    for name, plot in drawn(repository, *words).items():
        rows, x = plot["content"]["data"]["values"], properties_of(name)["x"]
        assert plot["revisions"] == revisions
        # the candidate comes first, which makes its lines the solid ones
        assert list(dict.fromkeys(row["rev"] for row in rows)) == revisions
        assert {row["rev"]: float(row[x]) for row in rows[::2]} == {
            revision: {"workspace": 0.75, "HEAD": 0.25}[revision] for revision in revisions
        }
        assert "<DVC" not in json.dumps(plot["content"])
        assert f"metrics/evaluate/{name}/test.csv" in plot["content"]["title"]["subtitle"]


@pytest.mark.slow
def test_a_plot_that_the_kind_of_task_does_not_have_is_left_out_without_a_word(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    dvc(tmp_path, "init", "--quiet")
    shutil.copytree(FOLDER, tmp_path / ".dvc/plots")
    section = [
        {name: properties} for name, properties in PLOTS.items() if name.startswith("metrics/evaluate")
    ]
    (tmp_path / "dvc.yaml").write_text(json.dumps({"plots": section}), encoding="utf-8")
    write_plots(tmp_path, 0.5)
    for name in DIAGRAMS:
        if name not in KINDS["regression"].plots:
            shutil.rmtree(tmp_path / f"metrics/evaluate/{name}", ignore_errors=True)
    write_empty_plots(task_of(kind="regression"), tmp_path / "metrics/evaluate")
    shown = dvc(tmp_path, "plots", "show")
    assert len(shown.splitlines()) <= 2, shown  # the page's address, and no complaint
    drawn = json.loads(dvc(tmp_path, "plots", "show", "--json"))
    assert "errors" not in drawn
    assert {name.split("/")[2] for name, plots in drawn["data"].items() if plots} == {
        "scatter", "residuals", "slices"
    }  # fmt: skip


@pytest.mark.slow
def test_the_stage_writes_what_the_templates_draw(finished: Path) -> None:
    for name in {*KINDS["classification"].plots, "slices"} & set(COLUMNS):
        files = list((finished / "metrics/evaluate" / name).glob("*.csv"))
        assert files
        columns = COLUMNS[name]
        assert all(set(columns) <= set(pl.read_csv(file).columns) for file in files)
