import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from safetensors.numpy import load_file
from scipy.special import expit, log_softmax

from stages.baseline import Params, main
from stages.lib.arrow import write_vectors
from stages.lib.exceptions import DataError
from stages.lib.kinds import Kind
from stages.lib.labels import NUMBER_TYPE_OF_KINDS
from stages.lib.statistics.learners import LEARNERS_OF_KINDS, fit, unfitted, words_of
from stages.lib.statistics.predictions import logits_of, predicted_of, read_predictions
from stages.lib.tables import write_parquet
from stages.lib.task import write_task
from tests.predicted import task_of

PARAMS = Params(seed=1, folds=3, max_iterations=200, tfidf_min_documents=1, tfidf_c=3.0, features_c=0.1)
TELLING = [["garden", "music"], ["fire", "flood"], ["goal", "score"]]
ROLES = ["train"] * 60 + ["validation"] * 24 + ["test"] * 24 + ["unlabelled"] * 6


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three classes, told apart by their words and by their vectors; one row left out."""
    monkeypatch.chdir(tmp_path)
    chance = np.random.default_rng(5)
    numbers = np.arange(len(ROLES)) % 3
    texts = [f"{chance.choice(TELLING[n])} word{chance.integers(9)}" for n in numbers]
    labels = [None if role == "unlabelled" else n for role, n in zip(ROLES, numbers.tolist(), strict=True)]
    ids = [str(n) for n in range(len(ROLES))]
    task = task_of(["calm", "alarm", "sport"])
    splits = pl.DataFrame({"id": ids, "text": texts, "role": ROLES}).with_columns(
        left_out=pl.lit(None, pl.String)
    )
    dropped = splits.head(1).with_columns(id=pl.lit("gone"), left_out=pl.lit("copy of a test example"))
    write_parquet(pl.concat([dropped, splits]), Path("splits.parquet"))
    write_copies([])
    write_task(task, Path("task.json"))
    vectors = np.eye(3, 8)[numbers] + chance.normal(size=(len(ROLES), 8)) * 0.3
    write_vectors(
        pa.table({"id": ids, "role": ROLES, "label": pa.array(labels, pa.int64())}), vectors, Path("f.arrow")
    )
    Path("params.yaml").write_text(json.dumps({"baseline": PARAMS.model_dump()}))
    return tmp_path


def write_copies(pairs: list[tuple[str, str]]) -> None:
    ids = {"id": pl.String, "other_id": pl.String}
    write_parquet(pl.DataFrame(pairs, schema=ids, orient="row"), Path("copies.parquet"))


def run_stage() -> dict[str, pl.DataFrame]:
    names = {"task": "task.json", "splits": "splits.parquet", "copies": "copies.parquet"}
    ins = {name: Path(path) for name, path in (names | {"features": "f.arrow"}).items()}
    main(**ins, models=Path("models"), predictions=Path("predictions"), metrics=Path("baseline.json"))
    return read_predictions(Path("predictions"))


def test_the_linear_models_beat_the_dummy(folder: Path) -> None:
    run_stage()
    numbers = json.loads(Path("baseline.json").read_text())
    accuracy = {name: of["validation"]["accuracy"] for name, of in numbers.items()}
    assert accuracy["dummy"] == pytest.approx(1 / 3)
    assert accuracy["tfidf"] > 0.9
    assert accuracy["features"] > 0.9


def test_every_example_in_use_is_predicted_in_order_and_training_rows_out_of_fold(folder: Path) -> None:
    for predictions in run_stage().values():
        assert predictions["id"].to_list() == [str(n) for n in range(len(ROLES))]
        out_of_fold = predictions["logits_out_of_fold"].is_not_null()
        assert out_of_fold.to_list() == [role == "train" for role in ROLES]


def test_out_of_fold_logits_come_from_models_that_did_not_see_the_row(folder: Path) -> None:
    """A label flipped in training is believed by the model that saw it, and not by the one that did not."""
    splits = pl.read_parquet("splits.parquet").with_columns(
        text=pl.when(pl.col("id") == "0").then(pl.lit("fire flood unique0")).otherwise("text")
    )
    write_parquet(splits, Path("splits.parquet"))
    Path("params.yaml").write_text(json.dumps({"baseline": PARAMS.model_dump() | {"tfidf_c": 1e4}}))
    row = run_stage()["tfidf"].row(0, named=True)
    assert np.argmax(row["logits"]) == row["label"] == 0
    assert np.argmax(row["logits_out_of_fold"]) == 1


def test_the_same_bytes_twice(folder: Path) -> None:
    run_stage()
    files = [path for name in ("models", "predictions") for path in sorted(Path(name).iterdir())]
    first = {path: path.read_bytes() for path in files}
    run_stage()
    assert {path: path.read_bytes() for path in files} == first


def test_the_saved_arrays_give_the_predictions_back(folder: Path) -> None:
    predictions = run_stage()["features"]
    arrays, meaning = (
        load_file("models/features.safetensors"),
        json.loads(Path("models/features.json").read_text()),
    )
    vectors_NH = np.asarray(pa.ipc.open_stream("f.arrow").read_all()["vector"].to_pylist())
    scaled_NH = (vectors_NH - arrays["mean"]) / arrays["scale"]
    raw_NC = scaled_NH @ arrays["coefficients"].T + arrays["intercepts"]
    expected_NC = log_softmax(raw_NC, axis=1) / meaning["temperature"]
    np.testing.assert_allclose(logits_of(predictions), expected_NC, atol=1e-4)


def test_scripts_without_spaces_have_words_too() -> None:
    table = pl.DataFrame({"text": ["火事です fire", "no Han here"]})
    assert words_of(table, task_of()).tolist() == [[" 火  事  で  す  fire"], ["no Han here"]]


def test_a_class_that_training_never_saw_is_the_least_likely() -> None:
    learner = LEARNERS_OF_KINDS["classification"]
    model = unfitted("tfidf", learner, PARAMS).fit(np.array([["fire"], ["music"]] * 5), [0, 2] * 5)
    logits_NC = learner.logits(model, np.array([["fire"], ["unheard"]]), 3)
    assert logits_NC.argmin(axis=1).tolist() == [1, 1]
    assert np.isfinite(logits_NC).all()


def test_nor_did_they_see_a_copy_of_it(folder: Path) -> None:
    """Four copies say fire and flood, where all the others of their class say garden and music."""
    copies = pl.col("id").is_in(["0", "3", "6", "9"])
    splits = pl.read_parquet("splits.parquet").with_columns(
        text=pl.when(copies).then(pl.lit("fire flood unique0")).otherwise("text")
    )
    write_parquet(splits, Path("splits.parquet"))
    Path("params.yaml").write_text(json.dumps({"baseline": PARAMS.model_dump() | {"tfidf_c": 1e4}}))
    write_copies([("3", "0"), ("6", "0"), ("9", "0")])
    rows = run_stage()["tfidf"].filter(copies)
    assert logits_of(rows).argmax(axis=1).tolist() == [0] * 4
    assert logits_of(rows, "logits_out_of_fold").argmax(axis=1).tolist() == [1] * 4


def test_a_class_of_one_row_is_not_known_to_who_did_not_see_it(folder: Path) -> None:
    """Of two classes nothing but the other is left to learn from."""
    write_task(task_of(["calm", "alarm"]), Path("task.json"))
    many = PARAMS.model_dump() | {"max_iterations": 5_000, "tfidf_c": 1.0}
    Path("params.yaml").write_text(json.dumps({"baseline": many}))
    table = pa.ipc.open_stream("f.arrow").read_all()
    labels = [None if role == "unlabelled" else int(n == 7) for n, role in enumerate(ROLES)]
    vectors = np.asarray(table["vector"].to_pylist())
    write_vectors(table.set_column(2, "label", pa.array(labels, pa.int64())), vectors, Path("f.arrow"))
    for predictions in run_stage().values():
        row = predictions.row(7, named=True)
        assert np.argmax(row["logits_out_of_fold"]) == 0


def test_too_few_rows_for_the_folds(folder: Path) -> None:
    write_copies([(str(n), "0") for n in range(1, 59)])
    message = r"baseline.folds: found 3, but there are 2 training examples that are no copies of each other"
    with pytest.raises(DataError, match=message):
        run_stage()
    assert not Path("models").exists()


def test_texts_without_a_word(folder: Path) -> None:
    write_parquet(pl.read_parquet("splits.parquet").with_columns(text=pl.lit("!?")), Path("splits.parquet"))
    with pytest.raises(DataError, match="no word is left in 60 training texts"):
        run_stage()
    assert not Path("models").exists()


def as_kind(kind: Kind) -> None:
    """The same rows with other labels: a score from 0 to 2; none, alarm, or alarm and sport."""
    write_task(task_of(["alarm", "sport", "never"], kind=kind), Path("task.json"))
    table = pa.ipc.open_stream("f.arrow").read_all()
    numbers = table["label"].to_pylist()
    labels: dict[Kind, list[Any]] = {
        "regression": numbers,
        "multi-label": [None if n is None else list(range(n)) for n in numbers],
    }
    column = pl.Series(labels[kind], dtype=NUMBER_TYPE_OF_KINDS[kind], strict=False).to_arrow()
    vectors = np.asarray(table["vector"].to_pylist())
    write_vectors(table.set_column(2, "label", column), vectors, Path("f.arrow"))


def test_a_regression_has_the_mean_for_a_dummy_and_ridge_for_the_rest(folder: Path) -> None:
    as_kind("regression")
    predictions = run_stage()
    numbers = json.loads(Path("baseline.json").read_text())
    dummy = predictions["dummy"]
    train = dummy.filter(pl.col("role") == "train")["label"]
    assert predicted_of(dummy, task_of(kind="regression")) == pytest.approx(train.mean())
    assert numbers["dummy"]["validation"]["pearson"] is None  # it says the same of all
    assert numbers["tfidf"]["validation"]["pearson"] > 0.9
    assert numbers["features"]["validation"]["pearson"] > 0.8
    assert numbers["features"]["temperature"] is None
    arrays = load_file("models/features.safetensors")
    vectors_NH = np.asarray(pa.ipc.open_stream("f.arrow").read_all()["vector"].to_pylist())
    scaled_NH = (vectors_NH - arrays["mean"]) / arrays["scale"]
    expected_N1 = scaled_NH @ arrays["coefficients"].T + arrays["intercepts"]
    np.testing.assert_allclose(logits_of(predictions["features"]), expected_N1, atol=1e-4)


def test_several_labels_have_a_model_and_a_threshold_each(folder: Path) -> None:
    as_kind("multi-label")
    predictions = run_stage()
    numbers = json.loads(Path("baseline.json").read_text())
    assert numbers["tfidf"]["validation"]["micro_f1"] > 0.9
    assert numbers["features"]["validation"]["micro_f1"] > 0.9
    assert len(numbers["features"]["thresholds"]) == 3
    train = predictions["dummy"].filter(pl.col("role") == "train")
    prior_C = np.array([train["label"].list.contains(number).mean() for number in range(3)])
    assert prior_C[2] == 0  # "never": no training row has it, and no model breaks over it
    temperature = numbers["dummy"]["temperature"]
    said_C = expit(logits_of(predictions["dummy"])[0].astype(float) * temperature)
    assert said_C == pytest.approx(prior_C, abs=1e-5)
    arrays, meaning = load_file("models/tfidf.safetensors"), json.loads(Path("models/tfidf.json").read_text())
    assert arrays["coefficients"].shape == (3, len(meaning["vocabulary"]))
    assert not arrays["coefficients"][2].any()
    held_out = predictions["tfidf"]["predicted_out_of_fold"]
    assert held_out.is_not_null().to_list() == [role == "train" for role in ROLES]


def test_of_two_texts_it_matters_how_alike_they_are() -> None:
    chance = np.random.default_rng(1)
    firsts = [" ".join(chance.choice(list("abcdefgh"), 4)) for _ in range(80)]
    alike = [n % 2 for n in range(80)]
    pairs = [
        [text, text if same else " ".join(chance.choice(list("ijklmnop"), 4))]
        for text, same in zip(firsts, alike, strict=True)
    ]
    model = unfitted("tfidf", LEARNERS_OF_KINDS["classification"], PARAMS)
    fit(model, np.array(pairs[:60], dtype=object), np.array(alike[:60]))
    unseen = [["q r s t", "q r s t"], ["a b c d", "i j k l"]]
    assert model.predict(np.array(pairs[60:], dtype=object)).tolist() == alike[60:]
    words_NV = model[0].transform(np.array(unseen, dtype=object))
    assert words_NV.toarray()[:, -1] == pytest.approx([0, 0])  # words that training never had are no match
    same = model[0].transform(np.array([["a b c d", "d c b a"]], dtype=object)).toarray()
    assert 0 < same[0, -1] < 1
