import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stages import errors, report
from stages.lib.exceptions import DataError
from stages.lib.pages import html_page, markdown_page
from stages.lib.params import load_params
from tests.predicted import LABELS, task_of, write_project

PARAMS = """\
errors:
  seed: 1
  worst_fraction: 0.25
  map_examples: 5
  map_neighbours: 3
  map_min_distance: 0.1
report:
  role: {role}
  highest_losses: 3
  lowest_losses: 2
  confusions: 8
  matrix_classes: 12
  text_characters: 200
"""
HOSTILE = {
    "e": "</style></title><script>alert(1)</script>",
    "f": '<img src="http://evil.example/x.png" onerror=alert(2)> "quoted" \'too\' </td></tr></table>',
    "g": "[click](javascript:alert(3)) | `code` ![p](http://evil.example/y.png)\nsecond line",
    "h": "\u202egnirts desrever {{ 7 * 7 }} {% raw %}",
}
MODELS = ["dummy", "tfidf", "features", "finetuned"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS.format(role="test"), encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The page and the Markdown of hostile texts."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "params.yaml").write_text(PARAMS.format(role="test"), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return run_stages(folder, HOSTILE)


def evaluation() -> dict[str, Any]:
    figures = {f"{name}{end}": 0.5 for name in ("accuracy", "macro_f1") for end in ("", "_low", "_high")}
    undefined = {f"macro_f1{end}": None for end in ("", "_low", "_high")}
    return {
        model: {
            role: {"n": 4} | figures | (undefined if model == "dummy" else {})
            for role in ("validation", "test")
        }
        for model in MODELS
    }


def run_stages(project: Path, texts: dict[str, str] | None = None, **task: Any) -> tuple[str, str]:
    write_project(project, texts, task_of(**task))
    (project / "evaluate.json").write_text(json.dumps(evaluation()), encoding="utf-8")
    errors.main(
        task=project / "task.json",
        splits=project / "splits.parquet",
        baseline=project / "baseline",
        finetuned=project / "finetuned",
        errors=project / "errors",
        metrics=project / "errors.json",
    )
    return lay_out(project)


def lay_out(project: Path) -> tuple[str, str]:
    page, markdown = project / "reports/errors.html", project / "reports/errors.md"
    report.main(
        task=project / "task.json",
        errors=project / "errors",
        evaluation=project / "evaluate.json",
        page=page,
        markdown=markdown,
        images=project / "reports/images",
        metrics=project / "report.json",
    )
    return page.read_text(encoding="utf-8"), markdown.read_text(encoding="utf-8")


class Outline(HTMLParser):
    """Every tag with its attributes, the shown text, and whether each tag that opens is closed in order."""

    VOID = ("meta", "link", "img", "source", "path")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_hostile_texts_are_only_shown(hostile: tuple[str, str]) -> None:
    outline = Outline(hostile[0])
    assert outline.open == []
    for text in HOSTILE.values():
        assert text in outline.text
    names = {tag for tag, _ in outline.tags}
    assert not names & {"script", "iframe", "object", "embed", "form", "base"}
    assert not [name for _, attributes in outline.tags for name in attributes if name.startswith("on")]


def test_the_page_needs_no_network(hostile: tuple[str, str]) -> None:
    page = hostile[0]
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
    }
    style = page[page.index("<style>") : page.index("</style>")]
    assert not re.search(r"url\(|@import|//", style)
    policies = [attributes["content"] or "" for tag, attributes in outline.tags if "http-equiv" in attributes]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_every_text_is_kept_from_turning_its_surroundings_around(hostile: tuple[str, str]) -> None:
    assert '<p dir="auto">\u202egnirts desrever' in hostile[0]


def test_the_markdown_only_shows_hostile_texts(hostile: tuple[str, str]) -> None:
    markdown = hostile[1]
    assert not re.search(r"<[a-z/]", markdown)
    assert re.findall(r"(?<!\\)\]\([^)]*\)", markdown) == ["](images/map.png)"]
    assert "\u202e" not in markdown
    rows = [line for line in markdown.splitlines() if line.startswith("|") and "second line" in line]
    assert rows  # the line break became a space
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {9}


def test_hostile_class_names_and_titles_are_only_shown(project: Path) -> None:
    bad = "</th><script>alert(4)</script>"
    content = {
        "title": bad,
        "role": "test",
        "n": 1,
        "classes": 2,
        "mistakes": 0,
        "metrics": ["accuracy"],
        "baselines": [],
        "scores": [],
        "folded": 0,
        "confusions": [],
        "lowest": [],
        "matrices": {"finetuned": {"classes": [bad], "counts": [[1]], "totals": [1], "shares": [[1.0]]}},
        "highest": report.shown_examples(
            pd.DataFrame(
                [
                    {
                        "id": bad,
                        "text_original": bad,
                        "label": bad,
                        "predicted": bad,
                        "probability": 1,
                        "loss": 0,
                    }
                ]
            ),
            task_of(),
            [],
            100,
        ),
        "map": {"points": 1, "image": "map.png", "light": "data:,", "dark": "data:,", "legend": []},
    }
    outline = Outline(html_page("errors.html", content))
    assert "script" not in {tag for tag, _ in outline.tags}
    assert outline.text.count(bad) >= 5
    assert "<script" not in markdown_page("errors.md", content)


def test_examples_stand_by_loss_the_worst_and_the_surest_of_the_role(project: Path) -> None:
    run_stages(project)
    rows = report.rows_of(pd.read_parquet(project / "errors/examples.parquet"), "test")
    confusion = pd.read_parquet(project / "errors/confusion.parquet")
    params = load_params("report", report.Params)
    shown = report.view(task_of(), evaluation(), rows, confusion, params)
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
    _, markdown = run_stages(project)
    table = [line for line in markdown.splitlines() if line.startswith("| ")][:6]
    assert [row.split(" | ")[0].strip("| ") for row in table[2:]] == MODELS
    assert table[2] == "| dummy | 0.500 (0.500 to 0.500) | undefined |"
    assert "2 mistakes in 4 test examples of 3 classes" in markdown


def test_matrices_normalise_over_the_actual_class(project: Path) -> None:
    cells = pd.DataFrame(
        [("calm", "calm", 3), ("calm", "alarm", 1), ("alarm", "calm", 0), ("alarm", "alarm", 0)],
        columns=["actual", "predicted", "count"],
    )
    shown = report.matrix(cells, ["calm", "alarm"], ["calm", "alarm"])
    assert shown["shares"] == [[0.75, 0.25], [0, 0]]
    assert shown["totals"] == [4, 0]


def test_classes_beyond_the_limit_are_folded_and_no_example_is_lost() -> None:
    cells = pd.DataFrame(
        [(a, p, 1) for a in LABELS for p in LABELS], columns=["actual", "predicted", "count"]
    )
    shown = report.matrix(cells, LABELS, ["alarm", "other"])
    assert shown["classes"] == ["alarm", "other", report.OTHERS]
    assert shown["counts"] == [[1, 1, 1], [1, 1, 1], [1, 1, 1]]
    rows = pd.DataFrame({"label": ["calm", "other", "other"], "predicted": ["calm", "alarm", "alarm"]})
    assert report.classes_to_show(rows, LABELS, 2) == ["alarm", "other"]


def test_confusions_are_mistakes_by_their_number() -> None:
    cells = pd.DataFrame(
        [("a", "a", 9, 0.9), ("a", "b", 1, 0.1), ("b", "a", 4, 0.4), ("b", "b", 0, 0.0)],
        columns=["actual", "predicted", "count", "share"],
    )
    assert [(row["actual"], row["count"]) for row in report.frequent_confusions(cells, 5)] == [
        ("b", 4),
        ("a", 1),
    ]


def test_a_long_text_is_cut_and_its_length_told() -> None:
    assert report.clipped("a" * 1200, 10) == "aaaaaaaaaa … (1,200 characters)"
    assert report.clipped("short", 10) == "short"


def test_the_texts_of_a_pair_stand_together() -> None:
    row = {"id": "a", "label": "calm", "predicted": "calm", "probability": 1.0, "loss": 0.0}
    rows = pd.DataFrame([row | {"text_original": "first", "text_pair_original": None}])
    assert report.shown_examples(rows, task_of(pair="second"), [], 100)[0]["texts"] == ["first", ""]


def test_kept_columns_stand_with_their_example(project: Path) -> None:
    page, _ = run_stages(project, kept=("place",))
    assert "<bdi>place</bdi>: <bdi>Oslo</bdi>" in page


def test_a_role_that_was_not_evaluated_is_refused(project: Path) -> None:
    (project / "params.yaml").write_text(PARAMS.format(role="tset"), encoding="utf-8")
    with pytest.raises(DataError, match=r"report\.role: found 'tset'; evaluated are validation, test"):
        run_stages(project)


def test_the_same_tables_give_the_same_bytes_and_one_line(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = run_stages(project)
    images = (project / "reports/images/map.png").read_bytes()
    capsys.readouterr()
    assert lay_out(project) == first
    assert (project / "reports/images/map.png").read_bytes() == images
    assert re.fullmatch(r"report: \S+errors\.html \(0\.\d MB\), \S+errors\.md\n", capsys.readouterr().out)
    assert json.loads((project / "report.json").read_text())["examples"] == 5
