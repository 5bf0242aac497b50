import json
import random
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
from stages.lib.cleaning import Cleaning, write_cleaning
from stages.lib.exceptions import ConfigError
from stages.lib.inference import infer, load
from stages.lib.served import read_served
from stages.lib.tables import write_parquet
from stages.lib.task import write_task
from tests.predicted import task_of
from tests.tiny import sentence, write_encoder

KNOBS: dict[str, Any] = {
    "seed": 1,
    "epochs": 3,
    "learning_rate": 1e-2,
    "batch_size": 8,
    "warmup_fraction": 0.1,
    "weight_decay": 0.01,
    "label_smoothing": 0.0,
    "max_gradient_norm": 1.0,
    "precision": "auto",
    "select": "last",
    "patience": None,
    "log_every_steps": 5,
    "batch_tokens": 200,
}
ROLES = ["train"] * 80 + ["validation"] * 40


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What finetune depends on, made by the stages before it."""
    monkeypatch.chdir(tmp_path)
    chance = random.Random(3)
    labels = [n % 2 for n in range(len(ROLES))]
    task = task_of(["calm", "alarm"])
    texts = [sentence(label, chance) for label in labels]
    splits = pl.DataFrame(
        {
            "id": list(map(str, range(len(ROLES)))),
            "text": texts,
            "label": [task.labels[n] for n in labels],
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
        "tokenize": {"max_tokens": 24},
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


def test_it_learns_and_serves(folder: Path) -> None:
    numbers = run_stage(epochs=8)
    assert numbers["steps"] == 80
    assert numbers["validation"]["accuracy"] >= 0.9
    answer = pipeline("text-classification", model="model")("fire and smoke in my town")[0]
    assert answer["label"] == "alarm"
    served = read_served(Path("model"))
    assert (served.max_tokens, served.labels, served.text_columns) == (24, ["calm", "alarm"], ["text"])
    assert served.cleaning.steps == ["lowercase"]
    assert AutoTokenizer.from_pretrained("model").model_max_length == 24
    assert not Path(".textrail/checkpoints").exists()


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


def test_the_curve_goes_through_dvclive(folder: Path) -> None:
    run_stage()
    plots = Path("curve/plots/metrics")
    loss = pl.read_csv(plots / "train/loss.tsv", separator="\t")
    assert loss["step"].to_list() == [5, 10, 15, 20, 25, 30]
    assert pl.read_csv(plots / "validation/accuracy.tsv", separator="\t")["step"].to_list() == [10, 20, 30]
    assert not Path("dvc.yaml").exists()


def test_the_head_carries_the_temperature(folder: Path) -> None:
    """The served logits are already calibrated: fitting a temperature to them finds 1."""
    numbers = run_stage(epochs=2)
    from stages.lib.calibration import fit_temperature

    validation = open_stream(Path("tokens.arrow")).filter(pa.compute.field("role") == "validation")
    model = load(AutoModelForSequenceClassification, Path("model"))
    (logits_NC,) = infer(model, validation, 200, lambda outputs, _: (outputs.logits,), title=None)
    assert fit_temperature(logits_NC, np.asarray(validation["label"])) == pytest.approx(1, abs=0.02)
    assert numbers["temperature"] != pytest.approx(1, abs=0.02)


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


@pytest.mark.skipif(torch.cuda.is_available(), reason="fp16 is right where there is a GPU")
def test_half_precision_without_a_gpu_is_refused() -> None:
    with pytest.raises(ConfigError, match="found fp16, but no GPU"):
        finetune.precision("fp16")
