import json
import re
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

from stages import profile, tokenize
from stages.lib.encoders.traits import Traits, write_traits
from stages.lib.pages.plots import write_png
from stages.lib.profile import profile_plots
from stages.lib.profile.length_statistics import length_histogram, length_statistics, with_lengths
from stages.lib.profile.shown_drift import drift_findings
from stages.lib.profile.shown_frequencies import frequency_findings, label_frequencies
from stages.lib.profile.shown_lengths import Limits
from stages.lib.profile.training_examples import training_examples
from stages.lib.roles import in_order
from stages.lib.statistics.groups import groups_of
from stages.lib.tables import in_use, write_json, write_parquet
from stages.lib.task import Task, write_task
from tests.outline import Outline
from tests.predicted import LABELS, SCORES, SETS, as_splits, splits_of, task_of
from tests.tiny import write_encoder

PARAMS = """\
profile:
  seed: 1
  examples_per_label: 1
  words_per_label: 3
  pairs_of_copies: 5
  rows_per_reason: 2
  text_characters: 80
  sampled_texts: 20
  histogram_bins: 4
tokenize:
  max_tokens: 24
  keep: head
"""
HOSTILE = "</p></section><script>alert(1)</script><img src=http://evil.example/x.png onerror=alert(2)>"
BIDI = "\u202egnirts desrever \u2066never closed"
COPIES: dict[str, Any] = dict.fromkeys(("id", "role", "label", "left_out"), pl.String)
COPIES |= dict.fromkeys(("other_id", "other_role", "other_label"), pl.String)
COPIES |= {"exact": pl.Boolean, "similarity": pl.Float64, "agree": pl.Boolean}
REJECTED: Any = {"file": pl.String, "line": pl.Int64, "row": pl.String, "reason": pl.String}
WORDS: dict[str, Any] = {
    "rows": 10,
    "before": {"tokens": 90, "distinct": 40, "frequent": {"all": [["the", 9]], "calm": [["<b>sea</b>", 3]]}},
    "after": {"tokens": 70, "distinct": 30, "frequent": {"all": [["sea", 4]], "calm": [["sea", 3]]}},
}
DRIFT: dict[str, Any] = {
    "drift": {
        "test": {
            "lengths": {"median": 30.0, "median_in_train": 14.0, "more_than_chance": True, "p": 1e-9},
            "new_words": {"share": 0.5, "expected": 0.12, "more_than_chance": True, "p": 1e-9},
            "texts": 888,
        },
        "validation": {"texts": 1},
        "calm": {
            "lengths": {"median": 15.0, "median_in_train": 14.0, "more_than_chance": False, "p": 0.3},
            "new_words": {"share": 0.13, "expected": 0.12, "more_than_chance": False, "p": 0.2},
            "texts": 99,
        },
    },
    "shares": {"test": {"label": "alarm", "share": 0.9, "share_in_train": 0.5, "p": 1e-4}},
}


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder") / "encoder"
    write_encoder(folder)
    write_traits(Traits(shape="encoder", room=64, type_ids=True), folder)
    write_json({"name": "tiny"}, folder / "provenance.json")
    return folder


@pytest.fixture
def project(tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS, encoding="utf-8")
    (tmp_path / "encoder").symlink_to(tiny_encoder)
    write_found(tmp_path)
    write_data(tmp_path, task_of(), splits_of({"a": HOSTILE}))
    return tmp_path


def write_found(
    folder: Path, rejected: Any = (), copies: Any = (), words: Any = WORDS, drift: Any = MappingProxyType({})
) -> None:
    """What other stages found out."""
    write_parquet(pl.DataFrame(rejected, schema=REJECTED, orient="row"), folder / "rejected.parquet")
    write_parquet(pl.DataFrame(copies, schema=COPIES, orient="row"), folder / "copies.parquet")
    write_json({"words": words}, folder / "clean.json")
    write_json({"drift": {}, "shares": {}, "moved": {}, "made_by": {}, **drift}, folder / "split.json")


def write_data(folder: Path, task: Task, splits: pl.DataFrame) -> None:
    write_task(task, folder / "task.json")
    write_parquet(splits, folder / "splits.parquet")
    tokenize.main(
        task=folder / "task.json",
        splits=folder / "splits.parquet",
        encoder=folder / "encoder",
        tokens=folder / "tokens.arrow",
        metrics=folder / "tokenize.json",
    )


def run_stage(folder: Path, name: str = "profile") -> str:
    """The page."""
    profile.main(
        task=folder / "task.json",
        rejected=folder / "rejected.parquet",
        cleaning=folder / "clean.json",
        splits=folder / "splits.parquet",
        copies=folder / "copies.parquet",
        splitting=folder / "split.json",
        encoder=folder / "encoder",
        tokens=folder / "tokens.arrow",
        plots=folder / name,
        page=folder / f"{name}.html",
        metrics=folder / f"{name}.json",
    )
    return (folder / f"{name}.html").read_text(encoding="utf-8")


def numbers_of(folder: Path) -> Any:
    return json.loads((folder / "profile.json").read_text(encoding="utf-8"))


def shown_text(page: str) -> str:
    """As a person reads it, without the marks that keep names apart."""
    apart = re.sub(r"</(td|th|p|li|summary|h\d)>", r"\g<0> ", page)
    return " ".join(Outline(apart).text.translate({0x2068: None, 0x2069: None}).split())


def splits_of_kind(rows: list[Any], **options: Any) -> pl.DataFrame:
    return as_splits(pl.DataFrame(rows, schema=["id", "role", "label", "said"], orient="row"), **options)


def made_up(kind: str) -> tuple[Task, pl.DataFrame]:
    """The made-up project of a kind."""
    if kind == "regression":
        return task_of(kind="regression"), splits_of_kind(SCORES, texts=None)
    if kind == "multi-label":
        return task_of(kind="multi-label"), splits_of_kind(SETS, texts=None)
    if kind == "pair":
        return task_of(kind="regression", pair="second"), splits_of_kind(SCORES, texts=None, pair="second")
    return task_of(), splits_of()


KINDS = ["classification", "pair", "regression", "multi-label"]


def labelled_of(kind: str) -> tuple[pl.DataFrame, Task]:
    task, splits = made_up(kind)
    return in_use(splits).filter(pl.col("label").is_not_null()), task


def frequencies_of(kind: str) -> pl.DataFrame:
    labelled, task = labelled_of(kind)
    return label_frequencies(labelled, groups_of(labelled["label"], task))


# --- rows --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_row_of_the_source_is_in_use_left_out_or_rejected(project: Path) -> None:
    write_found(project, rejected=[("train.csv", 7, '{"text": ""}', "text is empty")])
    text = shown_text(run_stage(project))
    assert "9 rows in use of 11: 2 train, 2 validation, 4 test, 1 unlabelled" in text
    assert "train 2 2 1 copies c (1)" in text
    numbers = numbers_of(project)
    assert (numbers["examples"], numbers["left_out"], numbers["rejected"]) == (9, 1, 1)


def test_roles_stand_in_the_order_of_their_use() -> None:
    roles = ["unlabelled_b", "mismatched", "test", "unlabelled", "validation", "train"]
    assert in_order(roles) == ["train", "validation", "test", "mismatched", "unlabelled_b", "unlabelled"]


def test_missing_values_are_counted_by_column_and_role(project: Path) -> None:
    splits = splits_of().with_columns(
        place=pl.when(pl.col("id").is_in(["a", "e"])).then(None).when(pl.col("id") == "f").then(pl.lit(" ")),
        text=pl.when(pl.col("id") == "g").then(pl.lit("")).otherwise("text"),
        label=pl.when(pl.col("id") == "b").then(None).otherwise("label"),
        left_out=pl.when(pl.col("id") == "b").then(pl.lit("no label")).otherwise("left_out"),
    )
    splits = splits.with_columns(place=pl.col("place").fill_null("Oslo").replace("Oslo", None))
    write_data(project, task_of(kept=("place",)), splits)
    page = run_stage(project)
    missing = numbers_of(project)["missing"]
    assert missing["target"] == {"train": 1, "validation": 0, "test": 0, "unlabelled": 0}
    assert missing["text"] == {"train": 0, "validation": 0, "test": 1, "unlabelled": 0}
    assert missing["place"]["test"] == 4  # none, and white space alone
    assert "1 text is empty once cleaned" in shown_text(page)
    assert "Rows of train have no label and are left out." in shown_text(page)


def test_nothing_missing_says_so(project: Path) -> None:
    assert "None: every column that is read has a value in every row." in shown_text(run_stage(project))


def test_rejected_rows_stand_by_reason_with_their_places_and_are_cut(project: Path) -> None:
    rows: list[Any] = [("train.csv", n, f"{HOSTILE} {n} " + "x" * 100, "text is empty") for n in (3, 5, 8)]
    rows += [("hub@1:train", None, "{}", f"label {BIDI!r} is none of <these>")]
    write_found(project, rejected=rows)
    page = run_stage(project)
    outline, text = Outline(page), shown_text(page)
    assert outline.open == []
    assert "script" not in {tag for tag, _ in outline.tags}
    assert "3 text is empty" in text
    assert "train.csv:3" in text
    assert "train.csv:5" in text
    assert "train.csv:8" not in text  # rows_per_reason: 2
    assert "hub@1:train" in text
    assert "4 of the source’s 14 rows were rejected." in text
    assert "x" * 100 not in page
    assert text.index("text is empty") < text.index("is none of <these>")


# --- labels ------------------------------------------------------------------------------------------------


def test_frequencies_have_every_class_of_every_labelled_role_and_sum_to_one() -> None:
    frequencies = frequencies_of("classification")
    assert frequencies["role"].unique(maintain_order=True).to_list() == ["train", "validation", "test"]
    assert frequencies["label"].to_list() == LABELS * 3
    assert frequencies["count"].to_list() == [1, 1, 0, 1, 1, 0, 1, 2, 1]
    assert frequencies.group_by("role").agg(pl.col("share").sum())["share"].to_list() == pytest.approx(
        [1, 1, 1]
    )


def test_scores_are_counted_by_range() -> None:
    test = frequencies_of("regression").filter(pl.col("role") == "test")
    assert test.select("label", "count", "share").rows() == [
        ("0 to 1", 1, 0.25),
        ("1 to 2", 0, 0),
        ("2 to 3", 1, 0.25),
        ("3 to 4", 0, 0),
        ("4 to 5", 2, 0.5),
    ]


def test_a_row_counts_for_each_of_its_labels_and_those_without_any_are_told() -> None:
    test = frequencies_of("multi-label").filter(pl.col("role") == "test")
    assert test.select("label", "count", "share").rows() == [
        ("calm", 3, 0.75),
        ("alarm", 2, 0.5),
        ("other", 0, 0),
        ("(none)", 1, 0.25),
    ]


def found_of(counts: dict[str, list[int]]) -> str:
    cells = [
        (role, label, n, 0.0) for role, of in counts.items() for label, n in zip(LABELS, of, strict=True)
    ]
    schema = {"role": pl.String, "label": pl.String, "count": pl.Int64, "share": pl.Float64}
    return " ".join(
        of.says for of in frequency_findings(pl.DataFrame(cells, schema, orient="row"), task_of())
    )


def test_labels_that_are_too_rare_or_too_uneven_stand_out() -> None:
    assert found_of({"train": [100, 100, 100], "test": [10, 10, 10]}) == ""
    few = found_of({"train": [150, 19, 20], "test": [10, 9, 10]})
    assert "Fewer than 20 training rows of the label \u2068alarm\u2069." in few
    assert "Fewer than 10 rows of the label \u2068alarm\u2069 in \u2068test\u2069." in few
    assert "largest" not in few
    assert "largest label has 200 training rows, the smallest 20" in found_of({"train": [200, 20, 50]})


def test_no_score_is_too_rare(project: Path) -> None:
    write_data(project, *made_up("regression"))
    assert "Fewer than" not in run_stage(project)


def test_a_regression_is_profiled_by_its_scores(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_data(project, *made_up("regression"))
    capsys.readouterr()
    text = shown_text(run_stage(project))
    assert numbers_of(project)["scores"]["test"] == pytest.approx(
        {
            "mean": 3,
            "std": 1.957890,
            "min": 0.5,
            "p5": 0.5,
            "p25": 2.5,
            "median": 4,
            "p75": 4,
            "p95": 5,
            "max": 5,
        }
    )
    assert "test 3 1.958 0.5 0.5 2.5 4 4 5 5" in text
    assert capsys.readouterr().out.startswith("profile: 9 examples, scores from 0 to 5, 2.62 in the mean; ")


def test_several_labels_are_profiled_together(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_data(project, *made_up("multi-label"))
    capsys.readouterr()
    text, numbers = shown_text(run_stage(project)), numbers_of(project)
    assert numbers["labels_per_row"]["test"] == {"0": 1, "1": 1, "2": 2}
    assert numbers["label_pairs"] == [{"labels": ["alarm", "calm"], "count": 3, "share": 0.5}]
    assert "alarm calm 3 50.0%" in text
    assert capsys.readouterr().out.startswith(
        "profile: 9 examples, 3 labels, calm the largest with 62%, 1.12 a row, 2 rows without"
    )


def test_rows_without_any_label_at_all_are_profiled(project: Path) -> None:
    rows: list[Any] = [(name, role, [], []) for name, role, _, _ in SETS]
    splits = splits_of_kind(rows, texts=None).with_columns(pl.col("label").cast(pl.List(pl.String)))
    write_data(project, task_of(kind="multi-label"), splits)
    run_stage(project)
    assert numbers_of(project)["labels"]["test"]["(none)"] == {"count": 4, "share": 1}
    assert numbers_of(project)["label_pairs"] == []


def test_a_single_text_is_a_page(project: Path) -> None:
    write_data(project, task_of(kind="regression"), splits_of_kind([("a", "train", 3.5, 0.0)], texts=None))
    page = run_stage(project)
    assert Outline(page).open == []
    assert "nan" not in shown_text(page).lower()
    assert numbers_of(project)["labels"] == {"train": {"3.5": {"count": 1, "share": 1}}}
    assert numbers_of(project)["scores"]["train"]["std"] is None


@pytest.mark.slow
def test_77_labels_in_20_roles_are_a_page(project: Path) -> None:
    labels = [f"label {n}" for n in range(77)]
    roles = ["train", "validation", "test", *(f"more_{n}" for n in range(17))]
    rows: list[Any] = [(f"{role}-{n}", role, label, "") for role in roles for n, label in enumerate(labels)]
    write_data(project, task_of(labels), splits_of_kind(rows, texts=None))
    page = run_stage(project)
    assert Outline(page).open == []
    assert len(numbers_of(project)["labels"]["more_16"]) == 77
    assert len(page) < 1_000_000


def test_a_role_that_differs_from_training_stands_out(project: Path) -> None:
    assert "Against training" not in run_stage(project)
    write_found(project, drift=DRIFT)
    text = shown_text(run_stage(project))
    assert "test 50.0% 12.0% 30 14 ✗ words, lengths, labels" in text
    assert "validation – – – – ✓ no" in text
    assert "calm 13.0% 12.0% 15 14 ✓ no" in text
    assert "test differs from training by more than chance: 50.0% of its words are new, against 12.0%" in text
    assert "its texts have 30 words in the median, against 14" in text
    assert "90.0% of its rows are alarm, against 50.0%" in text


def test_a_score_that_differs_is_told_as_a_score(project: Path) -> None:
    shares = {
        "test": {"largest_gap": 0.4, "at": 2.5, "p": 1e-4},
        "validation": {"largest_gap": 0.1, "at": 1.0, "p": 0.5},
    }
    write_found(project, drift={"shares": shares})
    text = shown_text(run_stage(project))
    assert (
        "test differs from training by more than chance: the share of scores up to 2.5 differs by 40.0%."
        in text
    )
    assert "validation differs" not in text


# --- lengths -----------------------------------------------------------------------------------------------


def rows_of(*texts: str | None) -> pl.DataFrame:
    return pl.DataFrame({"text": texts}, schema={"text": pl.String})


def test_lengths_are_of_words_and_of_characters_in_any_script() -> None:
    rows = with_lengths(rows_of("two words", "日本語", ""), ["text"])
    assert rows.select("words", "characters").rows() == [(2, 9), (1, 3), (0, 0)]


def test_a_pairs_lengths_are_counted_together() -> None:
    rows = rows_of("one two", "one").with_columns(text_pair=pl.Series(["three", None], dtype=pl.String))
    assert with_lengths(rows, ["text", "text_pair"])["words"].to_list() == [3, 1]


def test_the_histogram_counts_every_text_once_and_its_last_bin_holds_the_tail() -> None:
    rows = pl.DataFrame({"words": [0, 1, 2, 3] * 50 + [900]})
    histogram = length_histogram(rows, bins=3)
    assert histogram.rows() == [(1, 100), (2, 50), (3, 51)]


def test_each_text_of_a_pair_has_its_lengths(project: Path) -> None:
    task, rows = made_up("pair")
    write_data(project, task, rows.with_columns(text=pl.lit("one two three")))
    run_stage(project)
    lengths = numbers_of(project)["lengths_by_text"]
    assert {name: of_text["words"]["max"] for name, of_text in lengths.items()} == {"text": 3, "second": 2}


def test_what_is_cut_is_counted_whole_and_what_to_do_is_said(project: Path) -> None:
    long = " ".join(["the"] * 40)  # of the tokenizer's words: 42 tokens with both ends
    splits = splits_of().with_columns(text=pl.when(pl.col("id") == "f").then(pl.lit(long)).otherwise("text"))
    write_data(project, task_of(), splits)
    page = run_stage(project)
    numbers, text = numbers_of(project), shown_text(page)
    assert numbers["cut"] == {"cut": 1, "cut_at": 24, "room": 64, "p99": 42}
    assert numbers["lengths_by_label"]["alarm"]["tokens"]["max"] == 42
    assert "1 of 9 texts (11.1%) are longer than 24 tokens and lose 18 in the median" in text
    assert "Set tokenize.max_tokens to 42, which holds 99 % of the texts" in text
    assert page.count('class="limit"') == page.count('class="limit own"') == 1 + len(LABELS)


def test_beyond_the_encoders_room_another_encoder_is_named(project: Path) -> None:
    (project / "params.yaml").write_text(PARAMS.replace("max_tokens: 24", "max_tokens: 64"), encoding="utf-8")
    write_data(project, task_of(), splits_of().with_columns(text=pl.lit(" ".join(["the"] * 99))))
    assert "The encoder reads no more." in shown_text(run_stage(project))


@pytest.mark.parametrize(
    ("limits", "names"),
    [
        ((24, 64), ["cut at 24 tokens", "the encoder's most, 64 tokens"]),
        ((24, None), ["cut at 24 tokens"]),
        ((64, 512), ["cut at 64 tokens"]),  # the other is too far out
        ((4096, None), []),
    ],
)
def test_limits_near_the_lengths_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int | None], names: list[str]
) -> None:
    drawn: list[str] = []

    def note(figure: Figure, path: Path) -> None:
        axes = figure.axes[0]
        assert all(np.asarray(line.get_xdata()).max() < axes.get_xlim()[1] for line in axes.lines)
        drawn.extend(axes.get_legend_handles_labels()[1])
        write_png(figure, path)

    monkeypatch.setattr(profile_plots, "write_png", note)
    rows = pl.DataFrame({"label": "a", "words": [9, 30], "characters": [90, 99], "tokens": [12, 40]})
    profile_plots.draw_lengths(length_statistics(rows, "label"), ["a"], Limits(*limits), tmp_path / "l.png")
    assert drawn == names


# --- copies ------------------------------------------------------------------------------------------------

PAIRS = [
    ("b", "train", "alarm", None, "a", "train", "calm", True, 1.0, False),
    ("a", "train", "calm", "copy of a test example", "f", "test", "alarm", True, 1.0, False),
    ("b", "train", "alarm", None, "a", "train", "calm", False, 0.75, True),
    ("u", "unlabelled", None, None, "e", "test", "calm", True, 1.0, None),
    ("g", "test", "alarm", None, "h", "test", "other", False, 0.9, False),
]


def test_copies_are_counted_by_roles_and_contradictions_stand_out(project: Path) -> None:
    write_found(project, copies=PAIRS)
    text = shown_text(run_stage(project))
    assert "train train 1 1 1" in text
    assert "train test 1 0 1" in text
    assert "test unlabelled 1 0 0" in text
    assert "2 copies and 1 near copies are labelled otherwise than what they copy." in text
    assert "0.75 alike" in text


def test_of_a_copy_in_an_evaluation_role_only_its_place_is_shown(project: Path) -> None:
    write_data(project, task_of(), splits_of({name: f"secret {name}" for name in "cdefghu"}))
    write_found(project, copies=PAIRS)
    page = run_stage(project)
    assert "secret" not in page
    assert "alarm · test · f · not shown: only training texts are" in shown_text(page)
    assert '<p dir="auto" lang="">Text a</p>' in page


def test_copies_that_stay_in_training_stand_out(project: Path) -> None:
    write_found(project, copies=PAIRS)
    assert "in an evaluation role, and stay there" not in shown_text(run_stage(project))
    write_data(project, task_of().model_copy(update={"copies": "report"}), splits_of())
    assert "1 copies stand in training and in an evaluation role, and stay there" in shown_text(
        run_stage(project)
    )


def test_no_copy_says_so(project: Path) -> None:
    assert "None: no two texts read the same, or nearly." in shown_text(run_stage(project))


# --- examples, words ---------------------------------------------------------------------------------------


def examples_of(kind: str) -> dict[str, Any]:
    labelled, task = labelled_of(kind)
    return training_examples(labelled, groups_of(labelled["label"], task), task, 1, 5, 80)


def test_examples_are_training_rows_as_they_were_written() -> None:
    assert examples_of("classification") == {
        "calm": [{"label": None, "texts": ["Text a"]}],
        "alarm": [{"label": None, "texts": ["Text b"]}],
        "other": [],
    }


def test_examples_tell_what_their_heading_leaves_open() -> None:
    assert examples_of("regression")["4 to 5"] == [{"label": "5", "texts": ["Text b"]}]
    assert examples_of("multi-label")["alarm"] == [{"label": "calm, alarm", "texts": ["Text b"]}]


def test_words_before_and_after_cleaning_stand_side_by_side(project: Path) -> None:
    page = run_stage(project)
    assert "words 90 70 distinct words 40 30 most frequent the 9 sea 4 calm <b>sea</b> 3 sea 3" in shown_text(
        page
    )
    assert "<b>sea" not in page


# --- the page ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_page_is_whole_and_needs_no_network(project: Path, kind: str) -> None:
    task, splits = made_up(kind)
    write_data(project, task, splits)
    write_found(project, [("f.csv", 1, HOSTILE, BIDI)], PAIRS, WORDS)
    page = run_stage(project)
    outline = Outline(page)
    assert outline.open == []
    attributes = [attribute for _, of_tag in outline.tags for attribute in of_tag.items()]
    ids = [value for name, value in attributes if name == "id"]
    assert len(ids) == len(set(ids))
    named = {str(value) for name, value in attributes if name == "aria-labelledby"}
    linked = {str(value) for name, value in attributes if name in ("href", "src", "srcset")}
    assert linked - {"data:,", "./errors.html"} == {link for link in linked if link.startswith("#")}
    assert named | {link[1:] for link in linked if link.startswith("#")} <= set(ids)
    style = page[page.index("<style>") : page.index("</style>")]
    assert not re.search(r"url\(|@import|//", style)
    assert "default-src 'none'" in page


def test_hostile_texts_labels_and_titles_are_only_shown(project: Path) -> None:
    labels = [HOSTILE, BIDI, "long " * 60]
    label = pl.col("label").replace(dict(zip(LABELS, labels, strict=True)))
    task = task_of(labels).model_copy(update={"title": HOSTILE})
    write_data(project, task, splits_of({"a": HOSTILE, "b": BIDI}).with_columns(label=label))
    page = run_stage(project)
    outline = Outline(page)
    assert not {tag for tag, _ in outline.tags} & {"script", "img", "iframe", "object", "form", "base"}
    assert not [name for _, of_tag in outline.tags for name in of_tag if name.startswith("on")]
    assert outline.text.count(HOSTILE[:80].strip()) >= 4
    assert BIDI in outline.text
    for found in re.finditer(BIDI[:10], page):  # each in an element that keeps it from its surroundings
        before = page[: found.start()]
        assert re.search(r'<bdi>$|dir="auto"[^>]*>$|\u2068$', before), before[-60:]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_rows_give_the_same_bytes_and_one_line(
    project: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_data(project, *made_up(kind))
    write_found(project, [("f.csv", 1, "row", "why")], PAIRS, WORDS)
    capsys.readouterr()
    first = run_stage(project)
    assert capsys.readouterr().out.count("\n") == 1
    assert run_stage(project, "again") == first
    assert (project / "again.json").read_bytes() == (project / "profile.json").read_bytes()
    files = sorted(path.name for path in (project / "profile").iterdir())
    assert files == [
        "label_frequencies.csv",
        "label_frequencies.png",
        "length_histogram.csv",
        "text_lengths.csv",
        "text_lengths.png",
    ]
    for name in files:
        assert (project / "profile" / name).read_bytes() == (project / "again" / name).read_bytes()


def test_chinese_labels_are_profiled_and_drawn(project: Path) -> None:
    labels = ["差评", "中评", "好评"]
    label = pl.col("label").replace(dict(zip(LABELS, labels, strict=True)))
    splits = splits_of().with_columns(
        label=label, text=pl.lit("这家餐厅的菜非常好吃，服务员也很热情，值得推荐")
    )
    write_data(project, task_of(labels), splits)
    page = run_stage(project)
    assert "The tokenizer of tiny suits Han badly (Han: 100% of the letters unknown)." in shown_text(page)
    assert numbers_of(project)["languages"] == {"zh": 9}
    assert '<p dir="auto" lang="zh">' in page


@pytest.mark.parametrize(
    ("moved", "made_by", "advice"),
    [
        ({}, {}, "If not, let split make the roles"),
        ({"test": 5}, {}, "what left training as copies of it"),
        ({"test": 5}, {"time": "day"}, "the newest rows, as split.time asks"),
    ],
)
def test_what_to_do_about_drift_depends_on_who_made_the_role(
    moved: dict[str, int], made_by: dict[str, str], advice: str
) -> None:
    shares = {"test": {"label": "alarm", "p": 0.0, "share": 0.5, "share_in_train": 0.3}}
    (finding,) = drift_findings({"drift": {}, "shares": shares, "moved": moved, "made_by": made_by})
    assert advice in finding.do
