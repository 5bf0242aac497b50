"""What the benches keep and what their page says: medians, spread, and nothing that was not measured."""

import gc
import json
import re
from pathlib import Path

import pytest

from bench import PYTHONS_OWN, handover, measuring, nothing_to_do, predict, results
from bench import __main__ as bench
from bench.measuring import Kept, Pairs, Row, Told, in_figures, in_pairs, in_words, record
from commands.lib.exported import Exported

ROOT = Path(__file__).parents[1]
ROW = Row(
    work="sort a list",
    peer="bubble sort",
    data="1,000 numbers",
    ours=[1.0, 3.0, 2.0],
    theirs=[4.0, 9.0, 10.0],
    figures=[4.0, 3.0, 5.0],
    unit="times as fast",
    goal=4,
    wanted="at least",
    predicted="5 times, since it is n log n.",
    why_not="the list is short.",
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test writes to what was really measured."""
    monkeypatch.setattr(measuring, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(bench, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(results, "WRITTEN", tmp_path / "RESULTS.md")
    return tmp_path


def page(**modules: list[Row]) -> str:
    found = {
        name: Kept(commit="abc1234", machine="a machine", versions={"polars": "1"}, rows=rows, details="")
        for name, rows in modules.items()
    }
    return "\n".join(results.page(found))


@pytest.mark.parametrize(
    ("wanted", "figures", "won"),
    [
        ("at least", [3.9, 4.0, 9.0], True),
        ("at least", [3.9, 3.9, 9.0], False),
        ("at most", [1.0, 4.0, 9.0], True),
        ("at most", [1.0, 4.1, 4.2], False),
    ],
)
def test_the_median_decides(wanted: str, figures: list[float], won: bool) -> None:
    row = Row.model_validate(ROW.model_dump() | {"wanted": wanted, "figures": figures})
    assert row.won == won
    assert ("**not won**" in page(cleaning=[row])) != won
    assert ("NOT WON" in measuring.told(row)) != won


def test_a_row_that_is_not_won_gives_its_reason() -> None:
    lost = ROW.model_copy(update={"figures": [2.0]})
    assert "Not won: the list is short." in page(cleaning=[lost])
    assert "Not won: no reason given." in page(cleaning=[lost.model_copy(update={"why_not": ""})])
    assert "the list is short" not in page(cleaning=[ROW])


def test_a_line_has_the_medians_and_the_spread() -> None:
    assert (
        "| sort a list | 1,000 numbers | bubble sort | 2 s | 9 s | 4 times as fast (3 to 5, 3 rounds) "
        "| at least 4 | won |" in page(cleaning=[ROW])
    )


def test_a_row_without_figures_is_refused() -> None:
    with pytest.raises(ValueError, match="figures"):
        Row.model_validate(ROW.model_dump() | {"figures": []})


def test_a_bar_within_a_cell_is_no_border() -> None:
    line = results.line(ROW.model_copy(update={"work": "a|b"}))
    assert len(re.findall(r"(?<!\\)\|", line)) == 9


def test_figures_are_three_and_all_before_the_point() -> None:
    values = (0.012345, 1.2345, 99.94, 100.4, 2_345_678.9)
    assert [in_figures(value) for value in values] == ["0.0123", "1.23", "99.9", "100", "2,345,679"]
    assert in_words([2.0], "%") == "2 %"


def test_ours_and_theirs_take_turns() -> None:
    order: list[str] = []
    pairs = in_pairs(lambda: order.append("A"), lambda: order.append("B"), 3)
    assert "".join(order) == "ABABAB"
    assert len(pairs.ours) == len(pairs.theirs) == 3


def test_theirs_knows_nothing_of_how_stages_look_for_garbage() -> None:
    import stages  # noqa: F401  # sets it

    seen = []
    in_pairs(lambda: seen.append(gc.get_threshold()), lambda: seen.append(gc.get_threshold()), 2)
    ours, theirs = set(seen[::2]), set(seen[1::2])
    assert ours == {gc.get_threshold()}
    assert theirs == {PYTHONS_OWN}


def test_ratios_are_of_the_pairs() -> None:
    pairs = Pairs([1.0, 2.0], [3.0, 2.0])
    assert pairs.times_as_fast == [3.0, 1.0]
    assert pairs.times_as_long == [1 / 3, 1.0]


def test_a_row_of_pairs_has_their_ratios_and_what_is_wanted_of_such() -> None:
    pairs = Pairs(ROW.ours, ROW.theirs)
    told = Told(
        work=ROW.work, peer=ROW.peer, data=ROW.data, goal=4, predicted=ROW.predicted, why_not=ROW.why_not
    )
    assert Row.of_pairs(pairs, "times as fast", **told) == ROW
    slow = Row.of_pairs(pairs, "times as long", **told)
    assert (slow.ours, slow.theirs, slow.figures) == (ROW.ours, ROW.theirs, [1 / 4, 1 / 3, 1 / 5])
    assert (slow.unit, slow.wanted) == ("times as long", "at most")


def test_what_was_kept_is_what_stands_on_the_page(elsewhere: Path) -> None:
    record("cleaning", [ROW], "Where the time goes.")
    results.main()
    written = results.WRITTEN.read_text(encoding="utf-8")
    assert results.line(ROW) in written
    assert "Where the time goes." in written
    assert measuring.commit() in written
    assert measuring.processor() in written


def test_rows_stand_in_the_order_of_the_issues_table_and_unknown_ones_last() -> None:
    modules = {name: [ROW.model_copy(update={"work": f"work of {name}"})] for name in results.MODULES}
    text = page(**dict(sorted(modules.items(), reverse=True)), another=[ROW])
    places = [text.index(f"| work of {name} |") for name in results.MODULES]
    assert places == sorted(places)
    assert places[-1] < text.index("| sort a list |")


def test_a_module_that_left_nothing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert "**Not measured** in this run: words" in page(
        **{name: [ROW] for name in results.MODULES if name != "words"}
    )
    assert "Not measured" not in page(**{name: [ROW] for name in results.MODULES})
    record("words", [ROW])
    results.main()
    assert "not measured: cleaning" in capsys.readouterr().out


def test_two_machines_are_told_apart() -> None:
    here = Kept(commit="a", machine="two cores", versions={"polars": "1"}, rows=[ROW], details="")
    there = here.model_copy(update={"machine": "a GPU"})
    text = "\n".join(results.page({"cleaning": here, "gpu": there}))
    assert "two cores (cleaning)" in text
    assert "a GPU (gpu)" in text


def test_every_module_is_run_or_its_reason_said() -> None:
    modules = {path.stem for path in (ROOT / "bench").glob("*.py") if not path.stem.startswith("__")}
    folders = {path.parent.name for path in (ROOT / "bench").glob("*/__main__.py")}
    assert set(results.MODULES) | set(results.APART) == modules | folders
    assert not set(results.MODULES) & set(results.APART)


def test_every_module_that_is_run_records_under_its_name() -> None:
    for name in results.MODULES:
        code = (ROOT / f"bench/{name}.py").read_text(encoding="utf-8")
        assert re.search(rf'record\(\s*"{name}"', code), name


def test_one_that_fails_costs_no_other_its_results(monkeypatch: pytest.MonkeyPatch) -> None:
    record("words", [ROW])
    record("cleaning", [ROW])

    def run(name: str) -> bool:
        if name != "words":
            record(name, [ROW])
        return name != "words"

    monkeypatch.setattr(bench, "measured", run)
    with pytest.raises(SystemExit, match="failed: words"):
        bench.main(["words", "scale"])
    assert set(measuring.kept()) == {"cleaning", "scale"}  # words' old row is none of this run
    assert results.WRITTEN.is_file()


def test_all_of_them_begin_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    record("gone", [ROW])
    record("gate", [ROW])  # run by hand, and so is what it left

    def run(name: str) -> bool:
        record(name, [ROW])
        return True

    monkeypatch.setattr(bench, "measured", run)
    bench.main([])
    assert set(measuring.kept()) == {*results.MODULES, "gate"}


def test_an_unknown_module_is_refused_before_any_runs() -> None:
    with pytest.raises(SystemExit, match="no module wrods; there are cleaning, words"):
        bench.main(["wrods", "cleaning"])


def test_kept_files_hold_every_round(elsewhere: Path) -> None:
    record("cleaning", [ROW])
    found = json.loads((elsewhere / "kept/cleaning.json").read_text(encoding="utf-8"))
    assert found["rows"][0]["ours"] == ROW.ours
    assert set(found["versions"]) == {*measuring.PACKAGES, "Python"}


def test_speeds_stand_under_their_own_heads_whatever_the_order_in_the_file() -> None:
    """JSON is written with its keys sorted, which puts the 99th percentile before the median."""
    speed = {
        "texts_per_second": 1234.5,
        "milliseconds_99th": 9.0,
        "milliseconds_median": 3.0,
        "megabytes": 90.5,
    }
    exported = Exported(
        inputs=[], padding_id=0, weights={}, int8="no loss", report={"speed": {"torch": speed}}
    )
    head, _, line = predict.details(exported).splitlines()[2:]
    assert head == "| | MB | ms a text, median | 99th percentile | texts a second |"
    assert line == "| torch | 90.5 | 3.0 | 9.0 | 1,234.5 |"


def test_imports_are_told_by_stage_and_package() -> None:
    lines = ["Running stage 'clean':", "import time: self [us] | cumulative | imported package"]
    lines += [
        "import time:    250000 |     250000 |     numpy.linalg",
        "import time:    500000 |     900000 | numpy",
    ]
    lines += ["Running stage 'split':", lines[1], "import time:   1000000 |    1000000 |   scipy", ""]
    found = handover.import_seconds("\n".join(lines))
    assert found == {"clean": {"numpy": 0.75}, "split": {"scipy": 1.0}}
    told = handover.packages(found)
    assert (
        told
        == "Of 1.8 s of imports: scipy 1.0 s (1 of 2 stages), numpy 0.8 s (1 of 2 stages); all others 0.0 s."
    )


def test_deps_on_code_are_told_from_deps_on_data_in_dvc_yaml_and_dvc_lock() -> None:
    code: list[str | dict[str, str]] = ["stages/clean.py", {"path": "stages/lib/task.py", "md5": "0"}]
    data: list[str | dict[str, str]] = ["data/tokens.arrow", {"path": "data/splits.parquet", "md5": "0"}]
    assert [*map(nothing_to_do.is_code, [*code, *data])] == [True, True, False, False]
