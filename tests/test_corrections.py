"""What corrections.csv says is done to its rows alone, and counted; what cannot be done is an error."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.lib import parquet_rows
from stages.lib.exceptions import SourceError
from stages.lib.sources import taking
from stages.lib.sources.corrections import AMBIGUOUS, DROP, RELABEL, Correction, read_corrections
from stages.lib.sources.source import read_source
from stages.lib.tables import in_use
from tests.staged import run_in_process
from tests.test_any_table import SETTINGS
from tests.tiny import MULTI_LABEL, REGRESSION, ROOT, SOURCE, set_knobs

HEADER = "id,label,action,note\n"
MADE = {"validation_fraction": 0.3, "test_fraction": 0.3, "near_copies": None}
OUTS = ("task", "ingested", "rejected", "ingest.json", "cleaned", "splits", "copies", "split.json")
ROWS = [(str(n), f"tale {n} of {n * n}", ("Oslo", "Lima")[n % 2], str(n % 2)) for n in range(80)]


@pytest.fixture(scope="module")
def params(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The content of params.yaml."""
    folder = tmp_path_factory.mktemp("params")
    (folder / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    set_knobs(folder, {"split": MADE})
    return (folder / "params.yaml").read_bytes()


@pytest.fixture
def folder(tmp_path: Path, params: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source of 80 labelled rows, one empty one, and two unlabelled ones; roles are made."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_bytes(params)
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "source.yaml").write_text(SOURCE)
    lay(folder, [*ROWS, ("80", "", "Oslo", "1")])
    (folder / "new.csv").write_text("id,text,place\n900,who knows,Lima\n901,not me,Lima\n")
    return folder


def lay(folder: Path, rows: Sequence[tuple[str, ...]], columns: str = "id,text,place,target") -> None:
    (folder / "train.csv").write_text("\n".join([columns, *map(",".join, rows)]) + "\n", encoding="utf-8")


def correct(folder: Path, *lines: str) -> None:
    (folder / "corrections.csv").write_text(HEADER + "".join(f"{line}\n" for line in lines), encoding="utf-8")


def read(folder: Path) -> dict[str, Correction]:
    return read_corrections(folder, read_source(folder)).by_id


def said(folder: Path) -> str:
    """What stops ingest, without the path of the file."""
    with pytest.raises(SourceError) as told:
        read(folder)
    return str(told.value).removeprefix(f"{folder}/corrections.csv:")


def stages(last: str = "split") -> dict[str, pl.DataFrame]:
    """Of the tables that were written, by their names."""
    assert run_in_process(Path("source"), last) == ("", "")
    names = ("ingested", "rejected", "splits", "copies")
    return {name: pl.read_parquet(f"out/{name}") for name in names if Path(f"out/{name}").exists()}


def stopped() -> str:
    stage, message = run_in_process(Path("source"), "ingest")
    assert stage == "ingest"
    assert not Path("out/ingested").exists()
    return message.removeprefix("source/corrections.csv:")


def numbers(stage: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(f"out/{stage}.json").read_text())
    return found


def labels_of(table: pl.DataFrame) -> dict[str, Any]:
    return dict(table.select("id", "label").iter_rows())


def test_rows_are_relabelled_dropped_and_marked_and_counted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = stages("ingest")["ingested"]
    capsys.readouterr()
    correct(
        folder, "0,alarm,relabel,seen", "1,0,relabel,", "2,calm,relabel,", "3,,drop,spam", "4,,ambiguous,?"
    )
    found = stages("ingest")
    after = found["ingested"]
    assert labels_of(after) == {
        id_: {"0": "alarm", "1": "calm"}.get(id_, label)
        for id_, label in labels_of(before).items()
        if id_ != "3"
    }
    assert after.filter("ambiguous")["id"].to_list() == ["4"]
    assert after["ambiguous"].null_count() == 0
    rest = before.filter(pl.col("id") != "3")
    assert after.drop("label", "ambiguous").equals(rest.drop("label"))
    assert found["rejected"].rows() == [
        ("train.csv", 82, '{"id": "80", "text": "", "place": "Oslo", "target": "1"}', "text is empty"),
        (
            "train.csv",
            5,
            '{"id": "3", "text": "tale 3 of 9", "place": "Lima", "target": "1"}',
            "dropped by corrections.csv",
        ),
    ]
    counted = numbers("ingest")
    assert counted["corrections"] == {
        "relabelled": {"train": 2},
        "already_so": {"train": 1},
        "dropped": {"train": 1},
        "ambiguous": {"train": 1},
    }
    assert counted["labels"] == {"train": {"calm": 40, "alarm": 39}}
    assert (counted["rows_in"], counted["rows_kept"], counted["rows_rejected"]) == (83, 81, 2)
    assert capsys.readouterr().out == (
        "ingest: sample: 83 rows in, 81 kept (79 train, 2 unlabelled), 2 rejected: text is empty (1); "
        "dropped by corrections.csv (1); corrections.csv: 2 relabelled, 1 dropped, 1 ambiguous, "
        "1 already so\n"
    )


def test_a_source_without_corrections_has_no_further_column_or_number(folder: Path) -> None:
    found = stages()
    assert "ambiguous" not in found["ingested"].columns + found["splits"].columns
    assert "corrections" not in numbers("ingest")
    assert "ambiguous" not in numbers("split")


def test_where_nothing_is_ambiguous_there_is_no_such_column(folder: Path) -> None:
    plain = stages()
    correct(folder, "0,calm,relabel,so it was", "900,,drop,")
    found = stages()
    assert found["ingested"].equals(plain["ingested"].filter(pl.col("id") != "900"))
    assert found["splits"].equals(plain["splits"].filter(pl.col("id") != "900"))


def test_an_ambiguous_row_does_not_train_but_judges(folder: Path) -> None:
    roles = dict(stages()["splits"].select("id", "role").iter_rows())
    marked = {
        role: next(id_ for id_, its in roles.items() if its == role)
        for role in ("train", "validation", "test")
    }
    correct(folder, *(f"{id_},,ambiguous," for id_ in marked.values()))
    found = stages()
    splits = found["splits"]
    left_out = dict(splits.select("id", "left_out").iter_rows())
    assert [left_out[marked[role]] for role in ("train", "validation", "test")] == ["ambiguous", None, None]
    assert sum(reason is not None for reason in left_out.values()) == 1
    assert numbers("split")["left_out_because"] == {"ambiguous": 1}
    assert numbers("split")["ambiguous"] == dict.fromkeys(marked, 1)
    assert set(in_use(splits)["id"]) == set(roles) - {marked["train"]}


@pytest.mark.slow
def test_an_ambiguous_copy_is_still_told_as_a_copy(folder: Path) -> None:
    """The leaks and what split says of them stay; a copy within training goes for being ambiguous alone."""
    texts = dict(stages()["splits"].filter(pl.col("role") == "train").select("id", "text").iter_rows())
    (one, text), (other, _) = list(texts.items())[:2]
    test = folder / "test.csv"
    test.write_text(f"id,text,place,target\n800,{text},Oslo,0\n", encoding="utf-8")
    lay(folder, [*ROWS, ("81", texts[other], "Oslo", "1")])
    yaml = (folder / "source.yaml").read_text()
    (folder / "source.yaml").write_text(
        yaml.replace("train: train.csv,", "train: train.csv, test: test.csv,")
    )
    plain = stages()
    correct(folder, f"{one},,ambiguous,", "81,,ambiguous,")
    found = stages()
    reasons = dict(found["splits"].select("id", "left_out").iter_rows())
    assert (reasons[one], reasons["81"], reasons[other]) == ("copy of a test example", "ambiguous", None)
    assert found["copies"].drop("left_out").equals(plain["copies"].drop("left_out"))
    was = {row[0]: row[1] for row in plain["copies"].select("id", "left_out").iter_rows()}
    now = {row[0]: row[1] for row in found["copies"].select("id", "left_out").iter_rows()}
    assert now == was | {"81": "ambiguous"}


@pytest.mark.slow
@pytest.mark.parametrize("knobs", [{}, {"group": "place"}, {"time": "place"}], ids=["text", "group", "time"])
def test_every_row_keeps_its_role(folder: Path, knobs: dict[str, str]) -> None:
    set_knobs(folder.parent, {"split": MADE | knobs})
    lay(folder, [(id_, text, str(2_000 + int(id_) % 40), label) for id_, text, _, label in ROWS])
    before = dict(stages()["splits"].select("id", "role").iter_rows())
    flipped = [f"{n},{('alarm', 'calm')[n % 2]},relabel," for n in range(40)]
    marked = [f"{n},,ambiguous," for n in range(40, 60)]
    dropped = [] if "time" in knobs else [f"{n},,drop," for n in range(60, 80, 3)]
    correct(folder, *flipped, *marked, *dropped)
    after = dict(stages()["splits"].select("id", "role").iter_rows())
    assert after == {id_: role for id_, role in before.items() if f"{id_},,drop," not in dropped}
    assert len(after) == len(before) - len(dropped)


def test_no_correction_changes_another_rows_id(folder: Path) -> None:
    """Ids with a count of their occurrence are given before any row is dropped."""
    lay(folder, [*ROWS, ("7", "again seven", "Oslo", "1"), ("7", "and again", "Oslo", "1")])
    (folder / "new.csv").write_text("id,text,place\n7,who knows,Lima\n8,nor here,Lima\n")
    before = stages("ingest")["ingested"]["id"].to_list()
    assert {"train-7", "train-7#2", "train-7#3", "unlabelled-7"} < set(before)
    correct(folder, "train-7,,drop,", "train-7#2,,drop,", "unlabelled-7,,drop,")
    after = stages("ingest")["ingested"]["id"].to_list()
    assert after == [id_ for id_ in before if id_ not in ("train-7", "train-7#2", "unlabelled-7")]


def test_dropped_rows_count_neither_as_faults_nor_against_the_share(folder: Path) -> None:
    set_knobs(folder.parent, {"ingest": {"max_rejected_share": 0.03}})
    correct(folder, *(f"{n},,drop," for n in range(40)))
    assert len(stages("ingest")["ingested"]) == 42


def test_rows_in_many_parts_are_found_in_each(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(folder, ROWS)
    monkeypatch.setattr(parquet_rows, "ROWS_PER_GROUP", 7)
    before = stages("ingest")["ingested"]
    assert sum(1 for _ in parquet_rows.row_groups(Path("out/ingested"))) > 5
    gone = [0, *range(7, 14), 79]  # a whole part, the first row and the last
    correct(folder, *(f"{n},,drop," for n in gone), "20,alarm,relabel,", "50,,ambiguous,")
    found = stages("ingest")
    assert found["ingested"]["id"].to_list() == [i for i in before["id"] if i not in map(str, gone)]
    assert found["rejected"]["line"].to_list() == [n + 2 for n in gone]
    assert labels_of(found["ingested"])["20"] == "alarm"
    assert found["ingested"].filter("ambiguous")["id"].to_list() == ["50"]


def test_memory_holds_no_more_than_a_part(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The corrected table is asked for part by part and written as it comes."""
    monkeypatch.setattr(parquet_rows, "ROWS_PER_GROUP", 7)
    order: list[str] = []
    groups, add_table = parquet_rows.row_groups, parquet_rows.ParquetRows.add_table

    def noted(path: Path) -> Any:
        for table in groups(path):
            order.append(f"read {path.name}")
            yield table

    def added(self: parquet_rows.ParquetRows, table: pl.DataFrame) -> None:
        order.append("written" if "id" in table.columns and "reason" not in table.columns else "other")
        add_table(self, table)

    monkeypatch.setattr(taking, "row_groups", noted)
    monkeypatch.setattr(parquet_rows.ParquetRows, "add_table", added)
    correct(folder, "0,alarm,relabel,", "50,,ambiguous,")
    stages("ingest")
    passed = [step for step in order if step in ("read examples", "written")]
    assert passed == ["read examples", "written"] * (len(passed) // 2)
    assert len(passed) > 10


# --- how the file is written ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        b"id,label,action,note\n1,calm,relabel,why\n2,,drop,\n",
        b"\xef\xbb\xbfid,label,action,note\r\n1,calm,relabel,why\r\n2,,drop,\r\n",
        b"action,id,label\nrelabel,1,calm\ndrop,2,\n",
        b"id;label;action;note\r\n1;calm;relabel;why, really\r\n;;;\r\n2;;drop;\r\n\r\n",
        b"id\tlabel\taction\tnote\n1\tcalm\trelabel\twhy\n2\t\tdrop\t\n",
        b'"id";"label";"action";"note"\n"1";"0";" relabel ";"a\nb"\n"2";" ";"drop";""\n',
        b"\n,,,\n".join([b"id,label,action,note", b"1,calm,relabel,", b"2,,drop,", b""]),
    ],
    ids=["plain", "BOM", "other order, no note", "semicolons", "tabs", "quoted", "lines of delimiters"],
)
def test_it_is_read_as_spreadsheets_write_it(folder: Path, written: bytes) -> None:
    (folder / "corrections.csv").write_bytes(written)
    found = {id_: (one.action, one.label) for id_, one in read(folder).items()}
    assert found == {"1": (RELABEL, "calm"), "2": (DROP, None)}


def test_a_formula_comes_back_as_it_was(folder: Path) -> None:
    yaml = (folder / "source.yaml").read_text()
    names = '{0: =calm, 1: "\'alarm"}'
    (folder / "source.yaml").write_text(
        yaml.replace("{0: calm, 1: alarm}", names).replace("positive: alarm", "positive: =calm")
    )
    correct(
        folder, "'=1,'=calm,relabel,", "'@x,'alarm,relabel,", "''-2,,drop,'+", "'x,,drop,", '"\'\t3",,drop,'
    )
    assert {id_: one.label for id_, one in read(folder).items()} == {
        "=1": "=calm",
        "@x": "'alarm",
        "'-2": None,  # an apostrophe of its own, and one more
        "'x": None,
        "\t3": None,
    }


def test_a_score_may_be_negative_and_has_to_be_in_range(folder: Path) -> None:
    yaml = REGRESSION.replace("text_pair: hypothesis, ", "").replace("[0, 5]", "[-5, 5]")
    (folder / "source.yaml").write_text(yaml)
    lay(folder, [(*row[:3], "2.50") for row in ROWS])
    correct(
        folder,
        "1,'-1.5,relabel,",
        "2,-3,relabel,",
        "3,2.5,relabel,",
        "4,5,relabel,",
        "5,,drop,",
        "6,,ambiguous,",
    )
    found = stages("ingest")["ingested"]
    assert [labels_of(found)[id_] for id_ in "123467"] == [-1.5, -3, 2.5, 5, 2.5, 2.5]
    assert numbers("ingest")["corrections"]["already_so"] == {"train": 1}
    assert numbers("ingest")["labels"] == {"train": {}}
    correct(folder, "1,5.1,relabel,")
    assert said(folder) == ("2: label is outside the range from -5 to 5: '5.1'; relabel needs the right one")
    correct(folder, '1,"1,5",relabel,')
    assert "2: label has a decimal comma" in said(folder)


def test_several_labels_are_a_list_of_names(folder: Path) -> None:
    (folder / "source.yaml").write_text(MULTI_LABEL)
    lay(folder, [(*row[:3], ("calm|short", "none")[int(row[3])]) for row in ROWS])
    lists = ['"[""short"", ""alarm""]"', "[]", '"[""short"",""calm""]"', "[]"]
    correct(folder, *(f"{n},{names},relabel," for n, names in enumerate(lists)))
    found = stages("ingest")["ingested"]
    assert [labels_of(found)[id_] for id_ in "0123"] == [["alarm", "short"], [], ["calm", "short"], []]
    assert numbers("ingest")["corrections"]["already_so"] == {"train": 3}
    assert numbers("ingest")["labels"]["train"] == {"calm": 39, "short": 40, "alarm": 1}
    correct(folder, "1,calm,relabel,")
    assert said(folder) == (
        '2: the label is \'calm\', no JSON list of names; write ["calm", "alarm"], or [] for none'
    )
    correct(folder, '1,"[""calmm""]",relabel,')
    assert said(folder) == "2: no label 'calmm'; there are calm, alarm, short; did you mean 'calm'?"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["1,calmm,relabel,"], "2: no label 'calmm'; there are calm, alarm; did you mean 'calm'?"),
        (["1,,relabel,"], "2: label is empty: ''; relabel needs the right one"),
        (
            ["1,calm,relable,"],
            "2: action 'relable'; there are relabel, ambiguous, drop; did you mean 'relabel'?",
        ),
        (["", "1,calm,drop,"], "3: drop takes no label, and here is 'calm'; leave it empty, or say relabel"),
        ([",calm,relabel,"], "2: no id; it is the row's in data/ingested.parquet"),
        (
            ["1,calm,relabel,", "2,,drop,", "1,alarm,relabel,"],
            "4: the id '1' has another correction on line 2; keep one",
        ),
        (["1,calm,relabel,", "1,,drop,"], "3: the id '1' has another correction on line 2; keep one"),
        (
            ["1,calm,relabel,why, oh why"],
            "2: 5 fields where 4 are expected; a cell that holds the delimiter stands in quotes",
        ),
        (["", ",,,"], " no correction in it; delete the file where there is none to make"),
        (
            ['1,"calm,relabel,'],
            "2: the quote that opens here is never closed, or text follows where it closes: "
            "'\"calm,relabel,\\n'; write a quote inside a quoted cell twice",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(folder: Path, lines: list[str], message: str) -> None:
    correct(folder, *lines)
    assert said(folder) == message


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (b"", " the file is empty"),
        (b"id,label,action,note\n", " a header and no row below it"),
        (b"id,label,note\n1,calm,\n", "1: no column 'action'; it has id, label, note"),
        (b"id|label|action\n1|calm|relabel\n", "1: no column 'id'; it has id|label|action"),
        (
            b"id,label,action,why\n1,calm,relabel,\n",
            "1: column 'why' is none of id, label, action, note; a remark stands in note",
        ),
        (
            b"id,label,action,note\n1,calm,relabel,\n2,,drop,caf\xe9\n",
            "3: not UTF-8; save it as CSV with that encoding (Excel: CSV UTF-8)",
        ),
    ],
    ids=["empty", "header alone", "no action", "bars", "further column", "cp1252"],
)
def test_a_file_that_is_none_is_said_so(folder: Path, written: bytes, message: str) -> None:
    (folder / "corrections.csv").write_bytes(written)
    assert said(folder) == message


def test_the_same_correction_twice_is_one(folder: Path) -> None:
    correct(folder, "1,calm,relabel,", "1,0,relabel,seen again")
    stages("ingest")
    assert numbers("ingest")["corrections"]["relabelled"] == {"train": 1}


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [("777", "; did you mean '77'?"), ("80", ""), ("zebra", ""), ("train-7", "; did you mean 'a-train-7b'?")],
    ids=["nearest", "a rejected row", "none like it", "a part of one"],
)
def test_an_id_that_no_row_has_is_an_error_with_the_nearest(folder: Path, wanted: str, hint: str) -> None:
    rows = [row for row in ROWS if row[0] not in ("0", "8")]
    lay(folder, [*rows, ("a-train-7b", "another", "Oslo", "1"), ("80", "", "Oslo", "1")])
    correct(folder, "1,calm,relabel,", f"{wanted},,drop,")
    assert stopped() == (
        f"3: no row has the id {wanted!r}{hint}; ids are those of data/ingested.parquet, and a row that "
        "could not be used (data/rejected.parquet) has none: mend the id, or take the line out"
    )


def test_a_row_that_nobody_labelled_can_only_be_dropped(folder: Path) -> None:
    for line in ("900,calm,relabel,", "900,,ambiguous,"):
        correct(folder, line)
        assert stopped() == (
            "2: the row '900' is of role unlabelled, whose rows have no label to correct and keep their "
            "role: lay it, labelled, in a file of role train"
        )
    correct(folder, "900,,drop,")
    stages("ingest")
    assert numbers("ingest")["corrections"]["dropped"] == {"unlabelled": 1}


def test_a_role_loses_not_all_its_rows(folder: Path) -> None:
    """Without one, it would be made of training rows, which moves them."""
    correct(folder, "900,,drop,", "901,,drop,")
    assert stopped() == (
        " every row of role unlabelled is dropped; take the role out of source.yaml, or drop fewer of its "
        "rows"
    )


def test_it_is_no_data(folder: Path) -> None:
    (folder / "source.yaml").write_text(SOURCE.replace("train: train.csv", 'train: "[tc]*.csv"'))
    correct(folder, "1,calm,relabel,")
    stages("ingest")
    assert numbers("ingest")["rows_in"] == 83
    (folder / "source.yaml").write_text(SOURCE.replace("train: train.csv", "train: corrections.csv"))
    assert run_in_process(Path("source"), "ingest") == (
        "ingest",
        "source/corrections.csv: this name is for corrections of rows; rename the data file",
    )


def test_a_column_ambiguous_is_textrails(folder: Path) -> None:
    (folder / "source.yaml").write_text(SOURCE.replace("[place]", "[ambiguous]"))
    assert "none named as one of textrail's" in run_in_process(Path("source"), "ingest")[1]


# --- whatever is corrected --------------------------------------------------------------------------------

MARKS = st.dictionaries(
    st.integers(0, 79), st.sampled_from([(RELABEL, "calm"), (RELABEL, "1"), (AMBIGUOUS, ""), (DROP, "")])
)


@pytest.mark.slow
def test_no_row_is_lost_invented_or_moved(folder: Path) -> None:
    rows = [*ROWS[:40], *((id_, ROWS[int(id_) - 40][1], place, label) for id_, _, place, label in ROWS[40:])]
    lay(folder, rows)  # each text twice
    before = stages()
    was = {row["id"]: row for row in before["splits"].iter_rows(named=True)}

    @settings(SETTINGS, max_examples=12)
    @given(MARKS.filter(bool))
    def holds(marks: dict[int, tuple[str, str]]) -> None:
        correct(folder, *(f"{n},{label},{action}," for n, (action, label) in marks.items()))
        found = stages()
        counted = numbers("ingest")
        dropped = {str(n) for n, (action, _) in marks.items() if action == DROP}
        assert counted["rows_in"] == 82 == len(found["ingested"]) + len(found["rejected"])
        assert found["ingested"]["id"].to_list() == [id_ for id_ in was if id_ not in dropped]
        assert len(found["rejected"]) == len(dropped) == counted["rows_rejected"]
        done = counted["corrections"]
        assert sum(sum(of_role.values()) for of_role in done.values()) == len(marks)
        for row in found["splits"].iter_rows(named=True):
            action, label = marks.get(int(row["id"]), ("", ""))
            assert row["role"] == was[row["id"]]["role"]
            expected = {"calm": "calm", "1": "alarm"}.get(label, was[row["id"]]["label"])
            assert row["label"] == expected
            if row["left_out"] == "ambiguous":
                assert (action, row["role"]) == (AMBIGUOUS, "train")
            elif action == AMBIGUOUS and row["role"] == "train":
                assert row["left_out"] is not None
        labels = found["ingested"].filter(pl.col("role") == "train")["label"]
        assert counted["labels"]["train"] == dict(labels.value_counts().iter_rows())

    holds()


@pytest.mark.slow
def test_the_same_corrections_are_the_same_bytes(folder: Path) -> None:
    correct(folder, "0,alarm,relabel,", "3,,drop,", "4,,ambiguous,")
    stages()
    first = {name: Path("out", name).read_bytes() for name in OUTS}
    stages()
    assert first == {name: Path("out", name).read_bytes() for name in OUTS}


def test_what_is_no_file_is_told(folder: Path) -> None:
    path = folder / "corrections.csv"
    path.mkdir()
    assert "a folder, or a link to nothing, where a file was expected; take it away" in said(folder)
    path.rmdir()
    path.symlink_to("elsewhere.csv")
    assert "a folder, or a link to nothing" in said(folder)
