import json
import random
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from stages.explain import main
from stages.lib.behaviour.attribution import Word, without
from stages.lib.encoders.encoding import encode, load_tokenizer
from stages.lib.encoders.heads import TARGETS_OF_KINDS, Scale
from stages.lib.encoders.inference import load
from stages.lib.exceptions import DataError
from stages.lib.kinds import Kind
from stages.lib.tables import write_parquet
from stages.lib.task import write_task
from tests.predicted import task_of
from tests.tiny import EITHER
from tests.tiny_model import write_model

LABELS = ["calm", "alarm"]
KNOBS = {"examples": 100, "label_issues": 0, "most_words": 40, "batch_tokens": 500}
WITH_FIRE: dict[Kind, Any] = {"classification": 1, "regression": 3.0, "multi-label": [1]}
NO_ISSUES = pl.DataFrame(schema={"id": pl.String, "rank": pl.Int64})
WITHOUT: dict[Kind, Any] = {"classification": 0, "regression": 0.0, "multi-label": [0]}


def sentence(fire: bool, chance: random.Random) -> str:
    """As long with as without, lest the length tell."""
    words = ["fire" if fire else chance.choice(EITHER), *chance.choices(EITHER, k=chance.randint(2, 6))]
    chance.shuffle(words)
    return " ".join(words)


def teach(folder: Path, kind: Kind, pair: bool) -> None:
    """A model that answers by the word `fire` alone; of a pair, by that of the second text."""
    write_model(folder, [], LABELS, ["text", "text_pair"] if pair else ["text"], kind=kind)
    tokenizer, model = load_tokenizer(folder, 24, "head"), load(AutoModelForSequenceClassification, folder)
    tokenizer.enable_padding()
    chance = random.Random(3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(120):
        burns = [chance.random() < 0.5 for _ in range(16)]
        told = [sentence(fire, chance) for fire in burns]
        first = [sentence(chance.random() < 0.5, chance) for _ in burns]
        texts = {"text": first, "text_pair": told} if pair else {"text": told}
        encodings = encode(tokenizer, pl.DataFrame(texts))
        labels = [(WITH_FIRE if fire else WITHOUT)[kind] for fire in burns]
        loss = model(
            input_ids=torch.tensor([of.ids for of in encodings]),
            attention_mask=torch.tensor([of.attention_mask for of in encodings]),
            token_type_ids=torch.tensor([of.type_ids for of in encodings]),
            labels=TARGETS_OF_KINDS[kind](labels, task_of(LABELS, kind=kind), Scale(0.0, 1.0)),
        ).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(folder)  # type: ignore[operator]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    kinds: dict[str, Kind] = {"class": "classification", "score": "regression", "labels": "multi-label"}
    for name, kind in kinds.items():
        teach(folder / name, kind, pair=False)
    teach(folder / "pair", "classification", pair=True)
    return {path.name: path for path in folder.iterdir()}


def judged(texts: list[str], kind: Kind = "classification", **more: list[Any]) -> pl.DataFrame:
    """examples.parquet of texts that all lie in test; the first has the highest loss."""
    n = len(texts)
    said: dict[Kind, dict[str, Any]] = {
        "classification": {"predicted": ["alarm"] * n, "label": ["calm"] * n},
        "regression": {"predicted": [3.0] * n, "label": [0.0] * n},
        "multi-label": {
            "predicted": [["alarm"]] * n,
            "label": [["calm"]] * n,
            "probabilities": pl.Series([[0.6, 0.9]] * n, dtype=pl.Array(pl.Float64, 2)),
        },
    }
    columns = {"id": [f"e{place}" for place in range(n)], "role": ["test"] * n} | said[kind]
    return pl.DataFrame(columns | {"loss": [float(n - place) for place in range(n)]} | more)


def run_stage(
    model: Path,
    texts: list[str],
    *,
    pairs: list[str] | None = None,
    kind: Kind = "classification",
    examples: pl.DataFrame | None = None,
    knobs: dict[str, int] | None = None,
    issues: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """In the working directory."""
    section = ", ".join(f"{name}: {value}" for name, value in (KNOBS | (knobs or {})).items())
    Path("params.yaml").write_text(f"explain: {{{section}}}\n")
    write_task(task_of(LABELS, pair="hypothesis" if pairs else None, kind=kind), Path("task.json"))
    table = {"id": [f"e{place}" for place in range(len(texts))], "text": texts}
    write_parquet(pl.DataFrame(table | ({"text_pair": pairs} if pairs else {})), Path("splits.parquet"))
    write_parquet(judged(texts, kind) if examples is None else examples, Path("examples.parquet"))
    write_parquet(NO_ISSUES if issues is None else issues, Path("label_issues.parquet"))
    tables = {name: Path(f"{name}.parquet") for name in ("splits", "examples", "explanations")}
    tables["issues"] = Path("label_issues.parquet")
    main(task=Path("task.json"), model=model, metrics=Path("explain.json"), **tables)
    return pl.read_parquet("explanations.parquet")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words_in(row: dict[str, Any]) -> list[str]:
    return [word["word"] for word in row["words"]]


def heaviest(row: dict[str, Any]) -> dict[str, Any]:
    return max(row["words"], key=lambda word: word["weight"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("class", "classification", "alarm"),
        ("score", "regression", "a higher score"),
        ("labels", "multi-label", "alarm"),
    ],
)
def test_the_one_word_that_the_model_goes_by_weighs_most(
    name: str, kind: Kind, said: str, models: dict[str, Path], here: Path
) -> None:
    texts = ["we saw fire in town", "Fire near my street today", "the people about fire"]
    told = run_stage(models[name], texts, kind=kind)
    assert told["said"].to_list() == [said] * 3
    assert told["role"].to_list() == ["test"] * 3
    for row, text in zip(told.rows(named=True), texts, strict=True):
        assert words_in(row) == text.split()
        assert heaviest(row)["word"].lower() == "fire"
        others = [abs(word["weight"]) for word in row["words"] if word["word"].lower() != "fire"]
        assert heaviest(row)["weight"] > 2 * max(others)
    assert json.loads(Path("explain.json").read_text()) == {
        "method": "leave-one-word-out",
        "n": 3,
        "words": sum(len(text.split()) for text in texts),
    }


def test_of_a_pair_words_of_both_texts_are_told_with_their_column(
    models: dict[str, Path], here: Path
) -> None:
    firsts, seconds = ["fire in town", "we saw"], ["the street fire", "people fire near"]
    told = run_stage(models["pair"], firsts, pairs=seconds)
    for row, first, second in zip(told.rows(named=True), firsts, seconds, strict=True):
        assert words_in(row) == [*first.split(), *second.split()]
        columns = ["text"] * len(first.split()) + ["text_pair"] * len(second.split())
        assert [word["column"] for word in row["words"]] == columns
        top = heaviest(row)
        assert (top["column"], top["word"]) == ("text_pair", "fire")


def test_weights_are_what_the_log_odds_fall_by_without_the_word(models: dict[str, Path], here: Path) -> None:
    (row,) = run_stage(models["class"], ["we saw  fire"]).rows(named=True)
    tokenizer, model = (
        load_tokenizer(models["class"], 24, "head"),
        load(AutoModelForSequenceClassification, models["class"]),
    )

    def odds(text: str) -> float:
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([tokenizer.encode(text).ids])).logits[0]
        return float(logits[1] - logits[0])  # of two classes

    for word, rest in zip(row["words"], ("saw  fire", "we fire", "we saw"), strict=True):
        assert word["weight"] == pytest.approx(odds("we saw  fire") - odds(rest), abs=1e-3)


def test_scripts_without_spaces_are_told_by_the_character(models: dict[str, Path], here: Path) -> None:
    (row,) = run_stage(models["class"], ["地震fire 很大了。"]).rows(named=True)
    assert words_in(row) == ["地", "震", "fire", "很", "大", "了", "。"]
    assert heaviest(row)["word"] == "fire"


@pytest.mark.parametrize(("keep", "read"), [("head", slice(0, 22)), ("tail", slice(-22, None))])
def test_of_a_cut_text_those_words_are_told_that_the_model_read(
    keep: str, read: slice, models: dict[str, Path], here: Path
) -> None:
    """24 tokens, two of them special; were a later word to move up, it would be a word too many."""
    model = Path(shutil.copytree(models["class"], "model"))
    served = json.loads((model / "textrail.json").read_text()) | {"keep": keep}
    (model / "textrail.json").write_text(json.dumps(served))
    words = [EITHER[place % len(EITHER)] for place in range(40)]
    words[-10 if keep == "head" else 10] = "fire"  # beyond the cut
    words[read.start + 3] = "fire"
    (row,) = run_stage(model, [" ".join(words)]).rows(named=True)
    assert words_in(row) == words[read]
    assert heaviest(row)["word"] == "fire"


def test_of_too_many_words_neighbours_are_left_out_together(models: dict[str, Path], here: Path) -> None:
    text = "we saw the fire in my town today near the"
    (row,) = run_stage(models["class"], [text], knobs={"most_words": 4}).rows(named=True)
    assert words_in(row) == ["we saw the", "fire in my", "town today near", "the"]
    assert heaviest(row)["word"] == "fire in my"
    (pair,) = run_stage(models["pair"], [text], pairs=["in town we saw fire"], knobs={"most_words": 4}).rows(
        named=True
    )
    assert words_in(pair) == ["we saw the fire in", "my town today near the", "in town we saw fire"]


@pytest.mark.parametrize("text", ["", "   ", "fire"])
def test_a_text_of_one_word_or_none_is_explained(text: str, models: dict[str, Path], here: Path) -> None:
    (row,) = run_stage(models["class"], [text]).rows(named=True)
    assert words_in(row) == text.split()


def test_several_labels_are_told_of_the_one_with_the_largest_loss(
    models: dict[str, Path], here: Path
) -> None:
    texts = ["we saw fire", "the street"]
    probabilities = pl.Series([[0.6, 0.9], [0.2, 0.6]], dtype=pl.Array(pl.Float64, 2))
    missed = judged(texts, "multi-label").with_columns(
        probabilities=probabilities, label=pl.Series([["calm"], ["calm"]])
    )
    told = run_stage(models["labels"], texts, kind="multi-label", examples=missed)
    assert told["said"].to_list() == ["alarm", "calm"]  # too much, and missed


def test_the_worst_of_evaluation_roles_come_first_then_training_and_the_top_label_issues(
    models: dict[str, Path], here: Path
) -> None:
    texts = [f"we saw {word}" for word in EITHER[:8]]
    roles = ["train", "train", "test", "test", "validation", "validation", "train", "train"]
    losses = [9.0, 8.0, 1.0, 3.0, 2.0, 0.5, 0.1, 0.2]
    table = judged(texts).with_columns(role=pl.Series(roles), loss=pl.Series(losses))
    issues = pl.DataFrame(
        {
            "id": ["e7", "e6", "e2", "e3"],
            "role": ["train", "train", "test", "test"],
            "rank": [1, 2, 1, 2],
        }
    )

    def ids(most: int, top: int, found: pl.DataFrame | None) -> list[str]:
        knobs = {"examples": most, "label_issues": top}
        return run_stage(models["class"], texts, examples=table, knobs=knobs, issues=found)["id"].to_list()

    assert ids(2, 0, issues) == ["e3", "e4"]
    assert ids(5, 0, None) == ["e0", "e2", "e3", "e4", "e5"]
    assert ids(2, 1, issues) == ["e2", "e3", "e4", "e7"]
    assert ids(2, 1, None) == ["e3", "e4"]
    assert ids(0, 0, issues) == []


def test_other_batches_and_a_second_run_give_the_same_weights(models: dict[str, Path], here: Path) -> None:
    texts = ["we saw fire in town", "Fire near my street today", "the people about fire"]
    first = run_stage(models["class"], texts)
    before = Path("explanations.parquet").read_bytes()
    run_stage(models["class"], texts)
    assert Path("explanations.parquet").read_bytes() == before
    small = run_stage(models["class"], texts, knobs={"batch_tokens": 20})
    for one, other in zip(weights_of(first), weights_of(small), strict=True):
        assert one == pytest.approx(other, abs=2e-4)


def weights_of(told: pl.DataFrame) -> list[list[float]]:
    return [[word["weight"] for word in row] for row in told["words"].to_list()]


def test_examples_of_another_run_are_refused(models: dict[str, Path], here: Path) -> None:
    examples = judged(["we saw fire", "the street"])
    with pytest.raises(DataError, match="lacks 1 of the 2 examples to explain: 'e1' is the first"):
        run_stage(models["class"], ["we saw fire"], examples=examples)


@pytest.mark.parametrize(
    ("text", "word", "rest"),
    [
        ("we saw fire", "we", "saw fire"),
        ("we saw fire", "saw", "we fire"),
        ("we saw fire", "fire", "we saw"),
        ("很大 了", "大", "很 了"),
        ("fire", "fire", ""),
    ],
)
def test_a_left_out_word_leaves_no_doubled_space_and_joins_no_others(text: str, word: str, rest: str) -> None:
    start = text.index(word)
    assert without(text, Word(0, start, start + len(word))) == rest
