from pathlib import Path

import polars as pl
import pytest
from datasets import Dataset
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from stages.lib.arrow import open_stream
from stages.lib.encoding import encode, load_tokenizer, max_tokens_of
from stages.lib.exceptions import ConfigError, EncoderError
from stages.lib.tables import write_parquet
from stages.lib.task import Task, write_task
from stages.tokenize import check_fits, main, unknown_id
from tests.predicted import task_of
from tests.tiny import write_encoder

TEXTS = ["the fire in my town", "", "Ünïcode 火事 ☎", "near " * 40, "smoke\x00 and\n sirens"]


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    write_encoder(tmp_path / "encoder")
    return tmp_path / "encoder"


def tokenized(folder: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch, task: Task) -> Path:
    monkeypatch.chdir(folder)
    Path("params.yaml").write_text("tokenize: {max_tokens: 12}\n")
    write_task(task, Path("task.json"))
    count = len(TEXTS)
    columns = {
        "id": list("abcde"),
        "text": TEXTS,
        "text_pair": TEXTS[::-1],
        "label": ["calm", "alarm", None, "other", "calm"],
        "role": ["train"] * 2 + ["unlabelled"] + ["test"] * 2,
        "left_out": [None] * (count - 1) + ["copy of a test example"],
    }
    write_parquet(pl.DataFrame(columns), Path("splits.parquet"))
    paths = {name: Path(file) for name, file in (("task", "task.json"), ("splits", "splits.parquet"))}
    main(**paths, encoder=encoder, tokens=Path("tokens.arrow"), metrics=Path("tokenize.json"))
    return folder / "tokens.arrow"


@pytest.mark.parametrize("max_tokens", [6, 12, 64])
def test_ids_are_those_of_transformers(encoder: Path, max_tokens: int) -> None:
    slow = AutoTokenizer.from_pretrained(encoder)
    expected = slow(TEXTS, truncation=True, max_length=max_tokens)["input_ids"]
    found = encode(load_tokenizer(encoder, max_tokens), pl.DataFrame({"text": TEXTS}))
    assert [encoding.ids for encoding in found] == expected


def test_pairs_are_those_of_transformers(encoder: Path) -> None:
    slow = AutoTokenizer.from_pretrained(encoder)
    expected = slow(TEXTS, TEXTS[::-1], truncation="longest_first", max_length=12)
    found = encode(load_tokenizer(encoder, 12), pl.DataFrame({"text": TEXTS, "text_pair": TEXTS[::-1]}))
    assert [encoding.ids for encoding in found] == expected["input_ids"]
    assert [encoding.type_ids for encoding in found] == expected["token_type_ids"]


def test_rows_in_use_in_order_with_class_numbers(
    tmp_path: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = open_stream(tokenized(tmp_path, encoder, monkeypatch, task_of()))
    assert tokens["id"].to_pylist() == list("abcd")
    assert tokens["label"].to_pylist() == [0, 1, None, 2]
    assert tokens["length"].to_pylist() == [len(ids) for ids in tokens["input_ids"].to_pylist()]
    assert max(tokens["length"].to_pylist()) == max_tokens_of(tokens) == 12
    assert "token_type_ids" not in tokens.column_names


def test_pairs_have_type_ids(tmp_path: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = open_stream(tokenized(tmp_path, encoder, monkeypatch, task_of(pair="second")))
    assert {number for ids in tokens["token_type_ids"].to_pylist() for number in ids} == {0, 1}


def test_datasets_reads_the_file(tmp_path: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tokenized(tmp_path, encoder, monkeypatch, task_of())
    assert list(Dataset.from_file(str(path))["id"]) == list("abcd")


def test_the_same_bytes_twice(tmp_path: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tokenized(tmp_path, encoder, monkeypatch, task_of()).read_bytes()
    assert tokenized(tmp_path, encoder, monkeypatch, task_of()).read_bytes() == first


def test_what_was_cut_and_what_is_unknown_is_counted(
    tmp_path: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenized(tmp_path, encoder, monkeypatch, task_of())
    numbers = pl.read_json(tmp_path / "tokenize.json").row(0, named=True)
    assert numbers["truncated"] == 1
    assert numbers["truncated_share"] == 0.25
    assert 0 < numbers["unknown_share"] < 0.5


def test_byte_level_vocabularies_have_no_unknown_token() -> None:
    from tokenizers.models import BPE

    assert unknown_id(Tokenizer(BPE())) == -1


def test_more_tokens_than_the_encoder_has_room_for(encoder: Path) -> None:
    with pytest.raises(ConfigError, match=r"tokenize.max_tokens: found 65; the encoder has room for 64"):
        check_fits(65, encoder)


def test_no_room_for_a_text(encoder: Path) -> None:
    with pytest.raises(EncoderError, match="found 3; a pair takes 3 special tokens"):
        load_tokenizer(encoder, 3)
