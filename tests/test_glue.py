"""GLUE's nine tasks, from its own files and from the Hub: the same table either way."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

from stages.lib.sources.source import as_task, read_source
from stages.lib.sources.submission import write_submissions
from tests.hub_server import Served, serving
from tests.taken import taken_from
from tests.test_hub import ingest, nowhere

SOURCES = Path(__file__).parents[1] / "data/sources"
SHARED = Path(__file__).parents[2] / "shared/data/glue"
REVISION = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"

README = """\
---
configs:
{configs}---
"""
CONFIG = """\
- config_name: {name}
  data_files:
{splits}"""


class Layout(NamedTuple):
    """One task's files, as GLUE gives them, and the names of the same columns on the Hub."""

    train: str  # header of train and dev; of CoLA, which has none, its columns
    test: str  # header
    texts: tuple[str, ...]  # columns in the files
    label: str
    hub_texts: tuple[str, ...]
    raw: tuple[str, ...]  # label values in the files
    classes: tuple[str, ...]  # the Hub's names of them, in its order; none for a score


PAIR = ("sentence1", "sentence2")
BOTH = "index\tsentence1\tsentence2"
STSB = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2"
MRPC = "#1 ID\t#2 ID\t#1 String\t#2 String"
MNLI = (
    "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse"
    "\tsentence1_parse\tsentence2_parse\tsentence1\tsentence2"
)
ENTAILED = ("entailment", "not_entailment")
LAYOUTS = {
    "cola": Layout(
        "source\tlabel\tmark\tsentence",
        "index\tsentence",
        ("sentence",),
        "label",
        ("sentence",),
        ("0", "1"),
        ("unacceptable", "acceptable"),
    ),
    "sst2": Layout(
        "sentence\tlabel",
        "index\tsentence",
        ("sentence",),
        "label",
        ("sentence",),
        ("0", "1"),
        ("negative", "positive"),
    ),
    "mrpc": Layout(
        f"Quality\t{MRPC}",
        f"index\t{MRPC}",
        ("#1 String", "#2 String"),
        "Quality",
        PAIR,
        ("0", "1"),
        ("not_equivalent", "equivalent"),
    ),
    "stsb": Layout(f"{STSB}\tscore", STSB, PAIR, "score", PAIR, ("3.800", "0.000"), ()),
    "qqp": Layout(
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate",
        "id\tquestion1\tquestion2",
        ("question1", "question2"),
        "is_duplicate",
        ("question1", "question2"),
        ("0", "1"),
        ("not_duplicate", "duplicate"),
    ),
    "mnli": Layout(
        f"{MNLI}\tlabel1\tgold_label",
        MNLI,
        PAIR,
        "gold_label",
        ("premise", "hypothesis"),
        ("contradiction", "neutral"),
        ("entailment", "neutral", "contradiction"),
    ),
    "qnli": Layout(
        "index\tquestion\tsentence\tlabel",
        "index\tquestion\tsentence",
        ("question", "sentence"),
        "label",
        ("question", "sentence"),
        ENTAILED,
        ENTAILED,
    ),
    "rte": Layout(f"{BOTH}\tlabel", BOTH, PAIR, "label", PAIR, ENTAILED[::-1], ENTAILED),
    "wnli": Layout(f"{BOTH}\tlabel", BOTH, PAIR, "label", PAIR, ("0", "1"), ENTAILED[::-1]),
}
TASKS = list(LAYOUTS)
ROLES = {
    "mnli": [
        ("train", "train", "train"),
        ("dev_matched", "validation_matched", "test"),
        ("dev_mismatched", "validation_mismatched", "test_mismatched"),
        ("test_matched", "test_matched", "unlabelled"),
        ("test_mismatched", "test_mismatched", "unlabelled_mismatched"),
    ]
}
USUAL = [("train", "train", "train"), ("dev", "validation", "test"), ("test", "test", "unlabelled")]


def text_of(split: str, number: int, place: int) -> str:
    """With a quotation mark that nothing closes, as GLUE has them."""
    return f'{split} {number} " says {place}, it is so'


def written_file(layout: Layout, split: str, header: bool, labelled: bool) -> str:
    columns = (layout.train if labelled else layout.test).split("\t")
    lines = ["\t".join(columns)] if header else []
    for number in range(2):
        cells = {"index": str(number), "id": str(number), "label1": "of one annotator"}
        cells |= {name: text_of(split, number, place) for place, name in enumerate(layout.texts)}
        cells |= {layout.label: layout.raw[number]} if labelled else {}
        lines.append("\t".join(cells.get(name, f"other {name}") for name in columns))
    return "\n".join(lines) + "\n"


def write_files(name: str, folder: Path) -> None:
    layout = LAYOUTS[name]
    for file, split, role in ROLES.get(name, USUAL):
        labelled = not role.startswith("unlabelled")
        header = name != "cola" or not labelled
        (folder / f"{file}.tsv").write_text(written_file(layout, split, header, labelled))


def parquet_of(name: str, split: str) -> bytes:
    """As the Hub has it: a class by its number, -1 where GLUE keeps the label to itself."""
    from datasets import ClassLabel, Dataset, Features, Value

    layout = LAYOUTS[name]
    labelled = not split.startswith("test")
    columns: dict[str, list[Any]] = {
        column: [text_of(split, number, place) for number in range(2)]
        for place, column in enumerate(layout.hub_texts)
    }
    columns |= {"label": [number_of(layout, raw) if labelled else -1 for raw in layout.raw], "idx": [0, 1]}
    label = ClassLabel(names=list(layout.classes)) if layout.classes else Value("float32")
    features = dict.fromkeys(layout.hub_texts, Value("string")) | {"label": label, "idx": Value("int32")}
    sink = io.BytesIO()
    Dataset.from_dict(columns, Features(features)).to_parquet(sink)
    return sink.getvalue()


def number_of(layout: Layout, raw: str) -> float:
    if not layout.classes:
        return float(raw)
    return layout.classes.index(raw) if raw in layout.classes else int(raw)


def glue_on_the_hub() -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    configs = ""
    for name in TASKS:
        splits = [split for _, split, _ in ROLES.get(name, USUAL)]
        files |= {f"{name}/{split}-00000-of-00001.parquet": parquet_of(name, split) for split in splits}
        listed = "".join(f"  - {{split: {split}, path: {name}/{split}-*}}\n" for split in splits)
        configs += CONFIG.format(name=name, splits=listed)
    return {"README.md": README.format(configs=configs).encode()} | files


@pytest.fixture(scope="module")
def hub() -> Iterator[Served]:
    with serving(Served(glue_on_the_hub(), name="nyu-mll/glue", commit=REVISION)) as served:
        yield served
    assert served.unknown == []


@pytest.fixture
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """With the source of the test's task in it, and no file of GLUE's."""
    name = f"glue-{request.getfixturevalue('name')}"
    folder = tmp_path / "data/sources" / name
    folder.mkdir(parents=True)
    (folder / "source.yaml").write_bytes((SOURCES / name / "source.yaml").read_bytes())
    (tmp_path / "params.yaml").write_text(f"ingest: {{source: {name}, max_rejected_share: 0.5}}\n")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_the_hub_and_the_files_give_the_same_table(name: str, project: Path, hub: Served) -> None:
    first = len(hub.requests)
    result = ingest(project, hub.endpoint, f"glue-{name}")
    splits = [(role, split) for _, split, role in ROLES.get(name, USUAL)]
    line = ", ".join(f"2 {role}" for role, _ in splits)
    assert result.stdout.startswith(f"ingest: glue-{name}: ")
    assert result.stdout.endswith(f" kept ({line}), 0 rejected\n")
    assert result.stderr == ""
    asked = " ".join(hub.requests[first:])
    assert all(f"{name}/{split}-" in asked for _, split in splits)
    assert not any(f"/{other}/" in asked for other in TASKS if other != name)
    fetched = pl.read_parquet(project / "out/ingested.parquet")
    write_files(name, project / f"data/sources/glue-{name}")
    ours, rejected = taken_from(project / f"data/sources/glue-{name}")
    assert rejected.is_empty()
    kept = json.loads((project / "out/task.json").read_text())["kept"]
    assert fetched.drop(kept).equals(ours.drop(kept))
    assert all(fetched[column].null_count() == len(fetched) for column in kept)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "reason"), [
    ("rte", "label is -1: nobody has labelled this row"),
    ("stsb", "label is outside the range from 0 to 5"),
])  # fmt: skip
def test_a_label_that_glue_keeps_to_itself_is_never_learnt(
    name: str, reason: str, project: Path, hub: Served
) -> None:
    path = project / f"data/sources/glue-{name}/source.yaml"
    path.write_text(path.read_text().replace("unlabelled: test}", "later: test}").replace(
        "unlabelled: test.tsv}", "later: test.tsv}").split("submission:")[0])  # fmt: skip
    result = ingest(project, hub.endpoint, f"glue-{name}")
    assert f"none of its 2 rows can be used: {reason} (2)" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_glues_own_files_need_no_hub(name: str, project: Path) -> None:
    folder = project / f"data/sources/glue-{name}"
    write_files(name, folder)
    result = ingest(project, nowhere(), f"glue-{name}")
    assert ", 0 rejected" in result.stdout
    table = pl.read_parquet(project / "out/ingested.parquet")
    roles = [role for _, _, role in ROLES.get(name, USUAL)]
    assert table["role"].unique(maintain_order=True).to_list() == roles
    unlabelled = table.filter(pl.col("role").str.starts_with("unlabelled"))
    assert unlabelled["label"].null_count() == len(unlabelled)
    assert set(unlabelled["source_id"]) == {"0", "1"}


SUBMISSIONS = {
    "cola": ("CoLA.tsv", ["1", "0"]),
    "sst2": ("SST-2.tsv", ["1", "0"]),
    "mrpc": ("MRPC.tsv", ["1", "0"]),
    "stsb": ("STS-B.tsv", ["4.25", "0.5"]),
    "qqp": ("QQP.tsv", ["1", "0"]),
    "mnli": ("MNLI-m.tsv", ["neutral", "entailment"]),
    "qnli": ("QNLI.tsv", ["not_entailment", "entailment"]),
    "rte": ("RTE.tsv", ["not_entailment", "entailment"]),
    "wnli": ("WNLI.tsv", ["1", "0"]),
}


@pytest.mark.parametrize("name", TASKS)
def test_a_submission_is_as_glue_wants_it(name: str, project: Path, tmp_path: Path) -> None:
    folder = project / f"data/sources/glue-{name}"
    write_files(name, folder)
    examples, _ = taken_from(folder)
    task = as_task(read_source(folder))
    first, second = (1, 0) if task.labels else (4.25, 0.5)
    said = examples.with_columns(predicted=pl.Series([first, second] * (len(examples) // 2)))
    rows = write_submissions(said, examples, task, tmp_path)
    file, values = SUBMISSIONS[name]
    expected = f"index\tprediction\n0\t{values[0]}\n1\t{values[1]}\n"
    assert (tmp_path / file).read_text() == expected
    if name == "mnli":
        assert (tmp_path / "MNLI-mm.tsv").read_text() == expected
    assert rows == {role: 2 for _, _, role in ROLES.get(name, USUAL) if role.startswith("unlabelled")}


REAL = {
    "cola": ("CoLA", 8551, 1043, 1063),
    "sst2": ("SST-2", 67349, 872, 1821),
    "mrpc": ("MRPC", 3668, 408, 1725),
    "rte": ("RTE", 2490, 277, 3000),
    "stsb": ("STS-B", 5749, 1500, 1379),
    "wnli": ("WNLI", 635, 71, 146),
}


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not there")
@pytest.mark.parametrize("name", REAL)
def test_the_real_files_are_taken_whole(name: str, project: Path) -> None:
    files, *rows = REAL[name]
    folder = project / f"data/sources/glue-{name}"
    for path in (SHARED / files).iterdir():
        (folder / path.name).symlink_to(path)
    examples, rejected = taken_from(folder)
    assert rejected.is_empty()
    roles = examples.group_by("role", maintain_order=True).len().rows()
    assert roles == list(zip(["train", "test", "unlabelled"], rows, strict=True))
    assert examples["id"].n_unique() == len(examples)
    assert examples.filter(pl.col("role") == "unlabelled")["label"].null_count() == rows[-1]


def test_every_glue_source_is_pinned_and_publishes_as_glue_does() -> None:
    for name in TASKS:
        source = read_source(SOURCES / f"glue-{name}")
        assert source.hub is not None
        assert (source.hub.dataset, source.hub.config, source.hub.revision) == (
            "nyu-mll/glue",
            name,
            REVISION,
        )
        assert source.copies == "report"
        assert "validation" not in source.files
