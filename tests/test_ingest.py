"""A source's rows become one table; each is kept or set aside with a reason, and nothing is half-written."""

import json
import re
from pathlib import Path

import polars as pl
import pytest

from stages.ingest import main
from stages.lib.config import StrictModel
from stages.lib.exceptions import ConfigError, SourceError, TextrailError
from stages.lib.kinds import KINDS
from stages.lib.source_keys import Columns, Format, Hub, RoleFile, SubmissionForm
from stages.lib.sources.expectations import Expectation
from stages.lib.sources.parts import find_parts
from stages.lib.sources.source import Source, read_source
from stages.lib.task import read_task

SOURCE = """\
title: moods
files: {train: train.csv, unlabelled: new.csv}
columns: {id: id, text: text, label: label}
keep: [place]
labels: {0: sad, 1: glad}
task: classification
metrics: [accuracy]
copies: remove
"""
TRAIN = "id,text,place,other,label\n1,so sad,here,x,0\n2,so glad,,x,1\n"
NEW = "id,text,place\n3,who knows,there\n"
OUTS = ("task.json", "expectations.json", "ingested.parquet", "rejected.parquet", "ingest.json")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("ingest:\n  source: moods\n  max_rejected_share: 1.0\n")
    folder = Path("data/sources/moods")
    folder.mkdir(parents=True)
    for name, content in {"source.yaml": SOURCE, "train.csv": TRAIN, "new.csv": NEW}.items():
        (folder / name).write_text(content)
    return folder


def ingest(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, object]]:
    task, expected, ingested, rejected, metrics = (Path("out") / name for name in OUTS)
    outs = {"task": task, "expectations": expected, "ingested": ingested, "rejected": rejected}
    main(source=folder, **outs, metrics=metrics)
    return pl.read_parquet(ingested), pl.read_parquet(rejected), json.loads(metrics.read_text())


def edit(folder: Path, old: str, new: str, file: str = "source.yaml") -> None:
    content = (folder / file).read_text()
    assert old in content
    (folder / file).write_text(content.replace(old, new, 1))


def test_the_table_holds_the_source_in_its_order(project: Path) -> None:
    ingested, rejected, _ = ingest(project)
    assert ingested.columns == ["id", "source_id", "text", "label", "role", "place"]
    assert ingested.rows() == [
        ("1", "1", "so sad", "sad", "train", "here"),
        ("2", "2", "so glad", "glad", "train", None),
        ("3", "3", "who knows", None, "unlabelled", "there"),
    ]
    assert set(ingested.dtypes) == {pl.String}
    assert rejected.is_empty()
    assert read_task(Path("out/task.json")).labels == ["sad", "glad"]


def test_one_line_says_what_was_taken(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ingest(project)
    assert capsys.readouterr().out == "ingest: moods: 3 rows in, 3 kept (2 train, 1 unlabelled), 0 rejected\n"


def test_every_row_is_kept_or_set_aside_with_its_place_and_reason(project: Path) -> None:
    edit(project, "task:", "format: {encoding: utf-8}\ntask:")
    with (project / "train.csv").open("ab") as file:
        file.write(
            b'4,"   ",p,x,0\n5,fin\xc3\xa9,p,x,\n6,short\n7,caf\xe9,p,x,0\n\n8,"good\nold",p,x,1\n9,,p,x,7\n'
        )
    ingested, rejected, metrics = ingest(project)
    assert rejected.columns == ["file", "line", "row", "reason"]
    assert rejected.select("file", "line", "reason").rows() == [
        ("train.csv", 4, "text is empty"),
        ("train.csv", 5, "label is empty"),
        ("train.csv", 6, "2 fields where 5 are expected"),
        ("train.csv", 7, "not utf-8"),
        ("train.csv", 8, "blank line"),
        ("train.csv", 11, "text is empty"),
    ]
    assert json.loads(rejected["row"][1]) == {
        "id": "5",
        "text": "finé",
        "place": "p",
        "other": "x",
        "label": "",
    }
    assert metrics == {
        "rows_in": 10,
        "rows_kept": len(ingested),
        "rows_rejected": len(rejected),
        "rejected_because": {
            "text is empty": 2,
            "label is empty": 1,
            "2 fields where 5 are expected": 1,
            "not utf-8": 1,
            "blank line": 1,
        },
        "roles": {"train": 3, "unlabelled": 1},
        "labels": {"train": {"sad": 1, "glad": 2}},
        "read_as": {"train.csv": "csv", "new.csv": "csv"},
    }
    assert metrics["rows_in"] == len(ingested) + len(rejected)


def test_the_same_rows_come_from_csv_tsv_and_json_lines(project: Path) -> None:
    expected, _, _ = ingest(project)
    rows = [line.split(",") for line in TRAIN.splitlines()]
    (project / "train.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    edit(project, "train.csv", "train.tsv")
    assert ingest(project)[0].equals(expected)
    records = [
        {"id": 1, "text": "so sad", "place": "here", "label": 0},
        {"id": 2, "text": "so glad", "place": None, "label": True},
    ]
    (project / "train.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    edit(project, "train.tsv", "train.jsonl")
    edit(project, "{0: sad, 1: glad}", "{0: sad, true: glad}")
    edit(project, "unlabelled: new.csv", "unlabelled: new.jsonl")
    (project / "new.jsonl").write_text('{"id": 3, "text": "who knows", "place": "there"}\n')
    assert ingest(project)[0].equals(expected)


def test_several_columns_make_one_text(project: Path) -> None:
    (project / "train.csv").write_text(
        "id,subject,body,place,label\n"
        "1,Bill,too high,x,0\n2, ,only body,x,1\n3,,  ,x,0\n4,only subject,,x,1\n"
    )
    (project / "new.jsonl").write_text(
        '{"id": 5, "subject": "Bill", "body": ["too high"], "place": "x"}\n' * 2
    )
    with (project / "new.jsonl").open("a") as file:
        file.write('{"id": 6, "subject": 7.0, "body": null, "place": "x"}\n')
    edit(project, "text: text", "text: [subject, body]")
    edit(project, "new.csv", "new.jsonl")
    ingested, rejected, _ = ingest(project)
    assert ingested["text"].to_list() == ["Bill\ntoo high", "only body", "only subject", "7"]
    assert rejected.select("line", "reason").rows() == [
        (4, "text is empty"),
        (1, "body is a list or an object"),
        (2, "body is a list or an object"),
    ]
    assert read_task(Path("out/task.json")).columns.text == ["subject", "body"]


def test_an_id_by_hash_is_of_the_joined_text(project: Path) -> None:
    edit(project, "{id: id, text: text, label: label}", "{text: [text, place], label: label}")
    edit(project, "keep: [place]\n", "")
    joined = ingest(project)[0]["id"].to_list()
    (project / "train.csv").write_text('text,label\n"so sad\nhere",0\nso glad,1\n')
    (project / "new.csv").write_text('text\n"who knows\nthere"\n')
    edit(project, "[text, place]", "text")
    assert ingest(project)[0]["id"].to_list() == joined


def test_a_nested_json_value_is_a_rejected_row(project: Path) -> None:
    (project / "new.jsonl").write_text(
        '{"id": 3, "text": ["a"], "place": "p"}\n{"id": 4, "text": "a", "place": "p"}\n'
    )
    edit(project, "new.csv", "new.jsonl")
    _, rejected, _ = ingest(project)
    assert rejected["reason"].to_list() == ["text is a list or an object"]


@pytest.mark.parametrize("spelling", ["true", "True", "TRUE"])
def test_a_boolean_label_is_known_however_it_is_spelt(project: Path, spelling: str) -> None:
    edit(project, "{0: sad, 1: glad}", "{0: sad, True: glad}")
    edit(project, "x,1", f"x,{spelling}", "train.csv")
    assert ingest(project)[0]["label"].to_list() == ["sad", "glad", None]


def test_an_unlabelled_file_may_hold_labels_that_nobody_reads(project: Path) -> None:
    (project / "new.csv").write_text("id,text,place,label\n3,who knows,there,-1\n")
    assert ingest(project)[0]["label"].to_list() == ["sad", "glad", None]


def test_labels_of_an_unlabelled_file_are_not_read_even_where_they_are_kept(project: Path) -> None:
    (project / "train.csv").write_text(TRAIN.replace("label", "mood"))
    (project / "new.csv").write_text("id,text,mood\n3,who knows,whatever\n")
    edit(project, "label: label", "label: mood")
    edit(project, "[place]", "[mood]")
    ingested, _, _ = ingest(project)
    assert ingested["label"].to_list() == ["sad", "glad", None]
    assert ingested["mood"].to_list() == ["0", "1", "whatever"]


def test_a_row_that_nobody_has_labelled_is_set_aside_and_says_so(project: Path) -> None:
    (project / "train.csv").write_text(TRAIN + "4,who knows,,x,-1\n")
    ingested, rejected, _ = ingest(project)
    assert ingested["label"].to_list() == ["sad", "glad", None]
    assert rejected.select("line", "reason").rows() == [(4, "label is -1: nobody has labelled this row")]


def test_scores_are_numbers_and_what_is_none_is_set_aside(project: Path) -> None:
    edit(project, "labels: {0: sad, 1: glad}", "range: [0, 5]")
    edit(project, "classification", "regression")
    edit(project, "accuracy", "pearson")
    (project / "train.csv").write_text(
        'id,text,place,label\n1,a,,3.800\n2,b,,5\n3,c,,-1\n4,d,,5.1\n5,e,,good\n6,f,,"2,5"\n7,g,,nan\n'
    )
    ingested, rejected, metrics = ingest(project)
    assert ingested.schema["label"] == pl.Float64
    assert ingested["label"].to_list() == [3.8, 5.0, None]
    outside, no_number = "label is outside the range from 0 to 5", "label is no finite number"
    comma = "label has a decimal comma; write a decimal point"
    assert rejected["reason"].to_list() == [outside, outside, no_number, comma, no_number]
    assert metrics["labels"] == {"train": {}}
    assert read_task(Path("out/task.json")).labels == []


def several(project: Path, more: str = "separator: ' '") -> None:
    edit(project, "labels: {0: sad, 1: glad}", f"labels: {{0: sad, 1: glad, 2: wild}}\n{more}")
    edit(project, "classification", "multi-label")
    edit(project, "accuracy", "micro_f1")


def test_a_row_may_have_several_labels_or_none(project: Path) -> None:
    several(project, "separator: ' '\nno_label: none")
    (project / "train.csv").write_text("id,text,place,label\n1,a,,2 0 2\n2,b,,none\n3,c,,1\n4,d,,\n5,e,,-1\n")
    ingested, rejected, metrics = ingest(project)
    assert ingested.schema["label"] == pl.List(pl.String)
    assert ingested["label"].to_list() == [["sad", "wild"], [], ["glad"], None]
    assert rejected["reason"].to_list() == ["label is empty", "label is -1: nobody has labelled this row"]
    assert metrics["labels"] == {"train": {"sad": 1, "wild": 1, "glad": 1}}
    assert read_task(Path("out/task.json")).separator == " "


def test_json_lines_hold_several_labels_as_a_list(project: Path) -> None:
    several(project, "")
    edit(project, "train.csv", "train.jsonl")
    rows: list[object] = [[2, "0"], [], None, [[1]], {"a": 1}]
    lines = [json.dumps({"id": n, "text": "a", "place": "p", "label": row}) for n, row in enumerate(rows)]
    (project / "train.jsonl").write_text("\n".join(lines) + "\n")
    ingested, rejected, _ = ingest(project)
    assert ingested["label"].to_list() == [["sad", "wild"], [], None]
    nested = "label is a list or an object"
    assert rejected["reason"].to_list() == ["label is empty", nested, nested]


def test_a_column_of_zeros_and_ones_for_each_label(project: Path) -> None:
    several(project, "")
    edit(project, "labels: {0: sad, 1: glad, 2: wild}\n", "")
    edit(project, "label: label", "label: [sad, glad]")
    (project / "train.csv").write_text("id,text,place,sad,glad\n1,a,,1,1\n2,b,,0,0\n3,c,,1,\n4,d,,-1,-1\n")
    ingested, rejected, _ = ingest(project)
    assert ingested["label"].to_list() == [["sad", "glad"], [], None]
    assert rejected["reason"].to_list() == ["glad is empty", "label is -1: nobody has labelled this row"]
    assert read_task(Path("out/task.json")).submission.label == ["sad", "glad"]


def test_an_unknown_one_of_several_labels_is_an_error_that_names_it(project: Path) -> None:
    several(project)
    edit(project, "x,1", "x,1 3", "train.csv")
    with pytest.raises(SourceError, match=r"train.csv:3: label is '3', which source.yaml does not name"):
        ingest(project)


def test_one_role_may_have_other_columns(project: Path) -> None:
    edit(project, "keep:", "by_role: {unlabelled: {columns: {id: n, text: body}, lacks: [place]}}\nkeep:")
    (project / "new.csv").write_text("n,body\n3,who knows\n")
    ingested, _, _ = ingest(project)
    assert ingested.rows()[2] == ("3", "3", "who knows", None, "unlabelled", None)


def test_there_may_be_several_sets_of_unlabelled_rows(project: Path) -> None:
    edit(project, "unlabelled: new.csv", "unlabelled: new.csv, unlabelled_far: far.csv")
    (project / "far.csv").write_text("id,text,place\n4,nor this,far\n")
    ingested, _, _ = ingest(project)
    assert ingested["role"].to_list() == ["train", "train", "unlabelled", "unlabelled_far"]
    assert ingested["label"].null_count() == 2


DOCS = (Path(__file__).parents[1] / "docs/your-data.md").read_text(encoding="utf-8")


def test_every_key_of_source_yaml_stands_in_the_docs() -> None:
    inner: dict[str, type[StrictModel]] = {
        "columns": Columns,
        "format": Format,
        "by_role": RoleFile,
        "hub": Hub,
        "submission": SubmissionForm,
        "expectations": Expectation,
    }
    keys = [key for key in Source.model_fields if key not in inner]
    keys += [f"{key}.{field}" for key, model in inner.items() for field in model.model_fields]
    assert [key for key in keys if f"`{key}`" not in DOCS] == []


def test_every_source_in_the_docs_is_well_formed(tmp_path: Path) -> None:
    sources = re.findall(r"```yaml\n(title:.*?)```", DOCS, re.S)
    kinds = set()
    for source in sources:
        (tmp_path / "source.yaml").write_text(source)
        kinds.add(read_source(tmp_path).task)
    assert kinds == set(KINDS)


def test_every_metric_stands_in_the_docs() -> None:
    known = {score for facts in KINDS.values() for score in facts.scores + facts.positive_scores}
    assert [score for score in sorted(known) if f"`{score}`" not in DOCS] == []


def test_the_example_in_the_docs_does_what_they_say(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"```(?:yaml)?\n((?:ticket,|title:).*?)```", DOCS, re.S)
    table, source = (block.strip("\n") for block in blocks[:2])
    folder = project.with_name("mine")
    folder.mkdir()
    (folder / "tickets.csv").write_text(table + "\n")
    (folder / "source.yaml").write_text(source)
    Path("params.yaml").write_text("ingest:\n  source: mine\n  max_rejected_share: 0.2\n")
    _, rejected, _ = ingest(folder)
    assert capsys.readouterr().out in DOCS
    assert str(rejected.row(0)) in DOCS
    for old, new, file in [
        ("text: message", "text: mesage", "source.yaml"),
        ("technical]", "technicl]", "source.yaml"),
        ("Please", '"Please', "tickets.csv"),
    ]:
        edit(folder, old, new, file)
        with pytest.raises(SourceError) as caught:
            ingest(folder)
        assert f"ingest: {caught.value}" in DOCS
        edit(folder, new, old, file)


def test_pairs_may_lack_their_second_text(project: Path) -> None:
    edit(project, "text: text", "text: text, text_pair: place")
    edit(project, "keep: [place]\n", "")
    ingested, rejected, _ = ingest(project)
    assert ingested.columns == ["id", "source_id", "text", "text_pair", "label", "role"]
    assert ingested["text_pair"].to_list() == ["here", None, "there"]
    assert rejected.is_empty()


def test_rows_added_after_a_row_do_not_change_its_id(project: Path) -> None:
    edit(project, "id: id, ", "")
    before = ingest(project)[0]
    with (project / "train.csv").open("a") as file:
        file.write("9,so sad,here,x,1\n")
    after = ingest(project)[0]
    assert after["id"][:2].to_list() == before["id"][:2].to_list()
    assert after["id"].n_unique() == 4
    assert after["source_id"].null_count() == 4


def test_the_same_files_give_the_same_bytes(project: Path) -> None:
    ingest(project)
    first = [(Path("out") / name).read_bytes() for name in OUTS]
    ingest(project)
    assert [(Path("out") / name).read_bytes() for name in OUTS] == first


def test_the_folder_is_left_as_it_was(project: Path) -> None:
    before = {path: path.read_bytes() for path in project.iterdir()}
    ingest(project)
    assert {path: path.read_bytes() for path in project.iterdir()} == before


FAULTS = [
    (
        "source.yaml",
        "text: text",
        "text: txt",
        "/train.csv:1: no column 'txt'; it has id, text, .*mean 'text'",
    ),
    ("source.yaml", "place", "plaice", "/train.csv:1: no column 'plaice'.*did you mean 'place'"),
    ("source.yaml", "train.csv", "trian.csv", ": no trian.csv, which source.yaml .*did you mean 'train.csv'"),
    ("source.yaml", "keep:", "kept:", "/source.yaml:4: kept: unknown key; did you mean 'keep'"),
    ("train.csv", "x,1", "x,2", "/train.csv:3: label is '2', .*under labels; it has 0, 1; .*: 1$"),
    ("train.csv", "so glad", '"so glad', "/train.csv:3: the quote that opens here"),
    ("train.csv", TRAIN, "", "/train.csv: the file is empty"),
    ("new.csv", NEW, "id,text,place\n", "/new.csv: a header and no row below it"),
    ("new.csv", "who knows", "", r"/new.csv: none of its 1 rows can be used: text is empty \(1\)"),
]


@pytest.mark.parametrize(("file", "old", "new", "message"), FAULTS)
def test_an_error_is_one_clear_message_and_writes_nothing(
    project: Path, file: str, old: str, new: str, message: str
) -> None:
    edit(project, old, new, file)
    with pytest.raises(TextrailError, match=f"^data/sources/moods{message}") as caught:
        ingest(project)
    assert isinstance(caught.value, SourceError | ConfigError)
    assert "\n" not in str(caught.value)
    assert list(Path("out").glob("*")) == []


def test_too_many_rejected_rows_fail_the_stage_and_can_be_looked_at(project: Path) -> None:
    with (project / "train.csv").open("a") as file:
        file.write("3,,p,x,0\n4, ,p,x,1\n5,fine,p,x,\n")
    Path("params.yaml").write_text("ingest:\n  source: moods\n  max_rejected_share: 0.6\n")
    ingest(project)
    before = [(Path("out") / name).read_bytes() for name in OUTS]
    Path("params.yaml").write_text("ingest:\n  source: moods\n  max_rejected_share: 0.5\n")
    with pytest.raises(SourceError) as caught:
        ingest(project)
    assert str(caught.value) == (
        "role train: 3 of 5 rows (60.0 %) cannot be used, where ingest.max_rejected_share in params.yaml "
        "allows 50 %: text is empty (2); label is empty (1); all of them stand in "
        ".textrail/rejected.parquet: mend the source, or raise the share"
    )
    assert pl.read_parquet(".textrail/rejected.parquet")["line"].to_list() == [4, 5, 6]
    assert [(Path("out") / name).read_bytes() for name in OUTS] == before
    assert sorted(path.name for path in Path("out").iterdir()) == sorted(OUTS)


def test_a_tracked_file_that_was_not_pulled_says_so(project: Path) -> None:
    (project / "train.csv").rename(project / "train.csv.dvc")
    with pytest.raises(SourceError, match=r"train.csv: not here, but DVC tracks it: run `dvc pull`"):
        ingest(project)


SHARED = Path(__file__).parents[2] / "shared/data"


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not there")
@pytest.mark.parametrize(
    ("name", "files", "rows", "line"),
    [
        ("disaster-tweets", "disaster_tweets", "10,876", "7,613 train, 3,263 unlabelled"),
        ("emotion", "emotion", "20,000", "16,000 train, 2,000 validation, 2,000 test"),
    ],
)
def test_the_real_corpora_are_taken_whole(
    project: Path, name: str, files: str, rows: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = project.with_name(name)
    folder.mkdir()
    source = Path(__file__).parents[1] / "data/sources" / name / "source.yaml"
    for path in [source, *(SHARED / files).iterdir()]:
        (folder / path.name).write_bytes(path.read_bytes())
    Path("params.yaml").write_text(f"ingest:\n  source: {name}\n  max_rejected_share: 0.0\n")
    ingested, rejected, _ = ingest(folder)
    assert capsys.readouterr().out == f"ingest: {name}: {rows} rows in, {rows} kept ({line}), 0 rejected\n"
    assert ingested["id"].n_unique() == len(ingested)
    assert rejected.is_empty()


@pytest.mark.parametrize("change", ["more", "less"])
def test_a_file_that_is_written_to_while_it_is_read_is_refused(project: Path, change: str) -> None:
    """DVC would note the new file for what was made of both."""
    path = project / "train.csv"
    parts = find_parts(project, read_source(project))
    train = next(part for part in parts if part.role == "train")
    next(train.rows)
    content = path.read_bytes()
    path.write_bytes(content + content[-20:] if change == "more" else content[:-1])
    with pytest.raises(SourceError, match=r"train\.csv: it was changed while it was read; run this again"):
        list(train.rows)


def test_blank_lines_do_not_fail_a_source(project: Path) -> None:
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("max_rejected_share: 1.0", "max_rejected_share: 0.2"))
    (project / "train.csv").write_bytes(TRAIN.encode().replace(b"\n", b"\r\r\n"))
    ingested, rejected, _ = ingest(project)
    assert set(rejected["reason"]) == {"blank line"}
    assert ingested.filter(pl.col("role") == "train").height == 2
