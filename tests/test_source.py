"""source.yaml is strict: what it says is checked before a row is read, and errors say where it is wrong."""

import json
from pathlib import Path

import pytest

from stages.lib.exceptions import ConfigError, SourceError
from stages.lib.kinds import KINDS
from stages.lib.sources.source import KEYS_OF_KINDS, Source, as_task, read_source

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
HUB = f"hub: {{dataset: a/b, revision: {COMMIT}}}"


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


def test_several_columns_may_make_the_text(tmp_path: Path) -> None:
    source = source_with(tmp_path, "text: text,", "text: [subject, body],")
    assert source.wanted("train").names() == ["subject", "body", "label"]
    assert as_task(source).columns.text == ["subject", "body"]
    assert as_task(source).columns.text_name == "subject + body"
    assert as_task(source).text_columns == ["text"]


def test_a_role_may_have_several_files(tmp_path: Path) -> None:
    source = source_with(tmp_path, "{train: train.csv}", "{train: [a.csv, 'b/*.csv'], test: c.csv}")
    assert (source.entries("train"), source.entries("test")) == (["a.csv", "b/*.csv"], ["c.csv"])


def test_a_list_of_labels_names_each_after_itself(tmp_path: Path) -> None:
    assert source_with(tmp_path, "{0: sad, 1: glad}", "[sad, 1]").labels == {"sad": "sad", "1": "1"}


def test_half_a_character_is_refused(tmp_path: Path) -> None:
    """As `json.dumps` writes an emoji; YAML reads two characters, and no Parquet file takes either."""
    for old, new in (("{0: sad, 1: glad}", r'{0: sad, 1: "\ud83d\ude00"}'), ("moods", r'"\uDE00"')):
        with pytest.raises(ConfigError, match=r"source\.yaml:\d: .*is half a character; write the character"):
            source_with(tmp_path, old, new)
    assert source_with(tmp_path, "title: moods", r"title: 'a \ud83d'").title == r"a \ud83d"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title:", "titel:", r"source.yaml:1: titel: unknown key; did you mean 'title'"),
        ("copies: remove", "", r"source.yaml: copies: missing"),
        ("copies: remove", "copies: drop", r"source.yaml:7: copies: .*one of: remove, report"),
        ("task: classification", "task: ranking", r"source.yaml:5: task: .*one of: classification, reg"),
        ("[accuracy]", "[acuracy]", r"source.yaml:6: metrics: .*'acuracy'.*did you mean 'accuracy'"),
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
        ("{train: train.csv}", "{train: [a.csv, b.csv], test: b.csv}", r"one file plays two roles"),
        ("{train: train.csv}", "{train: [a.csv, ../b.csv]}", r"\.\./b.csv is outside the source's folder"),
        ("{train: train.csv}", "{train: []}", r"files.train: found \[\]; a name, or a list of names"),
        ("{train: train.csv}", "{train: [a.csv, a.csv]}", r"files.train: .*a name stands there twice"),
        ("{train: train.csv}", "{train: {a: b}}", r"files.train: .*a name, or a list of names"),
        ("text: text,", "text: [],", r"source.yaml:3: columns.text: found \[\]; a name, or a list of names"),
        ("text: text,", "text: [a, a],", r"columns.text: .*a name stands there twice"),
        ("text: text,", "text: 5,", r"columns.text: found 5; a name, or a list of names"),
        ("task:", "format: {type: cvs}\ntask:", r"format.type: found 'cvs'; did you mean 'csv'"),
        ("task:", "format: {delimiter: '\"'}\ntask:", r"format.delimiter: .*cannot stand between columns"),
        ("task:", "format: {encoding: hex}\ntask:", r"format.encoding: .*no such encoding"),
        ("{train: train.csv}", f"{{train: [a, b]}}\n{HUB}", r"hub: .*splits: role 'train' has several files"),
        ("task:", "keep: [role]\ntask:", r"keep: .*none named as one of textrail's"),
        ("task:", "format: {header: false}\ntask:", r"names: .*need the names of their columns"),
        ("task:", "names: [a, b]\ntask:", r"source.yaml:5: names: .*header: false"),
        ("task:", "format: {delimiter: ';;'}\ntask:", r"format.delimiter: .*at most 1 character"),
        ("task:", "format: {encoding: utf8000}\ntask:", r"format.encoding: .*no such encoding"),
        ("task:", "by_role: {tets: {lacks: []}}\ntask:", r"by_role: .*other roles: tets; files has train"),
        ("task:", "by_role: {train: {lacks: [a]}}\ntask:", r"by_role: .*train.lacks: keep has no 'a'"),
        ("task:", "by_role: {train: {columns: {text: ''}}}\ntask:", r"by_role.train.columns.text: found ''"),
        ("task:", "by_role: {train: {columns: {text_pair: b}}}\ntask:", r"text_pair: columns names none"),
        ("task:", "by_role: {train: {columns: {label: [a, b]}}}\ntask:", r"label: as many columns"),
        ("task:", "by_role: {train: {names: [a]}}\ntask:", r"train.names: for files without a header"),
        ("task:", "by_role: {train: {format: {header: false}}}\ntask:", r"train: a file without a header"),
        ("task:", "submission: {files: {new: a.csv}}\ntask:", r"submission: .*no unlabelled role 'new'"),
        ("task:", f"hub: {{dataset: b, revision: {COMMIT}}}\ntask:", r"hub.dataset: found 'b'"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        source_with(tmp_path, old, new)


REGRESSION = SOURCE.replace("classification", "regression").replace("accuracy", "pearson")
NO_LABELS = REGRESSION.replace("labels: {0: sad, 1: glad}\n", "")
SEVERAL = SOURCE.replace("classification", "multi-label").replace("accuracy", "micro_f1")
LABELS = "labels: {0: sad, 1: glad}\n"


@pytest.mark.parametrize(
    ("source", "old", "new", "message"),
    [
        (REGRESSION, "", "", r"source.yaml:4: labels: .*a regression task has no such key; .* and multi"),
        (REGRESSION, LABELS, "positive: glad\n", r"positive: .*a regression task has no such key"),
        (REGRESSION, LABELS, "separator: ','\n", r"separator: .*it is for multi-label"),
        (REGRESSION, LABELS, "no_label: ''\n", r"no_label: .*it is for multi-label"),
        (REGRESSION, LABELS, "range: [5, 0]\n", r"range: .*the least score, then the greatest"),
        (REGRESSION, LABELS, "range: [5]\n", r"range: .*at least 2 items"),
        (NO_LABELS, "[pearson]", "[accuracy]", r"no metric 'accuracy' of a regression task; there are"),
        (NO_LABELS, "label: label", "label: [a, b]", r"for multi-label; a regression task has one"),
        (SOURCE, LABELS, "", r"labels: .*a classification task needs at least 2 labels"),
        (SOURCE, LABELS, f"range: [0, 5]\n{LABELS}", r"range: .*no such key; it is for regression"),
        (SOURCE, LABELS, f"separator: ','\n{LABELS}", r"separator: .*no such key; it is for multi"),
        (SOURCE, "[accuracy]", "[pearson]", r"no metric 'pearson' of a classification task; there are"),
        (SOURCE, "[accuracy]", "[micro_f1]", r"no metric 'micro_f1' .*did you mean 'macro_f1'"),
        (SEVERAL, LABELS, "", r"labels: .*a multi-label task needs at least 2 labels"),
        (SEVERAL, LABELS, f"positive: glad\n{LABELS}", r"positive: .*no such key; it is for classification"),
        (SEVERAL, "[micro_f1]", "[accuracy]", r"no metric 'accuracy' of a multi-label task; there are"),
        (SEVERAL, "label: label", "label: [sad, glad]", r"labels: .*name each column of columns.label"),
        (SEVERAL.replace(LABELS, "separator: ;\n"), "label: label", "label: [a, b]", r"a column for each"),
    ],
)  # fmt: skip
def test_a_key_of_another_kind_of_task_is_refused(
    tmp_path: Path, source: str, old: str, new: str, message: str
) -> None:
    assert old in source
    (tmp_path / "source.yaml").write_text(source.replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        read_source(tmp_path)


def read(tmp_path: Path, source: str) -> Source:
    (tmp_path / "source.yaml").write_text(source)
    return read_source(tmp_path)


def test_a_submission_says_none_of_the_labels_as_the_source_does(tmp_path: Path) -> None:
    source = SEVERAL.replace("labels:", "separator: ','\nno_label: none\nlabels:")
    assert as_task(read(tmp_path, source)).submission.no_label == "none"


def test_a_column_for_each_label_names_the_labels_too(tmp_path: Path) -> None:
    each = SEVERAL.replace("label: label", "label: [toxic, rude]")
    assert read(tmp_path, each.replace(LABELS, "")).labels == {"toxic": "toxic", "rude": "rude"}
    renamed = each.replace(LABELS, "labels: {toxic: poison, rude: rough}\n")
    assert as_task(read(tmp_path, renamed)).labels == ["poison", "rough"]


BY_ROLE = """\
title: moods
files: {train: train.tsv, unlabelled: test.tsv, unlabelled_far: far.tsv}
format: {header: false, encoding: cp1252}
names: [who, label, sentence]
columns: {text: sentence, label: label}
keep: [who, where]
by_role:
  unlabelled: {format: {header: true}, columns: {id: index, text: tweet}, lacks: [who]}
  unlabelled_far: {names: [number, sentence, where], columns: {id: number}}
hub:
  dataset: a/b
  revision: 0123456789abcdef0123456789abcdef01234567
  columns: {id: idx, text: body}
  lacks: [where]
labels: [sad, glad]
task: classification
metrics: [accuracy]
copies: report
"""


def test_one_role_may_be_written_otherwise_than_the_others(tmp_path: Path) -> None:
    source = read(tmp_path, BY_ROLE)
    form, names = source.layout("train")
    assert (form.header, form.encoding, names) == (False, "cp1252", ["who", "label", "sentence"])
    form, names = source.layout("unlabelled")
    assert (form.header, form.encoding, names) == (True, "cp1252", None)
    assert source.layout("unlabelled_far")[1] == ["number", "sentence", "where"]
    assert source.wanted("train").names() == ["sentence", "label", "who", "where"]
    assert source.wanted("unlabelled").names() == ["index", "tweet", "where"]
    assert source.wanted("unlabelled_far").names() == ["number", "sentence", "who", "where"]


def test_the_hubs_names_stand_in_place_of_the_files_own(tmp_path: Path) -> None:
    source = read(tmp_path, BY_ROLE)
    assert source.wanted("train", from_hub=True).names() == ["body", "label", "who"]
    assert source.wanted("unlabelled", from_hub=True).names() == ["idx", "body"]


def test_a_role_may_have_no_ids(tmp_path: Path) -> None:
    more = "text: text, id: id"
    source = read(tmp_path, SOURCE.replace("text: text", more) + "by_role: {train: {columns: {id: null}}}\n")
    assert source.wanted("train").columns.id is None


@pytest.mark.parametrize(
    ("given", "id_name", "label", "files", "delimiter"),
    [
        ("", "index", "label", {"unlabelled": "submission.csv", "unlabelled_far": "submission_far.csv"}, ","),
        (
            'submission: {delimiter: "\\t", id: Id, label: said, files: {unlabelled_far: F.tsv}}',
            "Id",
            "said",
            {"unlabelled": "submission.csv", "unlabelled_far": "F.tsv"},
            "\t",
        ),
    ],
)
def test_a_submission_is_as_the_sources_own_files_unless_told_otherwise(
    tmp_path: Path, given: str, id_name: str, label: str, files: dict[str, str], delimiter: str
) -> None:
    found = as_task(read(tmp_path, BY_ROLE + given)).submission
    told = {"delimiter": delimiter, "id": id_name, "label": label, "files": files, "no_label": ""}
    assert found.model_dump() == told


@pytest.mark.parametrize("name", ["../a.csv", "finetuned.parquet", "a/b.tsv", ""])
def test_a_submission_is_a_table_of_text_beside_the_predictions(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"submission: .*ends in .csv, .tsv or .txt"):
        read(tmp_path, BY_ROLE + f"submission: {{files: {{unlabelled: '{name}'}}}}")


def test_the_keys_of_a_kind_are_those_of_source_yaml() -> None:
    assert set(KEYS_OF_KINDS) == set(KINDS)
    assert {key for keys in KEYS_OF_KINDS.values() for key in keys} <= set(Source.model_fields)


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
        "separator": None,
        "positive": "glad",
        "metrics": ["accuracy"],
        "columns": {"id": None, "text": "text", "text_pair": None, "label": "label"},
        "kept": ["place"],
        "copies": "remove",
        "submission": {"delimiter": ",", "id": "id", "label": "label", "files": {}, "no_label": ""},
    }


@pytest.mark.parametrize(
    "folder", sorted(Path("data/sources").glob("*/source.yaml")), ids=lambda path: path.parent.name
)
def test_every_source_of_the_project_is_well_formed(folder: Path) -> None:
    assert read_source(folder.parent).title
