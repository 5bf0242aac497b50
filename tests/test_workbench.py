"""What the workbench holds of the examples, before any browser sees it."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import numpy as np
import polars as pl
import pytest

from stages.lib.exceptions import DataError
from stages.lib.kinds import Kind
from stages.lib.pages import page_scripts
from stages.lib.pages.page_scripts import in_a_page, table_script
from stages.lib.pages.workbench import MARKERS, as_json, found_in, workbench_view
from stages.lib.pages.workbench_rows import Limits, characters_that_fit, is_hard, rows_to_hold, verdicts
from tests.made_errors import BASELINES, made_examples, made_tables, made_task

LIMITS = Limits(examples=20_000, seed=1, text_characters=600, text_megabytes=9.0)
KINDS = get_args(Kind)


def data_of(view: dict[str, Any]) -> Any:
    return json.loads(view["data"])


def held(kind: Any, n: int = 30, limits: Limits = LIMITS, **tables: Any) -> dict[str, Any]:
    task = made_task(kind)
    return workbench_view(made_examples(task, n), found_in(tables), task, BASELINES, limits)


# --- which examples ----------------------------------------------------------------------------------------


def test_few_enough_are_all_held_in_their_order() -> None:
    assert data_of(held("classification"))["rows"]["id"] == [f"e{i:02}" for i in range(30)]


@pytest.mark.parametrize("kind", ["classification", "multi-label"])
def test_of_too_many_all_mistakes_are_held_and_a_sample_of_the_others(kind: Kind) -> None:
    task = made_task(kind)
    examples = made_examples(task, 100)
    wrong = set(examples.filter(pl.col("label") != pl.col("predicted"))["id"])
    limits = LIMITS._replace(examples=40)
    rows = rows_to_hold(examples, {"e01", "e02"}, task, limits)
    assert len(rows) == 40
    assert wrong | {"e01", "e02"} <= set(rows["id"])
    assert rows["id"].to_list() == sorted(rows["id"])
    assert rows.equals(rows_to_hold(examples, {"e01", "e02"}, task, limits))
    assert not rows.equals(rows_to_hold(examples, {"e01", "e02"}, task, limits._replace(seed=2)))


def test_no_hard_one_is_left_out_even_where_there_are_too_many() -> None:
    task = made_task("classification")
    rows = rows_to_hold(made_examples(task, 100, wrong_every=1), set(), task, LIMITS._replace(examples=10))
    assert len(rows) == 100


def test_of_a_regression_the_largest_errors_are_hard() -> None:
    task = made_task("regression")
    examples = made_examples(task, 100)
    hard_N = is_hard(examples, task, 20)
    assert hard_N.sum() == 10
    assert examples.filter(hard_N)["loss"].min() == 2.5


def test_suspicious_labels_and_contradictory_copies_are_held(tmp_path: Path) -> None:
    task = made_task("classification")
    examples = made_examples(task, 100)
    tables = made_tables(task, examples)
    view = workbench_view(examples, found_in(tables), task, BASELINES, LIMITS._replace(examples=1))
    ids = set(data_of(view)["rows"]["id"])
    assert {f"e{i:02}" for i in range(0, 100, 10)} | {"e01", "e02"} <= ids
    assert (view["total"], view["n"]) == (100, len(ids))


def test_several_labels_are_partly_right() -> None:
    sets = [(["a"], ["a"]), ([], []), (["a", "b"], ["a"]), (["a"], ["b"]), (["a"], []), ([], ["a"])]
    schema = dict.fromkeys(("label", "predicted"), pl.List(pl.String))
    table = pl.DataFrame(sets, schema=schema, orient="row")
    assert verdicts(table).to_list() == [0, 0, 1, 2, 2, 2]


# --- their columns -----------------------------------------------------------------------------------------


def test_texts_are_cut_shorter_until_all_fit_and_their_length_is_told() -> None:
    texts = [pl.Series(["漢" * 1000] * 100, dtype=pl.String)]
    assert characters_that_fit(texts, LIMITS) == 600
    assert characters_that_fit(texts, LIMITS._replace(text_megabytes=0.1)) == 300
    view = held("classification", limits=LIMITS._replace(text_characters=10))
    rows = data_of(view)["rows"]
    assert {len(text) for text in rows["texts"][0]} == {10}
    assert min(rows["lengths"][0]) > 10
    assert view["cut"]
    assert not held("classification")["cut"]


@pytest.mark.parametrize("kind", KINDS)
def test_tables_that_are_not_there_are_empty_ones(kind: Kind) -> None:
    without = data_of(held(kind))
    empty: dict[str, Any] = {"slices": pl.DataFrame(), "label_issues": pl.DataFrame({"id": []})}
    assert without == data_of(held(kind, **empty))
    assert without["slices"] == []
    assert set(without["rows"]["x"]) == set(without["rows"]["rank"]) == {None}


@pytest.mark.parametrize("kind", KINDS)
def test_what_other_tables_say_stands_with_their_example(kind: Kind) -> None:
    task = made_task(kind)
    examples = made_examples(task, 30)
    tables = made_tables(task, examples)
    data = data_of(workbench_view(examples, found_in(tables), task, BASELINES, LIMITS))
    rows = data["rows"]
    assert rows["rank"] == tables["label_issues"]["rank"].to_list()
    assert rows["suggested"] == rows["predicted"]
    assert rows["x"][:10] == [None] * 10
    assert rows["x"][10:] == pytest.approx(tables["map"]["x"].to_list(), abs=0.001)
    assert [slice["rows"] for slice in data["slices"]] == [[0, 1, 2, 3, 4], list(range(1, 30, 3))]
    assert {place: [copy["id"] for copy in copies] for place, copies in data["contradictions"].items()} == {
        "1": ["left-out-1"],
        "2": ["left-out-2"],
    }


def test_a_copy_is_told_on_both_sides_and_once() -> None:
    task = made_task("classification")
    examples = made_examples(task, 4)
    pair = {"id": "e00", "role": "train", "label": "calm", "text": "one"}
    other = {"other_id": "e01", "other_role": "test", "other_label": "alarm", "other_text": "two"}
    turned = {"id": "e01", "role": "test", "label": "alarm", "text": "two"} | {
        f"other_{name}": value for name, value in pair.items()
    }
    table = pl.DataFrame([row | {"similarity": 1.0, "exact": True} for row in (pair | other, turned)])
    found = found_in({"contradictions": table})
    told = data_of(workbench_view(examples, found, task, BASELINES, LIMITS))["contradictions"]
    texts = {place: [copy["text"] for copy in copies] for place, copies in told.items()}
    assert texts == {"0": ["two"], "1": ["one"]}


def test_explanations_of_examples_that_are_not_held_are_left_out() -> None:
    task = made_task("classification")
    examples = made_examples(task, 9)
    table = made_tables(task, examples)["explanations"]
    stranger = table.head(1).with_columns(id=pl.lit("stranger"))
    found = found_in({}, pl.concat([table, stranger]), "a method")
    data = data_of(workbench_view(examples, found, task, BASELINES, LIMITS))
    assert (set(data["why"]), data["method"]) == ({"0", "1", "2"}, "a method")
    assert max(abs(weight) for _, _, weight in data["why"]["0"][0]["words"]) == 1000


def test_marks_are_kept_for_these_labels_and_no_others() -> None:
    task = made_task("classification")
    examples = made_examples(task, 9)
    digests = {
        data_of(workbench_view(table, found_in({}), task, BASELINES, limits))["digest"]
        for table in (examples, examples.with_columns(loss=pl.lit(1.0)))
        for limits in (LIMITS, LIMITS._replace(text_characters=10))
    }
    assert len(digests) == 1
    corrected = examples.with_columns(label=pl.lit("calm"))
    assert data_of(workbench_view(corrected, found_in({}), task, BASELINES, LIMITS))["digest"] not in digests


@pytest.mark.parametrize("kind", KINDS)
def test_no_example_at_all_is_a_workbench_still(kind: Kind) -> None:
    task = made_task(kind)
    view = workbench_view(made_examples(task, 6).head(0), found_in({}), task, BASELINES, LIMITS)
    assert (view["n"], data_of(view)["rows"]["id"]) == (0, [])


# --- as it stands in the page ------------------------------------------------------------------------------


def test_no_text_ends_the_element_that_it_stands_in() -> None:
    data = {"text": "</script><script>alert(1)</script> <!-- \u2028"}
    assert "<" not in as_json(data)
    assert json.loads(as_json(data)) == data


def test_scripts_do_not_end_early() -> None:
    assert in_a_page("if (a) '</script>' + /<!--/.test(b)") == r"if (a) '\x3c/script>' + /\x3c!--/.test(b)"
    view = held("classification")
    for script in view["scripts"]:
        assert not re.search(r"</script|<!--", script.text, re.IGNORECASE)


def test_the_policy_allows_these_scripts_and_no_others() -> None:
    view = held("classification")
    assert view["policy"].split() == [script.source for script in view["scripts"]]
    assert re.fullmatch(r"('sha256-[\w+/]{43}=' ?)+", view["policy"])
    assert [script.kind for script in view["scripts"]] == [*["text/javascript"] * 3, "module"]


def test_a_bundle_that_hands_on_no_jquery_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "html").mkdir()
    (tmp_path / "html/dt_bundle.js").write_text("export{a as ITable};", encoding="utf-8")
    monkeypatch.setattr(page_scripts, "folder_of", lambda package: tmp_path)
    with pytest.raises(DataError, match=r"dt_bundle\.js: no `export\{\.\.\. as jQuery\}` in it"):
        table_script()


def test_a_package_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match="no_such_package: not installed"):
        page_scripts.folder_of("no_such_package")


@pytest.mark.slow
def test_the_same_tables_are_the_same_bytes_within_15_megabytes() -> None:
    """At 20,000 examples of 170 characters; bench/page.py opens such a page."""
    task = made_task("classification")
    examples = made_examples(task, 20_000, words=26)
    assert examples["text_original"].str.len_chars().sum() > 150 * 20_000
    tables = made_tables(task, examples)
    views = [workbench_view(examples, found_in(tables), task, BASELINES, LIMITS) for _ in range(2)]
    assert views[0] == views[1]
    size = sum(len(script.text.encode()) for script in views[0]["scripts"]) + len(views[0]["data"].encode())
    assert size < 15e6


def test_markers_are_seven_shapes() -> None:
    assert len({*MARKERS.values()}) == len(MARKERS) == 7
    assert np.unique([shape["path"] for shape in data_of(held("regression"))["looks"]["markers"]]).size == 7
