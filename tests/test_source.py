"""source.yaml is strict: what it says is checked before a row is read, and errors say where it is wrong."""

import json
from pathlib import Path

import pytest

from stages.lib.exceptions import ConfigError, SourceError
from stages.lib.source import Source, as_task, read_source

SOURCE = """\
title: moods
files: {train: train.csv}
columns: {text: text, label: label}
labels: {0: sad, 1: glad}
task: classification
metrics: [accuracy]
copies: remove
"""
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def source_with(tmp_path: Path, old: str = "", new: str = "") -> Source:
    assert old in SOURCE
    folder = tmp_path / "moods"
    folder.mkdir(exist_ok=True)
    (folder / "source.yaml").write_text(SOURCE.replace(old, new, 1) if old else SOURCE + new)
    return read_source(folder)


def test_ten_lines_are_enough(tmp_path: Path) -> None:
    source = source_with(tmp_path)
    assert (source.keep, source.hub, source.positive) == ([], None, None)


def test_labels_are_compared_as_text_and_keep_their_order(tmp_path: Path) -> None:
    source = source_with(tmp_path, "{0: sad, 1: glad}", '{2: b, "10": a, true: c, no: d}')
    assert list(source.labels.items()) == [("2", "b"), ("10", "a"), ("true", "c"), ("no", "d")]


def test_a_list_of_labels_names_each_after_itself(tmp_path: Path) -> None:
    assert source_with(tmp_path, "{0: sad, 1: glad}", "[sad, 1]").labels == {"sad": "sad", "1": "1"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title:", "titel:", r"source.yaml:1: titel: unknown key; did you mean 'title'"),
        ("copies: remove", "", r"source.yaml: copies: missing"),
        ("copies: remove", "copies: drop", r"source.yaml:7: copies: .*one of: remove, report"),
        ("task: classification", "task: regression", r"source.yaml:5: task: .*one of: classification"),
        ("[accuracy]", "[acuracy]", r"source.yaml:6: metrics.0: .*'accuracy'"),
        ("[accuracy]", "[]", r"source.yaml:6: metrics: "),
        ("[accuracy]", "[f1]", r"f1 is about one class: name it in positive, or use macro_f1"),
        ("task:", "positive: happy\ntask:", r"positive: found 'happy'; .*labels names sad, glad"),
        ("{0: sad, 1: glad}", "{0: sad}", r"source.yaml:4: labels: .*at least 2"),
        ("{0: sad, 1: glad}", "{0: sad, 1: sad}", r"labels: .*'sad' stands there twice"),
        ("{0: sad, 1: glad}", '{0: sad, "0": glad}', r"labels: .*'0' stands there twice"),
        ("{train: train.csv}", "{test: test.csv}", r"source.yaml:2: files: .*no role 'train'"),
        ("{train: train.csv}", "{train: a.csv, val: b.csv}", r"role 'val': say validation"),
        ("{train: train.csv}", "{train: a.csv, mis-matched: b.csv}", r"role 'mis-matched': a role is a word"),
        ("{train: train.csv}", "{train: ../a.csv}", r"outside the source's folder"),
        ("{train: train.csv}", "{train: /a.csv}", r"outside the source's folder"),
        ("{train: train.csv}", "{train: a.csv, test: a.csv}", r"one file plays two roles"),
        ("task:", "keep: [role]\ntask:", r"keep: .*none named as one of textrail's"),
        ("task:", "format: {header: false}\ntask:", r"names: .*need the names of their columns"),
        ("task:", "names: [a, b]\ntask:", r"source.yaml:5: names: .*header: false"),
        ("task:", "format: {delimiter: ';;'}\ntask:", r"format.delimiter: .*at most 1 character"),
        ("task:", "format: {encoding: utf8000}\ntask:", r"format.encoding: .*no such encoding"),
        ("task:", "hub: {dataset: a/b, revision: main}\ntask:", r"revision: found 'main'; .*the commit"),
        ("task:", f"hub: {{dataset: b, revision: {COMMIT}}}\ntask:", r"hub.dataset: found 'b'"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        source_with(tmp_path, old, new)


def test_splits_of_roles_that_no_file_has_are_refused(tmp_path: Path) -> None:
    hub = f"hub: {{dataset: a/b, revision: {COMMIT}, splits: {{tset: test}}}}\nfiles:"
    with pytest.raises(ConfigError, match=r"hub.splits has other roles: tset"):
        source_with(tmp_path, "files:", hub)


def test_an_unknown_source_is_named_with_those_there_are(tmp_path: Path) -> None:
    source_with(tmp_path)
    with pytest.raises(SourceError, match=r"mods: no such source; there are moods; did you mean 'moods'"):
        read_source(tmp_path / "mods")


def test_a_folder_without_source_yaml_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no source.yaml in it; docs/your-data.md"):
        read_source(tmp_path)


def test_the_task_says_what_is_to_be_learned(tmp_path: Path) -> None:
    task = as_task(source_with(tmp_path, "task:", "positive: glad\nkeep: [place]\ntask:"))
    assert json.loads(task.model_dump_json()) == {
        "title": "moods",
        "kind": "classification",
        "labels": ["sad", "glad"],
        "raw_labels": ["0", "1"],
        "positive": "glad",
        "metrics": ["accuracy"],
        "columns": {"id": None, "text": "text", "text_pair": None, "label": "label"},
        "kept": ["place"],
        "copies": "remove",
    }


@pytest.mark.parametrize(
    "folder", sorted(Path("data/sources").glob("*/source.yaml")), ids=lambda path: path.parent.name
)
def test_every_source_of_the_project_is_well_formed(folder: Path) -> None:
    assert read_source(folder.parent).title
