"""Encoders, decoders, encoder-decoders: each with the special tokens, type ids and head that are its own."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    TextClassificationPipeline,
)

from stages.lib.encoders.encoding import Keep, as_table, encode, load_tokenizer
from stages.lib.encoders.heads import last_layer, load_model
from stages.lib.encoders.inference import Pooling, infer, inputs_read, load, padding_id_of, pooler, states_of
from stages.lib.encoders.padding import padded
from stages.lib.encoders.traits import read_traits
from stages.lib.exceptions import ConfigError
from stages.lib.kinds import KINDS, Kind
from stages.lib.training.adapting import layers_of, make_model, merged
from stages.lib.training.knobs import Params
from stages.lib.training.losses import weighted_loss
from stages.tokenize import check_fits
from tests.architectures import ARCHITECTURES, ROOM, Architecture, lay_encoder, write_origin
from tests.predicted import task_of
from tests.test_finetune import KNOBS

TEXTS = ["fire", "the fire in my town " * 2, "", "Lovely music, today!", "near  my street we saw smoke"]
SPECIAL = ["[SEP]", "</s>", "<s>", "<|endoftext|>", "[PAD]", "<pad>", "[CLS]", "[MASK]", "<mask>"]
INSIDE = [f"saw{name} today {name}" for name in SPECIAL]
LABELS = {
    "classification": torch.tensor([1, 0, 2, 1, 0]),
    "regression": torch.tensor([0.5, -1.0, 2.0, 0.0, 1.0]),
    "multi-label": torch.tensor([[1.0, 0.0, 1.0]] * 5),
}


@pytest.fixture(scope="module", params=ARCHITECTURES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def architecture(name: str) -> Architecture:
    return ARCHITECTURES[name]


@pytest.fixture(scope="module")
def encoder(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(name)
    write_origin(name, folder / "origin")
    return lay_encoder(folder / "origin", folder)


@pytest.fixture(scope="module")
def classifier(encoder: Path) -> Any:
    return load_model(task_of(), encoder, seed=1).eval()


def tokens_of(encoder: Path, *columns: list[str], max_tokens: int = ROOM, keep: Keep = "head") -> pa.Table:
    texts = pl.DataFrame({f"text_{place}": column for place, column in enumerate(columns)})
    encodings = encode(load_tokenizer(encoder, max_tokens, keep), texts)
    return as_table(encodings, with_type_ids=read_traits(encoder).type_ids)


def logits_of(model: Any, tokens: pa.Table) -> np.ndarray:
    (logits_NC,) = infer(model, tokens, 10_000, lambda outputs, _: (outputs.logits,), title=None)
    return logits_NC


def test_what_it_reads(encoder: Path, architecture: Architecture) -> None:
    traits = read_traits(encoder)
    found = (traits.shape, traits.room, traits.type_ids)
    assert found == (architecture.shape, architecture.room, architecture.type_ids)
    tokenizer, model = AutoTokenizer.from_pretrained(encoder), load(AutoModel, encoder)
    assert tokenizer.pad_token == architecture.padding
    assert tokenizer.pad_token_id == padding_id_of(model)
    assert ("token_type_ids" in tokenizer.model_input_names) == architecture.type_ids
    columns = ["input_ids", *(["token_type_ids"] if architecture.type_ids else [])]
    assert inputs_read(model, ["id", "input_ids", "length", "token_type_ids"]) == columns


@pytest.mark.parametrize("columns", [1, 2])
def test_special_tokens_stand_where_it_expects_them(
    encoder: Path, architecture: Architecture, columns: int
) -> None:
    tokenizer = load_tokenizer(encoder, ROOM, "head")
    text = tokenizer.encode("fire", add_special_tokens=False).tokens
    template = architecture.single if columns == 1 else architecture.pair
    expected = [token for part in template for token in (text if part == "*" else [part])]
    (ids,) = tokens_of(encoder, *[["fire"]] * columns)["input_ids"].to_pylist()
    assert [tokenizer.id_to_token(number) for number in ids] == expected


def test_type_ids_tell_the_second_text_from_the_first(encoder: Path, architecture: Architecture) -> None:
    tokens = tokens_of(encoder, ["fire"], ["my town"])
    assert ("token_type_ids" in tokens.column_names) == architecture.type_ids
    if architecture.type_ids:
        assert tokens["token_type_ids"].to_pylist() == [[0, 0, 0, 1, 1, 1]]


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("keep", ["head", "tail"])
def test_ids_are_those_of_transformers(encoder: Path, columns: int, keep: Keep) -> None:
    texts = [TEXTS + INSIDE, [*INSIDE, *TEXTS]][:columns]
    tokenizer = AutoTokenizer.from_pretrained(encoder, truncation_side="right" if keep == "head" else "left")
    expected = tokenizer(*texts, truncation="longest_first", max_length=16)
    found = tokens_of(encoder, *texts, max_tokens=16, keep=keep)
    for name in found.column_names[::2]:
        assert found[name].to_pylist() == expected[name]


def test_special_tokens_within_a_text_are_text(encoder: Path, architecture: Architecture) -> None:
    tokenizer = load_tokenizer(encoder, ROOM, "head")
    around = [token for token in architecture.single if token != "*"]
    for ids in tokens_of(encoder, INSIDE)["input_ids"].to_pylist():
        tokens = [tokenizer.id_to_token(number) for number in ids]
        assert [token for token in tokens if token in SPECIAL] == around


@pytest.mark.parametrize("columns", [1, 2])
def test_a_padded_batch_and_one_by_one_give_the_same_logits(
    encoder: Path, classifier: Any, columns: int
) -> None:
    tokens = tokens_of(encoder, *[TEXTS, TEXTS[::-1]][:columns])
    assert len(set(tokens["length"].to_pylist())) > 1
    together_NC = logits_of(classifier, tokens)
    alone_NC = np.concatenate([logits_of(classifier, tokens.slice(row, 1)) for row in range(len(TEXTS))])
    np.testing.assert_allclose(together_NC, alone_NC, atol=1e-5)
    assert np.ptp(together_NC, axis=0).min() > 1e-2  # else any two would be alike


def test_the_pipeline_answers_with_the_same_logits_and_the_labels_names(
    encoder: Path, classifier: Any
) -> None:
    texts = [*(text for text in TEXTS if text), *INSIDE]
    pipeline = TextClassificationPipeline(
        model=classifier, tokenizer=AutoTokenizer.from_pretrained(encoder), device=classifier.device
    )
    cut = {"truncation": True, "max_length": ROOM}
    answers = pipeline(texts, batch_size=4, top_k=None, function_to_apply="none", **cut)
    logits_NC = logits_of(classifier, tokens_of(encoder, texts))
    for logits_C, answer in zip(logits_NC, answers, strict=True):
        expected = dict(zip(task_of().labels, logits_C.tolist(), strict=True))
        assert {one["label"]: one["score"] for one in answer} == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_the_same_vectors_with_a_head_and_without_in_a_batch_and_alone(
    encoder: Path, classifier: Any, pooling: Pooling
) -> None:
    tokens, bare = tokens_of(encoder, TEXTS), load(AutoModel, encoder)
    pool = pooler(bare, pooling)
    (vectors_NH,) = infer(bare, tokens, 10_000, lambda *batch: (pool(*batch),), title=None)
    for row in range(len(TEXTS)):
        (vector,) = infer(classifier, tokens.slice(row, 1), 99, lambda *batch: (pool(*batch),), title=None)
        np.testing.assert_allclose(vectors_NH[row], vector[0], atol=1e-5)


def test_the_last_layer_is_the_one_that_the_model_answers_with(encoder: Path) -> None:
    model = load(AutoModel, encoder)
    outputs = model(torch.tensor([[7, 8, 9]]), output_hidden_states=True)
    torch.testing.assert_close(states_of(outputs), outputs.last_hidden_state)


def test_cls_is_where_the_head_reads(encoder: Path, architecture: Architecture, classifier: Any) -> None:
    tokens = tokens_of(encoder, TEXTS)
    inputs = padded({"input_ids": tokens["input_ids"].to_pylist()}, padding_id_of(classifier))
    with torch.no_grad():
        outputs = classifier(**inputs, output_hidden_states=True)
    vectors_BH = pooler(classifier, "cls")(outputs, inputs["attention_mask"])
    if architecture.shape == "encoder":
        torch.testing.assert_close(vectors_BH, states_of(outputs)[:, 0])
    else:
        head = classifier.score if architecture.shape == "decoder" else classifier.classification_head
        torch.testing.assert_close(head(vectors_BH), outputs.logits)


def test_labels_are_named_both_ways(classifier: Any) -> None:
    assert classifier.config.id2label == {0: "calm", 1: "alarm", 2: "other"}
    assert classifier.config.label2id == {"calm": 0, "alarm": 1, "other": 2}


def test_its_head_ends_in_a_linear_layer(classifier: Any, architecture: Architecture) -> None:
    assert last_layer(classifier) is classifier.get_submodule(architecture.head)


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_step_of_each_kind(encoder: Path, kind: Kind) -> None:
    model = load_model(task_of(kind=kind), encoder, seed=1).train()
    assert model.config.problem_type == KINDS[kind].problem_type
    tokens = tokens_of(encoder, TEXTS)
    lists = {column: tokens[column].to_pylist() for column in inputs_read(model, tokens.column_names)}
    inputs = padded(lists, padding_id_of(model))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    model(**inputs, labels=LABELS[kind]).loss.backward()
    gradient = last_layer(model).weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0
    optimizer.step()
    model.eval()
    with torch.no_grad():
        assert torch.isfinite(model(**inputs, labels=LABELS[kind]).loss)


@pytest.mark.parametrize(
    "knobs",
    [{}, {"freeze_embeddings": True, "freeze_layers": 1}, {"lora_rank": 2}, {"gradient_checkpointing": True}],
)
def test_all_that_learns_gets_a_gradient_and_nothing_else(encoder: Path, knobs: dict[str, Any]) -> None:
    """Several processes wait for the gradient of every weight that learns."""
    model = make_model(task_of(), encoder, Params(**(KNOBS | knobs)))
    tokens = tokens_of(encoder, TEXTS)
    lists = {column: tokens[column].to_pylist() for column in inputs_read(model, tokens.column_names)}
    batch = padded(lists, padding_id_of(model))
    batch |= {"labels": LABELS["classification"], "weights": torch.full((len(TEXTS),), 0.2)}
    weighted_loss("classification", 0.0, model, batch).backward()  # type: ignore[no-untyped-call]
    assert {name for name, p in model.named_parameters() if p.grad is None and p.requires_grad} == set()
    assert bool(knobs) == any(not p.requires_grad for p in model.parameters()) or "gradient" in str(knobs)
    if "lora_rank" in knobs:
        merged_model = merged(model)
        assert set(merged_model.state_dict()) == set(load_model(task_of(), encoder, seed=1).state_dict())


def test_as_many_layers_as_its_configuration_says_can_be_frozen(encoder: Path) -> None:
    model = load_model(task_of(), encoder, seed=1)
    assert len(layers_of(model)) == model.config.num_hidden_layers


def test_a_pair_loses_from_its_longer_text(encoder: Path) -> None:
    long, short = "fire " * 40, "my town"
    tokenizer = load_tokenizer(encoder, ROOM, "head")
    kept = tokenizer.encode(f" {short}", add_special_tokens=False).ids[1:]
    first, second = tokens_of(encoder, [long, f" {short}"], [f" {short}", long])["input_ids"].to_pylist()
    assert len(first) == len(second) == ROOM
    assert ", ".join(map(str, kept)) in str(first)
    assert ", ".join(map(str, kept)) in str(second)


def test_as_many_tokens_as_it_has_room_for(encoder: Path, classifier: Any) -> None:
    room = read_traits(encoder).room or 2 * ROOM
    tokens = tokens_of(encoder, ["fire " * 100, "fire"], max_tokens=room)
    assert tokens["length"][0].as_py() == room
    assert np.isfinite(logits_of(classifier, tokens)).all()


def test_one_more_token_is_refused(encoder: Path, architecture: Architecture) -> None:
    traits = read_traits(encoder)
    check_fits(ROOM, traits)
    if architecture.room is None:
        check_fits(100 * ROOM, traits)
    else:
        with pytest.raises(ConfigError, match=f"found {ROOM + 1}; the encoder has room for {ROOM} tokens"):
            check_fits(ROOM + 1, traits)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_checkpoints_become_float32(encoder: Path, tmp_path: Path, dtype: torch.dtype) -> None:
    origin = tmp_path / "origin"
    AutoTokenizer.from_pretrained(encoder).save_pretrained(origin)
    AutoModel.from_pretrained(encoder, dtype=dtype).save_pretrained(origin)
    assert AutoConfig.from_pretrained(origin).dtype == dtype
    laid = lay_encoder(origin, tmp_path, weights="pretrained")
    for model in (load(AutoModelForSequenceClassification, laid), load_model(task_of(), laid, seed=1)):
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
