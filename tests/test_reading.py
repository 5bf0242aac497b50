"""Files become rows that know where they stand; a broken file is an error, a broken row is a row."""

import csv
import io
import random
from pathlib import Path

import pytest

from stages.lib.exceptions import SourceError
from stages.lib.readers.rows import Row
from stages.lib.source_keys import Format
from tests.read_files import read


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_row_knows_the_physical_line_it_starts_on(file: Path) -> None:
    write(file, 'id,text\n1,"two\nlines"\n2,one\n3,"a ""quoted"" word, and a comma"\n')
    rows = read(file)
    assert [row.line for row in rows] == [2, 4, 5]
    assert [row.cells["text"] for row in rows] == ["two\nlines", "one", 'a "quoted" word, and a comma']


def test_lines_are_counted_whatever_stands_in_the_cells(file: Path) -> None:
    draw = random.Random(7)
    table = [
        ["".join(draw.choices('a";,\n\té', k=draw.randrange(1, 9))) for _ in range(3)] for _ in range(300)
    ]
    lines, written = [], "a,b,text\n"
    for row in table:
        lines.append(written.count("\n") + 1)
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerow(row)
        written += buffer.getvalue()
    rows = read(write(file, written))
    assert [list(row.cells.values()) for row in rows] == table
    assert [row.line for row in rows] == lines


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_ending_is_taken(file: Path, newline: str) -> None:
    rows = read(write(file, newline.join(["text,label", "one,1", "two,2", ""])))
    assert [(row.line, row.cells["label"]) for row in rows] == [(2, "1"), (3, "2")]


def test_a_byte_order_mark_is_no_part_of_the_first_name(file: Path) -> None:
    assert read(write(file, "\ufefftext\none\n"))[0].cells == {"text": "one"}


def test_a_cell_may_be_longer_than_csv_allows_by_itself(file: Path) -> None:
    assert len(read(write(file, f"text\n{'x' * 200_000}\n"))[0].cells["text"]) == 200_000


def test_quotes_are_text_where_the_source_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.tsv", 'text\tlabel\n"Wow, he said\tyes\n')
    assert read(path)[0].cells == {"text": '"Wow, he said', "label": "yes"}


def test_files_without_a_header_take_the_names_they_are_given(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.txt", "so sad;sadness\n")
    form = Format(type="csv", delimiter=";", header=False, quoting=False)
    rows = read(path, form, names=["text", "label"])
    assert rows == [Row(1, rows[0].cells, rows[0].held)]
    assert rows[0].cells == {"text": "so sad", "label": "sadness"}


def test_a_wrong_number_of_fields_is_a_fault_with_what_the_row_held(file: Path) -> None:
    rows = read(write(file, "text,label\na,b,c\nd\ne,f\n"))
    assert [row.fault for row in rows] == [
        "3 fields where 2 are expected",
        "1 fields where 2 are expected",
        None,
    ]
    assert rows[0].held == ["a", "b", "c"]


def test_a_blank_line_is_a_row_that_cannot_be_used(file: Path) -> None:
    assert [row.fault for row in read(write(file, "text,label\n\na,b\n"))] == ["blank line", None]


def test_bytes_that_are_no_utf8_are_a_fault_and_kept_escaped(file: Path) -> None:
    rows = read(write(file, b"text,label\ncaf\xe9,1\nfine,2\n"), Format(encoding="utf-8"))
    assert rows[0] == Row(2, {}, ["caf\\xe9", "1"], "not utf-8")
    assert rows[1].fault is None


def test_another_encoding_can_be_stated(file: Path) -> None:
    assert read(write(file, b"text\ncaf\xe9\n"), Format(encoding="cp1252"))[0].cells == {"text": "café"}


def test_a_stated_encoding_that_is_not_the_files_is_an_error_at_its_header(file: Path) -> None:
    write(file, "text\nhello\n".encode("utf-16"))
    assert read(file, Format(encoding="utf-16"))[0].cells == {"text": "hello"}
    with pytest.raises(SourceError, match=r"rows.csv:1: the header is not utf-8.*encoding"):
        read(file, Format(encoding="utf-8"))


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('text,label\n"fine",1\nplain,0\n"never closed,1\nmore,0\n', 4),
        ('text,label\nplain,"0"\n"closed by the next row,1\n"as it opens",0\n', 3),
        ('text,label\n"two\nlines","then broken\nrest,1\n', 3),
        ('"text,label\na,1\n', 1),
    ],
)
def test_a_broken_quote_is_an_error_that_names_the_line_where_it_opens(
    file: Path, content: str, line: int
) -> None:
    with pytest.raises(SourceError, match=rf"rows.csv:{line}: the quote that opens here.*quoting: false"):
        read(write(file, content))


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "the file is empty"), ("\ufeff", "a header"), ("text,label\n", "a header and no row below it")],
)
def test_a_file_without_rows_is_an_error(file: Path, content: str, message: str) -> None:
    with pytest.raises(SourceError, match=rf"rows.csv: {message}"):
        read(write(file, content))


def test_a_missing_column_is_named_with_those_there_are(file: Path) -> None:
    with pytest.raises(
        SourceError,
        match=r"rows.csv:1: no column 'tweet'; it has id, tweets, target; did you mean 'tweets'",
    ):
        read(write(file, "id,tweets,target\n1,a,0\n"), wanted=("tweet",))


def test_two_columns_of_one_name_are_an_error(file: Path) -> None:
    with pytest.raises(SourceError, match="two columns are named 'text'"):
        read(write(file, "text,text\na,b\n"))


def test_a_file_whose_name_tells_no_type_must_state_it(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"rows.data: .*format: \{type: ...\}, one of csv, tsv, jsonl"):
        read(write(tmp_path / "rows.data", "text\na\n"))


def test_json_lines_are_rows_and_their_faults_too(tmp_path: Path) -> None:
    lines = ['{"text": "a", "n": 1}', "{broken", "[1]", '{"text": "\\ud800"}', "", '{"text": null}']
    rows = read(write(tmp_path / "rows.jsonl", "\n".join(lines)))
    assert [(row.line, row.fault) for row in rows] == [
        (1, None),
        (2, "not JSON"),
        (3, "not a JSON object"),
        (4, "half a surrogate pair"),
        (5, "blank line"),
        (6, None),
    ]
    assert rows[0].cells == {"text": "a", "n": 1}
    assert rows[1].held == "{broken"


def test_a_column_that_no_json_line_has_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no column 'text'; it has txt; did you mean 'txt'"):
        read(write(tmp_path / "rows.jsonl", '{"txt": "a"}\n{"txt": "b"}\n'))
