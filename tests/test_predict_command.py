import csv
import json
import subprocess
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from commands.predict import main
from stages.lib.exceptions import ConfigError, EncoderError, SourceError
from stages.lib.kinds import Kind
from tests import warm
from tests.tiny import ROOT, environment
from tests.tiny_model import write_model

LABELS = ["calm", "alarm"]
ROWS = [
    ["1", "Fire in my town", "Oslo"],
    ["2", 'a "quoted",\ncell with\r\nlines', ""],
    ["3", "", "Lima"],
    ["4", "火事 <b>smoke</b> &amp; sirens", "Osaka"],
    ["5", "word " * 300, "x"],
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("somewhere else") / "model"
    write_model(folder, ["lowercase", "html"], LABELS, ["text"])
    return folder


def write(path: Path, rows: list[list[str]], header: tuple[str, ...] = ("id", "text", "place")) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_every_row_and_column_stays_and_three_are_added(tmp_path: Path, model: Path) -> None:
    main(write(tmp_path / "in.csv", ROWS), tmp_path / "out.csv", model)
    header, *rows = read(tmp_path / "out.csv")
    assert header == ["id", "text", "place", "label", "probability", "decision"]
    assert [row[:3] for row in rows] == ROWS
    assert {row[3] for row in rows} <= set(LABELS)
    assert all(0.5 <= float(row[4]) <= 1 for row in rows)


def test_the_answer_is_that_of_transformers_behind_the_same_cleaning(tmp_path: Path, model: Path) -> None:
    texts = ["FIRE near <b>my</b> town", "lovely music", "we saw smoke &amp; people", "cake"]
    main(write(tmp_path / "in.csv", [["1", text, ""] for text in texts]), tmp_path / "out.csv", model)
    classify = pipeline("text-classification", model=str(model))
    cleaned = ["fire near my town", "lovely music", "we saw smoke & people", "cake"]
    for row, answer in zip(read(tmp_path / "out.csv")[1:], classify(cleaned), strict=True):
        assert row[3] == answer["label"]
        assert float(row[4]) == pytest.approx(answer["score"], abs=1e-5)


def answers(
    tmp_path: Path, model: Path, rows: list[list[str]], *header: str, text: list[str] | None = None
) -> list[str]:
    main(write(tmp_path / "in.csv", rows, header), tmp_path / "out.csv", model, text=text)
    return [row[len(header) + 1] for row in read(tmp_path / "out.csv")[1:]]


def test_several_columns_are_joined_as_in_training(tmp_path: Path, model: Path) -> None:
    two = tmp_path / "two"
    write_model(two, ["lowercase", "html"], LABELS, [["subject", "body"]])
    whole = [["Fire\nin my town"], ["Fire"], ["music"]]
    parts = [["in my town", "Fire"], [" ", "Fire"], ["music", ""]]
    expected = answers(tmp_path, model, whole, "text")
    assert answers(tmp_path, two, parts, "body", "subject") == expected
    assert answers(tmp_path, two, parts, "b", "s", text=["s", "b"]) == expected
    assert answers(tmp_path, two, whole, "whole", text=["whole"]) == expected
    with pytest.raises(ConfigError, match=r"--text: found a, b, c; the model reads subject \+ body"):
        answers(tmp_path, two, parts, "b", "s", text=["a", "b", "c"])
    with pytest.raises(
        SourceError, match="no column 'subject', which the model read in training; it has b, s"
    ):
        answers(tmp_path, two, parts, "b", "s")


def test_a_model_carries_patterns_of_the_users_own(tmp_path: Path, model: Path) -> None:
    own = {"pattern": r"https?://\S+", "replacement": "cake"}
    write_model(tmp_path / "own", ["lowercase", own], LABELS, ["text"])
    rows = [["1", "lovely HTTP://T.CO/X", ""], ["1", "lovely cake", ""]]
    main(write(tmp_path / "in.csv", rows), tmp_path / "out.csv", tmp_path / "own")
    (_, *first), (_, *second) = read(tmp_path / "out.csv")[1:]
    assert first[2:] == second[2:]


def decisions(tmp_path: Path, model: Path, precision: float) -> list[tuple[float, str]]:
    """Probability and decision of each row."""
    main(write(tmp_path / "in.csv", ROWS), tmp_path / "out.csv", model, precision=precision)
    return [(float(row[4]), row[5]) for row in read(tmp_path / "out.csv")[1:]]


def test_a_row_is_decided_from_the_threshold_that_the_model_carries(tmp_path: Path, model: Path) -> None:
    probabilities = sorted(probability for probability, _ in decisions(tmp_path, model, 0.95))
    folder, between = tmp_path / "model", (probabilities[1] + probabilities[2]) / 2
    write_model(folder, ["lowercase", "html"], LABELS, ["text"], threshold=between)
    for probability, decision in decisions(tmp_path, folder, 0.95):
        assert decision == ("decided" if probability >= between else "ask a human")
    assert {decision for _, decision in decisions(tmp_path, folder, 0.95)} == {"decided", "ask a human"}


def test_another_precision_has_another_threshold(tmp_path: Path, model: Path) -> None:
    assert {decision for _, decision in decisions(tmp_path, model, 0.9)} == {"decided"}


def test_a_precision_that_the_model_never_reached_decides_nothing(tmp_path: Path, model: Path) -> None:
    assert {decision for _, decision in decisions(tmp_path, model, 0.98)} == {"ask a human"}


def test_a_precision_without_a_threshold_is_refused(tmp_path: Path, model: Path) -> None:
    with pytest.raises(ConfigError, match=r"found 0.97; the model carries thresholds for 0.9, 0.95, 0.98"):
        decisions(tmp_path, model, 0.97)


def test_chunks_change_nothing(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path / "in.csv", ROWS * 5)
    main(source, tmp_path / "whole.csv", model)
    monkeypatch.setattr("commands.predict.ROWS_AT_ONCE", 3)
    main(source, tmp_path / "pieces.csv", model)
    for whole, piece in zip(read(tmp_path / "whole.csv")[1:], read(tmp_path / "pieces.csv")[1:], strict=True):
        assert whole[:4] == piece[:4]
        assert float(whole[4]) == pytest.approx(float(piece[4]), abs=1e-5)


def test_a_file_with_a_header_alone(tmp_path: Path, model: Path) -> None:
    main(write(tmp_path / "in.csv", []), tmp_path / "out.csv", model)
    assert read(tmp_path / "out.csv") == [["id", "text", "place", "label", "probability", "decision"]]


def test_any_table_that_ingest_reads(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"text": 911, "n": 1}, {"text": None, "n": 2}, {"n": 3}, {"text": "fire", "n": [4]}]
    (tmp_path / "in.jsonl").write_text("\n\n".join(map(json.dumps, rows)), encoding="utf-8")
    main(tmp_path / "in.jsonl", tmp_path / "out.csv", model)
    assert [row[:2] for row in read(tmp_path / "out.csv")[1:]] == [
        ["911", "1"],
        ["", "2"],
        ["", "3"],
        ["fire", "[4]"],
    ]
    assert capsys.readouterr().out.endswith("; blank lines passed over: 3\n")
    (tmp_path / "in.csv").write_text("text;n\nGrüße;1\n", encoding="cp1252")
    main(tmp_path / "in.csv", tmp_path / "out.jsonl", model, delimiter=";", encoding="cp1252")
    answer = json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8"))
    assert answer["text"] == "Grüße"
    assert isinstance(answer["probability"], float)


def test_a_text_that_is_a_list_is_refused(tmp_path: Path, model: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": ["fire"]}', encoding="utf-8")
    with pytest.raises(SourceError, match=r"in\.jsonl: 'text' holds a list or an object; expected a text"):
        main(tmp_path / "in.jsonl", tmp_path / "out.csv", model)


def test_another_column_another_prefix_another_delimiter(tmp_path: Path, model: Path) -> None:
    (tmp_path / "in.tsv").write_text("tweet\tlabel\nfire\tx\n", encoding="utf-8")
    main(
        tmp_path / "in.tsv", tmp_path / "out.tsv", model, text=["tweet"], prefix="predicted_", delimiter="\t"
    )
    first, second = (tmp_path / "out.tsv").read_text(encoding="utf-8").splitlines()
    assert first == "tweet\tlabel\tpredicted_label\tpredicted_probability\tpredicted_decision"
    assert second.startswith("fire\tx\t")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"in\.csv: nothing in it names a column; expected a header, or rows that do"),
        (b"id,tweet\n1,fire\n", "no column 'text', which the model read in training; it has id, tweet"),
        (b"text,label\nfire,1\n", "has a column 'label' already; try --prefix predicted_"),
        (
            b"text,b\nfire,1\nfire\n",
            r"in\.csv:3: 1 fields where 2 are expected; mend the row, or take it out",
        ),
        (b"text\nfire\n\xff\xfe\n", "its encoding cannot be told .*; state the right one: --encoding cp1251"),
        (b"a;text\n1;fire\n", r'no column .*; it has a;text: .* --text; .*\? Say --delimiter ";"$'),
        (
            b"a;text\n1;fire, flood\n",
            r'in\.csv:2: 2 fields where 1 are expected; are .* divided otherwise\? Say --delimiter ";"$',
        ),
        (b'text,b\nfire,"1"2\n', "a quote inside a quoted cell twice, or, .*: --no-quoting"),
    ],
)
def test_what_cannot_be_read_is_one_message_and_writes_nothing(
    tmp_path: Path, model: Path, content: bytes, message: str
) -> None:
    (tmp_path / "in.csv").write_bytes(content)
    with pytest.raises(SourceError, match=message):
        main(tmp_path / "in.csv", tmp_path / "out.csv", model)
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(
        EncoderError, match=r"textrail\.json: no such file; expected a model that `dvc repro` made"
    ):
        main(write(tmp_path / "in.csv", ROWS), tmp_path / "out.csv", tmp_path)


@pytest.mark.slow
def test_on_the_command_line_an_error_is_one_line(tmp_path: Path, model: Path) -> None:
    words = (
        "-m",
        "commands.predict",
        str(tmp_path / "none.csv"),
        str(tmp_path / "out.csv"),
        "--model",
        str(model),
    )
    done = subprocess.run(
        (warm.program(), *words), cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"predict: {tmp_path / 'none.csv'}: no such file"
    assert "Traceback" not in done.stderr


TOPICS = ["fire", "flood", "storm, wind"]


def served(tmp_path: Path, kind: Kind, label_threshold: float = 0.5) -> Path:
    folder = tmp_path / "of a kind"
    write_model(folder, ["lowercase"], TOPICS, ["text"], kind=kind, label_threshold=label_threshold)
    return folder


def logits(folder: Path, texts: list[str]) -> torch.Tensor:
    """By transformers alone, one text at a time."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        each = [
            model(**tokenizer(text, return_tensors="pt", truncation=True, max_length=24)) for text in texts
        ]
    return torch.cat([outputs.logits for outputs in each])


def test_a_regression_gives_a_number_and_no_probability(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, texts = served(tmp_path, "regression"), ["fire near my town", "lovely music", "cake"]
    main(
        write(tmp_path / "in.csv", [["1", text.upper(), ""] for text in texts]), tmp_path / "out.csv", folder
    )
    header, *rows = read(tmp_path / "out.csv")
    assert header == ["id", "text", "place", "prediction"]
    expected = logits(folder, texts)[:, 0].tolist()
    assert [float(row[3]) for row in rows] == pytest.approx(expected, abs=1e-5)
    assert capsys.readouterr().out == f"predict: 3 rows labelled in {tmp_path / 'out.csv'}\n"


def test_several_labels_are_those_that_reach_their_thresholds(tmp_path: Path) -> None:
    texts = ["fire near my town", "lovely music", "cake"]
    probabilities_NC = logits(served(tmp_path / "once", "multi-label"), texts).sigmoid()
    values = sorted(probabilities_NC.flatten().tolist())
    between = (values[4] + values[5]) / 2
    folder = served(tmp_path, "multi-label", label_threshold=between)
    source = write(tmp_path / "in.csv", [["1", text, ""] for text in texts])
    main(source, tmp_path / "out.csv", folder, separator="|")
    header, *rows = read(tmp_path / "out.csv")
    assert header[3:] == ["labels", *(f"probability_{name}" for name in TOPICS)]
    for row, probabilities_C in zip(rows, probabilities_NC.tolist(), strict=True):
        assert [float(cell) for cell in row[4:]] == pytest.approx(probabilities_C, abs=1e-5)
        named = zip(TOPICS, probabilities_C, strict=True)
        assert row[3] == "|".join(name for name, probability in named if probability >= between)
    assert sum(len(row[3].split("|")) for row in rows if row[3]) == 4


def test_a_text_with_no_label_has_an_empty_cell(tmp_path: Path) -> None:
    folder = served(tmp_path, "multi-label", label_threshold=1.0)
    main(write(tmp_path / "in.csv", ROWS), tmp_path / "out.csv", folder, separator="|")
    assert {row[3] for row in read(tmp_path / "out.csv")[1:]} == {""}


def test_a_separator_that_stands_in_a_label_is_refused(tmp_path: Path) -> None:
    folder = served(tmp_path, "multi-label")
    with pytest.raises(
        ConfigError, match=r"--separator: ', ' stands in the label 'storm, wind'; name another"
    ):
        main(write(tmp_path / "in.csv", ROWS), tmp_path / "out.csv", folder)


@pytest.mark.parametrize("kind", ["regression", "multi-label"])
def test_a_precision_is_for_models_that_decide(tmp_path: Path, kind: Kind) -> None:
    with pytest.raises(
        ConfigError,
        match=f"--precision: found 0.9; the model is of a {kind} task, and decisions are for classification",
    ):
        main(
            write(tmp_path / "in.csv", ROWS),
            tmp_path / "out.csv",
            served(tmp_path, kind),
            precision=0.9,
            separator="|",
        )


@pytest.mark.parametrize(
    ("kind", "column"),
    [("regression", "prediction"), ("multi-label", "labels"), ("multi-label", "probability_fire")],
)
def test_a_column_of_any_kind_that_is_there_already_is_refused(
    tmp_path: Path, kind: Kind, column: str
) -> None:
    source = write(tmp_path / "in.csv", [["fire", "x"]], ("text", column))
    with pytest.raises(SourceError, match=f"has a column '{column}' already; try --prefix predicted_"):
        main(source, tmp_path / "out.csv", served(tmp_path, kind), separator="|")
    main(source, tmp_path / "out.csv", served(tmp_path / "b", kind), separator="|", prefix="predicted_")
    assert read(tmp_path / "out.csv")[0][1:3] == [
        column,
        f"predicted_{'prediction' if kind == 'regression' else 'labels'}",
    ]


def test_half_a_pair_is_told_to_name_both(tmp_path: Path) -> None:
    write_model(tmp_path / "model", [], [], ["first", "second"], kind="regression")
    source = write(tmp_path / "in.csv", [["smoke"]], ("first",))
    with pytest.raises(
        SourceError, match=r"no column 'second', .*; it has first: name each of its columns with"
    ):
        main(source, tmp_path / "out.csv", tmp_path / "model")


def test_a_pair_is_two_columns(tmp_path: Path) -> None:
    folder = tmp_path / "of pairs"
    write_model(folder, ["lowercase"], [], ["first", "second"], kind="regression")
    source = write(tmp_path / "in.csv", [["FIRE in town", "Smoke"]], ("second", "first"))
    main(source, tmp_path / "out.csv", folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        expected = float(model(**tokenizer("smoke", "fire in town", return_tensors="pt")).logits)
    assert float(read(tmp_path / "out.csv")[1][2]) == pytest.approx(expected, abs=1e-5)
