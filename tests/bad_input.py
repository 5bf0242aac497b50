"""Every kind of bad input that we know of: its cause, what is done with it, and what is said.

tests/test_bad_input.py brings each about and compares; `python -m tests.bad_input` writes docs/bad-input.md.
"""

import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl

PAGE = Path(__file__).parents[1] / "docs/bad-input.md"
INTRODUCTION = """\
# What happens to bad input?

Whatever is wrong with your data is said, with its place, and loses nothing. One bad row is set aside in
`data/rejected.parquet`, with its file, its line, what stood there and the reason, and the rest goes on. What puts a
whole file in doubt stops the stage, with one message and nothing written. Each entry below is brought about by
`tests/test_bad_input.py`, which compares what happens with what stands here; this page is made of the same list
(`python -m tests.bad_input`). The source is `mine`, its file `train.csv`, if nothing else is said.
"""
SET_ASIDE, STOPS, TAKEN = "The row is set aside", "stops, and nothing is written", "It is taken"

GOOD = [("1", "so sad", "0"), ("2", "so glad", "1"), ("3", "very sad", "0"), ("4", "very glad", "1")]
KEYS: dict[str, Any] = {
    "title": "Mine",
    "files": {"train": "train.csv"},
    "columns": {"id": "id", "text": "text", "label": "label"},
    "labels": {"0": "sad", "1": "glad"},
    "task": "classification",
    "metrics": ["accuracy"],
    "copies": "remove",
}
REGRESSION = {"task": "regression", "labels": None, "range": [0, 5], "metrics": ["pearson"]}
SEVERAL = {"task": "multi-label", "labels": ["sad", "glad"], "separator": "|", "metrics": ["micro_f1"]}
DENIED = {"name": "denied", "pattern": "^", "replacement": "No, ", "expect": {"becomes": "sad"}}
FOUND_EXPECTATIONS = (
    "data/sources/mine/source.yaml:15: expectations: found [{'name': 'denied', 'pattern': '^', "
    "'replacement': 'No, '...;"
)
FLAGS = {
    "task": "multi-label",
    "columns": {"text": "text", "label": ["sad", "glad"]},
    "labels": None,
    "metrics": ["micro_f1"],
}


@dataclass(frozen=True)
class Bad:
    what: str  # the cause
    says: str  # the reason, the message (without the stage's name in front), or what becomes of it
    files: dict[str, bytes] = field(
        default_factory=dict
    )  # of the source's folder, beside or in place of train.csv
    keys: dict[str, Any] = field(default_factory=dict)  # of source.yaml, None to leave one out
    yaml: bytes | None = None  # source.yaml itself
    knobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    params: tuple[str, str] | None = None  # a replacement in params.yaml itself
    done: str = STOPS
    stage: str = "ingest"  # the one that says it
    line: int | None = 6  # of the row that is set aside
    texts: tuple[str, ...] = ()  # all that are taken


def rows(*more: str, end: str = "\n") -> bytes:
    """A CSV of the four good rows and some more, each a line as it stands there."""
    lines = ["id,text,label", *(",".join(row) for row in GOOD), *more]
    return "".join(line + end for line in lines).encode()


def json_lines(*more: str) -> bytes:
    good = [json.dumps({"id": id_, "text": text, "label": label}) for id_, text, label in GOOD]
    return "".join(line + "\n" for line in [*good, *more]).encode()


def corrected(what: str, says: str, *lines: str, header: str = "id,label,action,note") -> Bad:
    """`says` what stands behind the file's name."""
    content = "".join(f"{line}\n" for line in (header, *lines)).encode("latin-1")
    return Bad(what, f"data/sources/mine/corrections.csv:{says}", {"corrections.csv": content})


def with_row(what: str, row: str, says: str, **keys: Any) -> Bad:
    return Bad(what, says, {"train.csv": rows(row)}, keys, done=SET_ASIDE)


def with_line(what: str, line: str, says: str) -> Bad:
    """Of JSON Lines."""
    files = {"train.jsonl": json_lines(line)}
    return Bad(what, says, files, {"files": {"train": "train.jsonl"}}, done=SET_ASIDE, line=5)


def with_score(what: str, score: str, says: str) -> Bad:
    content = f"text,label\nso sad,0.5\nso glad,4\nvery sad,1\nvery glad,5\nfine,{score}\n".encode()
    keys = {**REGRESSION, "columns": {"text": "text", "label": "label"}}
    return Bad(what, says, {"train.csv": content}, keys, done=SET_ASIDE)


def with_labels(what: str, cell: str, says: str) -> Bad:
    content = f"text,label\nso sad,sad\nso glad,glad\nboth,sad|glad\nvery glad,glad\nfine,{cell}\n".encode()
    keys = {**SEVERAL, "columns": {"text": "text", "label": "label"}}
    return Bad(what, says, {"train.csv": content}, keys, done=SET_ASIDE)


def with_flags(what: str, cells: str, says: str) -> Bad:
    content = f"text,sad,glad\nso sad,1,0\nso glad,0,1\nboth,1,1\nvery glad,0,1\nfine,{cells}\n".encode()
    return Bad(what, says, {"train.csv": content}, FLAGS, done=SET_ASIDE)


def with_file(what: str, content: bytes, says: str, **keys: Any) -> Bad:
    return Bad(what, says, {"train.csv": content}, keys)


def with_keys(what: str, says: str, **keys: Any) -> Bad:
    return Bad(what, says, keys=keys)


def with_expectation(what: str, says: str, kind: dict[str, Any] | None = None, **changed: Any) -> Bad:
    return Bad(what, says, keys={**(kind or {}), "expectations": [DENIED | changed]})


def taken(what: str, content: bytes, says: str, *texts: str, **keys: Any) -> Bad:
    """Behind the four good rows, unless the columns are others."""
    good = () if "columns" in keys else TEXTS
    return Bad(what, says, {"train.csv": content}, keys, done=TAKEN, texts=(*good, *texts))


def packed(what: str, file: str, content: bytes, says: str, name: str = "", **keys: Any) -> Bad:
    """In place of train.csv."""
    return Bad(what, says, {file: content}, {"files": {"train": name or file}, **keys})


def zipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return packed.getvalue()


def encrypted(archive: bytes) -> bytes:
    """As far as its flags say."""
    changed = bytearray(archive)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        changed[archive.index(mark) + place] |= 1
    return bytes(changed)


def sheet() -> bytes:
    book, written = openpyxl.Workbook(), io.BytesIO()
    book.active.title = "Old"
    for row in [("id", "text", "label"), *GOOD]:
        book.active.append(row)
    book.save(written)
    return written.getvalue()


def parquet() -> bytes:
    written = io.BytesIO()
    pl.DataFrame(GOOD, schema=["id", "text", "label"], orient="row").write_parquet(written)
    return written.getvalue()


FRENCH = tuple(
    f"Ce café est très {word}, déjà fermé à cinq heures"
    for word in ("triste", "gai", "âgé", "gênant", "carré")
)
CHINESE = (
    "今天天气很好，我们去公园散步",
    "昨晚的电影真难看，太失望了",
    "这家餐厅的服务态度非常差",
    "生日快乐，祝你天天开心",
    "火车又晚点了，真让人生气",
)


def french() -> str:
    return "text,label\n" + "".join(f'"{text}",{number % 2}\n' for number, text in enumerate(FRENCH))


def chinese() -> str:
    return "text,label\n" + "".join(f"{text},{number % 2}\n" for number, text in enumerate(CHINESE))


MINE = "data/sources/mine"
TEXTS = tuple(text for _, text, _ in GOOD)
COLUMNS = {"text": "text", "label": "label"}

KINDS: dict[str, list[Bad]] = {
    "Rows": [
        with_row("An empty text.", "5,,0", "text is empty"),
        with_row("A text of nothing but spaces.", '5,"  ",0', "text is empty"),
        with_row("A text of nothing but spaces that are wider.", "5,\u3000\u00a0,0", "text is empty"),
        with_row("Too few cells in a row.", "5,fine", "2 fields where 3 are expected"),
        with_row(
            "Too many: a comma in a text that is not quoted.",
            "5,fine, too,0",
            "4 fields where 3 are expected",
        ),
        with_row("A blank line.", "", "blank line"),
        Bad(
            "A line in another encoding than the rest of the file.",
            "not utf-8",
            {"train.csv": rows("5,très bien,0").replace(b"\n5,", "\n5,é".encode() + b"\xe9")},
            done=SET_ASIDE,
        ),
        with_line("A line that is not JSON.", '{"id": 5, "text": ', "not JSON"),
        with_line("A line of JSON that is no object.", '["5", "fine", "0"]', "not a JSON object"),
        with_line("Brackets nested by the ten thousand.", "[" * 10_000, "not JSON"),
        with_line("An object without the text.", '{"id": "5", "label": "0"}', "text is empty"),
        with_line("A text that is null.", '{"id": "5", "text": null, "label": "0"}', "text is empty"),
        with_line(
            "A text that is a list.",
            '{"id": "5", "text": ["a"], "label": "0"}',
            "text is a list or an object",
        ),
        with_line(
            "Half a surrogate pair, as a program writes that cuts an emoji in two.",
            '{"id": "5", "text": "\\ud83d", "label": "0"}',
            "half a surrogate pair",
        ),
    ],
    "Labels": [
        with_row("An empty label.", "5,fine,", "label is empty"),
        with_row(
            "A label of -1, where source.yaml does not name it.",
            "5,fine,-1",
            "label is -1: nobody has labelled this row",
        ),
        with_file(
            "A label that source.yaml does not name.",
            rows("5,fine,2", "6,fine,2"),
            f"{MINE}/train.csv:6: label is '2', which source.yaml does not name under labels; it has 0, 1; rows of this "
            "file with such a label: 2",
        ),
        with_file(
            "The same in other letters.",
            b"text,label\nso sad,sad\nso glad,Glad\n",
            f"{MINE}/train.csv:3: label is 'Glad', which source.yaml does not name under labels; it has sad, glad; did "
            "you mean 'glad'?; rows of this file with such a label: 1",
            columns=COLUMNS,
            labels=["sad", "glad"],
        ),
        with_line(
            "A label that is a list, where a text has one label.",
            '{"text": "fine", "label": ["0"]}',
            "label is a list or an object",
        ),
        with_score("A score that is a word.", "good", "label is no finite number"),
        with_score(
            "A score with a decimal comma.", '"3,5"', "label has a decimal comma; write a decimal point"
        ),
        with_score("A score that is no number (NaN) or infinite.", "nan", "label is no finite number"),
        with_score(
            "A score with a separator of thousands as programmers write it.",
            "1_000",
            "label is no finite number",
        ),
        with_score(
            "A score outside the range that source.yaml gives.", "7", "label is outside the range from 0 to 5"
        ),
        with_labels("One of several labels is empty.", "sad|", "one of several labels is empty"),
        with_labels("No labels, where nothing says that an empty cell means none.", "", "label is empty"),
        with_flags("A column of 0 and 1 that holds something else.", "1,2", "glad is neither 0 nor 1"),
        with_flags("A column of 0 and 1 with an empty cell.", "1,", "glad is empty"),
    ],
    "Patterns, folders, packed files": [
        with_keys(
            "A pattern that finds nothing.",
            "data/sources/mine: no *.tsv, which source.yaml names under files; it has train.csv",
            files={"train": "*.tsv"},
        ),
        Bad(
            "A folder in place of a file.",
            "data/sources/mine/parts: a folder: name what is in it: parts/*.csv or parts/*/*.txt",
            {"parts/a.csv": rows()},
            {"files": {"train": "parts"}},
        ),
        with_keys(
            "A file that two patterns give to two roles.",
            "data/sources/mine: train.csv plays two roles, train and test (tr*.csv): name it once",
            files={"train": "*.csv", "test": "tr*.csv"},
        ),
        Bad(
            "Two files of one role, of which one lacks a column.",
            "data/sources/mine/parts/b.csv:1: no column 'text'; it has id, label",
            {"parts/a.csv": rows(), "parts/b.csv": b"id,label\n9,0\n"},
            {"files": {"train": "parts/*.csv"}},
        ),
        packed(
            "A gzip that ends in the middle.",
            "train.csv.gz",
            gzip.compress(rows() * 50, mtime=0)[:-20],
            "data/sources/mine/train.csv.gz: cut short or damaged (Compressed file ended before the "
            "end-of-stream marker was reached); get the file again",
        ),
        packed(
            "A zip that is damaged.",
            "train.zip",
            zipped({"train.csv": rows()})[:60],
            "data/sources/mine/train.zip: no zip archive, or one cut short (File is not a zip file); "
            "get it again",
        ),
        packed(
            "A zip with several files, where none is named.",
            "train.zip",
            zipped({"a.csv": rows(), "b.csv": rows()}),
            "data/sources/mine/train.zip: 2 files in it: a.csv, b.csv; say which: train.zip/a.csv, "
            "or a pattern such as train.zip/**/*.txt",
        ),
        packed("An empty zip.", "train.zip", zipped({}), "data/sources/mine/train.zip: no file in it"),
        packed(
            "A zip whose file is named otherwise.",
            "train.zip",
            zipped({"train.csv": rows()}),
            "data/sources/mine: no train.zip/trian.csv, which source.yaml names under files; it has "
            "train.zip/train.csv; did you mean 'train.zip/train.csv'?",
            name="train.zip/trian.csv",
        ),
        packed(
            "A file in a zip that is encrypted.",
            "train.zip",
            encrypted(zipped({"train.csv": rows()})),
            "data/sources/mine/train.zip: encrypted: unpack it with its password and lay the file here",
        ),
        packed(
            "A few bytes that would become gigabytes.",
            "train.csv.gz",
            gzip.compress(b"a" * 70_000_000, mtime=0),
            "data/sources/mine/train.csv.gz: more than 67,108,864 bytes without a line end: is it "
            "text, and is it written as source.yaml says?",
        ),
        packed(
            "A tar.",
            "train.tar",
            b"train.csv" + bytes(503),
            "data/sources/mine/train.tar: tar archives are not read: unpack it in the folder, or "
            "pack it as a zip",
        ),
        packed(
            "A file whose name tells no type.",
            "train.dat",
            rows(),
            "data/sources/mine/train.dat: not a name that tells its type; say format: {type: ...}, "
            "one of csv, tsv, jsonl, json, lines, parquet, arrow, excel, documents",
        ),
    ],
    "Encodings": [
        taken(
            "Latin-1, or Windows' cp1252.",
            french().encode("cp1252"),
            "by its looks, and the terminal and metrics/ingest.json say as what it was read.",
            *FRENCH,
            columns=COLUMNS,
        ),
        taken(
            "GB18030, as Chinese spreadsheets write.",
            chinese().encode("gb18030"),
            "by its looks, and told.",
            *CHINESE,
            columns=COLUMNS,
        ),
        taken(
            "UTF-16 with its mark, as Excel's 'Unicode text'.",
            french().encode("utf-16"),
            "by its mark, and told.",
            *FRENCH,
            columns=COLUMNS,
        ),
        with_file(
            "Too few words to tell one encoding from another.",
            "text,label\nso sad,0\nпривет,1\n".encode("cp1251"),
            "data/sources/mine/train.csv: its encoding cannot be told for sure: as gb18030 it reads "
            "'镳桠弪,1', as big5hkscs it reads '瀔魤殣,1', as euc_jp it reads '關萵纈,1', as cp949 it reads "
            "'穽外奄,1'; state the right one in source.yaml: format: {encoding: gb18030}, or utf-8 to "
            "have such rows set aside",
            columns=COLUMNS,
        ),
        with_file(
            "Another encoding than source.yaml states.",
            chinese().encode("gb18030"),
            "data/sources/mine/train.csv: not utf-16 (UTF-16 stream does not start with BOM); state "
            "format: {encoding: ...}",
            columns=COLUMNS,
            format={"encoding": "utf-16"},
        ),
        with_file(
            "A header in another encoding than source.yaml states.",
            "text,gefühl\nso sad,0\n".encode("cp1252"),
            "data/sources/mine/train.csv:1: the header is not utf-8; state format: {encoding: ...}",
            columns={"text": "text", "label": "gefühl"},
            format={"encoding": "utf-8"},
        ),
    ],
    "Other kinds of files": [
        packed(
            "A web page that was saved as the file.",
            "train.csv",
            b"<!DOCTYPE html><html><body>404 not found</body></html>\n",
            "data/sources/mine/train.csv: a web page and no csv: was it saved where one has to log "
            "in? Get the file itself",
        ),
        packed(
            "A pointer of Git LFS, where the file was not fetched.",
            "train.csv",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n",
            "data/sources/mine/train.csv: named or stated as csv, but it is a pointer of Git LFS and "
            "not the file: run `git lfs pull`",
        ),
        packed(
            "A spreadsheet that is a web page, as some programs export.",
            "train.xlsx",
            b"<html><table><tr><td>text</td></tr></table></html>",
            "data/sources/mine/train.xlsx: a web page and no excel: was it saved where one has to "
            "log in? Get the file itself",
        ),
        packed(
            "A spreadsheet that is damaged.",
            "train.xlsx",
            b"PK\x03\x04" + bytes(200),
            "data/sources/mine/train.xlsx: no Excel workbook that can be read (Cannot detect file format)",
        ),
        packed(
            "A sheet that the spreadsheet does not have.",
            "train.xlsx",
            sheet(),
            "data/sources/mine/train.xlsx: no sheet 'Data'; it has Old",
            format={"sheet": "Data"},
        ),
        packed(
            "A Parquet file that ends in the middle.",
            "train.parquet",
            parquet()[:200],
            "data/sources/mine/train.parquet: no Parquet that can be read, or cut short (Parquet "
            "magic bytes not found in footer. Either the file is corrupted or this is not a parquet "
            "file.)",
        ),
        packed(
            "An Arrow file that is none.",
            "train.arrow",
            rows(),
            "data/sources/mine/train.arrow: no Arrow that can be read, or cut short (Expected to "
            "read 1949066345 metadata bytes, but only read 60)",
        ),
        packed(
            "A column that the Parquet file does not have.",
            "train.parquet",
            parquet(),
            "data/sources/mine/train.parquet: no column 'tekst'; it has id, text, label; did you "
            "mean 'text'?",
            columns={"text": "tekst", "label": "label"},
        ),
        packed(
            "JSON that ends in the middle.",
            "train.json",
            b'[{"text": "so sad", "label": "0"}, {"text": "so',
            'data/sources/mine/train.json:1: no JSON (Unterminated string starting at): \'{"text": '
            "\"so'; if it is one object a line, say format: {type: jsonl}",
            columns=COLUMNS,
        ),
        packed(
            "JSON that is neither a list nor an object of columns.",
            "train.json",
            b'"so sad"',
            "data/sources/mine/train.json:1: neither rows nor columns; expected an array of objects: "
            '[{"text": ...}, ...]; an object with one such array: {"data": [...]}; or an object of '
            'columns: {"text": [...], "label": [...]}: \'\'; if it is one object a line, say format: '
            "{type: jsonl}",
            columns=COLUMNS,
        ),
        packed(
            "JSON Lines of which no line has the text.",
            "train.jsonl",
            b'{"txt": "so sad", "label": "0"}\n{"txt": "so glad", "label": "1"}\n',
            "data/sources/mine/train.jsonl: no column 'text'; it has txt, label; did you mean 'txt'?",
            columns=COLUMNS,
        ),
    ],
    "Files": [
        with_file("An empty file.", b"", f"{MINE}/train.csv: the file is empty"),
        with_file(
            "A header and nothing below it.",
            b"id,text,label\n",
            f"{MINE}/train.csv: a header and no row below it",
        ),
        with_file(
            "A column that the file does not have.",
            b"id,tekst,label\n1,so sad,0\n",
            f"{MINE}/train.csv:1: no column 'text'; it has id, tekst, label; did you mean 'tekst'?",
        ),
        with_file(
            "Two columns of one name.",
            b"id,text,text,label\n1,a,b,0\n",
            f"{MINE}/train.csv:1: two columns are named 'text'; rename one of them",
        ),
        with_file(
            "A quote that is never closed.",
            rows('5,"fine,0', "6,fine,1"),
            f"{MINE}/train.csv:6: the quote that opens here is never closed, or text follows where it closes: "
            "'\"fine,0\\n6,fine,1\\n'; write a quote inside a quoted cell twice, or, where quotes are plain text, say so in "
            "source.yaml: format: {quoting: false}",
        ),
        with_file(
            "Text behind a closing quote.",
            rows('5,"fine" really,0'),
            f"{MINE}/train.csv:6: the quote that opens here is never closed, or text follows where it closes: "
            "'\"fine\" really,0\\n'; write a quote inside a quoted cell twice, or, where quotes are plain text, say so in "
            "source.yaml: format: {quoting: false}",
        ),
        Bad(
            "A file that is not there, and one of nearly that name that is.",
            f"{MINE}: no trian.csv, which source.yaml names under files; it has train.csv; did you mean 'train.csv'?",
            keys={"files": {"train": "trian.csv"}},
        ),
        Bad(
            "A file that DVC tracks and that was not pulled.",
            f"{MINE}: more.csv: not here, but DVC tracks it: run `dvc pull`",
            {"more.csv.dvc": b"outs:\n- path: more.csv\n"},
            {"files": {"train": "train.csv", "test": "more.csv"}},
        ),
        with_file(
            "A file of which no row can be used.",
            b"id,text,label\n1,,0\n2,so glad,\n3,,1\n",
            f"{MINE}/train.csv: none of its 3 rows can be used: text is empty (2); label is empty (1)",
        ),
        with_file(
            "More rejected rows than ingest.max_rejected_share allows.",
            rows("5,,0", "6,,1", "7,fine,"),
            "role train: 3 of 7 rows (42.9 %) cannot be used, where ingest.max_rejected_share in params.yaml allows 20 %: "
            "text is empty (2); label is empty (1); all of them stand in .textrail/rejected.parquet: mend the source, or "
            "raise the share",
        ),
    ],
    "What looks bad and is taken": [
        taken("A byte order mark.", b"\xef\xbb\xbf" + rows(), "without the mark."),
        taken("Line ends of Windows.", rows(end="\r\n"), "as any other."),
        taken("Line ends of old Macs, a lone CR.", rows(end="\r"), "as any other."),
        taken("A line end inside a quoted cell.", rows('5,"so\nglad",1'), "with its line end.", "so\nglad"),
        taken(
            "NUL in a text.",
            rows("5,so\0glad,1"),
            "with the NUL; the cleaning step `unicode` removes it.",
            "so\0glad",
        ),
        taken(
            "Commands for a terminal, markup, formulas for a spreadsheet.",
            rows("5,\x1b[2J<script>=1+1,1"),
            "as text; wherever it is shown it is escaped.",
            "\x1b[2J<script>=1+1",
        ),
        taken(
            "A cell of a million characters.",
            rows("5," + "a" * 1_000_000 + ",1"),
            "whole; tokenize cuts it and says so.",
            "a" * 1_000_000,
        ),
        taken("An id that repeats.", rows("1,fine,1"), "under the ids 1 and 1#2.", "fine"),
        taken("A row without an id.", rows(",fine,1"), "under a hash of its text.", "fine"),
        taken(
            "A boolean label, however it is spelt.",
            rows().replace(b",1\n", b",TRUE\n"),
            "for `true` in source.yaml.",
            labels={"0": "sad", "true": "glad"},
        ),
    ],
    "source.yaml": [
        Bad(
            "No such source.",
            "data/sources/yours: no such source; there are mine",
            knobs={"ingest": {"source": "yours"}},
        ),
        Bad(
            "A folder without source.yaml.",
            "data/sources/mine: no source.yaml in it; docs/your-data.md shows how to write one",
            yaml=b"",
        ),
        Bad(
            "No YAML.",
            "data/sources/mine/source.yaml:2: not valid YAML: expected ',' or ']', but got ':'",
            yaml=b"title: [Mine\nfiles: {train: train.csv}\n",
        ),
        Bad(
            "A tab where YAML wants spaces.",
            "data/sources/mine/source.yaml:3: not valid YAML: found character '\\t' that cannot start "
            "any token",
            yaml=b"title: Mine\nfiles:\n\ttrain: train.csv\n",
        ),
        Bad(
            "YAML that is not UTF-8.",
            "data/sources/mine/source.yaml: byte 7 is not UTF-8; save the file as UTF-8",
            yaml="title: Émotions\n".encode("cp1252"),
        ),
        Bad(
            "A key that stands there twice.",
            'data/sources/mine/source.yaml:2: not valid YAML: found duplicate key "title" with value '
            '"Yours" (original value: "Mine")',
            yaml=b"title: Mine\ntitle: Yours\n",
        ),
        Bad(
            "A list where keys are expected.",
            "data/sources/mine/source.yaml: expected keys and values, found ['title', 'files']",
            yaml=b"- title\n- files\n",
        ),
        with_keys(
            "A key that does not exist.",
            "data/sources/mine/source.yaml:15: colums: unknown key; did you mean 'columns'?",
            colums={"text": "text"},
        ),
        with_keys(
            "A key that is missing.",
            "data/sources/mine/source.yaml: title: missing; every value stands in source.yaml, there "
            "are no defaults in the code",
            title=None,
        ),
        with_keys(
            "No training file.",
            "data/sources/mine/source.yaml:2: files: found {'test': 'train.csv'}; no role 'train': "
            "the other roles can be made from its rows, it cannot",
            files={"test": "train.csv"},
        ),
        with_keys(
            "A role under a name that would be taken for another evaluation set.",
            "data/sources/mine/source.yaml:2: files: found {'train': 'train.csv', 'dev': 'dev.csv'}; "
            "role 'dev': say validation, or test where the test has no labels",
            files={"train": "train.csv", "dev": "dev.csv"},
        ),
        with_keys(
            "One file in two roles.",
            "data/sources/mine/source.yaml:2: files: found {'train': 'train.csv', 'test': "
            "'train.csv'}; one file plays two roles",
            files={"train": "train.csv", "test": "train.csv"},
        ),
        with_keys(
            "A file outside the source's folder.",
            "data/sources/mine/source.yaml:2: files: found {'train': '../train.csv'}; role 'train': "
            "../train.csv is outside the source's folder",
            files={"train": "../train.csv"},
        ),
        with_keys(
            "A file without a header, and no names of its columns.",
            "data/sources/mine/source.yaml: names: found None; files without a header need the names "
            "of their columns here",
            format={"header": False},
        ),
        with_keys(
            "Names of columns, and a header too.",
            "data/sources/mine/source.yaml:15: names: found ['id', 'text', 'label']; names are for "
            "files without a header; say so in format: {header: false}",
            names=["id", "text", "label"],
        ),
        with_keys(
            "A delimiter of two characters.",
            "data/sources/mine/source.yaml:16: format.delimiter: found '||'; String should have at "
            "most 1 character",
            format={"delimiter": "||"},
        ),
        with_keys(
            "An encoding that does not exist.",
            "data/sources/mine/source.yaml:16: format.encoding: found 'utf-88'; no such encoding; "
            "utf-8, cp1252 and utf-16 are some",
            format={"encoding": "utf-88"},
        ),
        with_keys(
            "Fewer than two labels.",
            "data/sources/mine/source.yaml:8: labels: found {'0': 'sad'}; a classification task "
            "needs at least 2 labels, as `value in the file: name`",
            labels={"0": "sad"},
        ),
        with_keys(
            "Two values with one name.",
            "data/sources/mine/source.yaml:8: labels: found {'0': 'sad', '1': 'sad'}; 'sad' stands "
            "there twice; every raw value and every name is one class",
            labels={"0": "sad", "1": "sad"},
        ),
        with_keys(
            "A task that does not exist.",
            "data/sources/mine/source.yaml:11: task: found 'clasification'; did you mean 'classification'?",
            task="clasification",
        ),
        with_keys(
            "A metric that does not exist.",
            "data/sources/mine/source.yaml:12: metrics: found ['acuracy']; no metric 'acuracy' of a "
            "classification task; there are accuracy, macro_f1, weighted_f1, matthews, precision, "
            "recall, f1; did you mean 'accuracy'?",
            metrics=["acuracy"],
        ),
        with_keys(
            "A metric of one class, and no class named.",
            "data/sources/mine/source.yaml:12: metrics: found ['f1']; f1 is about one class: name it "
            "in positive, or use macro_f1",
            metrics=["f1"],
        ),
        with_keys(
            "A class that is not among the labels.",
            "data/sources/mine/source.yaml:15: positive: found 'happy'; it names one of two classes; "
            "labels names sad, glad",
            positive="happy",
        ),
        with_keys(
            "A key of another kind of task.",
            "data/sources/mine/source.yaml:15: range: found [0, 5]; a classification task has no "
            "such key; it is for regression",
            range=[0, 5],
        ),
        with_keys(
            "A kept column that would hide one of textrail's own.",
            "data/sources/mine/source.yaml:15: keep: found ['role']; no column twice, and none named "
            "as one of textrail's: ['ambiguous', 'id', 'label', 'left_out', 'role', 'source_id', 'text', "
            "'text_original', 'text_pair', 'text_pair_original']",
            keep=["role"],
        ),
        with_keys(
            "A column for each label, of a task with one label.",
            "data/sources/mine/source.yaml:4: columns: found {'text': 'text', 'label': ['a', 'b']}; "
            "label: a column for each label is for multi-label; a classification task has one",
            columns={"text": "text", "label": ["a", "b"]},
        ),
        with_keys(
            "A range from high to low.",
            "data/sources/mine/source.yaml:12: range: found [5, 0]; write the least score, then the greatest",
            **{**REGRESSION, "range": [5, 0]},
        ),
        with_expectation(
            "An expectation of a label that does not exist.",
            f"{FOUND_EXPECTATIONS} 'denied': expect: no label 'angry'; labels names sad, glad",
            expect={"becomes": "angry"},
        ),
        with_expectation(
            "An expectation that does not say what should follow.",
            "data/sources/mine/source.yaml:19: expectations.0.expect: found {'label': 'sad'}; say {becomes: "
            "LABEL}, {label: LABEL, moves: up} or, of a regression, {moves: up}",
            expect={"label": "sad"},
        ),
        with_expectation(
            "An expectation of a label, in a regression.",
            f"{FOUND_EXPECTATIONS} 'denied': expect: a regression has no labels; say {{moves: up}} or "
            "{moves: down}",
            REGRESSION,
        ),
        with_expectation(
            "An expectation about the second text, where there is none.",
            f"{FOUND_EXPECTATIONS} 'denied': column: columns names no text_pair; leave it out",
            column="text_pair",
        ),
        with_expectation(
            "An expectation whose pattern does not compile.",
            "data/sources/mine/source.yaml:17: expectations.0.pattern: found '(fire'; does not compile: "
            "regex parse error:\n    (fire\n    ^\nerror: unclosed group",
            pattern="(fire",
        ),
        with_expectation(
            "An expectation whose replacement names a group that the pattern lacks.",
            "data/sources/mine/source.yaml:18: expectations.0.replacement: found 'No $1'; the pattern has "
            "no group '1'; known here: $0. Where text follows a group's name write $<name>; a dollar is $$",
            replacement="No $1",
        ),
        with_keys(
            "Two expectations of one name.",
            f"{FOUND_EXPECTATIONS} 'denied': the name stands there twice; their figures go by it",
            expectations=[DENIED, DENIED],
        ),
    ],
    "params.yaml": [
        Bad(
            "A knob that does not exist.",
            "params.yaml:12: ingest.max_rejected_share: missing; every value stands in params.yaml, "
            "there are no defaults in the code\nparams.yaml:12: ingest.max_rejected_shares: unknown "
            "key; did you mean 'max_rejected_share'?",
            params=("  max_rejected_share:", "  max_rejected_shares:"),
        ),
        Bad(
            "A value of another type.",
            "params.yaml:12: ingest.max_rejected_share: found 'a fifth'; should be a valid number",
            params=("max_rejected_share: 0.2", "max_rejected_share: a fifth"),
        ),
        Bad(
            "A value out of its range.",
            "params.yaml:12: ingest.max_rejected_share: found 1.5; should be less than or equal to 1",
            knobs={"ingest": {"max_rejected_share": 1.5}},
        ),
        Bad(
            "A section that is missing.",
            "params.yaml: no section 'split'; did you mean 'spit'?",
            params=("\nsplit:", "\nspit:"),
            stage="split",
        ),
        Bad(
            "A cleaning step that does not exist.",
            "params.yaml:12: clean.steps.0: found 'lowercas'; did you mean 'lowercase'?",
            knobs={"clean": {"steps": ["lowercas"]}},
            stage="clean",
        ),
        Bad(
            "A pattern of one's own that does not compile.",
            "params.yaml:12: clean.steps.0.pattern: found '(so'; does not compile: regex parse "
            "error:\n    (so\n    ^\nerror: unclosed group",
            knobs={"clean": {"steps": [{"pattern": "(so", "replacement": ""}]}},
            stage="clean",
        ),
        Bad(
            "A pattern with look-ahead.",
            "params.yaml:12: clean.steps.0.pattern: found 'so(?= sad)'; does not compile: regex "
            "parse error:\n    so(?= sad)\n      ^^^\nerror: look-around, including look-ahead and "
            "look-behind, is not supported; this engine is linear in the text's length, whatever the "
            "pattern, and for that it goes without look-around: match what stands around too, and "
            "put it back with $1",
            knobs={"clean": {"steps": [{"pattern": "so(?= sad)", "replacement": ""}]}},
            stage="clean",
        ),
        Bad(
            "A pattern with a backreference.",
            "params.yaml:12: clean.steps.0.pattern: found '(.)\\\\1'; does not compile: regex parse "
            "error:\n    (.)\\1\n       ^^\nerror: backreferences are not supported; this engine is "
            "linear in the text's length, whatever the pattern, and for that it goes without "
            "backreferences: list the cases, as in aa+|bb+",
            knobs={"clean": {"steps": [{"pattern": r"(.)\1", "replacement": ""}]}},
            stage="clean",
        ),
        Bad(
            "A replacement that names a group which the pattern lacks.",
            "params.yaml:12: clean.steps.0.replacement: found '$2'; the pattern has no group '2'; "
            "known here: $0, $1. Where text follows a group's name write $<name>; a dollar is $$",
            knobs={"clean": {"steps": [{"pattern": "(so)", "replacement": "$2"}]}},
            stage="clean",
        ),
        Bad(
            "Groups by a column that source.yaml does not keep.",
            "params.yaml: split.group: no column 'author'; there are id. A column of your file has "
            "to be listed under keep in source.yaml",
            knobs={"split": {"group": "author"}},
            stage="split",
        ),
        Bad(
            "Newest rows by a column that holds no times.",
            "row 'fe8e9d65d2f786ae-1': when is 'yesterday'; split.time needs ISO dates (2024-03-01, "
            "2024-03-01T09:30:00Z), or numbers in all rows: mend the column, or set split.time to "
            "null in params.yaml",
            {"train.csv": b"text,label,when\nso sad,0,2024-01-01\nso glad,1,yesterday\n"},
            {"columns": COLUMNS, "keep": ["when"]},
            knobs={"split": {"time": "when"}},
            stage="split",
        ),
        Bad(
            "Groups and newest rows at once.",
            "params.yaml: split.group and split.time are both set; the newest rows seldom are whole "
            "groups: set one of the two to null",
            {"train.csv": b"text,label,when\nso sad,0,2024-01-01\nso glad,1,2024-01-02\n"},
            {"columns": COLUMNS, "keep": ["when"]},
            knobs={"split": {"time": "when", "group": "when"}},
            stage="split",
        ),
        Bad(
            "A language that NLTK has no stemmer for.",
            "cleaning step 'stem': NLTK has no language 'klingon' for it; it has arabic, danish, "
            "dutch, english, finnish, french, german, hungarian, italian, norwegian, porter, "
            "portuguese, romanian, russian, spanish, swedish",
            knobs={"clean": {"steps": ["stem"], "language": "klingon"}},
            stage="clean",
        ),
    ],
    "Corrections": [
        corrected(
            "A corrected row that is not there.",
            "2: no row has the id '44'; did you mean '4'?; ids are those of data/ingested.parquet, and "
            "a row that could not be used (data/rejected.parquet) has none: mend the id, or take the "
            "line out",
            "44,sad,relabel,",
        ),
        corrected(
            "A label that no class has.",
            "2: no label 'sed'; there are sad, glad; did you mean 'sad'?",
            "1,sed,relabel,",
        ),
        corrected(
            "Something to do that textrail does not know.",
            "2: action 'delete'; there are relabel, ambiguous, drop",
            "1,,delete,",
        ),
        corrected(
            "A row that is corrected twice, each time otherwise.",
            "3: the id '1' has another correction on line 2; keep one",
            "1,glad,relabel,",
            "1,,drop,",
        ),
        corrected(
            "A label for a row that is to go.",
            "2: drop takes no label, and here is 'sad'; leave it empty, or say relabel",
            "1,sad,drop,",
        ),
        corrected(
            "Corrections without the column that says what to do.",
            "1: no column 'action'; it has id, label, note",
            header="id,label,note",
        ),
        corrected(
            "Corrections that a spreadsheet saved in its old encoding.",
            "2: not UTF-8; save it as CSV with that encoding (Excel: CSV UTF-8)",
            "1,,drop,caf\xe9",
        ),
        Bad(
            "Corrections that are empty.",
            "data/sources/mine/corrections.csv: the file is empty",
            {"corrections.csv": b""},
        ),
    ],
    "Too little to learn from": [
        Bad(
            "A single class.",
            "role train: all 15 examples are labelled 'sad'; a classifier needs at least two "
            "classes: check columns.label and labels in source.yaml",
            {"train.csv": b"text,label\n" + b"".join(b"sad no %d,0\n" % n for n in range(30))},
            {"columns": COLUMNS},
            stage="split",
        ),
        Bad(
            "A single row.",
            "role train: no example is left of 1 rows; training, choosing and judging need at least "
            "one labelled example each: add rows, or raise split.validation_fraction and "
            "split.test_fraction in params.yaml",
            {"train.csv": rows()[:24]},
            stage="split",
        ),
    ],
}


def all_kinds() -> Iterator[Bad]:
    for kinds in KINDS.values():
        yield from kinds


def page() -> str:
    count = sum(len(kinds) for kinds in KINDS.values())
    parts = [INTRODUCTION, f"{count} kinds are known.\n"]
    for heading, kinds in KINDS.items():
        parts += [f"## {heading}\n", *(entry(bad) for bad in kinds)]
    return "\n".join(parts)


def entry(bad: Bad) -> str:
    if bad.done == TAKEN:
        return f"- **{bad.what}** {bad.done} {bad.says}\n"
    if bad.done == SET_ASIDE:
        return f"- **{bad.what}** {bad.done}: `{bad.says}`.\n"
    said = "\n".join(f"  {bad.stage}: {line}" for line in bad.says.split("\n"))
    return f"- **{bad.what}** `{bad.stage}` {bad.done}:\n\n  ```\n{said}\n  ```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
