import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from datasets import Dataset
from tokenizers import Tokenizer
from transformers import AutoTokenizer

import stages.tokenize
from stages.lib.arrow import open_stream
from stages.lib.encoders.encoding import encode, keep_of, load_tokenizer, max_tokens_of, uncut
from stages.lib.encoders.token_counts import Counts, describe, describe_losses, percentile
from stages.lib.encoders.traits import Traits, write_traits
from stages.lib.exceptions import ConfigError, EncoderError
from stages.lib.kinds import KINDS, Kind
from stages.lib.labels import NUMBER_TYPE_OF_KINDS
from stages.lib.tables import in_use, write_parquet
from stages.lib.task import Task, write_task
from stages.tokenize import (
    batches_of,
    check_fits,
    lost_of,
    main,
)
from tests.predicted import task_of
from tests.tiny import write_encoder

TRAITS = Traits(shape="encoder", room=64, type_ids=True)
NAMES: dict[Kind, list[Any]] = {
    "classification": ["calm", "alarm", None, "other", "calm"],
    "regression": [0.5, -1.25, None, 3.0, 0.5],
    "multi-label": [["alarm"], ["calm", "other"], None, [], ["calm"]],
}
TEXTS = ["the fire in my town", "", "Ünïcode 火事 ☎", "near " * 40, "smoke\x00 and\n sirens"]


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    write_encoder(tmp_path / "encoder")
    write_traits(TRAITS, tmp_path / "encoder")
    return tmp_path / "encoder"


def tokenized(
    folder: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch, task: Task, keep: str = "head"
) -> Path:
    monkeypatch.chdir(folder)
    Path("params.yaml").write_text(f"tokenize: {{max_tokens: 12, keep: {keep}}}\n")
    write_task(task, Path("task.json"))
    count = len(TEXTS)
    columns = {
        "id": list("abcde"),
        "text": TEXTS,
        "text_pair": TEXTS[::-1],
        "label": NAMES[task.kind],
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
    found = encode(load_tokenizer(encoder, max_tokens, "head"), pl.DataFrame({"text": TEXTS}))
    assert [encoding.ids for encoding in found] == expected


def test_pairs_are_those_of_transformers(encoder: Path) -> None:
    slow = AutoTokenizer.from_pretrained(encoder)
    expected = slow(TEXTS, TEXTS[::-1], truncation="longest_first", max_length=12)
    found = encode(
        load_tokenizer(encoder, 12, "head"), pl.DataFrame({"text": TEXTS, "text_pair": TEXTS[::-1]})
    )
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


def test_pairs_have_none_where_the_encoder_does_not_read_them(
    tmp_path: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_traits(TRAITS.model_copy(update={"type_ids": False}), encoder)
    tokens = open_stream(tokenized(tmp_path, encoder, monkeypatch, task_of(pair="second")))
    assert "token_type_ids" not in tokens.column_names


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_numbers_of_each_kind(
    tmp_path: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    tokens = open_stream(tokenized(tmp_path, encoder, monkeypatch, task_of(kind=kind)))
    expected = {
        "classification": [0, 1, None, 2],
        "regression": [0.5, -1.25, None, 3.0],
        "multi-label": [[1], [0, 2], None, []],
    }
    labels = pl.Series(pl.from_arrow(tokens["label"]))
    assert labels.to_list() == expected[kind]
    assert labels.dtype == NUMBER_TYPE_OF_KINDS[kind]


@pytest.mark.parametrize(("keep", "kept"), [("head", 0), ("tail", -10)])
def test_the_end_of_a_long_text_that_is_kept(
    tmp_path: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch, keep: str, kept: int
) -> None:
    monkeypatch.setitem(globals(), "TEXTS", [" ".join("abcdefghijklm"), *TEXTS[1:]])
    tokens = open_stream(tokenized(tmp_path, encoder, monkeypatch, task_of(), keep))
    ids = tokens["input_ids"][0].as_py()
    tokenizer = Tokenizer.from_file(str(encoder / "tokenizer.json"))
    letters = "abcdefghijklm"[kept:][:10]
    assert [tokenizer.id_to_token(number) for number in ids] == ["[CLS]", *letters, "[SEP]"]
    assert tokens["lost"].to_pylist() == [3, 0, 0, 30]
    assert keep_of(tokens) == keep


def test_what_a_pair_lost_is_all_that_a_longer_limit_would_keep(encoder: Path, tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    texts = pl.DataFrame(
        {name: ["fire " * count for count in draw.integers(0, 20, 60)] for name in ("text", "text_pair")}
    )
    whole = encode(load_tokenizer(encoder, 1000, "head"), texts)
    encodings = encode(load_tokenizer(encoder, 17, "tail"), texts)
    lost = lost_of(encodings, texts, uncut(encoder))
    lengths = [len(encoding.ids) for encoding in whole]
    assert lost.tolist() == [max(0, length - 17) for length in lengths]
    assert 0 < np.count_nonzero(lost) < len(lost)


def test_what_was_cut_and_what_is_unknown_is_counted(
    tmp_path: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = open_stream(tokenized(tmp_path, encoder, monkeypatch, task_of()))
    numbers = json.loads((tmp_path / "tokenize.json").read_text())
    assert numbers["truncated"] == 1
    assert numbers["truncated_share"] == 0.25
    assert 0 < numbers["unknown_share"] < 0.5
    of_texts = sum(tokens["length"].to_pylist()) - 2 * 4 + 30
    share = pytest.approx(30 / of_texts, abs=1e-6)
    assert numbers["lost"] == {"tokens": 30, "share": share, "median": 30, "max": 30, "more_than_half": 1}


def test_losses_are_told_of_those_that_lost() -> None:
    once = np.ones(5, dtype=int)
    told = describe_losses(np.array([0, 1, 6, 5, 0]), np.array([0, 5, 5, 5, 3]), once)
    assert (told["truncated"], told["truncated_share"]) == (3, 0.6)
    assert told["lost"] == {"tokens": 12, "share": 0.4, "median": 5, "max": 6, "more_than_half": 1}
    told = describe_losses(np.array([0, 0]), np.array([0, 0]), once[:2])
    assert told["lost"] == {"tokens": 0, "share": 0, "median": 0, "max": 0, "more_than_half": 0}


def test_texts_without_any_token() -> None:
    assert describe(Counts(Counter({(0, 0): 2})), special=0)["unknown_share"] == 0


@pytest.mark.parametrize("examples", [1, 2, 99, 1000])
@pytest.mark.parametrize("share", [50, 90, 95, 99])
def test_percentiles_are_numpys_of_all_values(examples: int, share: int) -> None:
    values, times = np.unique(np.random.default_rng(5).integers(0, 40, examples), return_counts=True)
    mixed = np.random.default_rng(6).permutation(len(values))
    expected = np.percentile(np.repeat(values, times), share)
    assert percentile(values[mixed], times[mixed], share) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rows_per_group", [1, 3, 7, 100])
def test_batches_fall_alike_whatever_the_groups(rows_per_group: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages.tokenize, "ROWS_PER_BATCH", 4)
    left_out = ["copy" if row % 3 == 0 else None for row in range(23)]
    table = pl.DataFrame({"id": range(23), "left_out": pl.Series(left_out, dtype=pl.String)})
    batches = list(batches_of(table.iter_slices(rows_per_group)))
    assert [len(batch) for batch in batches] == [4, 4, 4, 3]
    assert pl.concat(batches).equals(in_use(table))


def test_more_tokens_than_the_encoder_has_room_for() -> None:
    check_fits(64, TRAITS)
    with pytest.raises(ConfigError, match=r"tokenize.max_tokens: found 65; the encoder has room for 64"):
        check_fits(65, TRAITS)
    check_fits(65, TRAITS.model_copy(update={"room": None}))


def test_no_room_for_a_text(encoder: Path) -> None:
    with pytest.raises(EncoderError, match="found 3; a pair takes 3 special tokens"):
        load_tokenizer(encoder, 3, "head")
