"""The workbench of the page of errors, as people use it: in a real browser."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from playwright.sync_api import Browser, Page, expect

from stages.lib.pages import pages
from stages.lib.pages.workbench import found_in, workbench_view
from stages.lib.pages.workbench_rows import Limits
from tests.browser import NARROW, READY, WIDE, Visits, a_browser, violations
from tests.made_errors import BASELINES, made_examples, made_tables, made_task, only_the_workbench
from tests.predicted import LABELS
from tests.test_report import PARAMS, pages_of

pytestmark = pytest.mark.slow

N = 60
LIMITS = Limits(examples=20_000, seed=1, text_characters=600, text_megabytes=9)
LONG = "long " * 20_000
NASTY = {
    0: "</script><script>document.title = 'hacked'</script>",
    1: '<img src="http://evil.example/x.png" onerror="document.title = 1"> "quoted" \'too\'',
    2: "[click](javascript:alert(3)) </td></tr></table> @label $x{safe}",
    3: "\u202egnirts desrever",
    4: LONG,
    5: "=cmd|' /C calc'!A0",
}
KINDS = ("classification", "pair", "regression", "multi-label")
# what goes to any spreadsheet must not run there
BAD_CLASS = '=HYPERLINK("http://evil.example")'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with a_browser() as found:
        yield found


@pytest.fixture
def visits(browser: Browser) -> Iterator[Visits]:
    visits = Visits(browser)
    yield visits
    visits.check()


class Made:
    """A page of nothing but the workbench, and the examples on it."""

    def __init__(
        self, folder: Path, kind: Any, labels: list[str] = LABELS, texts: dict[int, str] = NASTY
    ) -> None:
        self.path = folder / f"{kind}.html"
        pair = kind == "pair"
        task = made_task("regression" if pair else kind, labels, pair)
        self.examples = made_examples(task, N, texts)
        self.tables = made_tables(task, self.examples)
        found = found_in(self.tables, self.tables["explanations"], "leave-one-word-out")
        view = workbench_view(self.examples, found, task, BASELINES, LIMITS)
        content = {"title": "Made up", "workbench": view, "filter": json.dumps(self.elsewhere(kind))}
        with only_the_workbench(folder):
            self.path.write_text(pages.html_page("workbench_page.html", content), encoding="utf-8")

    @staticmethod
    def elsewhere(kind: str) -> dict[str, Any]:
        of_classes = {"label": "calm", "predicted": "alarm", "correct": False}
        return {"role": "test"} | (of_classes if kind == "classification" else {})

    def ids(self, *predicates: pl.Expr) -> set[str]:
        return set(self.examples.filter(*predicates)["id"])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    folder = tmp_path_factory.mktemp("made")
    return {kind: Made(folder, kind) for kind in KINDS}


# --- what is on the page -----------------------------------------------------------------------------------


def ids(page: Page) -> list[str]:
    """Of the rows on this page of the table, in their order."""
    labels = page.locator("#wb-table button.open").evaluate_all("all => all.map(b => b.ariaLabel)")
    return [label.split(",")[0] for label in labels]


def all_ids(page: Page) -> list[str]:
    """Of every page of the table."""
    found = ids(page)
    while page.locator(".dt-paging-button.next:not(.disabled)").count():
        page.locator(".dt-paging-button.next").click()
        found += ids(page)
    return found


def count(page: Page) -> int:
    text = page.locator("#wb-count").text_content() or ""
    return int(text.split(" of ")[0].replace(",", ""))


def plot(page: Page, expression: str) -> Any:
    """Of the map: `plot`, and `data` of its points."""
    plot = "const plot = Bokeh.documents[0].roots()[0]; const data = plot.renderers[0].data_source.data"
    return page.evaluate(f"() => {{ {plot}; return {expression} }}")


def on_screen(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a place of the map is, in pixels."""
    box = page.locator("#wb-canvas").bounding_box()
    assert box is not None
    left, right, low, high = plot(
        page, "[plot.x_range.start, plot.x_range.end, plot.y_range.start, plot.y_range.end]"
    )
    return (
        box["x"] + (x - left) / (right - left) * box["width"],
        box["y"] + (high - y) / (high - low) * box["height"],
    )


def place_of(made: Made, name: str) -> tuple[float, float]:
    row = made.tables["map"].row(by_predicate=pl.col("id") == name, named=True)
    return row["x"], row["y"]


def drag(page: Page, *places: tuple[float, float]) -> None:
    points = [on_screen(page, *place) for place in places]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()


def show_map(page: Page) -> None:
    page.locator("#wb-canvas").scroll_into_view_if_needed()


def choose(page: Page, name: str, option: str) -> None:
    page.locator(f"#wb-filters [name={name}]").select_option(option)


def ring(page: Page) -> Any:
    """Where the current row's point is marked."""
    return plot(page, "(d => [...d.x, ...d.y])(plot.renderers[1].data_source.data)")


def opened(page: Page, name: str) -> None:
    """Opens the row of that id."""
    page.locator("[name=search]").fill(name)
    page.locator(f'button.open[aria-label^="{name}"]').first.click()


@pytest.mark.parametrize("kind", KINDS)
def test_it_opens_with_all_rows_the_worst_first(visits: Visits, made: dict[str, Made], kind: str) -> None:
    page = visits.open(made[kind].path)
    assert count(page) == N
    loss = dict(made[kind].examples.select("id", "loss").iter_rows())
    listed = all_ids(page)
    assert set(listed) == made[kind].ids()
    assert [loss[name] for name in listed] == sorted(loss.values(), reverse=True)
    assert "10 of them without a place on the map" in (page.locator("#wb-count").text_content() or "")


# --- brushing and finding ----------------------------------------------------------------------------------


MIDDLE = 3.0  # of the two clouds, either way


def corner(page: Page) -> tuple[float, float]:
    """Of the picture, at the bottom on the left: beyond every point."""
    left, right, low, high = plot(
        page, "[plot.x_range.start, plot.x_range.end, plot.y_range.start, plot.y_range.end]"
    )
    return left + (right - left) / 100, low + (high - low) / 100


def of_first_cloud(made: Made) -> set[str]:
    found = set(made.tables["map"].filter(pl.col("x") < MIDDLE, pl.col("y") < MIDDLE)["id"])
    assert 10 < len(found) < 40
    return found


def test_a_box_on_the_map_filters_the_rows(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["classification"].path)
    show_map(page)
    page.get_by_text("Box", exact=True).click()
    drag(page, corner(page), (MIDDLE, MIDDLE))
    wanted = of_first_cloud(made["classification"])
    expect(page.locator("#wb-brushed")).to_have_text(f"Brushed: {len(wanted)} ×")
    assert set(all_ids(page)) == wanted
    faded = made["classification"].tables["map"]["id"].is_in(list(wanted)).to_list()
    assert plot(page, "data.alpha.map(a => a > 0.5)") == faded
    page.locator("#wb-brushed").click()
    assert count(page) == N
    assert min(plot(page, "[...data.alpha]")) > 0.5


def test_a_lasso_does_too_and_reset_lets_go(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["classification"].path)
    show_map(page)
    page.get_by_text("Lasso", exact=True).click()
    left, low = corner(page)
    drag(page, (left, low), (MIDDLE, low), (MIDDLE, MIDDLE), (left, MIDDLE), (left, low))
    wanted = of_first_cloud(made["classification"])
    expect(page.locator("#wb-brushed")).to_have_text(f"Brushed: {len(wanted)} ×")
    assert set(all_ids(page)) == wanted
    choose(page, "role", "0")
    assert count(page) == len(wanted & made["classification"].ids(pl.col("role") == "train"))
    page.get_by_text("Reset", exact=True).click()
    expect(page.locator("#wb-count")).to_contain_text(f"{N} of {N} shown")


def test_opening_a_row_marks_its_point(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["classification"].path)
    opened(page, "e40")
    assert ring(page) == pytest.approx(place_of(made["classification"], "e40"), abs=0.001)
    opened(page, "e05")  # which has no place
    assert ring(page) == []
    expect(page.locator(".facts")).to_contain_text("no place on it")


def test_a_point_outside_the_picture_is_brought_into_it(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["classification"].path)
    for _ in range(6):
        page.locator("#wb-in").click()
    left, right = plot(page, "[plot.x_range.start, plot.x_range.end]")
    name = next(
        f"e{i:02}" for i in range(20, N) if not left < place_of(made["classification"], f"e{i:02}")[0] < right
    )
    opened(page, name)
    x, y = place_of(made["classification"], name)
    assert plot(page, "(plot.x_range.start + plot.x_range.end) / 2") == pytest.approx(x, abs=0.001)
    assert plot(page, "[plot.y_range.start, plot.y_range.end]")[0] < y
    page.locator("#wb-fit").click()
    assert plot(page, "plot.x_range.end") > right


def test_tapping_a_point_opens_its_row_and_hovering_tells_of_it(
    visits: Visits, made: dict[str, Made]
) -> None:
    page = visits.open(made["classification"].path)
    show_map(page)
    far = made["classification"].tables["map"].sort("x")["id"][-1]
    at = on_screen(page, *place_of(made["classification"], far))
    page.mouse.move(*at)
    text = made["classification"].examples.filter(id=far)["text_original"][0]
    expect(page.locator(".bk-Tooltip")).to_contain_text(text)
    page.mouse.click(*at)
    expect(page.locator(f'button.open[aria-label="{far}"]')).to_have_attribute("aria-expanded", "true")
    expect(page.locator("tr.opened .whole")).to_have_text(text)


def test_the_frozen_layout_is_another_one(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["classification"].path)
    before = plot(page, "[...data.y]")
    page.get_by_text("Frozen", exact=True).click()
    assert plot(page, "[...data.y]") == [-y for y in before]


@pytest.mark.parametrize(
    ("kind", "by", "legend"),
    [
        ("classification", "label", "calm alarm other"),
        ("classification", "predicted", "calm alarm other"),
        ("classification", "correctness", "right wrong"),
        ("classification", "role", "train validation test"),
        ("classification", "cluster", "fire, smoke tea"),
        ("multi-label", "label", "calm alarm other none"),
        ("multi-label", "correctness", "right wrong"),
        ("regression", "label", "0 5"),
        ("regression", "correctness", "0.1 2.5"),
    ],
)
def test_points_are_coloured_by(
    visits: Visits, made: dict[str, Made], kind: str, by: str, legend: str
) -> None:
    page = visits.open(made[kind].path)
    page.locator("#wb-colour").select_option(by)
    assert " ".join(page.locator("#wb-legend").inner_text().split()) == legend
    assert len(set(plot(page, "[...data.color]"))) >= 2


# --- filters -----------------------------------------------------------------------------------------------

LABEL, SAID = pl.col("label"), pl.col("predicted")
MISSED, EXTRA = LABEL.list.set_difference(SAID), SAID.list.set_difference(LABEL)


@pytest.mark.parametrize(
    ("kind", "chosen", "wanted"),
    [
        ("classification", {"role": "2"}, pl.col("role") == "test"),
        ("classification", {"label": "1"}, LABEL == "alarm"),
        ("classification", {"predicted": "2"}, SAID == "other"),
        ("classification", {"verdict": "right"}, LABEL == SAID),
        ("classification", {"verdict": "wrong", "role": "0"}, (LABEL != SAID) & (pl.col("role") == "train")),
        ("classification", {"slice": "7"}, pl.col("id").is_in([f"e{i:02}" for i in range(5)])),
        ("multi-label", {"label": "0"}, LABEL.list.contains("calm")),
        ("multi-label", {"predicted": "1"}, SAID.list.contains("alarm")),
        ("multi-label", {"verdict": "right"}, LABEL == SAID),
        ("multi-label", {"verdict": "not-right"}, LABEL != SAID),
        ("multi-label", {"verdict": "partly"}, (LABEL != SAID) & (SAID.list.len() > 0)),
        ("multi-label", {"verdict": "wrong"}, (LABEL != SAID) & (SAID.list.len() == 0)),
        ("multi-label", {"verdict": "missed"}, MISSED.list.len() > 0),
        ("multi-label", {"verdict": "missed", "label": "1"}, MISSED.list.contains("alarm")),
        ("multi-label", {"verdict": "extra"}, EXTRA.list.len() > 0),
    ],
)
def test_choices_filter(
    visits: Visits, made: dict[str, Made], kind: str, chosen: dict[str, str], wanted: pl.Expr
) -> None:
    page = visits.open(made[kind].path)
    for name, option in chosen.items():
        choose(page, name, option)
    expected = made[kind].ids(wanted)
    assert count(page) == len(expected)
    assert set(all_ids(page)) == expected or not expected


def test_suspicious_labels_alone(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["classification"].path)
    page.get_by_text("Suspicious labels only").click()
    assert set(ids(page)) == {f"e{i:02}" for i in range(0, N, 10)}


def test_errors_of_a_range_alone(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["regression"].path)
    page.locator("[name=least]").fill("0.25")
    page.locator("[name=most]").fill("2")
    assert set(all_ids(page)) == made["regression"].ids(pl.col("loss").is_between(0.25, 2))


@pytest.mark.parametrize("words", ["STORM", "number 17", "e23", "nowhere to be found", "javascript:alert(3)"])
def test_a_search_goes_over_texts_and_ids(visits: Visits, made: dict[str, Made], words: str) -> None:
    page = visits.open(made["classification"].path)
    page.locator("[name=search]").fill(words)
    held = pl.col("text_original").str.slice(0, 600) + "\n" + pl.col("id")
    wanted = made["classification"].ids(held.str.to_lowercase().str.contains(words.lower(), literal=True))
    assert count(page) == len(wanted)
    assert set(all_ids(page)) == wanted


def test_a_search_goes_over_both_texts_of_a_pair(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["pair"].path)
    page.locator("[name=search]").fill("pair of e33")
    assert ids(page) == ["e33"]


def test_a_link_from_elsewhere_sets_the_filters_and_only_these(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["classification"].path)
    page.locator("[name=search]").fill("no row has this")
    page.locator("#elsewhere").click()
    wanted = made["classification"].ids(LABEL == "calm", SAID == "alarm", pl.col("role") == "test")
    assert set(all_ids(page)) == wanted or not wanted
    assert count(page) == len(wanted)
    assert page.locator("[name=verdict]").input_value() == "wrong"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"id": "e37"}, ["e37"]),
        ({"slice": 7, "issue": True}, ["e00"]),
        (
            {"role": "validation", "correct": True, "label": "alarm", "predicted": "alarm", "issue": True},
            ["e10"],
        ),
    ],
)
def test_links_may_name_any_filter(
    visits: Visits, made: dict[str, Made], wanted: dict[str, Any], expected: list[str]
) -> None:
    page = visits.open(made["classification"].path)
    page.locator("#elsewhere").evaluate("(a, f) => a.setAttribute('data-filter', f)", json.dumps(wanted))
    page.locator("#elsewhere").click()
    assert set(expected) <= set(ids(page))
    if "id" in wanted:
        expect(page.locator("tr.opened .facts")).to_contain_text("e37")
        page.locator("#wb-only").click()
        assert count(page) == N


def test_a_link_to_a_row_that_the_page_does_not_hold_says_so(visits: Visits, made: dict[str, Made]) -> None:
    """A page of a sample of the easy ones has links to others, as in the list of lowest losses."""
    page = visits.open(made["classification"].path)
    page.locator("#elsewhere").evaluate("a => a.setAttribute('data-filter', '{\"id\": \"e77\"}')")
    page.locator("#elsewhere").click()
    assert count(page) == 0
    told = "Only e77, which is not among the examples on this page ×"
    expect(page.locator("#wb-only")).to_have_text(told)


def test_a_link_takes_the_keyboard_along(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["classification"].path)
    page.locator("#elsewhere").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#examples")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("[name=search]")).to_be_focused()


def test_a_link_to_a_row_shows_it_on_a_narrow_screen_too(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["classification"].path, NARROW)
    page.locator("#elsewhere").evaluate("a => a.setAttribute('data-filter', '{\"id\": \"e37\"}')")
    page.locator("#elsewhere").click()
    expect(page.locator("button.open[aria-label=e37]")).to_be_in_viewport()
    expect(page.locator("button.open[aria-label=e37]")).to_be_focused()


# --- sorting -----------------------------------------------------------------------------------------------


def sorted_values(made: Made, name: str) -> list[Any]:
    """In the order that the table should have, of the column of that name."""
    table = made.examples.join(made.tables["label_issues"].select("id", "rank", "quality"), on="id")
    table = table.join(made.tables["map"].select("id", "cluster"), on="id", how="left")
    values = {
        "text": pl.col("text_original").str.slice(0, 600).str.to_lowercase(),
        "length": pl.col("text_original").str.len_chars(),
        "role": pl.col("role").replace_strict({"train": 0, "validation": 1, "test": 2}),
        "said:tfidf": pl.col("tfidf"),
        "kept:place": pl.col("kept").struct.field("place").str.to_lowercase(),
        "kept:stars": pl.col("kept").struct.field("stars"),
    }
    value = values.get(name, pl.col(name))
    return table.select("id", value.alias("value")).rows()


SORTS = ["loss", "rank", "quality", "probability", "label", "predicted", "text", "length", "role", "id"]
SORTS += ["said:tfidf", "kept:place", "kept:stars", "cluster"]


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_rows_sort_by_any_column(visits: Visits, made: dict[str, Made], direction: str) -> None:
    """What has no value stands last, whichever way."""
    page = visits.open(made["classification"].path)
    page.locator("#wb-direction").select_option(direction)
    for name in SORTS:
        page.locator("#wb-sort").select_option(name)
        value_of = dict(sorted_values(made["classification"], name))
        listed = [value_of[row] for row in all_ids(page)]
        known = [value for value in listed if value is not None]
        lacking: list[None] = [None] * (len(listed) - len(known))
        assert listed == sorted(known, reverse=direction == "desc") + lacking, name
        head = page.locator(f'#wb-table th[data-column="{name}"]')
        expect(head).to_have_attribute("aria-sort", {"asc": "ascending", "desc": "descending"}[direction])


def test_a_columns_head_sorts_too(visits: Visits, made: dict[str, Made]) -> None:
    """The page begins with the largest loss, so one click turns the order and a second turns it back."""
    page = visits.open(made["classification"].path)
    loss = dict(made["classification"].examples.select("id", "loss").iter_rows())
    head = page.locator('#wb-table th[data-column="loss"]')
    expect(head).to_have_attribute("aria-sort", "descending")
    for direction in ("asc", "desc"):
        head.click()
        expect(head).to_have_attribute("aria-sort", f"{direction}ending")
        expect(page.locator("#wb-direction")).to_have_value(direction)
        listed = [loss[name] for name in ids(page)]
        assert listed == sorted(loss.values(), reverse=direction == "desc")[:10]


# --- opening, by hand and by keyboard ----------------------------------------------------------------------


def test_an_opened_row_tells_all(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["classification"].path)
    opened(page, "e01")
    told = page.locator("tr.opened")
    expect(told.locator(".whole")).to_have_text(NASTY[1])
    for fact in (
        "e01",
        "validation",
        "alarm",
        "calm",
        "Lima",
        "rank 1 of validation, quality 0.01",
        "judged by features, tfidf",
    ):
        expect(told.locator(".facts")).to_contain_text(fact)
    expect(told.locator(".facts a")).to_have_count(2)  # of the slices it is in
    expect(told.locator(".copies")).to_contain_text("the same <i>storm</i>")
    expect(told.locator(".copies")).to_contain_text("left-out-1")
    expect(told.locator(".reasons")).to_contain_text("leave-one-word-out")
    assert told.locator(".why .for").count() == told.locator(".why .against").count() == 3
    told.locator(".facts a", has_text="<b>storm</b>").click()
    assert set(all_ids(page)) == {f"e{i:02}" for i in range(5)}


def test_of_several_labels_each_has_its_probability(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["multi-label"].path)
    opened(page, "e36")  # none of its labels is left: 36 = 0b100100, so `other`, which is missed
    expect(page.locator("tr.opened .facts .chip.missed")).to_have_text("−other, missed10.0%")


def into_the_workbench(page: Page) -> None:
    """Where its keys work."""
    page.locator("#examples").focus()


def test_keys_move_open_mark_and_close(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["classification"].path)
    into_the_workbench(page)
    order = made["classification"].examples.sort("loss", descending=True)["id"].to_list()
    current = page.locator("tr[aria-current] button.open")
    for key, name in (
        ("j", order[0]),
        ("j", order[1]),
        ("ArrowDown", order[2]),
        ("k", order[1]),
        ("ArrowUp", order[0]),
    ):
        page.keyboard.press(key)
        expect(current).to_have_attribute("aria-label", name)
        expect(current).to_be_focused()
    place = place_of(made["classification"], order[0])
    assert ring(page) == pytest.approx(place, abs=0.001)
    page.keyboard.press("Enter")
    expect(page.locator("tr.opened")).to_have_count(1)
    page.keyboard.press("j")  # takes the opened one along
    expect(page.locator("tr.opened .facts")).to_contain_text(order[1])
    page.keyboard.press("Escape")
    expect(page.locator("tr.opened")).to_have_count(0)
    for key, word in (("a", "Ambiguous"), ("d", "Drop"), ("m", "Mislabelled")):
        page.keyboard.press(key)
        expect(current).to_have_attribute("aria-label", f"{order[1]}, marked: {word}")
    expect(page.locator("#wb-marks")).to_have_text("1 marked")
    page.keyboard.press("u")
    expect(current).to_have_attribute("aria-label", order[1])
    expect(page.locator("#wb-marks")).to_have_text("0 marked")


def test_moving_on_turns_the_pages_of_the_table(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["classification"].path)
    order = made["classification"].examples.sort("loss", descending=True)["id"].to_list()
    into_the_workbench(page)
    for _ in range(11):
        page.keyboard.press("j")
    expect(page.locator("tr[aria-current] button.open")).to_have_attribute("aria-label", order[10])
    assert ids(page)[0] == order[10]
    page.keyboard.press("k")
    assert ids(page)[9] == order[9]


def test_no_key_is_stolen_from_whoever_writes(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["classification"].path)
    into_the_workbench(page)
    page.keyboard.press("j")
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    page.locator("tr.opened [name=note]").click()
    page.keyboard.type("drop my jam / u")
    assert page.locator("tr.opened [name=note]").input_value() == "drop my jam / u"
    page.keyboard.press("Tab")
    expect(page.locator("#wb-marks")).to_have_text("1 marked")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("made")
    assert page.locator("[name=search]").input_value() == "made"
    expect(page.locator("#wb-marks")).to_have_text("1 marked")


def test_keys_pressed_elsewhere_do_nothing(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["classification"].path)
    opened(page, "e12")
    page.locator("#elsewhere").focus()
    for key in "dmak/":
        page.keyboard.press(key)
    expect(page.locator("#wb-marks")).to_have_text("0 marked")
    expect(page.locator("#elsewhere")).to_be_focused()


def test_a_row_that_is_filtered_out_is_not_marked(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["classification"].path)
    opened(page, "e40")
    page.locator("[name=search]").fill("e12")
    page.locator("#wb-in").focus()
    page.keyboard.press("d")
    expect(page.locator("#wb-marks")).to_have_text("0 marked")


def test_a_row_on_another_page_of_the_table_is_shown_as_it_is_marked(
    visits: Visits, made: dict[str, Made]
) -> None:
    page = visits.open(made["classification"].path)
    into_the_workbench(page)
    page.keyboard.press("j")
    page.locator(".dt-paging-button.next").click()
    page.keyboard.press("d")
    expect(page.locator("tr[aria-current] button.open")).to_have_attribute("aria-label", re.compile("Drop$"))
    expect(page.locator("tr[aria-current] button.open")).to_be_focused()


# --- marks -------------------------------------------------------------------------------------------------


def mark(page: Page, name: str, action: str, note: str = "") -> None:
    opened(page, name)
    page.locator(f"tr.opened [data-action={action}]").click()
    if note:
        page.locator("tr.opened [name=note]").fill(note)
        page.locator("tr.opened [name=note]").blur()


def downloaded(page: Page) -> str:
    with page.expect_download() as waiting:
        page.locator("#wb-download").click()
    assert waiting.value.suggested_filename == "corrections.csv"
    return waiting.value.path().read_bytes().decode("utf-8")


def test_marks_are_downloaded_as_corrections(visits: Visits, tmp_path: Path) -> None:
    made = Made(tmp_path, "classification", ["calm", "alarm", BAD_CLASS])
    page = visits.open(made.path)
    mark(page, "e04", "relabel")  # suspicious or not, the suggestion is there to be taken
    mark(page, "e05", "ambiguous", 'it is "both", really\n')
    mark(page, "e06", "drop", "=1+1")
    mark(page, "e07", "drop", "'=1+1, as it was")
    mark(page, "e08", "relabel", "Grüße, 日本")
    page.locator("tr.opened [name=label]").select_option(BAD_CLASS)
    mark(page, "e01", "relabel")  # e01 is right, so nothing is suggested
    expect(page.locator("#wb-marks")).to_have_text("6 marked, 1 without the right label yet")
    said = made.examples.filter(id="e04")["predicted"][0]
    harmless = "\"'" + BAD_CLASS.replace('"', '""') + '"'
    assert downloaded(page) == (
        "id,label,action,note\r\n"
        f"e04,{said if said != BAD_CLASS else harmless},relabel,\r\n"
        'e05,,ambiguous,"it is ""both"", really"\r\n'
        "e06,,drop,'=1+1\r\n"
        "e07,,drop,\"''=1+1, as it was\"\r\n"
        f'e08,{harmless},relabel,"Grüße, 日本"\r\n'
    )


@pytest.mark.parametrize(
    ("kind", "name", "label"),
    [("regression", "e03", "'-0.5"), ("multi-label", "e05", '"[""calm"",""alarm""]"')],
)
def test_right_labels_of_other_kinds(
    visits: Visits, made: dict[str, Made], kind: str, name: str, label: str
) -> None:
    page = visits.open(made[kind].path)
    mark(page, name, "relabel")
    if kind == "regression":
        page.locator("tr.opened [name=label]").fill("-0.5")
        page.locator("tr.opened [name=label]").blur()
    else:
        page.locator("tr.opened [name=label][value=alarm]").check()
        page.locator("tr.opened [name=label][value=other]").uncheck()
    assert downloaded(page) == f"id,label,action,note\r\n{name},{label},relabel,\r\n"


def test_a_row_may_be_said_to_have_none_of_the_labels(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["multi-label"].path)
    mark(page, "e02", "relabel")  # an alarm, as the model says too
    expect(page.locator("#wb-download")).to_be_disabled()
    page.locator("tr.opened [name=label][value=alarm]").uncheck()
    assert downloaded(page) == "id,label,action,note\r\ne02,[],relabel,\r\n"


def test_marks_survive_a_reload_and_can_be_shown_alone(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["classification"].path)
    mark(page, "e12", "drop", "twice")
    mark(page, "e13", "ambiguous")
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    expect(page.locator("#wb-marks")).to_have_text("2 marked")
    page.get_by_text("Marked only").click()
    assert set(ids(page)) == {"e12", "e13"}
    opened(page, "e12")
    assert page.locator("tr.opened [name=note]").input_value() == "twice"


def test_a_note_half_written_survives_a_reload(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["classification"].path)
    mark(page, "e12", "drop")
    page.locator("tr.opened [name=note]").press_sequentially("half a no")
    page.reload()
    page.wait_for_selector(READY, state="attached")
    opened(page, "e12")
    assert page.locator("tr.opened [name=note]").input_value() == "half a no"


def test_two_tabs_lose_no_mark_of_each_other(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["classification"].path)
    other = page.context.new_page()
    other.goto(page.url)
    other.wait_for_selector(READY, state="attached")
    mark(page, "e12", "drop")
    expect(other.locator("#wb-marks")).to_have_text("1 marked")
    mark(other, "e13", "ambiguous")
    expect(page.locator("#wb-marks")).to_have_text("2 marked")
    opened(page, "e13")
    expect(page.locator("button.open[aria-expanded=true]")).to_have_attribute(
        "aria-label", "e13, marked: Ambiguous"
    )
    page.locator("tr.opened [data-action=ambiguous]").click()
    expect(other.locator("#wb-marks")).to_have_text("1 marked")


def test_a_mark_is_told_to_lack_a_label_only_while_it_does(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["classification"].path)
    mark(page, "e01", "relabel")
    lacking = page.locator("tr.opened form.mark .miss")
    expect(lacking).to_be_visible()
    page.locator("tr.opened [name=label]").select_option("calm")
    expect(lacking).to_be_hidden()


def test_marks_of_other_data_are_not_these(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["classification"].path)
    mark(page, "e12", "drop")
    page.goto(made["regression"].path.as_uri())
    visits.files.append(page.url)
    page.wait_for_selector("html[data-ready]", state="attached")
    expect(page.locator("#wb-marks")).to_have_text("0 marked")


def test_a_browser_that_keeps_nothing_still_marks_and_says_so(visits: Visits, made: dict[str, Made]) -> None:
    none = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('none') }})"
    page = visits.open(made["classification"].path, script=none)
    mark(page, "e12", "drop")
    expect(page.locator("#wb-marks")).to_contain_text("1 marked; this browser does not keep them")
    assert downloaded(page).endswith("e12,,drop,\r\n")


@pytest.mark.parametrize("agreed", [True, False])
def test_clearing_asks_first(visits: Visits, made: dict[str, Made], agreed: bool) -> None:
    page = visits.open(made["classification"].path)
    mark(page, "e12", "drop")
    page.on("dialog", lambda dialog: dialog.accept() if agreed else dialog.dismiss())
    page.locator("#wb-clear").click()
    expect(page.locator("#wb-marks")).to_have_text("0 marked" if agreed else "1 marked")


# --- what a text may not do --------------------------------------------------------------------------------


@pytest.mark.parametrize("place", NASTY)
def test_a_nasty_text_is_shown_and_does_nothing_else(
    visits: Visits, made: dict[str, Made], place: int
) -> None:
    page = visits.open(made["classification"].path)
    opened(page, f"e{place:02}")
    whole = f"{LONG[:600]} … (100,000 characters)" if NASTY[place] == LONG else NASTY[place]
    assert page.locator("tr.opened .whole").text_content() == whole
    expect(page.locator("td.of-text .clamped")).to_have_attribute("dir", "auto")
    assert page.title() == "Made up: examples"
    assert page.locator("#wb-table img, #wb-table script, #wb-table a[href^=javascript]").count() == 0


def test_nasty_texts_on_the_map(visits: Visits, tmp_path: Path) -> None:
    made = Made(tmp_path, "classification")
    for name in ("e00", "e01", "e02"):
        nasty = made.examples.filter(id=name)["text_original"][0]
        swapped = made.examples.with_columns(
            text_original=pl.when(id="e50").then(pl.lit(nasty)).otherwise("text_original")
        )
        view = workbench_view(swapped, found_in(made.tables), made_task("classification"), BASELINES, LIMITS)
        content = {"title": "Made up", "workbench": view, "filter": "{}"}
        with only_the_workbench(tmp_path):
            made.path.write_text(pages.html_page("workbench_page.html", content), encoding="utf-8")
        page = visits.open(made.path)
        show_map(page)
        page.mouse.move(*on_screen(page, *place_of(made, "e50")))
        expect(page.locator(".bk-Tooltip")).to_contain_text(nasty)
        assert page.title() == "Made up: examples"


def test_nasty_names_of_classes_and_slices(visits: Visits, tmp_path: Path) -> None:
    bad = "</option><script>document.title = 'hacked'</script>"
    page = visits.open(Made(tmp_path, "classification", [bad, "alarm", "other"]).path)
    choose(page, "label", "0")
    assert count(page) == N / 3
    opened(page, "e03")
    expect(page.locator("tr.opened .facts")).to_contain_text(bad)
    assert page.title() == "Made up: examples"


def test_nasty_names_of_kept_columns(visits: Visits, tmp_path: Path) -> None:
    """DataTables takes an attribute `data-title` of a header for HTML."""
    made, bad = Made(tmp_path, "classification"), """<img src=x onerror="document.title = 'hacked'">"""
    task = made_task("classification").model_copy(update={"kept": [bad, "stars"]})
    renamed = made.examples.with_columns(pl.col("kept").struct.rename_fields([bad, "stars"]))
    view = workbench_view(renamed, found_in(made.tables), task, BASELINES, LIMITS)
    with only_the_workbench(tmp_path):
        content = {"title": "Made up", "workbench": view, "filter": "{}"}
        made.path.write_text(pages.html_page("workbench_page.html", content), encoding="utf-8")
    page = visits.open(made.path)
    page.locator("#wb-sort").select_option(f"kept:{bad}")
    expect(page.locator("#wb-table thead")).to_contain_text(bad)
    expect(page.locator("#wb-table thead [aria-label^='<img src=x']")).to_have_count(1)
    assert page.title() == "Made up: examples"


def test_the_policy_stops_what_would_slip_through(browser: Browser, made: dict[str, Made]) -> None:
    page = Visits(browser).open(made["classification"].path)
    nasty = """<img src=x onerror="document.title = 'hacked'">"""
    nasty += """<a id=bad href="javascript:document.title = 'hacked'">click</a>"""
    page.evaluate("nasty => document.body.insertAdjacentHTML('beforeend', nasty)", nasty)
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'document.title = 1'}))"
    )
    page.locator("#bad").click()
    page.wait_for_timeout(200)
    assert page.title() == "Made up: examples"
    page.context.close()


# --- for everybody -----------------------------------------------------------------------------------------


# contrast is a matter of the scheme, layout of the width: each once
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("width", "scheme"), [(WIDE, "light"), (NARROW, "dark")])
def test_axe_finds_nothing(visits: Visits, made: dict[str, Made], kind: str, width: int, scheme: str) -> None:
    page = visits.open(made[kind].path, width, scheme)
    assert violations(page) == []
    mark(page, "e01", "relabel")
    page.locator("[name=search]").fill("")
    choose(page, "slice", "7")
    page.locator("#wb-sort").select_option("kept:place")
    expect(page.locator("tr.opened .reasons")).to_be_visible()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_links_of_the_whole_page_lead_into_the_workbench(
    visits: Visits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """tests/test_pages_in_browser.py has axe look at such pages."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS.format(role="test"), encoding="utf-8")
    pages_of(tmp_path, "classification", with_tables=True)
    page = visits.open(tmp_path / "reports/errors.html")
    page.locator("a[data-filter]").first.click()
    assert count(page) < 8


def test_the_scheme_may_change_while_the_page_is_open(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["regression"].path)
    before = plot(page, "[plot.background_fill_color, ...data.color]")
    page.emulate_media(color_scheme="dark")
    for _ in range(100):  # the policy forbids wait_for_function
        page.wait_for_timeout(50)
        if plot(page, "plot.background_fill_color") != before[0]:
            break
    after = plot(page, "[plot.background_fill_color, ...data.color]")
    assert (before[0], after[0]) == ("#ffffff", "#16181c")
    assert before[1:] != after[1:]


def test_all_can_be_done_from_the_keyboard(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["classification"].path)
    reached: set[str] = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "document.activeElement.id || document.activeElement.name || document.activeElement.className"
            )
        )
    assert {"search", "role", "label", "predicted", "verdict", "slice", "issue", "marked"} <= reached
    assert {
        "wb-drag",
        "wb-out",
        "wb-in",
        "wb-fit",
        "wb-colour",
        "wb-layout",
        "wb-sort",
        "wb-direction",
        "open",
    } <= reached
    assert not any("bk-" in name for name in reached)  # the map's canvas is no stop


def test_no_stop_of_the_keyboard_is_out_of_sight(visits: Visits, made: dict[str, Made]) -> None:
    """At 200 % a desktop is as narrow: the table is cards, and its heads are for readers of screens alone."""
    page = visits.open(made["classification"].path, NARROW)
    for _ in range(45):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('thead')") is None
    expect(page.locator("#wb-table th[data-column=loss]")).to_have_attribute("aria-sort", "descending")


def test_what_scrolls_can_be_scrolled_by_the_keyboard(visits: Visits, tmp_path: Path) -> None:
    """A legend of many classes, and a text of many lines."""
    lines = "\n".join(f"line {i}" for i in range(60))
    names = [f"a class whose name is rather long, of number {i}" for i in range(40)]
    page = visits.open(Made(tmp_path, "classification", names, texts={4: lines}).path)
    opened(page, "e04")
    assert violations(page) == []
    page.locator("tr.opened .whole").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("tr.opened .whole")).to_be_focused()


def test_what_is_chosen_is_seen_with_a_palette_of_the_systems(visits: Visits, made: dict[str, Made]) -> None:
    page = visits.open(made["classification"].path)
    page.emulate_media(forced_colors="active")
    opened(page, "e01")
    page.locator("tr.opened [data-action=drop]").click()
    ground = "e => getComputedStyle(e).backgroundColor"
    for chosen, other in (
        ("[data-action=drop]", "[data-action=ambiguous]"),
        (".switch label:has([value=pan])", ".switch label:has([value=box])"),
        (".why .for", ".why"),
    ):
        assert page.locator(chosen).first.evaluate(ground) != page.locator(other).first.evaluate(ground)


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_no_label_that_has_room_is_broken_in_two(visits: Visits, made: dict[str, Made], width: int) -> None:
    page = visits.open(made["multi-label"].path, width)
    lines = "names => names.map(name => { const range = new Range(); range.selectNodeContents(name);"
    lines += " return new Set([...range.getClientRects()].map(of => of.top)).size })"
    found = page.locator("td.of-predicted .chip bdi").evaluate_all(lines)
    assert found == [1] * len(found) != []


# --- pictures ----------------------------------------------------------------------------------------------

Shot = Callable[[Page, str], None]


@pytest.fixture
def shot(request: pytest.FixtureRequest) -> Shot:
    folder = request.config.getoption("--screenshots")
    if folder is None:
        pytest.skip("pictures are taken where --screenshots names a folder")

    def take(page: Page, name: str) -> None:
        page.screenshot(path=Path(folder) / name)

    return take


def test_the_report_has_its_pictures(visits: Visits, shot: Shot) -> None:
    """`pytest tests/test_browser.py -m slow --screenshots docs/images`, after `dvc repro`."""
    page = visits.open(Path(__file__).parents[1] / "reports/errors.html")
    shot(page, "what-to-fix.png")
    page.locator("#wb-colour").select_option("correctness")
    page.locator("#wb-filters [name=role]").select_option(label="test")
    page.evaluate("document.getElementById('examples').scrollIntoView()")
    page.wait_for_timeout(500)
    shot(page, "workbench.png")
    page.locator("#wb-table button.open").first.click()
    page.evaluate("document.querySelector('tr[aria-current]').scrollIntoView()")
    page.wait_for_timeout(500)
    shot(page, "row.png")
    assert page.locator("tr.opened .why").count() > 0
