"""The stage clean: which columns it cleans, what it keeps, what it counts, and how it refuses."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import nltk
import polars as pl
import pytest

from stages.clean import main, measure, summarise, with_cleaned
from stages.lib.cleaning.steps import Cleaning, Replacement, StepName, read_cleaning
from stages.lib.exceptions import CleaningError, ConfigError
from stages.lib.task import SourceColumns, Submission, Task, write_task

LIGHT: list[StepName] = ["html", "unicode", "whitespace"]


def write_inputs(
    folder: Path, texts: list[str | None], pairs: list[str | None] | None, steps: Sequence[str]
) -> None:
    pair = None if pairs is None else "second"
    columns = SourceColumns(id=None, text="first", text_pair=pair, label="target")
    write_task(
        Task(
            title="a test",
            kind="classification",
            labels=["no", "yes"],
            raw_labels=["0", "1"],
            separator=None,
            positive=None,
            metrics=["accuracy"],
            columns=columns,
            kept=["place"],
            copies="remove",
            submission=Submission(delimiter=",", id="id", label="target", files={}),
        ),
        folder / "task.json",
    )
    table = pl.DataFrame(
        {"id": [str(n) for n in range(len(texts))], "text": texts}
        | ({} if pairs is None else {"text_pair": pairs})
        | {"label": ["no"] * len(texts), "place": ["  As it is "] * len(texts)},
        schema_overrides={"text": pl.String, "text_pair": pl.String},
    )
    table.write_parquet(folder / "ingested.parquet")
    listing = "".join(f"\n    - {step}" for step in steps) or " []"
    (folder / "params.yaml").write_text(f"clean:\n  steps:{listing}\n  language: english\n", encoding="utf-8")


def run_stage(folder: Path) -> None:
    main(
        task=folder / "task.json",
        ingested=folder / "ingested.parquet",
        cleaned=folder / "cleaned.parquet",
        cleaning=folder / "cleaning.json",
        metrics=folder / "clean.json",
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_original_stands_right_after_each_text(folder: Path) -> None:
    write_inputs(folder, [" a  b "], ["c &amp; d"], LIGHT)
    run_stage(folder)
    table = pl.read_parquet(folder / "cleaned.parquet")
    assert table.columns == [
        "id",
        "text",
        "text_original",
        "text_pair",
        "text_pair_original",
        "label",
        "place",
    ]
    assert table.row(0) == ("0", "a b", " a  b ", "c & d", "c &amp; d", "no", "  As it is ")


def test_no_row_is_dropped_or_moved(folder: Path) -> None:
    texts = ["b", "", None, "  ", "a", "b"]
    write_inputs(folder, texts, None, LIGHT)
    run_stage(folder)
    table = pl.read_parquet(folder / "cleaned.parquet")
    assert table["id"].to_list() == ["0", "1", "2", "3", "4", "5"]
    assert table["text"].to_list() == ["b", "", None, "", "a", "b"]
    assert table["text_original"].to_list() == texts


def test_no_rows_at_all(folder: Path) -> None:
    write_inputs(folder, [], None, LIGHT)
    run_stage(folder)
    assert pl.read_parquet(folder / "cleaned.parquet").is_empty()


def test_the_line_and_the_numbers_say_what_cleaning_did(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_inputs(folder, ["a  b", "a b", "<br>", None], ["x", "y", "y ", ""], LIGHT)
    run_stage(folder)
    assert capsys.readouterr().out == (
        "clean: 7 texts, 3 changed by html, unicode, whitespace; 1 became empty\n"
    )
    assert json.loads((folder / "clean.json").read_text(encoding="utf-8")) == {
        "rows": 4,
        "text": {
            "texts": 3,
            "changed": 2,
            "became_empty": 1,
            "characters_before": 3.666667,
            "characters_after": 2.0,
            "distinct_before": 3,
            "distinct_after": 2,
        },
        "text_pair": {
            "texts": 4,
            "changed": 1,
            "became_empty": 0,
            "characters_before": 1.0,
            "characters_after": 0.75,
            "distinct_before": 4,
            "distinct_after": 3,
        },
        "words": {
            "rows": 4,
            "before": {
                "tokens": 8,
                "distinct": 5,
                "frequent": {"no": [["a", 2], ["b", 2], ["y", 2], ["<br>", 1], ["x", 1]], "yes": []},
            },
            "after": {
                "tokens": 7,
                "distinct": 4,
                "frequent": {"no": [["a", 2], ["b", 2], ["y", 2], ["x", 1]], "yes": []},
            },
        },
    }


def test_no_steps_leave_the_texts_as_they_were(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_inputs(folder, [" a  b "], None, [])
    run_stage(folder)
    assert pl.read_parquet(folder / "cleaned.parquet")["text"].to_list() == [" a  b "]
    assert capsys.readouterr().out == "clean: 1 texts, 0 changed by no steps; 0 became empty\n"


def test_cleaning_json_says_the_steps_and_the_language(folder: Path) -> None:
    write_inputs(folder, ["a"], None, ["whitespace", "html"])
    run_stage(folder)
    assert read_cleaning(folder / "cleaning.json") == Cleaning(
        steps=["whitespace", "html"], language="english"
    )


def test_unknown_step_names_the_line_the_key_and_the_right_spelling(folder: Path) -> None:
    write_inputs(folder, ["a"], None, ["html", "lowercas"])
    with pytest.raises(ConfigError) as caught:
        run_stage(folder)
    message = str(caught.value)
    assert "params.yaml:4: clean.steps.1: " in message
    assert "'lowercas'" in message
    assert "'lowercase'" in message


def test_missing_stop_words_stop_the_stage_before_it_writes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nltk.data, "path", [str(folder)])
    write_inputs(folder, ["a"], None, ["stopwords"])
    with pytest.raises(CleaningError, match=r"`python -m commands\.get_corpora`"):
        run_stage(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["ingested.parquet", "params.yaml", "task.json"]


def test_with_cleaned_leaves_a_kept_column_alone() -> None:
    table = pl.LazyFrame({"text": ["A"], "keyword": ["A"]})
    cleaning = Cleaning(steps=["lowercase"], language="english")
    assert with_cleaned(table, ["text"], cleaning).collect().row(0) == ("a", "A", "A")


def test_measure_counts_texts_not_nulls(tmp_path: Path) -> None:
    columns = {"text": [None, "a", "bb"], "text_original": [None, "A", "bb"]}
    table = pl.DataFrame(columns, schema_overrides={"text": pl.String})
    assert measure(table.iter_slices(1), ["text"], tmp_path)["text"] == {
        "texts": 2,
        "changed": 1,
        "became_empty": 0,
        "characters_before": 1.5,
        "characters_after": 1.5,
        "distinct_before": 2,
        "distinct_after": 2,
    }


def test_summary_groups_thousands() -> None:
    column: dict[str, float] = {"texts": 5_000, "changed": 1_234, "became_empty": 0}
    assert (
        summarise({"text": column}, ["html"], rows=5_000, counted=5_000)
        == "clean: 5,000 texts, 1,234 changed by html; 0 became empty"
    )


def test_summary_says_that_words_are_a_samples_and_names_patterns() -> None:
    column: dict[str, float] = {"texts": 5_000, "changed": 1_234, "became_empty": 0}
    step = Replacement(pattern="a+", replacement="")
    assert summarise({"text": column}, ["html", step], rows=5_000, counted=1_000) == (
        "clean: 5,000 texts, 1,234 changed by html, pattern 'a+'; 0 became empty; "
        "words counted in a sample of 1,000 rows"
    )


def run_in_process(folder: Path, threads: int) -> None:
    options = {"task": "task.json", "ingested": "ingested.parquet", "cleaned": f"cleaned-{threads}.parquet"}
    options |= {"cleaning": "cleaning.json", "metrics": f"clean-{threads}.json"}
    subprocess.run(
        [sys.executable, "-m", "stages.clean", *(f"--{name}={path}" for name, path in options.items())],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "POLARS_MAX_THREADS": str(threads)},
        check=True,
        capture_output=True,
    )


@pytest.mark.slow
def test_bytes_do_not_depend_on_threads(folder: Path) -> None:
    texts: list[str | None] = [f"Tweet {n * 7919 % 5003}  &amp; soooo #{n}" for n in range(150_000)]
    own = "{pattern: '(?<word>t[a-z]+)', replacement: '<$word>'}"
    steps = ["html", "unicode", "repeated_characters", own, "punctuation", "whitespace", "tokenize", "stem"]
    write_inputs(folder, texts, None, steps)
    for threads in (1, 2, 4):
        run_in_process(folder, threads)
    for name in ("cleaned-{}.parquet", "clean-{}.json"):
        assert len({(folder / name.format(threads)).read_bytes() for threads in (1, 2, 4)}) == 1


def test_a_million_characters_and_nul_and_no_text_at_all(folder: Path) -> None:
    long = "a" * 1_000_000
    write_inputs(folder, [f"{long} \x00", None, "", "\x00"], None, ["html", "whitespace", "stem"])
    run_stage(folder)
    assert pl.read_parquet(folder / "cleaned.parquet")["text"].to_list() == [f"{long} \x00", None, "", "\x00"]
    assert (folder / "clean.json").stat().st_size < 10_000


def test_rows_of_several_groups_stay_in_their_order(folder: Path) -> None:
    texts: list[str | None] = [f"row  {number}" for number in range(10)]
    write_inputs(folder, texts, None, LIGHT)
    table = pl.read_parquet(folder / "ingested.parquet")
    table.write_parquet(folder / "ingested.parquet", row_group_size=3)
    run_stage(folder)
    table = pl.read_parquet(folder / "cleaned.parquet")
    assert table["text"].to_list() == [f"row {number}" for number in range(10)]
    before = pl.read_parquet_schema(folder / "ingested.parquet")
    assert dict(table.schema) == dict(before) | {"text_original": pl.String}


def test_a_wrong_pattern_stops_the_stage_before_it_writes(folder: Path) -> None:
    write_inputs(folder, ["a"], None, ["html", "{pattern: 'a(', replacement: ''}"])
    with pytest.raises(ConfigError, match=r"params\.yaml:4: clean\.steps\.1\.pattern: .*\n    a\(\n     \^"):
        run_stage(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["ingested.parquet", "params.yaml", "task.json"]


def test_same_texts_give_the_same_bytes(folder: Path) -> None:
    write_inputs(folder, ["b  b", "a\x00", None, "\U0010ffff &lt;"], None, LIGHT)
    outs = ["cleaned.parquet", "cleaning.json", "clean.json"]
    run_stage(folder)
    first = [(folder / name).read_bytes() for name in outs]
    run_stage(folder)
    assert [(folder / name).read_bytes() for name in outs] == first
