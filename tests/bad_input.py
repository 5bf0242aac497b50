"""Every kind of bad input that we know of: its cause, what is done with it, and what is said.

tests/test_bad_input.py brings each about and compares; `python -m tests.bad_input` writes docs/bad-input.md.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
    texts: tuple[str, ...] = ()  # of what is taken, behind or in place of the good rows


def rows(*more: str, end: str = "\n") -> bytes:
    """A CSV of the four good rows and some more, each a line as it stands there."""
    lines = ["id,text,label", *(",".join(row) for row in GOOD), *more]
    return "".join(line + end for line in lines).encode()


def json_lines(*more: str) -> bytes:
    good = [json.dumps({"id": id_, "text": text, "label": label}) for id_, text, label in GOOD]
    return "".join(line + "\n" for line in [*good, *more]).encode()


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


def taken(what: str, content: bytes, says: str, *texts: str, **keys: Any) -> Bad:
    return Bad(what, says, {"train.csv": content}, keys, done=TAKEN, texts=texts)


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
            "as one of textrail's: ['id', 'label', 'left_out', 'role', 'source_id', 'text', "
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
            "A language that NLTK has no stemmer for.",
            "cleaning step 'stem': NLTK has no language 'klingon' for it; it has arabic, danish, "
            "dutch, english, finnish, french, german, hungarian, italian, norwegian, porter, "
            "portuguese, romanian, russian, spanish, swedish",
            knobs={"clean": {"steps": ["stem"], "language": "klingon"}},
            stage="clean",
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
    return f"- **{bad.what}** `{bad.stage}` {bad.done}:\n\n  ```\n  {bad.stage}: {bad.says}\n  ```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
