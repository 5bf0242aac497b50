"""A source made of files: what is concluded of them, that ingest takes it, that nothing half-made stays."""

import csv
import gzip
import json
import os
import random
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from typer.testing import CliRunner

from commands import new_source
from commands.lib.new_source import placing
from commands.lib.new_source.given import all_given
from stages.lib.config import read_yaml
from stages.lib.exceptions import ConfigError, SourceError, TextrailError
from stages.lib.sources.source import Source, read_source
from tests import warm
from tests.tiny import ROOT, dvc, environment, git, make_tiny_project

WORDS = [
    "the",
    "invoice",
    "shows",
    "a",
    "wrong",
    "address",
    "since",
    "yesterday",
    "please",
    "refund",
    "my",
    "last",
    "payment",
    "or",
    "call",
    "me",
    "back",
]
HAN = "这家酒店的位置非常好服务员态度也热情房间干净早餐丰富但是隔音太差价格偏贵下次不会再来了推荐给大家"
SHARED = ROOT.parent / "shared/data"

# DVC asks pygtrie for it
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """An empty project under git and DVC, to run in. DVC is left out where no test asks for `tracking`."""
    folder = tmp_path / "project"
    (folder / ".dvc").mkdir(parents=True)
    (folder / ".dvc/config").write_text("[core]\n    analytics = false\n")
    (folder / "dvc.yaml").write_text("stages: {}\n")
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    git(folder, "init", "--quiet")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("DVC_EXP_NAME", "DVC_ROOT", "GIT_DIR"):
        monkeypatch.delenv(name, raising=False)
    if "tracking" not in request.fixturenames:
        monkeypatch.setattr(new_source, "track", lambda folder, names: None)
    return folder


@pytest.fixture
def tracking() -> None:
    """`dvc add` and `git add` for real."""


def write(path: Path, rows: Sequence[Any], **how: Any) -> Path:
    encoding = how.pop("encoding", "utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, **how).writerows(rows)
    return path


def text(chance: random.Random, words: Sequence[str] = WORDS, length: int = 12, glue: str = " ") -> str:
    return glue.join(chance.choices(words, k=length))


def wide(line: str) -> int:
    """Columns on a terminal."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line)


def make(*files: Path, name: str = "mine", **more: Any) -> Source:
    new_source.main(list(files), name=name, **more)
    return read_source(Path("data/sources") / name)


def tickets(path: Path, rows: int = 200, **how: Any) -> Path:
    chance = random.Random(1)
    table = [[n, text(chance), chance.choice(["web", "app"]), chance.choice("abb")] for n in range(rows)]
    return write(path, [["ticket", "message", "product", "queue"], *table], **how)


# --- formats -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "how", "found"),
    [
        ("tickets.csv", {}, {"type": "csv", "delimiter": ",", "encoding": "utf-8"}),
        ("tickets.tsv", {"delimiter": "\t"}, {"type": "tsv", "delimiter": "\t", "quoting": False}),
        ("tickets.csv", {"delimiter": ";"}, {"type": "csv", "delimiter": ";"}),
        ("tickets.txt", {"delimiter": "|"}, {"type": "csv", "delimiter": "|"}),
        ("tickets.csv", {"delimiter": "\t"}, {"type": "tsv", "delimiter": "\t"}),
        ("tickets.dat", {"delimiter": "\x1f"}, {"type": "csv", "delimiter": "\x1f"}),
        ("tickets.csv", {"quoting": csv.QUOTE_ALL}, {"delimiter": ",", "quoting": True}),
        ("tickets.tsv", {"quoting": csv.QUOTE_ALL, "delimiter": "\t"}, {"delimiter": "\t", "quoting": True}),
        ("tickets.csv", {"encoding": "utf-16"}, {"encoding": "utf-16"}),
        ("tickets.csv", {"lineterminator": "\r"}, {"delimiter": ","}),
    ],
)  # fmt: skip
def test_how_a_table_is_written_is_found_out(
    tmp_path: Path, name: str, how: dict[str, Any], found: dict[str, Any]
) -> None:
    source = make(tickets(tmp_path / name, **how))
    form = source.format.model_dump()
    assert {key: form[key] for key in found} == found
    assert source.columns.model_dump() == {
        "id": "ticket",
        "text": "message",
        "text_pair": None,
        "label": "queue",
    }
    assert (source.keep, list(source.labels)) == (["product"], ["a", "b"])


def test_a_semicolon_csv_in_cp1252_with_decimal_commas(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(2)
    german = [
        "Rechnung",
        "bitte",
        "falsch",
        "Gerät",
        "startet",
        "nicht",
        "mehr",
        "seit",
        "gestern",
        "schöne",
        "Grüße",
        "über",
        "Straße",
        "Müller",
    ]
    rows = [
        [
            n,
            f"{n % 28 + 1:02}.03.2024",
            f"{text(chance, german)}, Nr. {n}",
            f"{n % 30},{n % 7}0",
            chance.choice(["Technik", "Büro"]),
        ]
        for n in range(200)
    ]
    table = [["Nr", "Datum", "Nachricht", "Betrag", "Abteilung"], *rows]
    source = make(write(tmp_path / "kunden.csv", table, encoding="cp1252", delimiter=";"))
    assert (source.format.delimiter, source.format.encoding) == (";", "cp1252")
    assert (source.columns.text, source.columns.label) == ("Nachricht", "Abteilung")
    assert (source.columns.id, source.keep, source.task) == ("Nr", ["Datum"], "classification")
    assert "not sure" not in capsys.readouterr().out  # 13,50 is no two labels


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("Nummer;Mensaje;Prioridad;Departamento", ("Nummer", "Mensaje", "Departamento")),
        ("Número;Consulta;Abteilung;Prioridad", ("Número", "Consulta", "Abteilung")),
        ("Vorgang;Anfrage;Stufe;Thema", ("Vorgang", "Anfrage", "Thema")),  # by its looks
    ],
)
def test_german_and_spanish_columns_are_known(
    tmp_path: Path, header: str, columns: tuple[str, str, str]
) -> None:
    chance = random.Random(2)
    rows = [[f"T-{n}", text(chance), chance.choice("abc"), chance.choice("defg")] for n in range(60)]
    found = make(write(tmp_path / "a.csv", [header.split(";"), *rows], delimiter=";")).columns
    assert (found.id, found.text, found.label) == columns


@pytest.mark.parametrize(
    ("name", "cells", "taken"),
    [
        ("Vorgang", [f"V{n}" for n in range(60)], True),
        ("Vorgang", [str(7 * n) for n in range(60)], True),
        ("Vorgang", [f"V{n // 2}" for n in range(60)], False),  # twice each
        ("Vorgang", [f"V{n}" for n in range(59)] + [""], False),
        ("Betrag", [f"{n}.5" for n in range(60)], False),
        ("Betrag", [f"{n},5" for n in range(60)], False),
        ("Ort", [f"Raum {n}" for n in range(60)], False),
        ("created_at", [f"{n:02}:30" for n in range(60)], False),
        ("user", [f"u{n}" for n in range(60)], False),
    ],
)
def test_a_first_column_that_tells_each_row_is_its_id(
    tmp_path: Path, name: str, cells: list[str], taken: bool
) -> None:
    chance = random.Random(2)
    rows = [[cell, text(chance), chance.choice("abc")] for cell in cells]
    path = write(tmp_path / "a.csv", [[name, "message", "label"], *rows])
    assert (make(path).columns.id == name) is taken


def test_a_chinese_csv_in_gb18030(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(3)
    rows = [
        [n, text(chance, HAN, chance.randint(8, 40), ""), chance.choice(["正面", "负面"])] for n in range(200)
    ]
    source = make(write(tmp_path / "酒店评论.csv", [["编号", "评论", "标签"], *rows], encoding="gb18030"))
    assert source.format.encoding == "gb18030"
    assert (source.columns.id, source.columns.text, source.columns.label) == ("编号", "评论", "标签")
    assert source.positive == "正面"
    assert "200 kept" in capsys.readouterr().out


def test_a_file_without_a_header(tmp_path: Path) -> None:
    chance = random.Random(4)
    rows = [
        [text(chance, length=chance.randint(4, 20)), chance.choice(["joy", "fear", "love"])]
        for _ in range(200)
    ]
    files = [
        write(tmp_path / f"{name}.txt", rows[part:], delimiter=";")
        for part, name in enumerate(("train", "val"))
    ]
    source = make(*files)
    assert source.format.header is False
    assert source.names == ["text", "label"]
    assert list(source.files) == ["train", "validation"]
    assert (source.columns.text, source.columns.label, list(source.labels)) == (
        "text",
        "label",
        ["fear", "joy", "love"],
    )


def test_quotes_that_are_text(tmp_path: Path) -> None:
    chance = random.Random(5)
    lines = [f'" {text(chance)}\t{text(chance)} "x" \t{n % 2}\n' for n in range(200)]
    (tmp_path / "pairs.csv").write_text("a text\tb text\tquality\n" + "".join(lines))
    source = make(tmp_path / "pairs.csv")
    assert (source.format.quoting, source.format.delimiter) == (False, "\t")
    assert (source.columns.text, source.columns.text_pair) == ("a text", "b text")


def test_a_quoted_sentence_in_a_tsv_is_a_sentence_in_quotes(tmp_path: Path) -> None:
    chance = random.Random(5)
    lines = [
        f'"{text(chance)}"\t{n % 2}\n' if n % 9 == 0 else f"{text(chance)}\t{n % 2}\n" for n in range(99)
    ]
    (tmp_path / "a.tsv").write_text("sentence\tlabel\n" + "".join(lines))
    assert make(tmp_path / "a.tsv").format.quoting is False


def test_json_lines_with_lists_of_labels_packed(tmp_path: Path) -> None:
    chance = random.Random(6)
    with gzip.open(tmp_path / "posts.jsonl.gz", "wt") as file:
        for n in range(200):
            tags = chance.sample(["tech", "food", "art"], n % 4)
            file.write(json.dumps({"uid": f"u{n}", "post": text(chance), "tags": tags}) + "\n")
    source = make(tmp_path / "posts.jsonl.gz")
    assert (source.task, source.separator, list(source.labels)) == (
        "multi-label",
        None,
        ["art", "food", "tech"],
    )
    assert (source.columns.text, source.columns.label) == ("post", "tags")


def test_an_excel_sheet_and_parquet(tmp_path: Path) -> None:
    chance = random.Random(7)
    rows: list[dict[str, Any]] = [
        {"id": n, "review": text(chance), "verdict": chance.choice(["good", "bad"])} for n in range(100)
    ]
    pl.DataFrame(rows).write_parquet(tmp_path / "reviews.parquet")
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Bewertungen"
    for row in [list(rows[0]), *(list(row.values()) for row in rows)]:
        sheet.append(row)
    book.create_sheet("Notes").append(["x"])
    book.save(tmp_path / "reviews.xlsx")
    sources = [make(tmp_path / f"reviews.{kind}", name=kind) for kind in ("parquet", "xlsx")]
    assert sources[1].format.sheet == "Bewertungen"
    for source in sources:
        assert (source.columns.id, source.columns.text, source.columns.label) == ("id", "review", "verdict")


@pytest.mark.usefixtures("tracking")
def test_a_folder_of_texts_for_each_label(tmp_path: Path, project: Path) -> None:
    chance = random.Random(8)
    for folder in ("train/pos", "train/neg", "train/unsup", "test/pos", "test/neg"):
        (tmp_path / "imdb" / folder).mkdir(parents=True)
        for n in range(20):
            (tmp_path / "imdb" / folder / f"{n}_7.txt").write_text(text(chance, length=40))
    (tmp_path / "imdb/train/urls_pos.txt").write_text("http://example.org\n")
    source = make(tmp_path / "imdb")
    assert source.files == {
        "train": ["train/neg/*.txt", "train/pos/*.txt"],
        "test": "test/*/*.txt",
        "unlabelled": "train/unsup/*.txt",
    }
    assert (source.columns.text, source.columns.label, source.positive) == ("text", "folder", "pos")
    assert (project / "data/sources/mine/train.dvc").is_file()
    two = make(tmp_path / "imdb/train/pos", tmp_path / "imdb/train/neg", name="two")
    assert (two.files, list(two.labels)) == ({"train": "*/*.txt"}, ["neg", "pos"])


# --- roles -------------------------------------------------------------------------------------------------


def competition(folder: Path) -> list[Path]:
    chance = random.Random(9)
    rows = [[n, chance.choice("xyz"), text(chance), chance.choice([0, 0, 1])] for n in range(200)]
    return [
        write(folder / "sample_submission.csv", [["id", "target"], *([n, 0] for n in range(50))]),
        write(folder / "test.csv", [["id", "keyword", "text"], *(row[:3] for row in rows[:50])]),
        write(folder / "train.csv", [["id", "keyword", "text", "target"], *rows]),
    ]


def test_a_competition_brings_a_test_file_without_labels_and_a_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make(*competition(tmp_path / "in"))
    assert source.files == {"train": "train.csv", "unlabelled": "test.csv"}
    assert (source.columns.label, source.metrics, source.positive) == ("target", ["f1", "accuracy"], "1")
    shown = capsys.readouterr().out
    assert "sample_submission.csv  left out    " in shown
    assert not Path("data/sources/mine/sample_submission.csv").exists()


def test_the_form_names_the_submissions_columns_where_the_files_do_not(tmp_path: Path) -> None:
    files = competition(tmp_path / "in")
    write(files[0], [["Id", "prediction"], *([n, 0] for n in range(50))])
    form = make(*files).submission
    assert (form.id, form.label) == ("Id", "prediction")


def test_a_dev_file_judges_where_the_test_file_has_no_labels_and_files_differ(tmp_path: Path) -> None:
    """As GLUE's CoLA: no header in two files of three."""
    chance = random.Random(10)
    rows = [
        [chance.choice(["gj04", "b_73", "ks08"]), n % 3 % 2, chance.choice(["", "", "*"]), text(chance)]
        for n in range(300)
    ]
    files = [
        write(tmp_path / "train.tsv", rows, delimiter="\t"),
        write(tmp_path / "dev.tsv", rows[:60], delimiter="\t"),
        write(
            tmp_path / "test.tsv",
            [["index", "sentence"], *([n, row[3]] for n, row in enumerate(rows[:40]))],
            delimiter="\t",
        ),
    ]
    source = make(*files)
    assert source.files == {"train": "train.tsv", "test": "dev.tsv", "unlabelled": "test.tsv"}
    assert source.columns.label == "label"
    other = source.by_role["unlabelled"]
    assert (other.format.header, other.columns.stated()) == (True, {"id": "index", "text": "sentence"})
    assert set(other.lacks) == set(source.keep)


def test_roles_are_asked_for_where_names_do_not_tell(tmp_path: Path) -> None:
    files = [tickets(tmp_path / "in" / name) for name in ("north.csv", "south.csv")]
    with pytest.raises(SourceError, match=r"north.csv: its name tells no role; say .*--role train=north.csv"):
        make(*files)
    source = make(*files, role=["train=north.csv", "test=south.csv"])
    assert source.files == {"train": "north.csv", "test": "south.csv"}
    with pytest.raises(ConfigError, match=r"--role 'train=west.csv': expected ROLE=FILE with one of north"):
        make(*files, role=["train=west.csv"], name="other")


def test_classes_that_only_an_evaluation_file_has_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = tickets(tmp_path / "train.csv")
    test = tmp_path / "test.csv"
    test.write_text(train.read_text() + f"998,{text(random.Random(1))},web,c\n999,no one has,web,-1\n")
    assert list(make(train, test).labels) == ["a", "b", "c"]
    assert "labels: in test and not in train: 'c'" in capsys.readouterr().out


# --- what is to be learned ---------------------------------------------------------------------------------


def labelled(
    path: Path, column: str, labels: Sequence[Any], more: Mapping[str, Sequence[Any]] | None = None
) -> Path:
    chance, more = random.Random(11), more or {}
    rows = [[text(chance), *(values[n] for values in more.values()), label] for n, label in enumerate(labels)]
    return write(path, [["message", *more, column], *rows])


def test_scores_are_a_regression_with_its_range(tmp_path: Path) -> None:
    source = make(labelled(tmp_path / "a.csv", "score", [f"{n % 51 / 10:.3f}" for n in range(300)]))
    assert (source.task, source.range, source.metrics) == ("regression", [0.0, 5.0], ["pearson", "mae"])


def test_the_range_takes_in_the_least_and_the_greatest_score_to_their_last_digit(tmp_path: Path) -> None:
    scores = [f"{n / 7:.12f}" for n in range(100)] + ["1e3", " 7\x1f"]
    source = make(labelled(tmp_path / "a.csv", "score", scores))
    assert source.range == [0.0, 1000.0]
    ends = ["0.123456789012", "9.876543210987"]
    source = make(
        labelled(tmp_path / "b.csv", "score", [*ends, *(f"{n % 9}.5" for n in range(1, 99))]), name="b"
    )
    assert source.range == [float(ends[0]), float(ends[1])]


def test_stars_are_classes_unless_a_regression_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = labelled(tmp_path / "a.csv", "stars", [n % 5 + 1 for n in range(300)])
    assert list(make(path).labels) == ["1", "2", "3", "4", "5"]
    assert "say --task regression" in " ".join(capsys.readouterr().out.split())
    assert make(path, name="other", task="regression").range == [1.0, 5.0]


def test_several_labels_in_one_cell(tmp_path: Path) -> None:
    chance = random.Random(12)
    cells = [
        "|".join(chance.sample(["billing", "technical", "praise"], chance.randint(0, 3))) for _ in range(300)
    ]
    source = make(labelled(tmp_path / "a.csv", "topics", cells))
    assert (source.task, source.separator, source.no_label) == ("multi-label", "|", "")
    assert list(source.labels) == ["billing", "praise", "technical"]


def test_a_column_of_zeros_and_ones_for_each_label(tmp_path: Path) -> None:
    flags = {
        name: [n // place % 2 for n in range(300)] for place, name in enumerate(("toxic", "threat"), start=1)
    }
    source = make(labelled(tmp_path / "a.csv", "insult", [n // 7 % 2 for n in range(300)], flags))
    assert (source.task, source.columns.label) == ("multi-label", ["toxic", "threat", "insult"])


@pytest.mark.parametrize(
    ("labels", "metrics"),
    [
        ("ab", ["accuracy", "f1"]),
        ("aaab", ["f1", "accuracy"]),
        ("abc", ["accuracy", "macro_f1"]),
        ("aaaaabc", ["macro_f1", "accuracy"]),
    ],
)
def test_metrics_suit_the_classes(tmp_path: Path, labels: str, metrics: list[str]) -> None:
    assert make(labelled(tmp_path / "a.csv", "label", labels * 30)).metrics == metrics


@pytest.mark.parametrize(
    ("labels", "positive"),
    [
        (["spam", "ham", "ham"], "spam"),
        (["entailment", "not_entailment"], "entailment"),
        ([1, 0], "1"),
        (["red", "blue", "blue"], "red"),
    ],
)
def test_the_positive_class_is_told_by_its_name_or_else_the_rarer(
    tmp_path: Path, labels: list[Any], positive: str
) -> None:
    assert make(labelled(tmp_path / "a.csv", "label", labels * 30)).positive == positive


def test_a_label_that_nobody_gave_is_no_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(make(labelled(tmp_path / "a.csv", "label", [0, 1, -1] * 30)).labels) == ["0", "1"]
    assert "30 rejected: label is -1" in capsys.readouterr().out


def test_what_is_not_sure_is_said_and_an_option_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(13)
    languages = [chance.choice(["de", "en", "fr"]) for _ in range(200)]
    path = labelled(
        tmp_path / "a.csv", "kind", [chance.choice("abcde") for _ in range(200)], {"lang": languages}
    )
    assert make(path).columns.label == "kind"
    shown = " ".join(capsys.readouterr().out.split())
    assert "label: could also be `lang` (3 values); took `kind` (5 values)" in shown
    assert "For another, begin again with --label" in shown
    assert make(path, name="other", label=["lang"]).columns.label == "lang"


def test_one_begins_again_by_taking_source_yaml_away(tmp_path: Path) -> None:
    path = tickets(tmp_path / "a.csv")
    make(path)
    with pytest.raises(SourceError, match=r"or begin again: remove data/sources/mine/source\.yaml"):
        make(path, label=["product"])
    Path("data/sources/mine/source.yaml").unlink()
    assert make(path, label=["product"]).columns.label == "product"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"text": ["mesage"]}, r"no column 'mesage'.*did you mean 'message'"),
        ({"text": ["message", "product", "queue"]}, r"--text: found message, product, queue; one column, or"),
        ({"label": ["quue"]}, r"no column 'quue'"),
        ({"task": "ranking"}, r"--task 'ranking': it is one of classification, regression, multi-label"),
        ({"encoding": "klingon"}, r"--encoding: found 'klingon'; no such encoding; utf-8, cp1252 and utf-16"),
        ({"name": "../x"}, r"--name '\.\./x': A to Z"),
        ({"task": "regression", "label": ["product"]}, r"`product` holds no numbers"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(tmp_path: Path, more: dict[str, Any], message: str) -> None:
    with pytest.raises(TextrailError, match=message):
        make(tickets(tmp_path / "a.csv"), **more)
    assert not Path("data/sources").exists() or not any(Path("data/sources").iterdir())


def test_an_encoding_that_cannot_be_told_is_asked_for_by_the_option(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\nGrüße,1\n".encode("cp1252") + b"\x81\x8d\x90,0\n")
    with pytest.raises(SourceError, match=r"state --encoding \.\.\., or format: \{type: \.\.\.\} in a"):
        make(path)


def test_a_column_of_long_cells_is_no_label_and_source_yaml_stays_readable(tmp_path: Path) -> None:
    """A key of YAML has 1,024 characters at most."""
    path = labelled(tmp_path / "a.csv", "label", ["x" * 2_000, "y"] * 30)
    with pytest.raises(SourceError, match="no column looks like a label"):
        make(path)
    with pytest.raises(SourceError, match="`label` has more than 2,000 values, or one of more than 500"):
        make(path, label=["label"])


def test_without_a_label_there_is_no_source(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [["id", "text"], *([n, text(random.Random(n))] for n in range(50))])
    with pytest.raises(SourceError, match=r"name it with --label: id \(50 values\)$"):
        make(path)


# --- what is shown -----------------------------------------------------------------------------------------


def test_a_cell_cannot_write_to_the_terminal_and_the_screen_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    chance = random.Random(14)
    rows = [
        [
            f"\x1b[31m{text(chance)}\x07\r\n\u202e{text(chance)}",
            chance.choice(["\x1b[2Ja", "好" * 50, "\u202eb"]),
        ]
        for _ in range(100)
    ]
    make(write(tmp_path / "a.csv", [["message", "label"], *rows]))
    shown = capsys.readouterr().out
    assert all(letter.isprintable() or letter == "\n" for letter in shown)
    assert max(map(wide, shown.splitlines())) <= 80
    written = Path("data/sources/mine/source.yaml").read_text()
    assert all(letter.isprintable() or letter == "\n" for letter in written)


def test_columns_line_up_by_their_width_on_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(15)
    rows = [[text(chance, HAN, 20, ""), chance.choice(["是", "没有"])] for _ in range(100)]
    make(write(tmp_path / "a.csv", [["评论内容", "label"], *rows]))
    lines = capsys.readouterr().out.splitlines()
    starts = {wide(line.split(" text ")[0]) for line in lines if " text " in line}
    starts |= {wide(line.split(" taken as")[0]) for line in lines if " taken as" in line}
    assert len(starts) == 1


@pytest.mark.parametrize(
    "value", ["a: b", "#x", "no", "1.0", "007", "", "- x", "'q", "ja\nnein", "好", "true", "null", "a\u2028b"]
)
def test_any_label_is_read_back_as_it_stands(tmp_path: Path, value: str) -> None:
    values = [value or "empty", "other"] * 30
    assert sorted(make(labelled(tmp_path / "a.csv", "label", values)).labels) == sorted(set(values))


def test_every_line_says_what_it_was_concluded_from(tmp_path: Path) -> None:
    make(tickets(tmp_path / "a.csv"))
    lines = Path("data/sources/mine/source.yaml").read_text().splitlines()[2:]
    bare = [line for line in lines if "#" not in line]
    assert set(bare) <= {"files:", "format:", "  type: csv", "columns:", "- product", "- f1", "- accuracy"}


PIECES = [
    *"ab01,;|\t\"\r\n'#:é好",
    "-1",
    "1.5",
    " ",
    "\x1b[31m",
    "\u202e",
    "word word ",
    "x" * 1_500,
    "text",
    "label",
]
CELL = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    columns=st.lists(st.lists(CELL, min_size=1, max_size=4), min_size=2, max_size=5),
    header=st.lists(
        st.sampled_from(["id", "text", "label", "score", "", "好", 'a"b', "x: y"]), min_size=5, max_size=5
    ),
    delimiter=st.sampled_from(",;\t|"),
    rows=st.integers(1, 30),
)
def test_any_table_becomes_a_source_or_a_message(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    columns: list[list[str]],
    header: list[str],
    delimiter: str,
    rows: int,
) -> None:
    table = [[cells[n % len(cells)] for cells in columns] for n in range(rows)]
    path = write(tmp_path / "a.csv", [header[: len(columns)], *table], delimiter=delimiter)
    shutil.rmtree("data", ignore_errors=True)
    try:
        make(path)
    except TextrailError as error:
        message = str(error)
    else:
        message = ""
    if message:
        assert "source.yaml:" not in message  # what it writes is well formed
        assert not Path("data/sources/mine").exists()
        return
    shown = capsys.readouterr().out
    assert all(letter.isprintable() or letter == "\n" for letter in shown)
    assert max(map(wide, shown.splitlines())) <= 100
    numbers = [
        int(number.replace(",", "")) for number in re.findall(r"([\d,]+) (?:read|kept|rejected\n)", shown)
    ]
    assert numbers[0] == numbers[1] + numbers[2]


# --- nothing half-made -------------------------------------------------------------------------------------


def test_a_source_that_is_there_is_not_touched(tmp_path: Path) -> None:
    path = tickets(tmp_path / "a.csv")
    make(path)
    before = {file: file.read_bytes() for file in Path("data/sources/mine").iterdir()}
    with pytest.raises(SourceError, match="data/sources/mine: there is such a source already; give this one"):
        make(path)
    assert {file: file.read_bytes() for file in Path("data/sources/mine").iterdir()} == before


@pytest.mark.usefixtures("tracking")
def test_a_file_that_lies_in_the_folder_stays_there(tmp_path: Path) -> None:
    path = tickets(Path("data/sources/tickets/train.csv").resolve())
    content = path.read_bytes()
    new_source.main([path])
    assert read_source(Path("data/sources/tickets")).files == {"train": "train.csv"}
    assert path.read_bytes() == content


def test_a_file_is_never_laid_over_another(tmp_path: Path) -> None:
    there = write(Path("data/sources/mine/a.csv").resolve(), [["precious"]])
    with pytest.raises(SourceError, match=r"data/sources/mine/a.csv: there is such a file already"):
        make(tickets(tmp_path / "a.csv"))
    assert there.read_text() == "precious\n"
    assert [path.name for path in there.parent.iterdir()] == ["a.csv"]


@pytest.mark.usefixtures("tracking")
@pytest.mark.parametrize("step", ["lay", "write_text", "taken_in", "track"])
def test_whatever_fails_nothing_half_made_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        real(*_, **__)
        raise KeyboardInterrupt

    real = getattr(new_source, step)
    monkeypatch.setattr(new_source, step, interrupted)
    with pytest.raises(KeyboardInterrupt):
        make(tickets(tmp_path / "a.csv"))
    assert not Path("data/sources/mine").exists()
    there = tickets(Path("data/sources/kept/train.csv").resolve())
    content = there.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        new_source.main([there])
    assert {path.name: path.read_bytes() for path in there.parent.iterdir()} == {"train.csv": content}


@pytest.mark.usefixtures("tracking")
def test_what_git_or_dvc_refuses_is_told_and_undone(tmp_path: Path, project: Path) -> None:
    (project / ".gitignore").write_text("/data/sources/mine\n")
    with pytest.raises(SourceError, match=r"data/sources/mine: dvc add: .*ignored"):
        make(tickets(tmp_path / "a.csv"))
    assert not Path("data/sources/mine").exists()


def test_what_ingest_cannot_read_is_no_source(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [["message", "label"], *(["", n % 2] for n in range(50))])
    with pytest.raises(SourceError, match=r"none of its 50 rows can be used.*nothing was made. Is a guess"):
        make(path, text=["message"])
    assert not Path("data/sources/mine").exists()


def test_rows_that_ingest_cannot_use_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tickets(tmp_path / "a.csv")
    path.write_text(path.read_text() + "1001,,web,a\n1002,too few\n")
    make(path)
    shown = capsys.readouterr().out
    assert "rows: 202 read = 200 kept (200 train) + 2 rejected" in shown
    assert "1 rejected: text is empty" in shown


# --- DVC and git -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("tracking")
def test_data_go_under_dvc_and_into_the_index_without_a_commit(tmp_path: Path, project: Path) -> None:
    make(tickets(tmp_path / "a.csv"))
    names = {line for line in (placing._git("ls-files") or "").splitlines() if line.startswith("data/")}
    assert names == {f"data/sources/mine/{name}" for name in (".gitignore", "a.csv.dvc", "source.yaml")}
    assert (project / ".dvc/cache").is_dir()
    assert placing._git("log") is None


@pytest.mark.usefixtures("tracking")
@pytest.mark.parametrize("lacking", [".git", ".dvc"])
def test_without_git_or_dvc_it_is_made_and_told(
    tmp_path: Path, project: Path, capsys: pytest.CaptureFixture[str], lacking: str
) -> None:
    shutil.rmtree(project / lacking)
    make(tickets(tmp_path / "a.csv"))
    shown = capsys.readouterr().out
    assert "not tracked, as " in shown
    assert "next: set ingest.source to mine in params.yaml" in shown


@pytest.mark.usefixtures("tracking")
def test_the_docs_show_what_it_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    docs = (ROOT / "docs/your-data.md").read_text()
    path = tmp_path / "tickets.csv"
    path.write_text(re.findall(r"```\n(ticket,.*?)```", docs, re.S)[0])
    make(path)
    assert capsys.readouterr().out in docs
    columns = re.findall(r"```yaml\n(columns:.*?)```", docs, re.S)[0]
    assert columns in Path("data/sources/mine/source.yaml").read_text()


def test_outside_of_a_project_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="run this in the project's root"):
        make(tickets(tmp_path / "a.csv"))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["My Tickets.csv"], "my-tickets"),
        (["disaster/train.csv"], "disaster"),
        (["disaster/train.csv", "disaster/x.csv"], "disaster"),
        (["酒店.csv"], "mine"),
        (["tweets.csv.gz"], "tweets"),
        (["酒店 2023.csv"], "mine-2023"),
        (["null.csv"], "mine-null"),
        (["1e5.csv"], "mine-1e5"),
    ],
)
def test_a_name_is_made_of_the_files_names(tmp_path: Path, names: list[str], expected: str) -> None:
    assert new_source.name_of([tmp_path / name for name in names]) == expected


@pytest.mark.parametrize("name", ["2023", "null", "1e5", "true"])
def test_a_name_that_params_yaml_would_not_read_as_text_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"take a name like {name}-tickets"):
        make(tickets(tmp_path / "a.csv"), name=name)


def test_files_and_columns_may_be_named_by_numbers(tmp_path: Path) -> None:
    chance = random.Random(3)
    rows = [[text(chance), chance.choice(["up", "down"]), chance.choice("xyz")] for _ in range(100)]
    source = make(write(tmp_path / "2024", [["1", "2023", "null"], *rows]), label=["2023"])
    assert (source.files, source.columns.text, source.columns.label) == ({"train": "2024"}, "1", "2023")
    assert source.keep == ["null"]


def test_blank_lines_alone_are_no_source(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\n\n\n")
    with pytest.raises(
        SourceError, match=r"a\.csv: no row of it can be taken apart: there is nothing but blank"
    ):
        make(tmp_path / "a.csv")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(SourceError, match="a pipe or a device: write what comes from it to a file"):
        make(tmp_path / "a.csv")


def test_a_title_above_a_sheets_table_is_doubted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(7)
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Survey of 2024"])
    sheet.append(["id", "review", "verdict"])
    for n in range(60):
        sheet.append([n, text(chance), chance.choice(["good", "bad"])])
    sheet.merge_cells("A1:C1")
    book.save(tmp_path / "survey.xlsx")
    make(tmp_path / "survey.xlsx", label=["column C"])
    assert "header: the sheet's first row names 1 of its 3 columns" in capsys.readouterr().out


def test_a_column_called_label_may_have_many_values(tmp_path: Path) -> None:
    chance = random.Random(7)
    rows = [[text(chance), f"L{n % 300:03}"] for n in range(3_000)]
    source = make(write(tmp_path / "a.csv", [["text", "label"], *rows]))
    assert (source.columns.label, len(source.labels)) == ("label", 300)


def test_of_hundreds_of_columns_the_screen_shows_some(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(7)
    head = [*(f"c{n}" for n in range(150)), *(f"k{n}" for n in range(50)), "text", "label"]
    rows = [
        [
            *(chance.random() for _ in range(150)),
            *chance.choices("xy", k=50),
            text(chance),
            chance.choice("ab"),
        ]
        for _ in range(60)
    ]
    source = make(write(tmp_path / "a.csv", [head, *rows]))
    shown = capsys.readouterr().out
    assert (source.columns.text, source.columns.label, len(source.keep)) == ("text", "label", 50)
    assert len(shown.splitlines()) < 50
    assert "and 175 columns more, 50 of them kept; source.yaml names those" in shown
    assert max(map(len, Path("data/sources/mine/source.yaml").read_text().splitlines())) < 500


def test_files_of_one_name_are_refused(tmp_path: Path) -> None:
    files = [tickets(tmp_path / folder / "train.csv") for folder in "ab"]
    with pytest.raises(SourceError, match=r"two of the files are named train.csv"):
        all_given(files)


@pytest.mark.slow
def test_an_experiment_runs_with_the_new_source_before_any_commit(tmp_path: Path) -> None:
    folder = tmp_path / "whole"
    make_tiny_project(folder)
    path = tickets(tmp_path / "tickets.csv")
    command = (warm.program(), "-m", "commands.new_source", str(path), "--name", "mine")
    made = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert "next: dvc exp run --temp -S ingest.source=mine" in made.stdout
    assert "git add" not in made.stdout + made.stderr  # DVC's advice: it is done
    assert "200 kept (200 train), 0 rejected" in dvc(
        folder, "exp", "run", "--temp", "-S", "ingest.source=mine", "ingest"
    )


# --- real corpora ------------------------------------------------------------------------------------------

GLUE = {
    "CoLA": {"text": "text", "label": "label", "task": "classification"},
    "SST-2": {"text": "sentence", "label": "label", "task": "classification"},
    "MRPC": {"text": "#1 String", "text_pair": "#2 String", "label": "Quality", "task": "classification"},
    "RTE": {"text": "sentence1", "text_pair": "sentence2", "label": "label", "task": "classification"},
    "STS-B": {"text": "sentence1", "text_pair": "sentence2", "label": "score", "task": "regression"},
    "WNLI": {"text": "sentence1", "text_pair": "sentence2", "label": "label", "task": "classification"},
}


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not there")
@pytest.mark.parametrize(
    "corpus", [pytest.param(name, marks=pytest.mark.slow if name == "SST-2" else ()) for name in GLUE]
)
def test_glue_as_it_comes(corpus: str, capsys: pytest.CaptureFixture[str]) -> None:
    source = make(SHARED / "glue" / corpus)
    found = source.columns.model_dump() | {"task": source.task}
    assert {key: found[key] for key in GLUE[corpus]} == GLUE[corpus]
    assert source.files == {"train": "train.tsv", "test": "dev.tsv", "unlabelled": "test.tsv"}
    assert (source.format.quoting, source.format.delimiter) == (False, "\t")
    assert "+ 0 rejected" in capsys.readouterr().out


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not there")
def test_the_disaster_tweets_as_they_come(capsys: pytest.CaptureFixture[str]) -> None:
    source = make(SHARED / "disaster_tweets")
    assert source.files == {"train": "train.csv", "unlabelled": "test.csv"}
    assert source.columns.model_dump() == {"id": "id", "text": "text", "text_pair": None, "label": "target"}
    assert (source.keep, source.metrics, source.positive) == (["keyword"], ["f1", "accuracy"], "1")
    assert "10,876 read = 10,876 kept (7,613 train, 3,263 unlabelled) + 0 rejected" in capsys.readouterr().out


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not there")
def test_emotion_as_it_comes(capsys: pytest.CaptureFixture[str]) -> None:
    source = make(SHARED / "emotion")
    assert source.files == {"train": "train.txt", "validation": "val.txt", "test": "test.txt"}
    assert (source.names, source.format.delimiter, source.format.header) == (["text", "label"], ";", False)
    assert "16,000 train, 2,000 validation, 2,000 test" in capsys.readouterr().out


def test_the_command_line_takes_what_it_says() -> None:
    app = typer.Typer()
    app.command()(new_source.main)
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "120", "NO_COLOR": "1"}).output
    assert all(option in shown for option in ("--name", "--text", "--label", "--id", "--task", "--role"))
    assert read_yaml(Path("params.yaml"))["ingest"]["source"] == "sample"
