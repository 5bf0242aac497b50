"""A table of any form goes through whole; what cannot be taken apart is told in the command line's words."""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest

from commands.lib.table_files import Table, form_of, writer
from stages.lib.exceptions import ConfigError, SourceError
from stages.lib.readers.reading import rows_if_any

COLUMNS = ["id", "text"]
ROWS = [["1", "Grüße, Öl"], ["2", 'a "quoted" word']]


def as_csv(rows: list[list[str]] = ROWS, delimiter: str = ",") -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows([COLUMNS, *rows])
    return file.getvalue()


def records() -> list[dict[str, str]]:
    return [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]


def as_lines(between: str) -> str:
    return "".join(f"{between.join(row)}\n" for row in [COLUMNS, *ROWS])


def write_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rows.csv", as_csv())


def write_sheet(path: Path) -> None:
    book = openpyxl.Workbook()
    for row in [COLUMNS, *ROWS]:
        book.active.append(row)
    book.save(path)


WRITTEN: dict[str, Callable[[Path], object]] = {
    "in.csv": lambda path: path.write_text(as_csv(), encoding="utf-8"),
    "in16.csv": lambda path: path.write_text(as_csv(), encoding="utf-16"),
    "in.csv.gz": lambda path: path.write_bytes(gzip.compress(as_csv().encode("cp1252"))),
    "in.zip": write_zip,
    "in.tsv": lambda path: path.write_text(as_lines("\t"), encoding="utf-8"),
    "in.jsonl": lambda path: path.write_text("\n".join(map(json.dumps, records()))),
    "in.json": lambda path: path.write_text(json.dumps(records())),
    "in.parquet": lambda path: pl.DataFrame(records()).write_parquet(path),
    "in.xlsx": write_sheet,
}


def of_form(folder: Path, name: str) -> Path:
    WRITTEN[name](folder / name)
    return folder / name


def copied(table: Table, output: Path, *added: str | float, names: tuple[str, ...] = ("label", "p")) -> str:
    """The table with the same cells added to every row, as it stands in the file then."""
    with output.open("w", encoding="utf-8", newline="") as file:
        write = writer(output, file, table, list(names))
        for rows in table.pieces(1):
            for cells in rows:
                write(cells, added)
    return output.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", WRITTEN)
def test_every_form_is_read_as_the_same_table(tmp_path: Path, name: str) -> None:
    table = Table(of_form(tmp_path, name), form_of())
    assert table.columns == COLUMNS
    written = copied(table, tmp_path / "out.csv", "calm", 0.5)
    header, *rows = csv.reader(io.StringIO(written))
    assert header == [*COLUMNS, "label", "p"]
    assert rows == [[*row, "calm", "0.500000"] for row in ROWS]


@pytest.mark.parametrize("name", WRITTEN)
def test_json_lines_keep_what_a_cell_is(tmp_path: Path, name: str) -> None:
    table = Table(of_form(tmp_path, name), form_of())
    lines = copied(table, tmp_path / "out.jsonl", "calm", 1 / 3).splitlines()
    assert [json.loads(line) for line in lines] == [
        row | {"label": "calm", "p": 0.333333} for row in records()
    ]


def test_a_tsv_whose_quotes_are_text_is_written_as_such(tmp_path: Path) -> None:
    path = of_form(tmp_path, "in.tsv")
    written = copied(Table(path, form_of()), tmp_path / "out.tsv", "calm", names=("label",))
    lines = path.read_text(encoding="utf-8").splitlines()
    assert written.splitlines() == [f"{lines[0]}\tlabel", *(f"{line}\tcalm" for line in lines[1:])]


def test_what_divides_the_source_divides_the_output_of_its_kind(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(as_csv(delimiter=";"), encoding="cp1252")
    form = form_of(delimiter=";", encoding="cp1252")
    same = copied(Table(tmp_path / "in.csv", form), tmp_path / "out.csv", "x", names=("y",))
    assert same.splitlines()[0] == "id;text;y"
    other = copied(Table(tmp_path / "in.csv", form), tmp_path / "out.tsv", "x", names=("y",))
    assert other.splitlines()[0] == "id\ttext\ty"
    assert 'a ""quoted"" word' in other  # quotes enclosed the cells of a CSV, so they may hold a tab


def test_nested_and_typed_cells_are_kept(tmp_path: Path) -> None:
    frame = pl.DataFrame({"text": ["a"], "n": [3.0], "yes": [True], "none": [None], "many": [[1, 2]]})
    frame.write_parquet(tmp_path / "in.parquet")
    written = copied(Table(tmp_path / "in.parquet", form_of()), tmp_path / "out.csv", names=())
    assert written.splitlines() == ["text,n,yes,none,many", 'a,3,true,,"[1, 2]"']
    written = copied(Table(tmp_path / "in.parquet", form_of()), tmp_path / "out.jsonl", names=())
    assert json.loads(written) == {"text": "a", "n": 3.0, "yes": True, "none": None, "many": [1, 2]}


def test_bytes_are_no_cell_of_a_table(tmp_path: Path) -> None:
    pl.DataFrame({"text": ["a"], "image": [b"\x89PNG"]}).write_parquet(tmp_path / "in.parquet")
    with pytest.raises(SourceError, match=r"in\.parquet:1: image is bytes, which are no text; mend the row"):
        Table(tmp_path / "in.parquet", form_of())


def test_a_key_that_comes_late_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "a", "n": 1}\n\n{"text": "b"}\n', encoding="utf-8")
    table = Table(path, form_of())
    assert copied(table, tmp_path / "out.csv", names=()).splitlines() == ["text,n", "a,1", "b,"]
    assert table.blank == 1
    path.write_text('{"text": "a"}\n{"text": "b", "n": 1}\n', encoding="utf-8")
    with pytest.raises(SourceError, match=r"in\.jsonl:2: has 'n', which the first row lacks"):
        copied(Table(path, form_of()), tmp_path / "out.csv", names=())


@pytest.mark.parametrize("name", ["in.csv", "in.tsv"])
def test_a_header_without_a_row_is_a_table(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("id\ttext\n" if name == "in.tsv" else "id,text\n", encoding="utf-8")
    table = Table(tmp_path / name, form_of())
    assert (table.columns, list(table.pieces(10))) == (COLUMNS, [])


@pytest.mark.parametrize(("name", "content"), [("in.csv", ""), ("in.json", "[]"), ("in.jsonl", "\n\n")])
def test_a_file_that_names_no_column_is_refused(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(SourceError, match=f"{name}: nothing in it names a column"):
        Table(tmp_path / name, form_of())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("in.dat", b"text\na\n", r"not a name that tells its type; say --type \.\.\., one of csv, tsv"),
        (
            "in.csv",
            b'text,b\na,"x" y\n',
            r"never closed, .*where quotes are plain text, say so: --no-quoting",
        ),
        (
            "in.csv",
            b'"text,b\na,b\n',
            r"in\.csv:1: the quote that opens here is never closed, .*--no-quoting",
        ),
        ("in.json", b'{"text": "a"} x', r"if it is one object a line, say --type jsonl"),
        (
            "in.csv",
            b"text\n" + "žluťoučký kůň\n".encode() * 10 + "ďábelské ódy\n".encode("cp1250") * 40,
            r"two encodings: .* or state --encoding utf-8 to be told of the first such row$",
        ),
        (
            "in.csv",
            b"text\n" + b"\xcf\xf0\xe8\xe2\xe5\xf2 \xe2\xe0\xec\n" * 20,
            r"--encoding cp1251, or utf-8 to be told of the first such row$",
        ),
        ("in.csv.gz", gzip.compress(b"a" * 70_000_000, mtime=0), "and is it written as the options say"),
        ("in.csv", b"version https://git-lfs.github.com/spec/v1\n", "run `git lfs pull`"),
        ("none.csv", None, r"none\.csv: no such file"),
    ],
)
def test_what_to_do_is_told_in_options(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=message) as told:
        list(Table(tmp_path / name, form_of()).pieces(10))
    assert "format:" not in str(told.value)
    assert "source.yaml" not in str(told.value)
    assert "set aside" not in str(told.value)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("encoding", "klingon", "--encoding: found 'klingon'; no such encoding; utf-8, cp1252 and utf-16"),
        ("delimiter", "ab", "--delimiter: found 'ab'; "),
        ("type", "word", "--type: found 'word'; should be 'csv', 'tsv'"),
    ],
)
def test_an_option_that_means_nothing_is_refused(option: str, value: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        form_of(**{option: value})


@pytest.mark.parametrize("name", ["out.xlsx", "out.parquet", "out.json"])
def test_a_form_that_is_not_written_is_refused(tmp_path: Path, name: str) -> None:
    table = Table(of_form(tmp_path, "in.csv"), form_of())
    with pytest.raises(ConfigError, match=r"csv, tsv, jsonl are written, and not \w+: name it so"):
        copied(table, tmp_path / name, names=())


def test_memory_does_not_grow_with_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are asked for as they are written: none is read ahead but the first."""
    read: list[Any] = []

    def counted(*args: Any) -> Any:
        for row in rows_if_any(*args):
            read.append(row)
            yield row

    monkeypatch.setattr("commands.lib.table_files.rows_if_any", counted)
    path = tmp_path / "in.csv"
    path.write_text(as_csv(ROWS * 50), encoding="utf-8")
    pieces = Table(path, form_of()).pieces(3)
    next(pieces)
    assert len(read) == 3
    next(pieces)
    assert len(read) == 6
