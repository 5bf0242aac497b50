"""JSON, Parquet, Arrow, Excel and plain text become the same rows as a CSV of the same content."""

import datetime
import decimal
import gzip
import json
import shutil
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.lib.exceptions import SourceError
from stages.lib.readers import json_rows
from stages.lib.readers.reading import layout_of, read_rows
from stages.lib.readers.rows import Row
from stages.lib.source_keys import Format
from stages.lib.sources.label_cells import as_text
from tests.read_files import read


def cells(rows: list[Row], name: str = "text") -> list[Any]:
    return [row.cells.get(name) for row in rows]


def write(path: Path, content: str) -> Path:
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    return path


# --- JSON


def test_an_array_of_objects_is_a_row_each_with_the_line_on_which_it_starts(tmp_path: Path) -> None:
    content = '[\n  {"text": "a",\n   "n": 1},\n  {"text": "b"}, 7,\r\n\r\n [1],\n{"text": "c"}\n]\n'
    rows = read(write(tmp_path / "rows.json", content))
    assert [(row.line, row.fault) for row in rows] == [
        (2, None),
        (4, None),
        (4, "not a JSON object"),
        (6, "not a JSON object"),
        (7, None),
    ]
    assert rows[0] == Row(2, {"text": "a", "n": 1}, {"text": "a", "n": 1})
    assert rows[2].held == "7"


@pytest.mark.parametrize(
    "content",
    [
        {"data": [{"text": "a", "label": 1}, {"text": "b", "label": 0}]},
        {"schema": {"fields": []}, "data": [{"text": "a", "label": 1}, {"text": "b", "label": 0}]},
        {"text": ["a", "b"], "label": [1, 0]},
        {"text": {"0": "a", "5": "b"}, "label": {"0": 1, "5": 0}},
        {"columns": ["text", "label"], "index": [0, 5], "data": [["a", 1], ["b", 0]]},
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_objects_of_columns_are_rows_too(tmp_path: Path, content: dict[str, Any], indent: int | None) -> None:
    rows = read(write(tmp_path / "rows.json", json.dumps(content, indent=indent)), wanted=("text", "label"))
    assert [(row.line, row.cells) for row in rows] == [
        (1, {"text": "a", "label": 1}),
        (2, {"text": "b", "label": 0}),
    ]


@pytest.mark.parametrize("lines", ['{"text": "a"}\n{"text": "b"}\n', '\n{"text": "a"}\r{"text": "b"}'])
def test_json_lines_by_the_name_of_json_are_known(tmp_path: Path, lines: str) -> None:
    path = write(tmp_path / "rows.json", lines)
    assert layout_of(path, Format(), None).found_out == "jsonl, utf-8"
    assert cells([row for row in read(path) if row.fault is None]) == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("[]", "no row in it"),
        ("{}", "neither rows nor columns; expected an array of objects"),
        ('{"text": ["a"], "label": [1, 2]}', "neither rows nor columns"),
        ('{"a": 1, "b": [1]}', "neither rows nor columns"),
        ('"text"', "neither rows nor columns"),
        ('[{"text": "a"}', "the array is cut short, or a comma is missing"),
        ('[{"text": "a"},\n{"text": ', "rows.json:2: no JSON"),
        ('[{"text": "a"},]', "no JSON"),
        ('[{"text": "a"} {"text": "b"}]', "a comma is missing"),
        ('[{"text": "a"}]\n[]', "rows.json:2: it ends, and more follows"),
        ('[{"text": ' + "[" * 200_000 + "]", "brackets nested by the thousand|no JSON"),
        ('[{"txt": "a"}]', "no column 'text'; it has txt; did you mean 'txt'"),
    ],
)
def test_json_that_is_no_table_is_an_error(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read(write(tmp_path / "rows.json", content))


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl"])
def test_what_json_should_not_say_is_a_fault(tmp_path: Path, name: str) -> None:
    rows = ['{"text": "a", "text": "b"}', '{"text": "\\ud800"}', '{"text": NaN, "n": -Infinity}']
    content = f"[{','.join(rows)}]" if name.endswith("json") else "\n".join(rows)
    found = read(write(tmp_path / name, content))
    assert [row.fault for row in found] == ["two values are named 'text'", "half a surrogate pair", None]
    assert found[0].held == '{"text": "a", "text": "b"}'
    assert found[2].cells == {"text": None, "n": "-Infinity"}
    assert "NaN" not in json.dumps(found[2].held)


def test_bytes_that_are_no_text_are_a_fault_of_their_element(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_bytes('[{"text": "é"}, {"text": "caf\udce9"}]'.encode("utf-8", "surrogateescape"))
    assert read(path)[1] == Row(1, {}, '{"text": "caf\\xe9"}', "not utf-8")


@pytest.mark.slow
def test_an_array_is_taken_apart_as_it_comes(tmp_path: Path) -> None:
    peaks = []
    for number in (4_000, 16_000):
        path = tmp_path / f"{number}.json"
        path.write_text("[" + ",".join(f'{{"text": "row {n}", "n": {n}}}' for n in range(number)) + "]")
        layout = layout_of(path, Format(encoding="utf-8"), None)
        tracemalloc.start()
        assert sum(row.cells["n"] for row in read_rows(path, layout, ["text"])) == sum(range(number))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_a_value_of_any_length_is_read_and_one_without_end_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "rows.json", json.dumps([{"text": "x" * 1_000_000}, {"text": "é" * 70_000}]))
    assert [len(text) for text in cells(read(path))] == [1_000_000, 70_000]
    monkeypatch.setattr(json_rows, "LONGEST_VALUE", 500_000)
    with pytest.raises(SourceError, match="one value has more than 500,000 characters"):
        read(path)


@pytest.mark.parametrize("at_once", [1, 2, 3, 7])
def test_it_does_not_matter_where_a_read_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    path = write(
        tmp_path / "rows.json", '[1234, {"text": "aé\\u00e9"}, true,\n{"text": "b", "n": -1.5e3}, 12]'
    )
    whole = read(path)
    monkeypatch.setattr(json_rows, "READ_AT_ONCE", at_once)
    assert read(path) == whole
    assert [row.held for row in whole] == ["1234", {"text": "aéé"}, "true", {"text": "b", "n": -1500.0}, "12"]


# --- Parquet and Arrow

TABLE = {
    "text": pa.array(["a", None, "c"]),
    "label": pa.array([1.0, None, 0.0]),
    "several": pa.array([["x", "y"], None, []], pa.list_(pa.string())),
    "kind": pa.array(["u", "v", "u"]).dictionary_encode(),
    "at": pa.array([datetime.datetime(2024, 1, 5, 10), None, datetime.datetime(2024, 1, 6, 0, 0, 0, 500)]),
    "zoned": pa.array([datetime.datetime(2024, 1, 5)] * 3, pa.timestamp("ms", "UTC")),
    "day": pa.array([datetime.date(2024, 1, 5)] * 3),
    "price": pa.array([decimal.Decimal("1.50")] * 3),
    "small": pa.array([3.8, float("nan"), 1.0], pa.float32()),
    "yes": pa.array([True, False, None]),
    "nothing": pa.nulls(3),
    "large": pa.array(["a", "b", "c"], pa.large_string()),
}


def lay(path: Path, table: Any) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=2)
    else:
        new = pa.ipc.new_stream if path.stem == "stream" else pa.ipc.new_file
        with new(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=2)
    return path


@pytest.mark.parametrize("name", ["rows.parquet", "rows.arrow", "stream.arrow", "rows.feather"])
def test_columnar_files_are_rows_by_number(tmp_path: Path, name: str) -> None:
    path = lay(tmp_path / name, pa.table(TABLE))
    rows = read(path, wanted=("text", "several"))
    assert [(row.line, row.fault) for row in rows] == [(1, None), (2, None), (3, None)]
    assert rows[0].cells == {
        "text": "a",
        "label": 1.0,
        "several": ["x", "y"],
        "kind": "u",
        "at": "2024-01-05 10:00:00",
        "zoned": "2024-01-05 00:00:00Z",
        "day": "2024-01-05",
        "price": "1.50",
        "small": 3.8,
        "yes": True,
        "nothing": None,
        "large": "a",
    }
    assert cells(rows, "several") == [["x", "y"], None, []]
    assert cells(rows, "at")[1:] == [None, "2024-01-06 00:00:00.0005"]
    assert (cells(rows, "small")[1:], cells(rows, "label")) == ([None, 1.0], [1.0, None, 0.0])
    assert json.loads(json.dumps(rows[1].held)) == rows[1].held


@pytest.mark.parametrize("packed", [".gz", ".zip"])
@pytest.mark.parametrize("name", ["rows.parquet", "rows.arrow"])
def test_packed_columnar_files_are_read_too(tmp_path: Path, name: str, packed: str) -> None:
    path = lay(tmp_path / name, pa.table({"text": ["a", "b"]}))
    whole = tmp_path / f"{name}{packed}"
    if packed == ".gz":
        whole.write_bytes(gzip.compress(path.read_bytes()))
    else:
        with zipfile.ZipFile(whole, "w") as archive:
            archive.write(path, name)
    assert cells(read(whole)) == ["a", "b"]


def test_bytes_and_broken_text_are_faults_where_they_are_asked_for(tmp_path: Path) -> None:
    broken = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\4\0\0\0\6\0\0\0"), pa.py_buffer(b"caf\xe9ok")]
    )
    path = lay(tmp_path / "rows.arrow", pa.table({"text": broken, "raw": pa.array([b"\0\1", b"x"])}))
    rows = read(path)
    assert rows[0] == Row(1, {}, {"text": "caf\\xe9"}, "text is bytes, which are no text")
    assert rows[1].cells == {"text": "ok"}
    assert [row.fault for row in read(path, wanted=("raw",))] == [
        "text is bytes, which are no text",
        "raw is bytes, which are no text",
    ]


def test_nested_columns_are_given_as_they_are_where_asked_for_and_else_left_out(tmp_path: Path) -> None:
    table = pa.table({"text": ["a"], "place": [{"x": 1}], "deep": [[["a"]]]})
    path = lay(tmp_path / "rows.parquet", table)
    assert read(path)[0].cells == {"text": "a"}
    assert read(path, wanted=("text", "place", "deep"))[0].cells == {
        "text": "a",
        "place": {"x": 1},
        "deep": [["a"]],
    }


def test_sliced_lists_keep_their_own_values(tmp_path: Path) -> None:
    several = [[str(n), str(n + 1)] if n % 3 else None for n in range(2_500)]
    path = lay(tmp_path / "rows.arrow", pa.table({"several": several}).slice(7))
    assert cells(read(path, wanted=("several",)), "several") == several[7:]


@pytest.mark.parametrize("name", ["rows.parquet", "rows.arrow"])
def test_columnar_files_name_what_they_lack_and_say_where_they_are_broken(tmp_path: Path, name: str) -> None:
    path = lay(tmp_path / name, pa.table({"tweet": ["a"] * 5_000}))
    with pytest.raises(SourceError, match=rf"{name}: no column 'tweets'; it has tweet; did you mean 'tweet'"):
        read(path, wanted=("tweets",))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SourceError, match=r"cut short"):
        read(path, wanted=("tweet",))
    with pytest.raises(SourceError, match=r"no row in it"):
        read(lay(path, pa.table({"tweet": pa.array([], pa.string())})), wanted=("tweet",))


# --- Excel


def workbook(path: Path, **sheets: list[list[Any]]) -> Path:
    book = openpyxl.Workbook()
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    if len(sheets):
        book.remove(book.worksheets[0])
    book.save(path)
    return path


def test_a_sheet_is_rows_as_its_csv_would_have_them(tmp_path: Path) -> None:
    day, time = datetime.date(2024, 1, 5), datetime.datetime(2024, 1, 5, 10, 30)
    path = workbook(
        tmp_path / "rows.xlsx",
        Tickets=[
            ["id", "text", "stars", "yes", "day", "at"],
            [1, "first", 3.0, True, day, time],
            [2.0, "two\nlines", 3.5, False, day, time],
            [],
            [3, "", None, None, None, None],
        ],
    )
    rows = read(path)
    assert [(row.line, row.fault) for row in rows] == [(2, None), (3, None), (4, "blank line"), (5, None)]
    assert rows[0].cells == {
        "id": "1",
        "text": "first",
        "stars": "3",
        "yes": "true",
        "day": "2024-01-05",
        "at": "2024-01-05 10:30:00",
    }
    assert (rows[1].cells["text"], rows[1].cells["stars"]) == ("two\nlines", "3.5")
    assert rows[3].cells["text"] is None


def test_the_first_sheet_is_read_unless_another_is_stated(tmp_path: Path) -> None:
    path = workbook(tmp_path / "rows.xlsx", Old=[["text"], ["a"]], New=[["text"], ["b"]])
    assert layout_of(path, Format(), None).found_out == "excel, sheet 'Old', the first of 2"
    assert cells(read(path)) == ["a"]
    assert cells(read(path, Format(sheet="New"))) == ["b"]
    assert layout_of(path, Format(type="excel", sheet="New"), None).found_out == ""
    with pytest.raises(
        SourceError, match=r"rows.xlsx: no sheet 'Newer'; it has Old, New; did you mean 'New'"
    ):
        read(path, Format(sheet="Newer"))


def test_rows_are_numbered_as_in_excel_wherever_the_table_starts(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for place, value in {"C4": "text", "D4": None, "E4": "label", "C5": "a", "D5": "loose", "E5": 1}.items():
        sheet[place] = value
    book.save(tmp_path / "rows.xlsx")
    assert read(tmp_path / "rows.xlsx") == [
        Row(
            5,
            {"text": "a", "column D": "loose", "label": "1"},
            {"text": "a", "column D": "loose", "label": "1"},
        )
    ]


def test_a_sheet_without_a_header_takes_the_names_it_is_given(tmp_path: Path) -> None:
    path = workbook(tmp_path / "rows.xlsx", A=[["a", 1], ["b", 0]])
    rows = read(path, Format(header=False), names=["text", "label"])
    assert [(row.line, row.cells) for row in rows] == [
        (1, {"text": "a", "label": "1"}),
        (2, {"text": "b", "label": "0"}),
    ]
    with pytest.raises(SourceError, match=r"2 columns where source\.yaml names 1"):
        read(path, Format(header=False), names=["text"])


def test_a_sheet_without_rows_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no row in it"):
        read(workbook(tmp_path / "rows.xlsx", A=[["text", "label"]]))
    with pytest.raises(SourceError, match=r"no row in it"):
        read(workbook(tmp_path / "rows.xlsx", A=[]))
    with pytest.raises(SourceError, match=r"rows.xlsx:1: two columns are named 'text'"):
        read(workbook(tmp_path / "rows.xlsx", A=[["text", "text"], ["a", "b"]]))


def test_a_workbook_in_a_zip_and_of_libre_office_are_read(tmp_path: Path) -> None:
    path = workbook(tmp_path / "rows.xlsx", A=[["text"], ["a"]])
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.write(path, "rows.xlsx")
    assert cells(read(tmp_path / "data.zip")) == ["a"]
    shutil.copy(path, tmp_path / "rows.csv")
    with pytest.raises(
        SourceError, match=r"rows.csv: named or stated as csv, but it is a zip archive: .*in .xlsx"
    ):
        read(tmp_path / "rows.csv")
    assert cells(read(tmp_path / "rows.csv", Format(type="excel"))) == ["a"]
    spoiled = path.read_bytes()
    path.write_bytes(spoiled[: len(spoiled) // 2])
    with pytest.raises(SourceError, match=r"rows.xlsx: no Excel workbook that can be read"):
        read(path)


NAMESPACE = "urn:oasis:names:tc:opendocument:xmlns"
ODS_TYPE = "application/vnd.oasis.opendocument.spreadsheet"
ODS_CELL = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
ODS_ROWS = "".join(
    f"<table:table-row>{ODS_CELL.format(text)}</table:table-row>" for text in ("text", "物流很快")
)
ODS = f"""<?xml version="1.0" encoding="UTF-8"?>
<office:document-content xmlns:office="{NAMESPACE}:office:1.0" xmlns:table="{NAMESPACE}:table:1.0"
 xmlns:text="{NAMESPACE}:text:1.0" office:version="1.2"><office:body><office:spreadsheet>
<table:table table:name="A">{ODS_ROWS}</table:table>
</office:spreadsheet></office:body></office:document-content>"""
ODS_MANIFEST = f"""<manifest:manifest xmlns:manifest="{NAMESPACE}:manifest:1.0">
<manifest:file-entry manifest:full-path="/" manifest:media-type="{ODS_TYPE}"/></manifest:manifest>"""


def test_an_open_document_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "rows.ods", "w") as archive:
        archive.writestr("mimetype", ODS_TYPE)
        archive.writestr("content.xml", ODS)
        archive.writestr("META-INF/manifest.xml", ODS_MANIFEST)
    assert cells(read(tmp_path / "rows.ods")) == ["物流很快"]


# --- plain text


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_text_a_line(tmp_path: Path, end: str) -> None:
    path = write(tmp_path / "rows.txt", end.join(["one", "", "two \x0b\x0c\x85\u2028 here", '"three', ""]))
    rows = read(path)
    assert [(row.line, row.fault) for row in rows] == [(1, None), (2, "blank line"), (3, None), (4, None)]
    assert cells(rows)[2:] == ["two \x0b\x0c\x85\u2028 here", '"three']


def test_line_ends_may_be_mixed(tmp_path: Path) -> None:
    rows = read(
        write(tmp_path / "rows.csv", 'text,n\r\na,1\rb,2\n"two\r\rlines",3\r\nc,4'), wanted=("text", "n")
    )
    assert [(row.line, row.cells["n"]) for row in rows] == [(2, "1"), (3, "2"), (4, "3"), (7, "4")]
    assert rows[2].cells["text"] == "two\r\rlines"


def test_a_table_that_is_called_txt_is_to_be_stated(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.txt", "text;label\na;0\n")
    with pytest.raises(
        SourceError, match=r"no column 'label'; it has text, folder, file; .*\{type: csv\} or tsv"
    ):
        read(path, wanted=("text", "label"))
    assert read(path, Format(delimiter=";"), wanted=("text", "label"))[0].cells == {"text": "a", "label": "0"}


def test_another_delimiter_is_supposed_where_the_header_is_one_name(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", "text;label\na;0\n")
    with pytest.raises(SourceError, match=r'divided otherwise\? Say format: \{delimiter: ";"\}'):
        read(path)
    assert cells(read(write(path, "text¦n\na¦1\n"), Format(delimiter="¦"))) == ["a"]


# --- numbers as a CSV has them


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (-0.0, "0"),
        (1.5, "1.5"),
        (float("nan"), None),
        (2.0**60, "1.152921504606847e+18"),
        (True, "true"),
        (7, "7"),
        ("1.0", "1.0"),
        ("", None),
    ],
)
def test_a_whole_number_has_no_fraction(value: object, text: str | None) -> None:
    assert as_text(value) == text
