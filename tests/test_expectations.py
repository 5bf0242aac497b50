import json
from pathlib import Path
from typing import Any

import pytest

from stages.lib.exceptions import ConfigError
from stages.lib.sources.expectations import Expectation, read_expectations, write_expectations
from stages.lib.sources.source import as_task, read_source

YAML = """\
title: Moods
files: {{train: train.csv}}
columns: {{text: text, label: mood}}
{kind}
copies: remove
expectations:
  - name: denied
    pattern: '^'
    replacement: 'It is not so that '
    expect: {expect}
"""
KINDS = {
    "classification": "labels: {0: sad, 1: glad}\ntask: classification\nmetrics: [accuracy]",
    "multi-label": "labels: [sad, glad]\nseparator: '|'\ntask: multi-label\nmetrics: [micro_f1]",
    "regression": "range: [0, 5]\ntask: regression\nmetrics: [pearson]",
}


def source(folder: Path, expect: str, kind: str = "classification", **replaced: str) -> Path:
    text = YAML.format(kind=KINDS[kind], expect=expect)
    for old, new in replaced.items():
        text = text.replace(old, new)
    (folder / "source.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("kind", "expect"),
    [
        ("classification", "{becomes: sad}"),
        ("classification", "{label: glad, moves: down}"),
        ("multi-label", "{becomes: sad}"),
        ("multi-label", "{label: glad, moves: up}"),
        ("regression", "{moves: up}"),
    ],
)
def test_what_is_expected_comes_back_as_it_was_said(kind: str, expect: str, tmp_path: Path) -> None:
    said = read_source(source(tmp_path, expect, kind)).expectations
    write_expectations(said, tmp_path / "expectations.json")
    assert read_expectations(tmp_path / "expectations.json") == said
    assert [found.name for found in said] == ["denied"]


@pytest.mark.parametrize(
    ("kind", "expect", "fault"),
    [
        ("classification", "{becomes: angry}", "'denied': expect: no label 'angry'; labels names sad, glad"),
        ("classification", "{moves: up}", "whose probability moves? labels names sad, glad"),
        ("classification", "{label: sad}", "say {becomes: LABEL}, {label: LABEL, moves: up} or"),
        ("classification", "{becomes: sad, moves: up}", "say {becomes: LABEL}"),
        ("classification", "{becomes: sad, label: sad}", "say {becomes: LABEL}"),
        ("classification", "{}", "say {becomes: LABEL}"),
        ("classification", "{label: sad, moves: sideways}", "should be one of"),
        ("classification", "{become: sad}", "expectations.0.expect.become: unknown key"),
        (
            "regression",
            "{label: sad, moves: up}",
            "a regression has no labels; say {moves: up} or {moves: down}",
        ),
        ("regression", "{becomes: sad}", "a regression has no labels"),
    ],
)
def test_what_cannot_be_expected_is_refused(kind: str, expect: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        read_source(source(tmp_path, expect, kind))
    assert fault in str(raised.value)
    assert "source.yaml:" in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("'^'", "'^('", "pattern: found '^('; does not compile"),
        ("'^'", "'(?=fire)'", "goes without look-around"),
        ("'It is not so that '", "'$word'", "the pattern has no group 'word'"),
        (
            "    pattern:",
            "    column: text_pair\n    pattern:",
            "column: columns names no text_pair",
        ),
    ],
)
def test_patterns_are_checked_as_in_cleaning(old: str, new: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        read_source(source(tmp_path, "{becomes: sad}", **{old: new}))
    assert fault in str(raised.value)


def test_one_name_is_one_expectation(tmp_path: Path) -> None:
    path = source(tmp_path, "{becomes: sad}") / "source.yaml"
    text = path.read_text()
    path.write_text(text + text[text.index("  - name") :])
    with pytest.raises(ConfigError, match="'denied': the name stands there twice"):
        read_source(tmp_path)


def test_a_task_does_not_know_of_expectations(tmp_path: Path) -> None:
    task = as_task(read_source(source(tmp_path, "{becomes: sad}")))
    assert task == as_task(read_source(source(tmp_path, "{label: glad, moves: up}")))
    assert "denied" not in task.model_dump_json()


def test_labels_may_be_written_as_numbers(tmp_path: Path) -> None:
    given: dict[str, Any] = {"name": "n", "pattern": "a", "replacement": "b", "expect": {"becomes": 1}}
    assert Expectation.model_validate(given).expect.becomes == "1"
    write_expectations([], tmp_path / "none.json")
    assert json.loads((tmp_path / "none.json").read_text()) == []
