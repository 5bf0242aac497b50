import json
import random
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import torch
from safetensors.numpy import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from stages import encoder as encoder_stage
from stages import finetune, tokenize
from stages.lib.arrow import open_stream
from stages.lib.cleaning.steps import Cleaning, write_cleaning
from stages.lib.encoders.inference import infer, load
from stages.lib.encoders.served import read_served
from stages.lib.exceptions import ConfigError
from stages.lib.kinds import Kind
from stages.lib.labels import NAME_TYPE_OF_KINDS
from stages.lib.tables import write_parquet
from stages.lib.task import write_task
from stages.lib.training.journal import Journal, Plan, Watchers
from stages.lib.training.knobs import Params
from tests.predicted import task_of
from tests.tiny import git, sentence, write_encoder

KNOBS: dict[str, Any] = {
    "seed": 1,
    "loop": "trainer",
    "epochs": 3,
    "learning_rate": 1e-2,
    "batch_size": 8,
    "gradient_accumulation": 1,
    "gradient_checkpointing": False,
    "warmup_fraction": 0.1,
    "weight_decay": 0.01,
    "label_smoothing": 0.0,
    "balance": "none",
    "max_gradient_norm": 1.0,
    "freeze_embeddings": False,
    "freeze_layers": 0,
    "lora_rank": None,
    "lora_alpha": 16,
    "lora_dropout": 0.0,
    "precision": "auto",
    "processes": "auto",
    "accelerate_config": None,
    "select": "last",
    "patience": None,
    "log_every_steps": 5,
    "checkpoint_every_steps": 1000,
    "batch_tokens": 200,
}
ROLES = ["train"] * 80 + ["validation"] * 40


NAMED: dict[Kind, Callable[[int], Any]] = {  # what is said of a calm text, 0, and of an alarming one, 1
    "classification": lambda number: ["calm", "alarm"][number],
    "regression": lambda number: 1000.0 + 500 * number,
    "multi-label": lambda number: [["calm"], ["alarm", "loud"]][number],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """What finetune depends on, made by the stages before it; the parameter is the kind of task."""
    monkeypatch.chdir(tmp_path)
    kind: Kind = getattr(request, "param", "classification")
    chance = random.Random(3)
    numbers = [n % 2 for n in range(len(ROLES))]
    task = task_of(["calm", "alarm", "loud"] if kind == "multi-label" else ["calm", "alarm"], kind=kind)
    splits = pl.DataFrame(
        {
            "id": list(map(str, range(len(ROLES)))),
            "text": [sentence(number, chance) for number in numbers],
            "label": pl.Series([NAMED[kind](number) for number in numbers], dtype=NAME_TYPE_OF_KINDS[kind]),
            "role": ROLES,
        }
    ).with_columns(left_out=pl.lit(None, pl.String))
    write_parquet(splits, Path("splits.parquet"))
    write_task(task, Path("task.json"))
    write_cleaning(Cleaning(steps=["lowercase"], language="english"), Path("cleaning.json"))
    write_encoder(Path("origin"))
    set_knobs()
    encoder_stage.main(encoder=Path("encoder"), metrics=Path("encoder.json"))
    ins = {"task": Path("task.json"), "splits": Path("splits.parquet"), "encoder": Path("encoder")}
    tokenize.main(**ins, tokens=Path("tokens.arrow"), metrics=Path("tokenize.json"))
    return tmp_path


def set_knobs(**knobs: Any) -> None:
    params = {
        "encoder": {"name": "origin", "revision": None, "weights": "random", "seed": 1},
        "tokenize": {"max_tokens": 24, "keep": "head"},
        "finetune": KNOBS | knobs,
    }
    Path("params.yaml").write_text(json.dumps(params))


def run_stage(**knobs: Any) -> dict[str, Any]:
    set_knobs(**knobs)
    ins = {name: Path(f"{name}.json") for name in ("task", "cleaning")}
    ins |= {"encoder": Path("encoder"), "tokens": Path("tokens.arrow")}
    finetune.main(**ins, model=Path("model"), curve=Path("curve"), metrics=Path("finetune.json"))
    numbers: dict[str, Any] = json.loads(Path("finetune.json").read_text())
    return numbers


def files_of(*folders: str) -> dict[Path, bytes]:
    return {
        path: path.read_bytes()
        for name in folders
        for path in sorted(Path(name).rglob("*"))
        if path.is_file()
    }


@pytest.mark.slow
def test_it_learns_and_serves(folder: Path) -> None:
    numbers = run_stage(epochs=8)
    assert not numbers["selected_on_validation"]
    assert numbers["steps"] == 80
    assert numbers["validation"]["accuracy"] >= 0.9
    answer = pipeline("text-classification", model="model")("fire and smoke in my town")[0]
    assert answer["label"] == "alarm"
    served = read_served(Path("model"))
    assert (served.max_tokens, served.labels, served.text_columns) == (24, ["calm", "alarm"], ["text"])
    assert served.cleaning.steps == ["lowercase"]
    assert AutoTokenizer.from_pretrained("model").model_max_length == 24
    assert not [path for path in Path(".textrail/checkpoints").iterdir() if path.is_dir()]


of_kind = pytest.mark.parametrize("folder", ["regression", "multi-label"], indirect=True)
of_regression = pytest.mark.parametrize("folder", ["regression"], indirect=True)
of_multi_label = pytest.mark.parametrize("folder", ["multi-label"], indirect=True)


@pytest.mark.slow
@of_regression
def test_a_number_is_learnt_and_served_in_its_own_unit(folder: Path) -> None:
    numbers = run_stage(epochs=8)
    assert numbers["validation"]["pearson"] > 0.7
    assert numbers["validation"]["rmse"] < 200  # of labels that lie 500 apart: their mean alone has 250
    assert numbers["temperature"] is None
    answer = pipeline("text-classification", model="model")("fire and smoke in my town")[0]
    assert answer["score"] == pytest.approx(1500, abs=200)
    served = read_served(Path("model"))
    assert (served.kind, served.labels, served.temperature) == ("regression", [], None)
    curve = pl.read_csv("curve/plots/metrics/validation/rmse.tsv", separator="\t")["rmse"]
    assert curve[-1] == pytest.approx(numbers["validation"]["rmse"], rel=0.05)  # in its unit there, too


@pytest.mark.slow
@of_multi_label
def test_several_labels_are_learnt_and_have_thresholds(folder: Path) -> None:
    numbers = run_stage(epochs=12, learning_rate=5e-3)
    assert numbers["validation"]["micro_f1"] > 0.9
    served = read_served(Path("model"))
    assert served.thresholds == numbers["thresholds"]
    assert len(numbers["thresholds"]) == 3
    answers = pipeline("text-classification", model="model")("fire and smoke in my town", top_k=None)
    scores = {answer["label"]: answer["score"] for answer in answers}
    assert min(scores["alarm"], scores["loud"]) > 0.5 > scores["calm"]
    assert sum(scores.values()) > 1.2  # each label by itself: sigmoid, no softmax


def test_what_cuts_long_texts_at_their_start_does_so_where_it_is_served(folder: Path) -> None:
    set_knobs()
    params = json.loads(Path("params.yaml").read_text())
    Path("params.yaml").write_text(json.dumps(params | {"tokenize": {"max_tokens": 6, "keep": "tail"}}))
    ins = {"task": Path("task.json"), "splits": Path("splits.parquet"), "encoder": Path("encoder")}
    tokenize.main(**ins, tokens=Path("tokens.arrow"), metrics=Path("tokenize.json"))
    run_stage(epochs=0.1)
    assert read_served(Path("model")).keep == "tail"
    tokenizer = AutoTokenizer.from_pretrained("model")
    ids = tokenizer("garden coffee fire flood storm smoke", truncation=True)["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids[1:-1]) == ["fire", "flood", "storm", "smoke"]


@of_kind
def test_labels_that_exclude_nothing_are_not_smoothed(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"label_smoothing: found 0.1.* set it to 0"):
        run_stage(label_smoothing=0.1)


@pytest.mark.slow
@of_regression
def test_the_best_epoch_is_that_of_the_least_error(folder: Path) -> None:
    task = task_of(kind="regression")
    write_task(task.model_copy(update={"metrics": ["rmse"]}), Path("task.json"))
    numbers = run_stage(select="best", epochs=4, learning_rate=3e-2)
    curve = pl.read_csv("curve/plots/metrics/validation/rmse.tsv", separator="\t")["rmse"]
    assert numbers["validation"]["rmse"] == pytest.approx(curve.min(), rel=1e-3)
    assert numbers["selected_on_validation"]


@pytest.mark.parametrize(
    ("knobs", "selects"), [({}, False), ({"patience": 1}, True), ({"select": "best"}, True)]
)
def test_the_metrics_say_whether_validation_chose(knobs: dict[str, Any], selects: bool) -> None:
    assert finetune.selects_on_validation(Params(**(KNOBS | knobs))) is selects


@pytest.mark.slow
def test_the_same_bytes_twice_and_others_with_another_seed(folder: Path) -> None:
    run_stage(epochs=1)
    first = files_of("model", "curve")
    run_stage(epochs=1)
    assert files_of("model", "curve") == first
    run_stage(epochs=1, seed=2)
    assert files_of("model")[Path("model/model.safetensors")] != first[Path("model/model.safetensors")]


def test_the_seed_decides_the_heads_first_weights(folder: Path) -> None:
    heads = []
    for seed in (1, 2):
        run_stage(epochs=0.1, learning_rate=1e-30, seed=seed)
        heads.append(load_file("model/model.safetensors")["classifier.weight"])
    angle = np.sum(heads[0] * heads[1]) / np.linalg.norm(heads[0]) / np.linalg.norm(heads[1])
    assert abs(angle) < 0.9  # the temperature scales a head and turns none


def test_no_time_and_no_place_enters_an_out(folder: Path) -> None:
    run_stage(epochs=1)
    names = [path.name for path in files_of("model", "curve")]
    assert "training_args.bin" not in names
    assert not [name for name in names if "runtime" in name or "second" in name]
    assert not [path for path, held in files_of("model", "curve").items() if str(folder).encode() in held]


@pytest.mark.slow
def test_the_curve_goes_through_dvclive(folder: Path) -> None:
    run_stage()
    plots = Path("curve/plots/metrics")
    loss = pl.read_csv(plots / "train/loss.tsv", separator="\t")
    assert loss["step"].to_list() == [5, 10, 15, 20, 25, 30]
    assert pl.read_csv(plots / "validation/accuracy.tsv", separator="\t")["step"].to_list() == [10, 20, 30]
    assert not Path("dvc.yaml").exists()


def test_git_without_a_commit_has_its_curve_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an export of the tree has, in which `git init` was all: DVCLive asks for a commit."""
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "--quiet")
    with finetune.curve_in(Path("curve")) as live:
        live.step = 5
        live.log_metric("train/loss", 0.5)
    assert Path("curve/plots/metrics/train/loss.tsv").read_text() == "step\tloss\n5\t0.5\n"
    assert json.loads(Path("curve/metrics.json").read_text()) == {"train": {"loss": 0.5}, "step": 5}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_under_the_curve_is_told_with_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a step, and at the end, which writes the summary once more."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "curve"
    state = {"step": 5, "curve": [(5, {"train/loss": 0.5})], "scores": [], "loss": 0.0}
    stack = ExitStack()
    live = stack.enter_context(finetune.curve_in(folder))
    (folder / "metrics.json").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as at_a_step:
        Journal(Plan(5, 5, 5, 5, 5, None, "accuracy", False), Watchers(live), True).begin(state)
    with pytest.raises(OSError, match="No space left") as at_the_end:
        stack.close()
    assert at_a_step.value.filename == at_the_end.value.filename == str(folder)


def test_the_head_carries_the_temperature(folder: Path) -> None:
    """The served logits are already calibrated: fitting a temperature to them finds 1."""
    numbers = run_stage(epochs=2)
    from stages.lib.statistics.calibration import fit_temperature

    validation = open_stream(Path("tokens.arrow")).filter(pa.compute.field("role") == "validation")
    model = load(AutoModelForSequenceClassification, Path("model"))
    (logits_NC,) = infer(model, validation, 200, lambda outputs, _: (outputs.logits,), title=None)
    labels_N = np.asarray(validation["label"])
    assert fit_temperature("classification", logits_NC, labels_N) == pytest.approx(1, abs=0.02)
    assert numbers["temperature"] != pytest.approx(1, abs=0.02)


@pytest.mark.slow
def test_best_keeps_the_epoch_with_the_best_validation_score(folder: Path) -> None:
    numbers = run_stage(select="best", epochs=4, learning_rate=3e-2)
    curve = pl.read_csv("curve/plots/metrics/validation/accuracy.tsv", separator="\t")
    assert numbers["validation"]["accuracy"] == pytest.approx(curve["accuracy"].max(), abs=1e-6)


def test_patience_stops_early(folder: Path) -> None:
    assert run_stage(epochs=30, patience=1, learning_rate=1e-9)["steps"] == 20


def test_weights_are_trained_as_float32_whatever_the_checkpoint_holds(folder: Path) -> None:
    from transformers import AutoModel

    AutoModel.from_pretrained("encoder", dtype=torch.bfloat16).save_pretrained("encoder")
    run_stage(epochs=1)
    model = AutoModelForSequenceClassification.from_pretrained("model")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
