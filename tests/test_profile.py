import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages import profile
from stages.lib.pages.length_statistics import length_histogram, with_lengths
from stages.lib.statistics.groups import groups_of
from stages.lib.tables import write_parquet
from stages.lib.task import Task, write_task
from tests.predicted import LABELS, SCORES, SETS, as_splits, splits_of, task_of

PARAMS = """\
profile:
  seed: 1
  examples_per_label: 1
  histogram_bins: 4
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS, encoding="utf-8")
    write_task(task_of(), tmp_path / "task.json")
    write_parquet(splits_of({"a": "<script>alert(1)</script>"}), tmp_path / "splits.parquet")
    return tmp_path


def run_stage(project: Path, name: str = "profile") -> Path:
    profile.main(
        task=project / "task.json",
        splits=project / "splits.parquet",
        plots=project / name,
        examples=project / f"{name}.md",
        metrics=project / f"{name}.json",
    )
    return project / name


def rows_of(*texts: str | None) -> pl.DataFrame:
    return pl.DataFrame({"text": texts}, schema={"text": pl.String})


def test_lengths_are_of_words_and_of_characters_in_any_script() -> None:
    rows = with_lengths(rows_of("two words", "日本語", ""), ["text"])
    assert rows.select("words", "characters").rows() == [(2, 9), (1, 3), (0, 0)]


def test_a_pairs_lengths_are_counted_together() -> None:
    rows = rows_of("one two", "one").with_columns(text_pair=pl.Series(["three", None], dtype=pl.String))
    assert with_lengths(rows, ["text", "text_pair"])["words"].to_list() == [3, 1]


def labelled_of(task: Task) -> pl.DataFrame:
    """The labelled rows in use of the made-up project of this kind."""
    of_kinds: dict[str, list[Any]] = {"regression": SCORES, "multi-label": SETS}
    rows = of_kinds.get(task.kind)
    if rows is None:
        splits = splits_of()
    else:
        splits = as_splits(pl.DataFrame(rows, schema=["id", "role", "label", "said"], orient="row"), None)
    return splits.filter(pl.col("left_out").is_null(), pl.col("label").is_not_null())


def frequencies_of(task: Task) -> pl.DataFrame:
    labelled = labelled_of(task)
    return profile.label_frequencies(labelled, groups_of(labelled["label"], task))


def test_frequencies_have_every_class_of_every_labelled_role_and_sum_to_one() -> None:
    frequencies = frequencies_of(task_of())
    assert frequencies["role"].unique(maintain_order=True).to_list() == ["train", "validation", "test"]
    assert frequencies["label"].to_list() == LABELS * 3
    assert frequencies["count"].to_list() == [1, 1, 0, 1, 1, 0, 1, 2, 1]
    assert frequencies.group_by("role").agg(pl.col("share").sum())["share"].to_list() == pytest.approx(
        [1, 1, 1]
    )


def test_scores_are_counted_by_range() -> None:
    test = frequencies_of(task_of(kind="regression")).filter(pl.col("role") == "test")
    assert test.select("label", "count", "share").rows() == [
        ("0 to 1", 1, 0.25),
        ("1 to 2", 0, 0),
        ("2 to 3", 1, 0.25),
        ("3 to 4", 0, 0),
        ("4 to 5", 2, 0.5),
    ]


def test_a_row_counts_for_each_of_its_labels_and_those_without_any_are_told() -> None:
    test = frequencies_of(task_of(kind="multi-label")).filter(pl.col("role") == "test")
    assert test.select("label", "count", "share").rows() == [
        ("calm", 3, 0.75),
        ("alarm", 2, 0.5),
        ("other", 0, 0),
        ("(none)", 1, 0.25),
    ]


def test_the_histogram_counts_every_text_once_and_its_last_bin_holds_the_tail() -> None:
    rows = pl.DataFrame({"words": [0, 1, 2, 3] * 50 + [900]})
    histogram = length_histogram(rows, bins=3)
    assert histogram.rows() == [(1, 100), (2, 50), (3, 51)]


def test_examples_are_training_rows_as_they_were_written() -> None:
    assert shown_of(task_of()) == {
        "calm": [{"label": None, "texts": ["Text a"]}],
        "alarm": [{"label": None, "texts": ["Text b"]}],
        "other": [],
    }


def shown_of(task: Task) -> dict[str, Any]:
    labelled = labelled_of(task)
    params = profile.Params(seed=1, examples_per_label=5, histogram_bins=4)
    return profile.random_examples(labelled, groups_of(labelled["label"], task), task, params)


def test_examples_tell_what_their_heading_leaves_open() -> None:
    scored = shown_of(task_of(kind="regression"))
    assert scored["4 to 5"] == [{"label": "5", "texts": ["Text b"]}]
    labelled = shown_of(task_of(kind="multi-label"))
    assert labelled["alarm"] == [{"label": "calm, alarm", "texts": ["Text b"]}]


def test_the_stage_profiles_rows_in_use_and_counts_those_left_out(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run_stage(project)
    line = capsys.readouterr().out
    assert line.startswith("profile: 9 examples, 3 classes, alarm the largest with 50%; 2 words a text")
    assert line.count("\n") == 1
    numbers = json.loads((project / "profile.json").read_text())
    assert (numbers["examples"], numbers["left_out"]) == (9, 1)
    assert numbers["labels"]["test"]["alarm"] == {"count": 2, "share": 0.5}
    assert numbers["lengths_by_role"]["unlabelled"]["count"] == 1
    assert numbers["lengths_by_label"]["calm"]["characters"]["max"] == 25
    assert sorted(path.name for path in folder.iterdir()) == [
        "label_frequencies.csv",
        "label_frequencies.png",
        "length_histogram.csv",
        "text_lengths.csv",
        "text_lengths.png",
    ]


def test_texts_on_the_page_are_escaped(project: Path) -> None:
    run_stage(project)
    page = (project / "profile.md").read_text(encoding="utf-8")
    assert "<script" not in page
    assert r"&lt;script&gt;alert\(1\)" in page


def test_the_same_rows_give_the_same_bytes(project: Path) -> None:
    first, second = run_stage(project), run_stage(project, "again")
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()
    assert (project / "profile.md").read_bytes() == (project / "again.md").read_bytes()


# --- other kinds -------------------------------------------------------------------------------------------


def profile_of(folder: Path, task: Task, rows: pl.DataFrame) -> Any:
    write_task(task, folder / "task.json")
    write_parquet(rows, folder / "splits.parquet")
    run_stage(folder)
    return json.loads((folder / "profile.json").read_text(encoding="utf-8"))


def splits_of_kind(rows: list[Any], **options: Any) -> pl.DataFrame:
    return as_splits(pl.DataFrame(rows, schema=["id", "role", "label", "said"], orient="row"), **options)


def test_a_regression_is_profiled_by_its_scores(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = profile_of(project, task_of(kind="regression"), splits_of_kind(SCORES, texts=None))
    assert numbers["scores"]["test"] == pytest.approx(
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
    assert capsys.readouterr().out.startswith("profile: 9 examples, scores from 0 to 5, 2.62 in the mean; ")
    assert "- 5: Text b" in (project / "profile.md").read_text(encoding="utf-8")


def test_several_labels_are_profiled_together(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = profile_of(project, task_of(kind="multi-label"), splits_of_kind(SETS, texts=None))
    assert numbers["labels_per_row"]["test"] == {"0": 1, "1": 1, "2": 2}
    assert numbers["label_pairs"] == [{"labels": ["alarm", "calm"], "count": 3, "share": 0.5}]
    line = capsys.readouterr().out
    assert line.startswith(
        "profile: 9 examples, 3 labels, calm the largest with 62%, 1.12 a row, 2 rows without"
    )


def test_rows_without_any_label_at_all_are_profiled(project: Path) -> None:
    rows: list[Any] = [(name, role, [], []) for name, role, _, _ in SETS]
    numbers = profile_of(project, task_of(kind="multi-label"), splits_of_kind(rows, texts=None))
    assert numbers["labels"]["test"]["(none)"] == {"count": 4, "share": 1}
    assert numbers["label_pairs"] == []


def test_a_single_score_is_one_group(project: Path) -> None:
    numbers = profile_of(
        project, task_of(kind="regression"), splits_of_kind([("a", "train", 3.5, 0.0)], texts=None)
    )
    assert numbers["labels"] == {"train": {"3.5": {"count": 1, "share": 1}}}
    assert numbers["scores"]["train"]["std"] is None


def test_each_text_of_a_pair_has_its_lengths(project: Path) -> None:
    rows = splits_of_kind(SCORES, texts=None, pair="second").with_columns(text=pl.lit("one two three"))
    lengths = profile_of(project, task_of(kind="regression", pair="second"), rows)["lengths_by_text"]
    assert {name: of_text["words"]["max"] for name, of_text in lengths.items()} == {"text": 3, "second": 2}


def test_forty_labels_are_drawn(project: Path) -> None:
    labels = [f"label {n}" for n in range(40)]
    rows: list[Any] = [(f"{n}", "train", [label], []) for n, label in enumerate(labels)]
    numbers = profile_of(project, task_of(labels, kind="multi-label"), splits_of_kind(rows, texts=None))
    assert len(numbers["labels"]["train"]) == 40
