import json
from pathlib import Path

import polars as pl
import pytest

from stages import profile
from stages.lib.tables import write_parquet
from stages.lib.task import write_task
from tests.predicted import LABELS, ROWS, splits_of, task_of

PARAMS = """\
profile:
  seed: 1
  examples_per_class: 1
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
    rows = profile.with_lengths(rows_of("two words", "日本語", ""), task_of())
    assert rows.select("words", "characters").rows() == [(2, 9), (1, 3), (0, 0)]


def test_a_pairs_lengths_are_counted_together() -> None:
    rows = rows_of("one two", "one").with_columns(text_pair=pl.Series(["three", None], dtype=pl.String))
    assert profile.with_lengths(rows, task_of(pair="second"))["words"].to_list() == [3, 1]


def test_frequencies_have_every_class_of_every_labelled_role_and_sum_to_one() -> None:
    rows = splits_of().filter(pl.col("left_out").is_null())
    frequencies = profile.class_frequencies(rows, task_of())
    assert frequencies["role"].unique(maintain_order=True).to_list() == ["train", "validation", "test"]
    assert frequencies["label"].to_list() == LABELS * 3
    assert frequencies["count"].to_list() == [1, 1, 0, 1, 1, 0, 1, 2, 1]
    assert frequencies.group_by("role").agg(pl.col("share").sum())["share"].to_list() == pytest.approx(
        [1, 1, 1]
    )


def test_the_histogram_counts_every_text_once_and_its_last_bin_holds_the_tail() -> None:
    rows = pl.DataFrame({"words": [0, 1, 2, 3] * 50 + [900]})
    histogram = profile.length_histogram(rows, bins=3)
    assert histogram.rows() == [(1, 100), (2, 50), (3, 51)]


def test_examples_are_training_rows_as_they_were_written() -> None:
    params = profile.Params(seed=1, examples_per_class=5, histogram_bins=4)
    shown = profile.random_examples(splits_of().tail(len(ROWS)), task_of(), params)
    assert shown == {"calm": [("Text a",)], "alarm": [("Text b",)], "other": []}


def test_the_stage_profiles_rows_in_use_and_counts_those_left_out(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run_stage(project)
    line = capsys.readouterr().out
    assert line.startswith("profile: 9 examples in 3 classes, alarm the largest with 50%; 2 words a text")
    assert line.count("\n") == 1
    numbers = json.loads((project / "profile.json").read_text())
    assert (numbers["examples"], numbers["left_out"]) == (9, 1)
    assert numbers["classes"]["test"]["alarm"] == {"count": 2, "share": 0.5}
    assert numbers["lengths_by_role"]["unlabelled"]["count"] == 1
    assert numbers["lengths_by_class"]["calm"]["characters"]["max"] == 25
    assert sorted(path.name for path in folder.iterdir()) == [
        "class_frequencies.csv",
        "class_frequencies.png",
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
