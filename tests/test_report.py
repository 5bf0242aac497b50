import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages import errors, report
from stages.lib.exceptions import DataError
from stages.lib.pages.on_role import OnRole, read_role
from stages.lib.pages.report_knobs import Params
from stages.lib.pages.shown_changes import Changed
from stages.lib.pages.shown_classes import OTHERS, classes_to_show, frequent_confusions, matrix
from stages.lib.pages.shown_examples import clipped, shown_examples
from stages.lib.pages.shown_kinds import decimals_of, of_kind
from stages.lib.params import load_params
from stages.lib.statistics.groups import evenly
from stages.lib.tables import write_json, write_text
from stages.lib.task import Task, read_task, write_task
from tests.error_knobs import FEW
from tests.error_tables import write_error_tables, write_reactions
from tests.outline import Outline
from tests.predicted import LABELS, task_of, write_labelled_sets, write_project, write_scored

pytestmark = pytest.mark.slow  # whole pages

ERRORS = json.dumps(FEW).replace("{", "{{").replace("}", "}}")
PARAMS = (
    f"errors: {ERRORS}\n"
    + """\
report:
  role: {role}
  highest_losses: 3
  lowest_losses: 2
  findings: 15
  label_issues: 5
  contradictions: 5
  slices: 5
  words: 5
  clusters: 5
  rows_to_label: 5
  examples_each: 2
  confusions: 8
  matrix_classes: 12
  map_classes: 2
  hexagons_across: 8
  scatter_points: 3
  text_characters: 200
  examples: 100
  seed: 1
  text_megabytes: 1.0
  markdown_rows: 4
  markdown_text_characters: 150
"""
)
HOSTILE = {
    "e": "</style></title><script>alert(1)</script>",
    "f": '<img src="http://evil.example/x.png" onerror=alert(2)> "quoted" \'too\' </td></tr></table>',
    "g": "[click](javascript:alert(3)) | `code` ![p](http://evil.example/y.png)\nsecond line",
    "h": "\u202egnirts desrever {{ 7 * 7 }} {% raw %}",
}
CARD = """\
---
license: apache-2.0
---

# A model

<script>alert(5)</script> [bad](javascript:alert(6)) [config](config.json) [Hub](https://huggingface.co)
![picture](http://evil.example/z.png)

| score | value |
|---|---|
| accuracy | 0.5 |
"""
MODELS = ["dummy", "tfidf", "features", "finetuned"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS.format(role="test"), encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="module", params=["classification", "pair", "regression", "multi-label"])
def hostile(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The page and the Markdown of hostile texts, for each kind of task."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "params.yaml").write_text(PARAMS.format(role="test"), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        WRITE[request.param](folder, HOSTILE)
        return run_stages(folder, with_tables=True)


WRITE: dict[str, Callable[..., Any]] = {
    "classification": write_project,
    "pair": lambda folder, texts=None: write_scored(folder, texts, pair="second"),
    "regression": write_scored,
    "multi-label": write_labelled_sets,
}


def evaluation(task: Task) -> dict[str, Any]:
    """In the shape that evaluate writes; the dummy's second metric is undefined."""
    names = [*task.metrics, task.facts.example_score]
    figures = {f"{name}{end}": 0.5 for name in names for end in ("", "_low", "_high")}
    undefined: dict[str, Any] = {f"{task.metrics[1]}{end}": None for end in ("", "_low", "_high")}
    undefined |= {"undefined": {task.metrics[1]: "every prediction is 2"}}
    ends = {"f1": 0.5, "f1_low": 0.25, "f1_high": 0.75}
    by_class = {"by_class": {label: {"n": 1} | ends for label in task.labels}}
    return {
        model: {
            role: {"n": 4} | figures | by_class | (undefined if model == "dummy" else {})
            for role in ("validation", "test")
        }
        for model in MODELS
    }


def comparisons(task: Task) -> dict[str, Any]:
    difference = {"difference": 0.25, "low": -0.125, "high": 0.5, "p": 0.0625, "old": 0.5, "new": 0.75}
    of_score = {task.facts.example_score: difference}
    return {role: dict.fromkeys(MODELS[:-1], of_score) for role in ("validation", "test")}


def run_stages(project: Path, *, with_tables: bool = False) -> tuple[str, str]:
    """errors and report, of a project on disk; `with_tables`, with every table that the pages read."""
    task = read_task(project / "task.json")
    write_json(evaluation(task), project / "evaluate.json")  # in the order of the names
    write_json(comparisons(task), project / "comparisons.json")
    write_text(CARD, project / "finetuned/README.md")
    errors.main(
        task=project / "task.json",
        splits=project / "splits.parquet",
        copies=project / "copies.parquet",
        tokens=project / "tokens.arrow",
        features=project / "features.arrow",
        baseline=project / "baseline",
        finetuned=project / "finetuned",
        crossfitted=project / "crossfitted",
        errors=project / "errors",
        metrics=project / "errors.json",
    )
    if with_tables:
        write_error_tables(project / "errors", project / "errors.json", task)
    write_reactions(project, task, with_tables)
    return lay_out(project)


def pages_of(
    project: Path, kind: str, *arguments: Any, with_tables: bool = False, **options: Any
) -> tuple[str, str]:
    WRITE[kind](project, *arguments, **options)
    return run_stages(project, with_tables=with_tables)


def lay_out(project: Path) -> tuple[str, str]:
    page, markdown = project / "reports/errors.html", project / "reports/errors.md"
    report.main(
        task=project / "task.json",
        errors=project / "errors",
        numbers=project / "errors.json",
        evaluation=project / "evaluate.json",
        comparisons=project / "comparisons.json",
        robustness=project / "robustness.parquet",
        flips=project / "robustness.json",
        explanations=project / "explanations.parquet",
        explained=project / "explain.json",
        card=project / "finetuned/README.md",
        page=page,
        markdown=markdown,
        images=project / "reports/images",
        index=project / "reports/index.html",
        card_page=project / "reports/card.html",
        metrics=project / "report.json",
    )
    return page.read_text(encoding="utf-8"), markdown.read_text(encoding="utf-8")


def markup(page: str) -> str:
    """Without the scripts of the workbench, which are those that its policy names."""
    rest, scripts = re.subn(r'<script type="[^"]+"( id="wb-data")?>.*?</script>\n', "", page, flags=re.DOTALL)
    assert scripts == 5
    return rest


def test_hostile_texts_are_only_shown(hostile: tuple[str, str]) -> None:
    outline = Outline(markup(hostile[0]))
    assert outline.open == []
    data = hostile[0].split('id="wb-data">')[1].split("</script>")[0]
    assert set(HOSTILE.values()) <= set(json.loads(data)["rows"]["texts"][0])
    names = {tag for tag, _ in outline.tags}
    assert not names & {"script", "iframe", "object", "embed", "base"}
    assert not [name for _, attributes in outline.tags for name in attributes if name.startswith("on")]


def test_the_page_needs_no_network(hostile: tuple[str, str]) -> None:
    page = markup(hostile[0])
    outline = Outline(page)
    places = [
        value or ""
        for _, attributes in outline.tags
        for name, value in attributes.items()
        if name in ("src", "srcset", "href", "action", "poster", "data", "background")
    ]
    assert {place.split(",")[0].split(";")[0] for place in places if not place.startswith("#")} == {
        "data:",
        "data:image/png",
        "./profile.html",  # beside it
        "./index.html",
    }
    style = page[page.index("<style>") : page.index("</style>")]
    assert not re.search(r"url\(|@import|//", style)
    policies = [attributes["content"] or "" for tag, attributes in outline.tags if "http-equiv" in attributes]
    (policy,) = policies
    assert re.fullmatch(
        r"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src( 'sha256-\S{44}'){4}",
        policy,
    )


def test_every_link_and_description_within_the_page_leads_somewhere(hostile: tuple[str, str]) -> None:
    attributes = [attribute for _, of_tag in Outline(markup(hostile[0])).tags for attribute in of_tag.items()]
    ids = [value for name, value in attributes if name == "id"]
    assert len(ids) == len(set(ids))
    named = {str(value) for name, value in attributes if name == "aria-labelledby"}
    linked = {str(value)[1:] for name, value in attributes if name == "href" and str(value).startswith("#")}
    assert len(linked) >= 5
    assert (named | linked) <= set(ids)


def test_the_markdown_only_shows_hostile_texts(hostile: tuple[str, str]) -> None:
    markdown = hostile[1]
    assert not re.search(r"<[a-z/]", markdown)
    images = re.findall(r"(?<!\\)\]\(([^)]*)\)", markdown)
    assert images[-2:] == ["images/map.png", "images/hexagons.png"]
    assert all(re.fullmatch(r"images/\w+\.png", image) for image in images)
    assert "\u202e" not in markdown
    tables = [part for part in markdown.split("\n\n") if part.startswith("| ")]
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1, table
    assert any("second line" in table for table in tables)  # the line break became a space


@pytest.mark.parametrize("kind", ["classification", "multi-label"])
def test_hostile_class_names_and_titles_are_only_shown(project: Path, kind: str) -> None:
    bad = "</th><script>alert(4)</script>"
    WRITE[kind](project, **WITH_LABELS[kind]([bad, *LABELS[1:]]))
    task = read_task(project / "task.json").model_copy(update={"title": bad})
    write_task(task, project / "task.json")
    page, markdown = run_stages(project)
    outline = Outline(markup(page))
    assert "script" not in {tag for tag, _ in outline.tags}
    assert outline.text.count(bad) >= 8
    assert "<script" not in markdown


WITH_LABELS: dict[str, Callable[[list[str]], dict[str, Any]]] = {
    "classification": lambda labels: {"task": task_of(labels)},
    "multi-label": lambda labels: {"labels": labels},
}


def read(project: Path) -> OnRole:
    numbers, scores, differences = (
        project / f"{name}.json" for name in ("errors", "evaluate", "comparisons")
    )
    task = read_task(project / "task.json")
    return read_role(task, project / "errors", numbers, scores, differences, "test")


def view_of(project: Path) -> dict[str, Any]:
    on, params = read(project), load_params("report", Params)
    return report.view(on, Changed({}, pl.DataFrame()), params) | of_kind(on, params)


def test_examples_stand_by_loss_the_worst_and_the_surest_of_the_role(project: Path) -> None:
    pages_of(project, "classification")
    shown = view_of(project)
    assert [example["id"] for example in shown["highest"]] == ["f", "h", "e"]
    assert {example["id"] for example in shown["lowest"]} <= {"e", "g"}
    worst = shown["highest"][0]
    assert (worst["texts"], worst["label"], worst["predicted"], worst["hit"]) == (
        ["Text f"],
        "alarm",
        "calm",
        False,
    )
    assert worst["said"]["tfidf"] == {"label": "alarm", "hit": True}
    assert (shown["n"], shown["mistakes"]) == (4, 2)


def test_models_stand_in_their_order_with_intervals_and_n(project: Path) -> None:
    _, markdown = pages_of(project, "classification")
    table = [line for line in markdown.split("## Scores")[1].splitlines() if line.startswith("| ")][:6]
    assert [row.split(" | ")[0].strip("| ") for row in table[2:]] == MODELS
    assert table[2] == "| dummy | 0.500 (0.500 to 0.500) | undefined, every prediction is 2 |"
    assert "2 mistakes in 4 test examples of 3 classes" in markdown


def test_a_score_that_is_undefined_has_its_reason_on_the_page(project: Path) -> None:
    page, _ = pages_of(project, "regression")
    assert '<span class="value">undefined</span> <span class="quiet">every prediction is 2</span>' in page


def test_scores_that_validation_had_a_hand_in_say_so(project: Path) -> None:
    WRITE["classification"](project)
    found = evaluation(task_of())
    found["finetuned"]["validation"]["selected"] = True
    run_stages(project)
    (project / "evaluate.json").write_text(json.dumps(found), encoding="utf-8")
    said = "examples the checkpoint of the fine-tuned model was chosen"
    assert not any(said in page for page in lay_out(project))
    (project / "params.yaml").write_text(PARAMS.format(role="validation"), encoding="utf-8")
    assert all(said in page for page in lay_out(project))


def test_matrices_normalise_over_the_actual_class() -> None:
    cells = pl.DataFrame(
        [("calm", "calm", 3), ("calm", "alarm", 1), ("alarm", "calm", 0), ("alarm", "alarm", 0)],
        schema=["actual", "predicted", "count"],
        orient="row",
    )
    shown = matrix(cells, ["calm", "alarm"], ["calm", "alarm"])
    assert shown["shares"] == [[0.75, 0.25], [0, 0]]
    assert shown["totals"] == [4, 0]


def test_classes_beyond_the_limit_are_folded_and_no_example_is_lost() -> None:
    cells = pl.DataFrame([{"actual": a, "predicted": p, "count": 1} for a in LABELS for p in LABELS])
    shown = matrix(cells, LABELS, ["alarm", "other"])
    assert shown["classes"] == ["alarm", "other", OTHERS]
    assert shown["counts"] == [[1, 1, 1], [1, 1, 1], [1, 1, 1]]
    rows = pl.DataFrame({"label": ["calm", "other", "other"], "predicted": ["calm", "alarm", "alarm"]})
    assert classes_to_show(rows, LABELS, 2) == ["alarm", "other"]


def test_confusions_are_mistakes_by_their_number() -> None:
    cells = pl.DataFrame(
        [("a", "a", 9, 0.9), ("a", "b", 1, 0.1), ("b", "a", 4, 0.4), ("b", "b", 0, 0.0)],
        schema=["actual", "predicted", "count", "share"],
        orient="row",
    )
    assert [(row["actual"], row["count"]) for row in frequent_confusions(cells, 5)] == [("b", 4), ("a", 1)]


def test_a_long_text_is_cut_and_its_length_told() -> None:
    assert clipped("a" * 1200, 10) == "aaaaaaaaaa … (1,200 characters)"
    assert clipped("short", 10) == "short"


def test_the_texts_of_a_pair_stand_together() -> None:
    row = {"id": "a", "label": "calm", "predicted": "calm", "probability": 1.0, "loss": 0.0}
    rows = pl.DataFrame([row | {"text_original": "first", "text_pair_original": None}])
    assert shown_examples(rows, task_of(pair="second"), [], 100)[0]["texts"] == ["first", ""]


def test_kept_columns_stand_with_their_example(project: Path) -> None:
    page, _ = pages_of(project, "classification", task=task_of(kept=("place",)))
    assert '"kept":{"place":["Oslo",' in page
    assert '<option value="kept:place">place</option>' in page


def test_a_role_that_was_not_evaluated_is_refused(project: Path) -> None:
    (project / "params.yaml").write_text(PARAMS.format(role="tset"), encoding="utf-8")
    with pytest.raises(DataError, match=r"report\.role: found 'tset'; evaluated are test, validation"):
        pages_of(project, "classification")


@pytest.mark.parametrize("kind", WRITE)
def test_the_same_tables_give_the_same_bytes_and_one_line(
    project: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = pages_of(project, kind, with_tables=True)
    others = [(project / "reports" / name).read_bytes() for name in ("index.html", "card.html")]
    images = {path.name: path.read_bytes() for path in (project / "reports/images").iterdir()}
    capsys.readouterr()
    assert lay_out(project) == first
    assert {path.name: path.read_bytes() for path in (project / "reports/images").iterdir()} == images
    assert [(project / "reports" / name).read_bytes() for name in ("index.html", "card.html")] == others
    line = r"report: \S+errors\.html \(\d\.\d MB\), \d+ findings?; \S+errors\.md, \S+index\.html\n"
    assert re.fullmatch(line, capsys.readouterr().out)
    assert json.loads((project / "report.json").read_text())["examples"] == 4


# --- regression --------------------------------------------------------------------------------------------


def test_the_largest_errors_come_first_with_their_sign(project: Path) -> None:
    page, markdown = pages_of(project, "pair")
    assert [example["id"] for example in view_of(project)["highest"]] == ["f", "e", "h"]
    assert "| \\+2.50 | 4.00 | 1.50 | 0.00 | 2.00 | 3.00 | Text f / Pair f |" in markdown
    assert "| −0.50 | 0.50 | 1.00 |" in markdown
    assert "Off by <strong>0.81</strong> in the mean of <strong>4</strong> test examples" in page
    assert '<p dir="auto">Text f</p><p dir="auto">Pair f</p>' in page


def test_every_model_has_its_scatter_and_the_fine_tuned_one_its_residuals(project: Path) -> None:
    page, markdown = pages_of(project, "regression")
    outline = Outline(page)
    plots = [of_tag for tag, of_tag in outline.tags if tag == "svg" and of_tag["class"] == "plot"]
    assert len(plots) == len(MODELS) + 1
    assert all(plot["role"] == "img" and plot["aria-label"] for plot in plots)
    files = sorted(path.name for path in (project / "reports/images").iterdir())
    assert files == ["hexagons.png", "map.png", "residuals.png", "scatter.png"]
    assert all(f"](images/{name})" in markdown for name in files)
    assert "3 of the 4 examples" in " ".join(outline.text.split())
    assert 'id="confusion"' not in page


def test_of_more_examples_than_a_plot_holds_those_at_even_distances_are_drawn() -> None:
    rows = pl.DataFrame({"id": list("edcba"), "label": [5.0, 1.0, 2.0, 4.0, 3.0]})
    assert evenly(rows, 3)["label"].to_list() == [1, 3, 5]
    assert evenly(rows, 9)["label"].to_list() == [1, 2, 3, 4, 5]


def test_a_model_that_always_says_the_same_is_drawn(project: Path) -> None:
    task = write_scored(project)
    path = project / "finetuned/finetuned.parquet"
    said = pl.Series([[2.0]] * 9, dtype=pl.Array(pl.Float32, 1))
    pl.read_parquet(path).with_columns(pl.col("label") * 0 + 2, logits=said).write_parquet(path)
    page, _ = run_stages(project)
    assert "nan" not in markup(page).lower().replace("finetuned", "")
    assert task.title in page


def test_a_single_example_is_a_page(project: Path) -> None:
    write_scored(
        project, rows=[("a", "train", 1.0, 1.0), ("b", "validation", 1.0, 1.0), ("f", "test", 4.0, 1.5)]
    )
    page, markdown = run_stages(project)
    assert "| \\+2.50 | 4.00 | 1.50 |" in markdown
    assert "nan" not in markup(page).lower().replace("finetuned", "")


@pytest.mark.parametrize(
    ("scores", "decimals"),
    [([0, 5], 2), ([0, 100], 0), ([1, 2], 2), ([0, 0.05], 4), ([3], 2), ([0], 2), ([1e6, 5e6], 0)],
)
def test_scores_have_three_digits_of_their_span(scores: list[float], decimals: int) -> None:
    assert decimals_of(pl.Series(scores, dtype=pl.Float64)) == decimals


# --- several labels ----------------------------------------------------------------------------------------


def test_every_label_of_an_example_is_right_missed_or_extra(project: Path) -> None:
    page, markdown = pages_of(project, "multi-label")
    worst = view_of(project)["highest"][0]
    assert (worst["id"], worst["label"]) == ("h", ["calm"])
    assert [(chip["label"], chip["verdict"]) for chip in worst["chips"]] == [
        ("calm", "missed"),
        ("other", "extra"),
    ]
    assert [round(chip["probability"], 3) for chip in worst["chips"]] == [0.119, 0.881]
    assert worst["said"]["dummy"]["words"] == "calm (missed)"
    assert r"| calm | calm \(missed\), other \(extra\) | calm \(missed\) |" in markdown
    assert "of 5 labels 2 were missed, and 2 too many were said" in page


def test_labels_stand_by_their_number_with_every_models_f1(project: Path) -> None:
    _, markdown = pages_of(project, "multi-label")
    rows = view_of(project)["by_label"]
    assert [row["label"] for row in rows] == ["calm", "alarm", "other"]
    assert rows[0]["against"] == {"dummy": 0, "tfidf": 6 / 7, "features": 6 / 7}
    assert "| other | 0 | 0.000 (0.250 to 0.750) | 0.0% | – | 0 | 1 | – | 0.000 | 0.000 |" in markdown


def test_misses_tell_what_was_said_instead(project: Path) -> None:
    _, markdown = pages_of(project, "multi-label")
    assert {(row["missed"], row["said"], row["share"]) for row in view_of(project)["misses"]} == {
        ("alarm", None, 0.5),
        ("calm", "other", 1 / 3),
        (None, "calm", None),
    }
    assert "| nothing | calm | 1 | – |" in markdown


def test_a_model_without_a_miss_says_so(project: Path) -> None:
    write_labelled_sets(project)
    path = project / "finetuned/finetuned.parquet"
    pl.read_parquet(path).with_columns(predicted=pl.coalesce("label", "predicted")).write_parquet(path)
    page, markdown = run_stages(project)
    assert "None: every label is right." in page
    assert "Most frequent misses" not in markdown


def test_forty_labels_have_a_row_each(project: Path) -> None:
    labels = [*LABELS, *(f"label {n}" for n in range(37))]
    page, _ = pages_of(project, "multi-label", labels=labels)
    rows = view_of(project)["by_label"]
    assert len(rows) == 40
    assert page.count("neither there nor said") == 37
