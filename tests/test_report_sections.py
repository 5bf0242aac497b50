"""What the sections of the report show of each table, and what they say where there is none."""

import json
import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import polars as pl
import pytest

from stages.lib.config import read_yaml
from stages.lib.pages.card import card_parts, rendered
from stages.lib.pages.hexagons import frequent_groups, hexagon_png, hexagon_view
from stages.lib.pages.learning import curve_view
from stages.lib.pages.pages import LEFT_OUT, html_page, within
from stages.lib.pages.report_knobs import Params
from stages.lib.pages.shown_changes import Changed, read_changed, shown_changes
from stages.lib.pages.shown_kinds import of_kind
from stages.lib.params import load_params
from stages.lib.tables import write_json, write_parquet
from stages.report import PAGE_OF_KINDS, in_short, view, workbench_of
from tests.error_tables import CHANGES, changed_rows, learning_curve
from tests.graph import outs_of, read_project
from tests.outline import Outline
from tests.predicted import LABELS, task_of
from tests.test_report import CARD, PARAMS, WRITE, lay_out, markup, pages_of, read, run_stages

pytestmark = pytest.mark.slow  # whole pages

ROOT = Path(__file__).parents[1]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS.format(role="test"), encoding="utf-8")
    return tmp_path


class Made(NamedTuple):
    """A project with its pages, to be read by many tests and changed by none."""

    folder: Path
    page: str
    markdown: str


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Made]:
    @cache
    def make(kind: str, with_tables: bool = True) -> Made:
        folder = tmp_path_factory.mktemp("made")
        (folder / "params.yaml").write_text(PARAMS.format(role="test"), encoding="utf-8")
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            return Made(folder, *pages_of(folder, kind, with_tables=with_tables))

    return make


def shown(project: Path, changed: Changed | None = None) -> dict[str, Any]:
    on, params = read(project), Params.model_validate(read_yaml(project / "params.yaml")["report"])
    return view(on, changed or Changed({}, pl.DataFrame()), params) | of_kind(on, params)


def text_of(page: str) -> str:
    return " ".join(Outline(page).text.split())


# --- every kind, with every table and with none -------------------------------------------------------------


@pytest.mark.parametrize("kind", WRITE)
def test_every_section_says_what_it_found(made: Callable[..., Made], kind: str) -> None:
    _, page, markdown = made(kind)
    text = text_of(page)
    look = "rows have a label that looks wrong" if kind == "multi-label" else "labels look wrong"
    every = " of every yes and no to a label" if kind == "multi-label" else ""
    assert f" {look}; about 5.0%{every} are wrong, 3.0% to 8.0%. Judged by features, tfidf." in text
    assert re.search(r"\d pairs of copies whose labels disagree, 1 of them exact", text)
    assert "2 of 12 slices are worse than the rest by more than chance" in text
    assert "Words whose texts are worse than the rest" in text
    assert "fire, flood" in text
    assert "From 400 to 800 rows tfidf gained" in text
    assert "Who knows?" in text
    assert "Against tfidf" in text
    assert "p = 0.062" in text
    for section in ("What to fix", "Suspicious labels", "Weak slices", "Mended and broken", "More data?"):
        assert f"\n## {section}" in markdown
    assert not re.search(r"shape\\?: \\?\(|Series\\?:", page + markdown)  # a table's own way to print itself
    assert "nan" not in page.lower().replace("finetuned", "").replace("base64", "")[: page.find("data:image")]


def without_findings(project: Path, kind: str) -> tuple[str, str]:
    """Pages of a project in which the stage errors found nothing beyond what every run has."""
    pages_of(project, kind)
    for path in (project / "errors").glob("*.parquet"):
        if path.stem not in ALWAYS:
            path.unlink()
    write_json({role: {} for role in ("train", "validation", "test")}, project / "errors.json")
    return lay_out(project)


ALWAYS = {"examples", "map", "confusion", "by_range", "by_label", "missed"}


@pytest.mark.parametrize("kind", WRITE)
def test_every_section_says_why_it_has_nothing(project: Path, kind: str) -> None:
    text = text_of(without_findings(project, kind)[0])
    assert "None were looked for: data/errors holds no label_issues.parquet" in text
    assert "None: no two copies are labelled differently." in text
    assert "None were tested: test has no slice that is large enough." in text
    assert "None by more than chance, or no word is frequent enough." in text
    assert "None: there are too few examples to group." in text
    assert "Not measured: no change of the texts was tried." in text
    assert "No learning curve was measured." in text
    assert "None: the source has no unlabelled rows." in text


def test_a_page_without_any_finding_says_so(project: Path) -> None:
    # there tfidf and features say all labels of every row
    page, markdown = without_findings(project, "multi-label")
    assert shown(project)["findings"]["count"] == 0
    assert "Nothing was found" in page
    assert "Nothing was found" in markdown


def test_links_of_findings_set_filters_as_json(made: Callable[..., Made]) -> None:
    links = [
        of for tag, of in Outline(made("classification").page).tags if tag == "a" and "data-filter" in of
    ]
    filters = [json.loads(of["data-filter"] or "") for of in links]
    assert all(of["href"] == "#examples" for of in links)
    assert {"role": "test", "issue": True} in filters
    assert {"role": "test", "slice": 0} in filters
    assert {"role": "test", "label": "alarm", "predicted": "calm"} in filters
    keys = {"role", "slice", "label", "predicted", "correct", "issue", "id"}
    assert all(set(of) <= keys for of in filters)


def test_a_hostile_class_stays_inside_the_filter(project: Path) -> None:
    bad = "'><script>alert(1)</script>\""
    page, _ = pages_of(project, "classification", with_tables=True, task=task_of([bad, *LABELS[1:]]))
    filters = [of["data-filter"] for _, of in Outline(page).tags if "data-filter" in of]
    assert any(json.loads(of or "").get("predicted") == bad for of in filters)
    assert "<script" not in markup(page)


# --- labels ------------------------------------------------------------------------------------------------


def test_suspicious_labels_stand_by_role_the_reports_first_and_by_rank(made: Callable[..., Made]) -> None:
    issues = shown(made("classification").folder)["issues"]
    assert [of["role"] for of in issues] == ["test", "train", "validation"]
    assert [(row["rank"], row["id"], row["suggested"]) for row in issues[0]["rows"]] == [
        (1, "f", "calm"),
        (2, "h", "alarm"),
    ]
    assert issues[1]["rows"] == []  # of train nothing is one


def test_several_labels_are_told_by_their_names_wherever_they_stand(made: Callable[..., Made]) -> None:
    found = shown(made("multi-label").folder)
    suggested = [row["suggested"] for row in found["issues"][0]["rows"]]
    before = [
        of["before"] for against in found["mended"] for kind in against["examples"].values() for of in kind
    ]
    assert suggested
    assert before
    names = {"calm", "alarm", "other", "none"}
    assert {name for said in (*suggested, *before) for name in said.split(", ")} <= names


def test_contradictory_pairs_beyond_the_knob_are_counted(project: Path) -> None:
    pages_of(project, "classification", with_tables=True)
    knobs = (project / "params.yaml").read_text().replace("contradictions: 5", "contradictions: 1")
    (project / "params.yaml").write_text(knobs)
    page, _ = lay_out(project)
    pairs = shown(project)["contradictions"]
    assert (len(pairs["pairs"]), pairs["pairs"][0]["exact"]) == (1, True)
    assert f"{pairs['count'] - 1} more in data/errors/contradictions.parquet" in text_of(page)


# --- behaviour ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WRITE)
def test_changes_have_a_row_each_the_idle_ones_first(
    made: Callable[..., Made], tmp_path: Path, kind: str
) -> None:
    project = made(kind).folder
    on = read(project)
    write_json(CHANGES, tmp_path / "robustness.json")
    write_parquet(changed_rows(on.table("examples"), on.task), tmp_path / "robustness.parquet")
    changed = read_changed(tmp_path / "robustness.parquet", tmp_path / "robustness.json")
    rows = shown_changes(on, changed, 100)
    assert [row["name"] for row in rows] == ["lower_case", "added_link", "white_space", "not"]
    assert rows[0]["example"]["id"] == "e"
    assert rows[1]["example"] is None
    content = shown(project, changed)
    scale = {"low": 0, "high": 1, "light": [], "dark": []}
    empty = {"points": 0, "light": "", "dark": "", "legend": [], "scale": scale}
    params = load_params("report", Params)
    content |= {
        "map": empty,
        "hexagons": {"panels": []},
        "workbench": workbench_of(on, pl.DataFrame(), "", params),
    }
    text = text_of(html_page(PAGE_OF_KINDS[on.task.kind], content))
    assert re.search(r"text e ?(Pair|pair e)? ?label", text)
    assert "8 of 100 8.0% 4.1% to 15.0%" in text
    assert "not (direction, 20 as expected)" in text
    assert "A change that should not matter (lower case) flips 8.0%" in text


def test_mended_and_broken_are_shown_with_their_examples(made: Callable[..., Made]) -> None:
    tfidf, features = shown(made("classification").folder)["mended"]
    assert (tfidf["baseline"], tfidf["mended"], tfidf["broken"]) == ("tfidf", 1, 1)
    assert [of["id"] for of in tfidf["examples"]["mended"]] == ["e"]
    assert [(of["id"], of["before"]) for of in tfidf["examples"]["broken"]] == [("f", "alarm")]
    assert (features["mended"], features["broken"]) == (2, 1)


def test_confusions_and_misses_have_their_examples(made: Callable[..., Made]) -> None:
    pairs = shown(made("classification").folder)["confusions"]
    assert {pair["actual"]: ids_of(pair) for pair in pairs} == {"alarm": ["f"], "other": ["h"]}
    misses = shown(made("multi-label").folder)["misses"]
    found = {(of["missed"], of["said"]): ids_of(of) for of in misses}
    assert found == {("alarm", None): ["f"], ("calm", "other"): ["h"], (None, "calm"): ["g"]}


def ids_of(found: dict[str, Any]) -> list[str]:
    return [example["id"] for example in found["examples"]]


def test_residuals_stand_both_ways(made: Callable[..., Made]) -> None:
    ways = shown(made("regression").folder)["both_ways"]
    assert {way: [of["id"] for of in rows] for way, rows in ways.items()} == {
        "too much": ["e"],
        "too little": ["f", "h"],
    }


# --- more data, maps ---------------------------------------------------------------------------------------


def test_the_learning_curve_has_its_points_where_the_rows_are() -> None:
    curve = curve_view(learning_curve(task_of()))
    assert curve is not None
    assert [tick["text"] for tick in curve["x_ticks"]] == ["100", "200", "400", "800"]
    places = [tick["at"] for tick in curve["x_ticks"]]
    steps = np.diff(places)
    assert np.allclose(steps, steps[0], atol=0.2)  # doublings are even
    (tfidf,) = curve["lines"]
    assert tfidf["model"] == "tfidf"
    assert tfidf["dots"].count("M") == 4
    assert {float(x) for x in re.findall(r"M([\d.]+) ", tfidf["bars"])} == set(places)


def points(labels: list[str]) -> pl.DataFrame:
    places = np.random.default_rng(0).normal(size=(4, len(labels)))
    names = ("x", "y", "frozen_x", "frozen_y")
    return pl.DataFrame({"label": labels} | dict(zip(names, places, strict=True)))


def test_hexagons_are_drawn_of_the_most_frequent_labels_in_their_order() -> None:
    table = points(["other"] * 3 + ["calm"] * 2 + ["alarm"])
    assert {name: int(of.sum()) for name, of in frequent_groups(table, task_of(), 2).items()} == {
        "calm": 2,
        "other": 3,
    }
    drawn = hexagon_view(table, task_of(), 2, 5)
    assert (drawn["spaces"], drawn["folded"]) == (["fine-tuned", "frozen"], 1)
    pictures = [picture for panel in drawn["panels"] for picture in panel["pictures"]]
    assert len({picture[theme] for picture in pictures for theme in ("light", "dark")}) == 8
    assert (hexagon_png(table, task_of(), 2, 5) or b"").startswith(b"\x89PNG")


def test_hexagons_need_no_frozen_vectors_and_no_spread() -> None:
    table = points(["calm"] * 2).select("label", x=pl.lit(1.0), y=pl.lit(2.0))
    assert hexagon_view(table, task_of(), 2, 5)["spaces"] == ["fine-tuned"]


def test_a_map_without_points_says_so(project: Path) -> None:
    run = pages_of(project, "classification", with_tables=True)
    path = project / "errors/map.parquet"
    pl.read_parquet(path).filter(pl.col("role") == "nowhere").write_parquet(path)
    page, markdown = lay_out(project)
    assert run[0] != page
    assert "No example of test is on the map: raise errors.map_examples." in text_of(page)
    assert "hexagons.png" not in markdown


# --- Markdown, index, card ---------------------------------------------------------------------------------


def test_the_markdown_fits_a_comment_whatever_it_holds(project: Path) -> None:
    task = task_of([*(f"{number} {'[long]' * 60}" for number in range(12)), *LABELS])
    texts = dict.fromkeys("abcdefghu", "<&*_" * 30_000)
    _, markdown = pages_of(project, "classification", texts, with_tables=True, task=task)
    assert len(markdown) < 60_000
    assert "## What to fix" in markdown


def test_what_does_not_fit_is_cut_at_a_section_and_told() -> None:
    page = "# T\n\n## One\n\n" + "a" * 50 + "\n\n## Two\n\n" + "b" * 200
    assert within(page, 1000) == page
    assert within(page, 200) == "# T\n\n## One\n\n" + "a" * 50 + "\n" + LEFT_OUT
    assert len(within(page, 200)) <= 200


def test_the_markdown_has_fewer_rows_and_shorter_texts(project: Path) -> None:
    params = load_params("report", Params)
    short = in_short(params)
    assert (short.findings, short.highest_losses, short.text_characters) == (4, 3, 150)
    assert short.matrix_classes == params.matrix_classes


@pytest.mark.parametrize("name", ["index", "card", "errors"])
def test_every_link_leads_to_what_a_stage_writes(made: Callable[..., Made], name: str) -> None:
    project = made("regression").folder
    outs = {path for stage in read_project(ROOT).stages.values() for path in outs_of(stage)}
    links = links_of((project / f"reports/{name}.html").read_text())
    inside = [link for link in links if not urlsplit(link).scheme and not link.startswith("#")]
    assert inside
    for link in inside:
        place = PurePosixPath(os.path.normpath(f"reports/{link}"))
        if str(place) == "finetuned/config.json":  # beside the card, which lies elsewhere here
            continue
        assert {str(place), *map(str, place.parents)} & outs, link
        if place.is_relative_to("reports/images"):
            assert (project / place).is_file(), link


def links_of(page: str) -> list[str]:
    return [of["href"] or "" for tag, of in Outline(page).tags if tag == "a"]


def test_the_index_leads_with_scores_and_the_first_finding(made: Callable[..., Made]) -> None:
    project = made("classification").folder
    page = (project / "reports/index.html").read_text()
    text = text_of(page)
    assert re.search(r"finetuned ?0\.500 0\.500 to 0\.500", text)
    assert f"First: {shown(project)['findings']['rows'][0]['says']}" in text
    assert "dvc plots show" in text
    assert Outline(page).open == []


def test_the_card_is_rendered_and_runs_nothing(made: Callable[..., Made]) -> None:
    page = (made("classification").folder / "reports/card.html").read_text()
    outline = Outline(page)
    assert outline.open == []
    tags = [tag for tag, _ in outline.tags]
    assert "<script>alert(5)</script>" in outline.text
    assert not {"script", "img"} & set(tags)
    links = links_of(page)
    assert "../finetuned/config.json" in links  # beside the card
    assert "https://huggingface.co" in links
    assert not any(link.startswith("javascript") for link in links)
    assert "license: apache-2.0" in outline.text
    assert tags.count("h1") == 1
    assert "table" in tags


def test_a_card_without_metadata_is_all_text() -> None:
    assert card_parts("# Title\n") == ("", "# Title\n")
    assert card_parts(CARD)[0] == "license: apache-2.0"
    assert '<h2 id="card-title">Title</h2>' in rendered("# Title\n", "Other", "..")


def test_a_cards_links_to_its_headings_lead_there_and_its_title_stands_once() -> None:
    page = rendered("# It's *mine*\n\n[see](#how-to-use-it)\n\n## How to use it?\n", "It's mine", "..")
    assert 'href="#card-how-to-use-it"' in page
    assert '<h2 id="card-how-to-use-it">' in page  # below the page's own h1, with no level left out
    assert "mine" not in page


@pytest.mark.parametrize("kind", WRITE)
def test_a_share_of_wrong_labels_that_is_not_known_says_why(made: Callable[..., Made], kind: str) -> None:
    """Of four rows as the stage errors itself judges them."""
    _, page, markdown = made(kind, with_tables=False)
    why = "a number is not right or wrong, but more or less off"
    if kind in ("classification", "multi-label"):
        why = r"the surest 5% are \d+ answers, fewer than 20|there are no two labels that differ"
    said = rf"looks? wrong; how many are wrong cannot be estimated: ({why})\. Judged by \w"
    assert len(re.findall(said, text_of(page))) == 3  # of each role
    assert len(re.findall(said, markdown.replace("\\", ""))) == 3


def test_one_class_alone_is_a_page(project: Path) -> None:
    WRITE["classification"](project, task=task_of(["calm", "alarm", "other"]))
    path = project / "finetuned/finetuned.parquet"
    rows = pl.read_parquet(path)
    rows.with_columns(label=pl.when(pl.col("label").is_not_null()).then(0)).write_parquet(path)
    page, markdown = run_stages(project)
    why = "how many are wrong cannot be estimated: there are no two labels that differ. Judged by"
    assert all(why in said for said in (page, markdown.replace("\\", "")))


def test_chinese_stays_chinese(project: Path) -> None:
    labels = ["平静", "警报", "其他"]
    page, markdown = pages_of(project, "multi-label", with_tables=True, labels=labels)
    assert all("警报" in text for text in (page, markdown))
