"""Patterns, archives and folders: which files a source names, and how they are opened."""

import gzip
import io
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from stages.lib.exceptions import ConfigError, SourceError
from stages.lib.readers import archives, reading
from stages.lib.readers.archives import open_bytes
from stages.lib.readers.rows import Row
from stages.lib.sources.files import find_files
from stages.lib.sources.parts import Part, find_parts
from stages.lib.sources.source import read_source

CSV = b"text,label\nfirst,0\nlast,1\n"
SOURCE = """\
title: moods
files: {files}
columns: {{text: text, label: {label}}}
labels: {{{labels}}}
task: classification
metrics: [accuracy]
copies: remove
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "moods").mkdir()
    return tmp_path / "moods"


def lay(folder: Path, *names: str, content: bytes = CSV) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def parts(
    folder: Path, files: str, label: str = "label", labels: str = "0: sad, 1: glad", more: str = ""
) -> list[Part]:
    (folder / "source.yaml").write_text(SOURCE.format(files=files, label=label, labels=labels) + more)
    return find_parts(folder, read_source(folder))


def rows(folder: Path, files: str, **keys: str) -> list[Row]:
    return [row for part in parts(folder, files, **keys) for row in part.rows]


def texts(found: list[Row]) -> list[str]:
    return [row.cells["text"] for row in found]


def named(folder: Path, *entries: str) -> list[str]:
    found, missing = find_files(folder, list(entries))
    assert not missing
    return [file.name for file in found]


# --- patterns


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        (["a.csv"], ["a.csv"]),
        (["*.csv"], ["A.csv", "a.csv", "b.csv"]),
        (["b.csv", "*.csv"], ["b.csv", "A.csv", "a.csv"]),
        (["?.csv"], ["A.csv", "a.csv", "b.csv"]),
        (["[ab].csv"], ["a.csv", "b.csv"]),
        (["[!a].csv"], ["A.csv", "b.csv"]),
        (["*/*.csv"], ["train/10.csv", "train/2.csv"]),
        (["**/*.csv"], ["A.csv", "a.csv", "b.csv", "train/10.csv", "train/2.csv", "train/deep/1.csv"]),
        (["train/**"], ["train/10.csv", "train/2.csv", "train/deep/1.csv"]),
        (["train/**/1.csv"], ["train/deep/1.csv"]),
    ],
)
def test_patterns_find_files_in_the_order_of_names(
    folder: Path, entries: list[str], found: list[str]
) -> None:
    lay(folder, "b.csv", "train/2.csv", "a.csv", "train/10.csv", "train/deep/1.csv", "A.csv")
    lay(folder, "a.csv.dvc", ".gitignore", ".DS_Store", ".hidden/1.csv", "train/.2.csv", "source.yaml")
    assert named(folder, *entries) == found


def test_a_file_with_a_bracket_in_its_name_is_that_file(folder: Path) -> None:
    lay(folder, "a[1].csv", "a1.csv")
    assert named(folder, "a[1].csv") == ["a[1].csv"]


def test_a_folder_of_that_name_is_not_found_by_a_pattern(folder: Path) -> None:
    lay(folder, "x.csv/inside.txt", "y.csv")
    assert named(folder, "*.csv") == ["y.csv"]
    with pytest.raises(SourceError, match=r"x.csv: a folder: name what is in it: x.csv/\*.csv"):
        find_files(folder, ["x.csv"])


def test_links_pipes_and_the_like_are_errors(folder: Path) -> None:
    (folder / "gone.csv").symlink_to(folder / "nowhere")
    with pytest.raises(SourceError, match=r"gone.csv: a link that leads nowhere; .*`dvc checkout`"):
        find_files(folder, ["*.csv"])
    (folder / "gone.csv").unlink()
    os.mkfifo(folder / "pipe.csv")
    with pytest.raises(SourceError, match=r"pipe.csv: no regular file"):
        find_files(folder, ["pipe.csv"])


def test_a_link_to_a_file_is_that_file(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(CSV)
    (folder / "train.csv").symlink_to(tmp_path / "cache")
    assert texts(rows(folder, "{train: '*.csv'}")) == ["first", "last"]


@pytest.mark.parametrize("entry", ["trian.csv", "tran*.csv", "data/*.txt"])
def test_what_finds_nothing_is_named_with_what_there_is(folder: Path, entry: str) -> None:
    lay(folder, "train.csv", "test.csv")
    with pytest.raises(SourceError) as told:
        parts(folder, f"{{train: '{entry}'}}")
    assert f"no {entry}, which source.yaml names under files; it has test.csv, train.csv" in str(told.value)
    assert entry.startswith("data") or "did you mean 'train.csv'" in str(told.value)


def test_of_many_files_some_are_named(folder: Path) -> None:
    lay(folder, *(f"{number:03}.csv" for number in range(100)))
    with pytest.raises(
        SourceError, match=r"it has 100 files: 000.csv, .* and 90 more; did you mean '042.csv'"
    ):
        parts(folder, "{train: 042.cvs}")


def test_what_dvc_tracks_is_to_be_pulled_folders_too(folder: Path) -> None:
    lay(folder, "train.dvc", content=b"outs: []\n")
    with pytest.raises(SourceError, match=r"train/\*/\*.txt: not here, but DVC tracks it: run `dvc pull`"):
        parts(folder, "{train: train/*/*.txt}")


def test_one_file_in_two_roles_is_an_error(folder: Path) -> None:
    lay(folder, "train.csv", "test.csv")
    with pytest.raises(SourceError, match=r"test.csv plays two roles, train and test"):
        parts(folder, "{train: '*.csv', test: test.csv}")
    with pytest.raises(ConfigError, match=r"one file plays two roles"):
        parts(folder, "{train: [a.csv, test.csv], test: test.csv}")


def test_a_file_that_two_patterns_find_is_read_once(folder: Path) -> None:
    lay(folder, "train.csv")
    assert len(rows(folder, "{train: ['*.csv', 't*.csv']}")) == 2


def test_rows_of_several_files_know_theirs_and_each_header_is_its_own(folder: Path) -> None:
    lay(folder, "b.csv", content=b"label,text,more\n1,third,x\nbroken\n")
    lay(folder, "a.csv")
    [part] = parts(folder, "{train: '?.csv'}")
    found = list(part.rows)
    assert part.place == "?.csv"
    assert [(row.file, row.line) for row in found] == [("a.csv", 2), ("a.csv", 3), ("b.csv", 2), ("b.csv", 3)]
    assert texts(found[:3]) == ["first", "last", "third"]
    assert (found[3].fault, found[3].held) == ("1 fields where 3 are expected", ["broken"])
    assert dict(part.read_as) == {"a.csv": "csv, utf-8", "b.csv": "csv, utf-8"}
    lay(folder, "c.csv", content=b"txt,label\nx,0\n")
    with pytest.raises(SourceError, match=r"c.csv:1: no column 'text'; it has txt, label"):
        rows(folder, "{train: '?.csv'}")


def test_each_table_of_a_pattern_has_its_own_encoding(folder: Path) -> None:
    table = "text,label\n" + "Доставка была быстрой,0\nОчень доволен покупкой,1\n" * 3
    lay(folder, "a.csv", content=table.encode("cp1251"))
    lay(folder, "b.csv", content=table.encode("koi8_r"))
    [part] = parts(folder, "{train: '?.csv'}")
    assert dict(part.read_as) == {"a.csv": "csv, cp1251", "b.csv": "csv, koi8_r"}
    assert set(texts(list(part.rows))) == {"Доставка была быстрой", "Очень доволен покупкой"}


# --- a folder for each label, a file for each label


def test_a_folder_for_each_label(folder: Path) -> None:
    lay(folder, "train/pos/1.txt", content=b"glad\nto be here")
    lay(folder, "train/neg/1.txt", "train/neg/2.txt", content="sad é".encode())
    [part] = parts(folder, "{train: 'train/*/*.txt'}", label="folder", labels="neg: sad, pos: glad")
    found = list(part.rows)
    assert found[2].cells == {"text": "glad\nto be here", "folder": "pos", "file": "train/pos/1.txt"}
    assert [(row.file, row.line) for row in found] == [
        ("train/neg/1.txt", None),
        ("train/neg/2.txt", None),
        ("train/pos/1.txt", None),
    ]
    assert dict(part.read_as) == {"train/*/*.txt": "documents, utf-8"}


def test_a_file_for_each_label(folder: Path) -> None:
    lay(folder, "rt-polarity.pos", content=b"good\nfine\n")
    lay(folder, "rt-polarity.neg", content=b"bad\n\n")
    found = rows(
        folder,
        "{train: rt-polarity.*}",
        label="file",
        labels="rt-polarity.neg: bad, rt-polarity.pos: good",
        more="format: {type: lines}\n",
    )
    assert [(row.file, row.line, row.fault) for row in found] == [
        ("rt-polarity.neg", 1, None),
        ("rt-polarity.neg", 2, "blank line"),
        ("rt-polarity.pos", 1, None),
        ("rt-polarity.pos", 2, None),
    ]
    assert found[0].cells == {"text": "bad", "folder": "", "file": "rt-polarity.neg"}


def test_tables_have_their_place_as_columns_where_it_is_asked_for(folder: Path) -> None:
    lay(folder, "pos/a.csv", "neg/a.csv")
    found = rows(folder, "{train: '*/a.csv'}", label="folder")
    assert [row.cells["folder"] for row in found] == ["neg", "neg", "pos", "pos"]


def test_a_text_file_is_one_text_a_line_and_a_pattern_one_text_a_file(folder: Path) -> None:
    lay(folder, "a.txt", content=b"one\ntwo\n")
    assert texts(rows(folder, "{train: a.txt}", label="file")) == ["one", "two"]
    assert texts(rows(folder, "{train: '*.txt'}", label="file")) == ["one\ntwo\n"]
    lines = "format: {type: lines}\n"
    assert texts(rows(folder, "{train: '*.txt'}", label="file", more=lines)) == ["one", "two"]
    documents = "format: {type: documents}\n"
    assert texts(rows(folder, "{train: a.txt}", label="file", more=documents)) == ["one\ntwo\n"]


# --- packed


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "train.csv.gz": gzip.compress,
    "train.csv.zst": lambda content: pa.compress(content, codec="zstd", asbytes=True),
}


@pytest.mark.parametrize("name", PACKERS)
def test_packed_files_are_read_as_what_is_in_them(folder: Path, name: str) -> None:
    lay(folder, name, content=PACKERS[name](CSV) + PACKERS[name](b"one more,1\n"))
    [part] = parts(folder, f"{{train: {name}}}")
    assert texts(list(part.rows)) == ["first", "last", "one more"]
    assert dict(part.read_as) == {name: "csv, utf-8"}


def test_what_is_packed_is_known_by_its_content(folder: Path) -> None:
    lay(folder, "train.csv", content=gzip.compress(CSV))
    lay(folder, "test.csv.gz", content=CSV)
    assert len(rows(folder, "{train: train.csv, test: test.csv.gz}")) == 4


@pytest.mark.parametrize(
    ("name", "harm"),
    [("train.csv.gz", "cut short"), ("train.csv.zst", "cut short"), ("train.csv.gz", "damaged")],
)
def test_a_damaged_archive_is_an_error_and_never_half_a_file(folder: Path, name: str, harm: str) -> None:
    packed = PACKERS[name](b"text,label\n" + os.urandom(30_000).hex().encode() + b",0\n")
    broken = packed[:-10] if harm == "cut short" else packed[:20_000] + b"!!!!!!!!" + packed[20_008:]
    lay(folder, name, content=broken)
    with pytest.raises(SourceError, match=rf"{name}: cut short or damaged .*; get the file again"):
        rows(folder, f"{{train: {name}}}")


def test_a_zip_of_one_file_is_that_file(folder: Path) -> None:
    zipped(folder / "data.zip", **{"train.csv": CSV, "__MACOSX/train.csv": b"junk", ".DS_Store": b"junk"})
    [part] = parts(folder, "{train: data.zip}")
    assert (part.place, texts(list(part.rows))) == ("data.zip", ["first", "last"])
    assert dict(part.read_as) == {"data.zip": "csv, utf-8"}


def test_members_of_a_zip_are_named_by_paths_and_patterns(folder: Path) -> None:
    members = {
        "pos/2.txt": b"fine",
        "pos/10.txt": b"good",
        "neg/1.txt": b"bad",
        "read.me": b"x",
        "t.csv.gz": gzip.compress(CSV),
    }
    zipped(folder / "data.zip", **members)
    assert named(folder, "data.zip/pos/*.txt") == ["data.zip/pos/10.txt", "data.zip/pos/2.txt"]
    found = rows(folder, "{train: data.zip/*/*.txt}", label="folder", labels="neg: sad, pos: glad")
    assert [(row.cells["folder"], row.cells["text"]) for row in found] == [
        ("neg", "bad"),
        ("pos", "good"),
        ("pos", "fine"),
    ]
    assert found[0].file == "data.zip/neg/1.txt"
    assert texts(rows(folder, "{train: data.zip/t.csv.gz}")) == ["first", "last"]


def test_a_zip_of_several_files_or_none_must_be_told_apart(folder: Path) -> None:
    zipped(folder / "data.zip", **{"train.csv": CSV, "test.csv": CSV})
    with pytest.raises(SourceError, match=r"data.zip: 2 files in it: .* say which: data.zip/train.csv"):
        parts(folder, "{train: data.zip}")
    with pytest.raises(SourceError, match=r"no data.zip/trian.csv, .*did you mean 'data.zip/train.csv'"):
        parts(folder, "{train: data.zip/trian.csv}")
    zipped(folder / "none.zip")
    with pytest.raises(SourceError, match=r"none.zip: no file in it"):
        parts(folder, "{train: none.zip}")


def test_a_zip_that_is_none_or_cut_short_is_an_error(folder: Path) -> None:
    lay(folder, "data.zip")
    with pytest.raises(SourceError, match=r"data.zip: no zip archive, or one cut short"):
        parts(folder, "{train: data.zip}")
    whole = zipped(folder / "whole.zip", **{"train.csv": CSV * 1000}).read_bytes()
    lay(folder, "data.zip", content=whole[:-30])
    with pytest.raises(SourceError, match=r"data.zip: no zip archive, or one cut short"):
        parts(folder, "{train: data.zip}")
    lay(folder, "data.zip", content=whole[:60] + b"\xff" * 10 + whole[70:])
    with pytest.raises(SourceError, match=r"data.zip: (cut short or )?damaged"):
        rows(folder, "{train: data.zip}")


@pytest.mark.parametrize("name", ["../../out.csv", "/etc/out.csv", "a/../../out.csv"])
def test_a_path_that_leads_out_of_the_zip_is_refused(folder: Path, name: str) -> None:
    zipped(folder / "data.zip", **{"train.csv": CSV, name: CSV})
    with pytest.raises(SourceError, match=r"data.zip: .*leads out of the archive"):
        parts(folder, "{train: data.zip/train.csv}")
    assert sorted(path.name for path in folder.parent.rglob("*")) == ["data.zip", "moods", "source.yaml"]


def test_an_encrypted_zip_is_an_error(folder: Path) -> None:
    packed = bytearray(zipped(folder / "data.zip", **{"train.csv": CSV}).read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = packed.index(mark) + place
        packed[at : at + 2] = struct.pack("<H", 1)
    lay(folder, "data.zip", content=bytes(packed))
    with pytest.raises(SourceError, match=r"encrypted: unpack it with its password"):
        parts(folder, "{train: data.zip}")


def test_a_zip_in_a_zip_and_a_tar_are_refused(folder: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("train.csv", CSV)
    zipped(folder / "data.zip", **{"inner.zip": inner.getvalue()})
    with pytest.raises(SourceError, match=r"data.zip: not a name that tells its type"):
        parts(folder, "{train: data.zip}")
    lay(folder, "data.tar.gz", "data.tgz")
    for name in ("data.tar.gz", "data.tgz"):
        with pytest.raises(SourceError, match=r"tar archives are not read: unpack it in the folder"):
            parts(folder, f"{{train: {name}}}")


def test_what_unpacks_without_end_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "GROWTH_COUNTS_FROM", 2**20)
    lay(folder, "bomb.csv.gz", content=gzip.compress(b"text,label\n" + b"x,0\n" * 2**20))
    with pytest.raises(SourceError, match=r"bomb.csv.gz: unpacks to more than 200 times its size"):
        rows(folder, "{train: bomb.csv.gz}")


def test_a_line_without_end_is_refused_before_it_fills_the_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "LONGEST_LINE", 2**20)
    lay(folder, "zeros.csv.gz", content=gzip.compress(b"text,label\n" + b"x" * 2**22))
    with pytest.raises(SourceError, match=r"zeros.csv.gz: more than 1,048,576 bytes without a line end"):
        rows(folder, "{train: zeros.csv.gz}", more="format: {encoding: utf-8}\n")


def test_archives_of_many_texts_are_opened_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zipped(folder / "data.zip", **{f"{number}.txt": b"some text" for number in range(300)})
    opened = []
    original = zipfile.ZipFile.__init__

    def counted(self: zipfile.ZipFile, *given: Any, **keys: Any) -> None:
        opened.append(given)
        original(self, *given, **keys)

    monkeypatch.setattr(zipfile.ZipFile, "__init__", counted)
    assert len(rows(folder, "{train: data.zip/*.txt}", label="file")) == 300
    assert len(opened) == 1


# --- files that are not what they are called


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
            r"Git LFS .*run `git lfs pull`",
        ),
        ("a.csv", b"\n<!DOCTYPE html><html><body>Sign in</body></html>", r"a web page and no csv.*log in"),
        ("a.xlsx", b"<html><table><tr><td>text</td></tr></table></html>", r"a web page and no excel"),
        ("a.csv", b"PK\x03\x04rest", r"a zip archive: let its name end in .zip; an Excel sheet: in .xlsx"),
        ("a.csv", b"PAR1rest", r"it is Parquet: let its name end in .parquet"),
        ("a.jsonl", b"\xd0\xcf\x11\xe0rest", r"an old Excel sheet"),
        ("a.txt", b"%PDF-1.4", r"a PDF: save its text"),
        ("a.pdf", b"%PDF-1.4", r"not a name that tells its type; say format: \{type: ...\}, one of csv, tsv"),
        ("a.parquet", CSV, r"no Parquet that can be read"),
        ("a.arrow", CSV, r"no Arrow that can be read"),
        ("a.xlsx", CSV, r"no Excel workbook that can be read"),
    ],
)
def test_a_file_that_is_something_else_is_an_error_that_says_what(
    folder: Path, name: str, content: bytes, message: str
) -> None:
    lay(folder, name, content=content)
    with pytest.raises(SourceError, match=message):
        rows(folder, f"{{train: {name}}}")


def test_every_type_by_name_has_a_reader() -> None:
    assert set(reading.TYPES.values()) | {"documents"} == set(reading.READERS)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_an_error(folder: Path) -> None:
    lay(folder, "train.csv")
    (folder / "train.csv").chmod(0)
    with pytest.raises(SourceError, match=r"train.csv: cannot be read: Permission denied"):
        open_bytes(folder / "train.csv")
