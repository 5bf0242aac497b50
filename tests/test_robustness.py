import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.lib.behaviour.changes import CHANGES
from stages.lib.behaviour.labelling import labeller
from stages.lib.behaviour.said import names_said
from stages.lib.encoders.served import read_served
from stages.lib.exceptions import ConfigError, DataError
from stages.lib.kinds import Kind
from stages.lib.statistics.wilson import wilson
from stages.lib.tables import write_parquet
from stages.lib.task import write_task
from stages.robustness import describe, main, sampled
from tests.predicted import task_of
from tests.tiny import ROOT, set_knobs
from tests.tiny_model import write_model

LABELS = ["calm", "alarm"]
TEXTS = [
    "Fire in the town.",
    "Coffee today",
    "we saw smoke near the street https://t.co/abc",
    "城里着火了",
    "🔥🔥",
    "sirens",
]
KNOBS: dict[str, Any] = {"roles": ["test"], "examples": 6, "score_tolerance": 0.0, "batch_tokens": 60}
LABELS_OF: dict[Kind, list[Any]] = {
    "classification": ["calm", "alarm"],
    "regression": [1.0, 4.0],
    "multi-label": [[], ["alarm"]],
}
STEPS: list[str | dict[str, str]] = ["lowercase", "whitespace"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    return tmp_path


def lay_out(kind: Kind, *, texts: list[str], pair: bool = False) -> None:
    """Two training rows, each text a test row, one test row that was left out and one unlabelled row."""
    columns: list[str | list[str]] = ["text", "hypothesis"] if pair else ["text"]
    write_model(Path("model"), STEPS, LABELS, columns, kind=kind, label_threshold=0.49)
    write_task(task_of(LABELS, kind=kind, pair="hypothesis" if pair else None), Path("task.json"))
    roles = ["train", "train", *["test"] * len(texts), "test", "unlabelled"]
    labels = [LABELS_OF[kind][place % 2] for place in range(len(roles) - 1)] + [None]
    written = ["calm", "fire", *texts, "left out", "new"]
    table = pl.DataFrame(
        {
            "id": [f"{role}-{place}" for place, role in enumerate(roles)],
            "role": roles,
            "label": labels,
            "text_original": written,
            "text": [text.lower() for text in written],
            "left_out": [None] * (len(roles) - 2) + ["copy", None],
        },
        schema_overrides={"left_out": pl.String},
    )
    if pair:
        second = pl.Series(["", *written[1:]]).reverse()
        table = table.with_columns(text_pair_original=second, text_pair=second.str.to_lowercase())
    write_parquet(table, Path("splits.parquet"))


def robustness(
    kind: Kind = "classification",
    expectations: list[dict[str, Any]] | None = None,
    texts: list[str] = TEXTS,
    pair: bool = False,
    **knobs: Any,
) -> tuple[pl.DataFrame, dict[str, Any]]:
    set_knobs(Path(), {"robustness": KNOBS | knobs})
    if not Path("splits.parquet").exists():
        lay_out(kind, texts=texts, pair=pair)
    Path("expectations.json").write_text(json.dumps(expectations or []))
    ins = {name: Path(f"{name}.json") for name in ("task", "expectations")}
    ins |= {"splits": Path("splits.parquet"), "model": Path("model")}
    main(**ins, robustness=Path("robustness.parquet"), metrics=Path("robustness.json"))
    return pl.read_parquet("robustness.parquet"), json.loads(Path("robustness.json").read_text())


@pytest.mark.parametrize("kind", LABELS_OF)
def test_each_change_of_each_text_is_a_row_whose_counts_are_the_figures(kind: Kind, folder: Path) -> None:
    table, found = robustness(kind)
    assert list(found) == sorted(CHANGES)
    assert set(table["id"]) == {f"test-{place}" for place in range(2, 8)}
    assert table.select("id", "change").is_unique().all()
    for name, of in found.items():
        rows = table.filter(pl.col("change") == name)
        assert (of["kind"], of["n"], of["flips"]) == ("invariance", len(rows), rows["flipped"].sum())
        assert of["rate"] == pytest.approx(of["flips"] / of["n"], abs=1e-6)
        low_high = wilson(of["flips"], of["n"], 0.95)
        assert (of["low"], of["high"]) == pytest.approx(low_high, abs=1e-6)
        assert rows["as_expected"].null_count() == len(rows)
    assert (table["probability_before"].null_count() == 0) == (kind == "classification")


@pytest.mark.slow
@pytest.mark.parametrize("kind", LABELS_OF)
@pytest.mark.parametrize("pair", [False, True])
def test_what_is_said_is_what_the_served_model_says_of_the_text_as_written(
    kind: Kind, pair: bool, folder: Path
) -> None:
    table, _ = robustness(kind, pair=pair)
    served = read_served(Path("model"))
    say = labeller(Path("model"), served, 4096)
    columns = ["text", "text_pair"] if pair else ["text"]
    after = names_said(served, say(table.select(columns)))
    originals = table.select("id").join(pl.read_parquet("splits.parquet"), on="id", maintain_order="left")
    before = names_said(served, say(originals.select(f"{name}_original" for name in columns)))
    assert table.schema["before"] == table.schema["after"] == table.schema["label"]
    assert table["label"].to_list() == originals["label"].to_list()
    if kind == "regression":
        assert table["after"].to_list() == pytest.approx(after.to_list(), abs=1e-5)
        assert table["before"].to_list() == pytest.approx(before.to_list(), abs=1e-5)
        assert table["flipped"].any()
    else:
        assert table["after"].to_list() == after.to_list()
        assert table["before"].to_list() == before.to_list()
        assert table["flipped"].to_list() == (before != after).to_list()
    assert table["flipped"].any() or kind == "classification"


def test_of_a_pair_one_text_changes_and_either_does(folder: Path) -> None:
    table, _ = robustness(pair=True)
    joined = table.join(pl.read_parquet("splits.parquet"), on="id", maintain_order="left", suffix="_cleaned")
    first = joined["text"] != joined["text_original"]
    second = joined["text_pair"] != joined["text_pair_original"]
    assert (first ^ second).all()
    always_possible = joined["change"].is_in(["added_link", "added_mention"])
    assert (first & always_possible).any()
    assert (second & always_possible).any()


def test_what_cleaning_undoes_is_counted_and_flips_nothing(folder: Path) -> None:
    table, found = robustness("regression")
    for name in ("upper_case", "white_space"):  # the model's cleaning lower-cases and squeezes
        rows = table.filter(pl.col("change") == name)
        assert (found[name]["unread"], found[name]["flips"]) == (found[name]["n"], 0)
        assert rows["before"].to_list() == rows["after"].to_list()
    assert (found["added_mention"]["unread"], found["added_link"]["unread"]) == (0, 1)  # of a text cut before


def test_a_score_flips_when_it_moves_by_more_than_the_tolerance(folder: Path) -> None:
    table, _ = robustness("regression")
    moved = (table["after"] - table["before"]).abs()
    half = float(moved.filter(moved > 0).median())  # type: ignore[arg-type]
    again, _ = robustness("regression", score_tolerance=half / 1.5)  # training labels are 1 and 4
    assert again["flipped"].to_list() == (moved > half).to_list()
    assert again["flipped"].any()
    assert not again["flipped"].all()


@pytest.mark.parametrize("kind", LABELS_OF)
def test_an_expectation_is_tried_where_it_can_come_true(kind: Kind, folder: Path) -> None:
    of = {} if kind == "regression" else {"label": "alarm"}
    shapes = {"up": {"moves": "up"} | of, "down": {"moves": "down"} | of}
    if kind != "regression":
        shapes["becomes"] = {"becomes": "alarm"}
    given = [
        {"name": name, "pattern": "(?i)fire|coffee|saw", "replacement": "smoke $0", "expect": expect}
        for name, expect in shapes.items()
    ]
    table, found = robustness(kind, given, changes=[])
    assert set(found) == set(shapes)
    has_it = {"test-3", "test-5", "test-7"}  # of those, by turns, that are labelled alarm
    for name in shapes:
        rows = table.filter(pl.col("change") == name)
        assert set(rows["kind"]) == {"direction"}
        assert all("smoke" in text for text in rows["text"])
        changed = {"test-2", "test-3", "test-4"}
        if kind != "regression":
            changed = changed & has_it if name == "down" else changed - has_it
        assert set(rows["id"]) == changed
        assert rows["as_expected"].null_count() == 0
        assert found[name]["as_expected"] == rows["as_expected"].sum()


def test_moving_up_is_more_probable_than_before(folder: Path) -> None:
    names = {"up": "up", "down": "down"}
    given = [
        {"name": name, "pattern": "$", "replacement": " fire", "expect": {"label": "alarm", "moves": moves}}
        for name, moves in names.items()
    ]
    table, _ = robustness(expectations=given, changes=[])
    served = read_served(Path("model"))
    probability = labeller(Path("model"), served, 4096)(table.select("text"))[:, 1]
    assert table["probability_after"].to_list() == pytest.approx(probability.tolist(), abs=1e-5)
    rose = (table["probability_after"] > table["probability_before"]).to_list()
    goes_up = (table["change"] == "up").to_list()
    assert table["as_expected"].to_list() == [a == b for a, b in zip(rose, goes_up, strict=True)]


def test_an_expectation_of_the_second_text_changes_that_alone(folder: Path) -> None:
    expect = {"label": "alarm", "moves": "up"}
    given = [{"name": "n", "column": "text_pair", "pattern": "^", "replacement": "fire ", "expect": expect}]
    table, _ = robustness(expectations=given, pair=True, changes=[])
    assert len(table)
    assert all(text.startswith("fire ") for text in table["text_pair"])
    assert not any(text.startswith("fire ") for text in table["text"])


def test_a_sample_goes_by_the_id_so_that_more_rows_move_few() -> None:
    few = pl.DataFrame({"id": [f"{n}" for n in range(1000)]})
    more = pl.DataFrame({"id": [f"{n}" for n in range(-10, 1000)]})
    before, after = (set(sampled(table, 100, 13)["id"]) for table in (few, more))
    assert len(before) == len(after) == 100
    assert len(before & after) >= 95
    assert sampled(few, 100, 13)["id"].to_list() != few["id"][:100].to_list()
    assert set(sampled(few, 100, 14)["id"]) != before
    assert sampled(few, 5000, 13).equals(few)


def test_the_same_inputs_give_the_same_bytes(folder: Path) -> None:
    robustness()
    before = [Path(name).read_bytes() for name in ("robustness.parquet", "robustness.json")]
    robustness()
    assert [Path(name).read_bytes() for name in ("robustness.parquet", "robustness.json")] == before


def test_it_says_what_flips_most(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, found = robustness("regression")
    most = max(found, key=lambda name: found[name]["rate"])
    told = capsys.readouterr().out
    assert told.startswith("robustness: 7 changes of 6 test examples; most flips by ")
    assert f"{100 * found[most]['rate']:.1f} % [" in told


def test_where_nothing_flips_no_change_is_named() -> None:
    of = {"kind": "invariance", "n": 1, "flips": 0, "rate": 0.0, "low": 0.0, "high": 0.79}
    told = describe({"lower_case": of}, pl.DataFrame({"role": ["test"]}))
    assert told == "robustness: 1 changes of 1 test examples; none flips a prediction"


def test_texts_that_nothing_changes_are_said_and_no_fault(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, found = robustness(texts=["1 2", "3"], changes=["upper_case", "typing_errors"])
    assert len(table) == 0
    counts = {"n": 0, "unread": 0, "flips": 0}
    assert found["upper_case"] == {"kind": "invariance", "rate": None, "low": None, "high": None} | counts
    assert capsys.readouterr().out == "robustness: 2 changes of 2 test examples\n"


def test_a_very_long_text_is_changed_like_any_other(folder: Path) -> None:
    table, _ = robustness(texts=["Smoke and fire. " * 6250, "calm"])
    assert table.filter(pl.col("id") == "test-2")["text"].str.len_chars().max() >= 100_000  # type: ignore[operator]


def test_a_role_without_labels_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"robustness.roles: found 'unlabelled'; labelled .* have train"):
        robustness(roles=["unlabelled"])


def test_an_expectation_that_bears_the_name_of_a_change_is_refused(folder: Path) -> None:
    expect = {"becomes": "calm"}
    given = [{"name": "upper_case", "pattern": "a", "replacement": "b", "expect": expect}]
    with pytest.raises(ConfigError, match=r"'upper_case' is the name of one of robustness.changes too"):
        robustness(expectations=given)


def test_a_change_that_does_not_exist_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"robustness.changes.0: found 'uper_case'"):
        robustness(changes=["uper_case"])
    with pytest.raises(ConfigError, match="a name stands there twice"):
        robustness(changes=["upper_case", "upper_case"])
