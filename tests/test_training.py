"""Three loops, one result; and what each knob does to it."""

import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.numpy import load_file
from transformers import AutoModelForSequenceClassification

from stages.lib.exceptions import ConfigError, DeviceError
from stages.lib.training import training
from stages.lib.training.adapting import make_model
from stages.lib.training.knobs import Params
from stages.lib.training.launching import LAUNCHING, launch, processes_for
from stages.lib.training.optimization import choose_precision
from stages.lib.training.session import Session
from tests.predicted import task_of
from tests.test_finetune import KNOBS, files_of, folder, run_stage, set_knobs  # noqa: F401  # a fixture
from tests.tiny import ROOT, environment

pytestmark = pytest.mark.slow  # each trains

LOOPS = ("trainer", "plain", "accelerate")
each_loop = pytest.mark.parametrize("loop", LOOPS)
of_every_kind = pytest.mark.parametrize(
    "folder", ["classification", "regression", "multi-label"], indirect=True
)
EXACT: dict[str, Any] = {"log_every_steps": 1, "precision": "float32", "learning_rate": 1e-3}


def losses(part: str = "train") -> np.ndarray:
    """One a step; on validation one an epoch."""
    return pl.read_csv(f"curve/plots/metrics/{part}/loss.tsv", separator="\t")["loss"].to_numpy()


def weights() -> dict[str, np.ndarray]:
    return dict(load_file("model/model.safetensors"))


@of_every_kind
def test_the_loops_agree_step_for_step(folder: Path) -> None:  # noqa: F811
    """The tiny encoder has no dropout; with it, each step is seeded and they agree as well."""
    curves = {}
    for loop in LOOPS:
        run_stage(loop=loop, **EXACT)
        curves[loop] = np.concatenate([losses(), losses("validation")])
    assert len(curves["plain"]) == 30 + 3
    np.testing.assert_allclose(curves["trainer"], curves["plain"], rtol=1e-5)
    np.testing.assert_allclose(curves["accelerate"], curves["plain"], rtol=1e-5)
    assert curves["plain"][25:30].mean() < curves["plain"][:5].mean()


@each_loop
def test_passes_change_nothing_but_rounding(folder: Path, loop: str) -> None:  # noqa: F811
    run_stage(loop=loop, **EXACT)
    whole = losses()
    run_stage(loop=loop, **EXACT, gradient_accumulation=3)  # of 8, and of the 8 - 3 - 3 that are left
    np.testing.assert_allclose(losses(), whole, rtol=1e-4)


@each_loop
def test_activations_that_are_computed_again_change_nothing_but_rounding(
    folder: Path,  # noqa: F811
    loop: str,
) -> None:
    run_stage(loop=loop, **EXACT)
    whole = losses()
    run_stage(loop=loop, **EXACT, gradient_checkpointing=True)
    np.testing.assert_allclose(losses(), whole, rtol=1e-4)


@each_loop
def test_running_out_of_memory_halves_the_passes_and_says_so(
    folder: Path,  # noqa: F811
    loop: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    run_stage(loop=loop, **EXACT)
    whole = losses()
    fits(3, monkeypatch)
    run_stage(loop=loop, **EXACT)
    told = capfd.readouterr().err
    assert "out of memory with 8 examples at a time; taking half of them, and gradient_accumulation 2" in told
    assert "out of memory with 4 examples at a time" in told
    np.testing.assert_allclose(losses(), whole, rtol=1e-4)


def fits(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A make-believe device with room for so many examples."""
    from transformers import BertForSequenceClassification

    forward = BertForSequenceClassification.forward

    @functools.wraps(forward)
    def limited(self: Any, *args: Any, **inputs: Any) -> Any:
        if self.training and len(inputs["input_ids"]) > count:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(self, *args, **inputs)

    monkeypatch.setattr(BertForSequenceClassification, "forward", limited)


def test_where_a_single_example_does_not_fit_it_says_what_to_do(
    folder: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fits(0, monkeypatch)
    with pytest.raises(DeviceError, match=r"a single example at a time: set finetune.gradient_checkpointing"):
        run_stage()


def test_a_trainer_that_failed_between_two_passes_leaves_nothing_behind(
    folder: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the same process Accelerate's optimizer would step no more, and say nothing of it."""
    run_stage(loop="accelerate", **EXACT)
    whole = losses()
    with monkeypatch.context() as patch:
        fits(0, patch)
        with pytest.raises(DeviceError, match="a single example at a time"):
            run_stage(loop="trainer", **EXACT)
    run_stage(loop="accelerate", **EXACT)
    np.testing.assert_array_equal(losses(), whole)


def test_frozen_weights_stay_as_they_came(folder: Path) -> None:  # noqa: F811
    run_stage(freeze_embeddings=True, freeze_layers=1)
    came, became = load_file("encoder/model.safetensors"), weights()
    same = {
        name
        for name in came
        if f"bert.{name}" in became and np.array_equal(came[name], became[f"bert.{name}"])
    }
    assert {name for name in came if "embeddings" in name and "LayerNorm" not in name} <= same
    assert {name for name in came if name.startswith("encoder.layer.0.")} <= same
    assert not {name for name in came if name.startswith("encoder.layer.1.") and "weight" in name} & same


def test_more_frozen_layers_than_there_are_is_refused(folder: Path) -> None:  # noqa: F811
    with pytest.raises(ConfigError, match="freeze_layers: found 3; the encoder has 2 layers"):
        run_stage(freeze_layers=3)


@each_loop
def test_lora_trains_few_weights_and_is_merged(folder: Path, loop: str) -> None:  # noqa: F811
    params = Params(**(KNOBS | {"lora_rank": 2}))
    model = make_model(task_of(["calm", "alarm"]), Path("encoder"), params)
    learnt = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert learnt < 0.2 * sum(p.numel() for p in model.parameters())
    run_stage(loop=loop, lora_rank=2, epochs=12, log_every_steps=1)
    assert losses()[-10:].mean() < 0.8 * losses()[:10].mean()
    plain = AutoModelForSequenceClassification.from_pretrained("encoder", num_labels=2).state_dict()
    assert set(weights()) == set(plain)  # no adapter is left
    came, became = load_file("encoder/model.safetensors"), weights()
    adapted = "encoder.layer.1.attention.self.query.weight"
    assert not np.array_equal(came[adapted], became[f"bert.{adapted}"])
    untouched = "embeddings.word_embeddings.weight"
    np.testing.assert_array_equal(came[untouched], became[f"bert.{untouched}"])


def test_lora_with_frozen_layers_is_refused(folder: Path) -> None:  # noqa: F811
    with pytest.raises(ConfigError, match="LoRA freezes the whole encoder: set freeze_embeddings to false"):
        run_stage(lora_rank=2, freeze_layers=1)


def test_class_weights_make_a_rare_class_count(folder: Path) -> None:  # noqa: F811
    """Of a batch the loss is the mean of its examples', each times its class's weight."""
    sessions = {balance: session_of(balance) for balance in ("none", "weights", "sampler")}
    picks = [pick for batch in sessions["weights"].batches for pick in batch]
    labels = np.asarray(sessions["weights"].loader.collate_fn.keywords["table"]["label"])
    totals = np.bincount([labels[p.row] for p in picks], [p.weight for p in picks])
    assert totals[0] == pytest.approx(totals[1], rel=0.1)
    assert len(labels) == 80  # no row of the data is copied
    assert sessions["none"].batches.chances_N is None
    assert sessions["sampler"].batches.chances_N is not None


def session_of(balance: str) -> Session:
    from stages.lib.encoders.heads import AS_THEY_ARE
    from stages.lib.training.checkpoints import Checkpoints
    from stages.lib.training.journal import Watchers

    params = Params(**(KNOBS | {"balance": balance}))
    material = material_here()
    model = make_model(material.task, material.encoder, params)
    return training.make_session(material, params, Watchers(), Checkpoints(Path("c")), model, AS_THEY_ARE, 1)


def material_here() -> training.Material:
    return training.read_material(Path("task.json"), Path("encoder"), Path("tokens.arrow"))


@pytest.mark.parametrize("folder", ["regression", "multi-label"], indirect=True)
def test_what_has_no_classes_of_which_one_holds_is_not_balanced(folder: Path) -> None:  # noqa: F811
    with pytest.raises(ConfigError, match=r"balance: found weights.* set it to none"):
        run_stage(balance="weights")


@pytest.mark.skipif(torch.cuda.is_available(), reason="fp16 is right where there is a GPU")
def test_half_precision_without_a_gpu_is_refused() -> None:
    with pytest.raises(ConfigError, match="found fp16, but no GPU"):
        choose_precision("fp16")


def test_half_precision_by_hand_is_refused(folder: Path) -> None:  # noqa: F811
    with pytest.raises(ConfigError, match=r"found fp16, with loop: plain.* choose bf16"):
        run_stage(loop="plain", precision="fp16")


@pytest.mark.parametrize("processes", [0, -1, "all"])
def test_a_number_of_processes_is_a_number_or_auto(
    folder: Path,  # noqa: F811
    processes: Any,
) -> None:
    with pytest.raises(ConfigError, match=rf"finetune.processes.*: found '?{processes}"):
        run_stage(processes=processes)


def test_the_plain_loop_is_one_process() -> None:
    with pytest.raises(ConfigError, match="processes: found 2, with loop: plain, which is one process"):
        processes_for(Params(**(KNOBS | {"loop": "plain", "processes": 2})))


def test_a_launcher_that_starts_one_process_is_not_started_over_and_over(
    folder: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("one.yaml").touch()
    monkeypatch.setenv(LAUNCHING, "1")
    with pytest.raises(
        ConfigError, match=r"one.yaml: it starts a single process, and finetune.processes asks for 2"
    ):
        launch(Params(**(KNOBS | {"processes": 2, "accelerate_config": "one.yaml"})), 2)


def test_a_configuration_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigError, match=r"accelerate_config: none.yaml: no such file"):
        launch(Params(**(KNOBS | {"accelerate_config": "none.yaml"})), 2)


@of_every_kind
def test_a_training_that_diverges_says_what_to_do(folder: Path) -> None:  # noqa: F811
    with pytest.raises(ConfigError, match=r"learning_rate: training diverged.* lower it"):
        run_stage(learning_rate=1e30, max_gradient_norm=1e30)


def test_it_says_where_and_how_it_trains(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    run_stage(precision="float32", epochs=0.1)
    assert "finetune: trainer on CPU in float32; 80 examples, 1 steps of 8" in capsys.readouterr().out


@pytest.mark.parametrize("loop", ["trainer", "accelerate"])
def test_two_processes_train_what_one_does(folder: Path, loop: str) -> None:  # noqa: F811
    """Each example once an epoch, scores without duplicates, one process that writes."""
    run_stage(loop=loop, **EXACT, select="best")
    alone, validation = losses(), scores_on_validation()
    set_knobs(loop=loop, **EXACT, select="best", processes=2)
    result = launched()
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("finetune: ") == 2  # where it trains, and what came of it
    assert ", 2 processes; 80 examples, 30 steps of 8" in result.stdout
    np.testing.assert_allclose(losses(), alone, rtol=1e-4)
    assert scores_on_validation() == pytest.approx(validation, abs=0.03)


def test_an_error_in_one_of_several_processes_is_told_without_a_traceback_of_the_launcher(
    folder: Path,  # noqa: F811
) -> None:
    set_knobs(loop="accelerate", processes=2, freeze_layers=3)
    result = launched()
    assert result.returncode == 1
    assert "finetune: params.yaml: finetune.freeze_layers: found 3" in result.stderr
    assert "what it said stands above" in result.stderr
    assert "Traceback" not in result.stderr


def scores_on_validation() -> list[float]:
    return list(pl.read_csv("curve/plots/metrics/validation/accuracy.tsv", separator="\t")["accuracy"])


def launched() -> subprocess.CompletedProcess[str]:
    """The stage as DVC runs it."""
    from tests.killed import INS, OUTS

    options = [word for name, path in (INS | OUTS).items() for word in (f"--{name}", path)]
    return subprocess.run(
        (sys.executable, "-m", "stages.finetune", *options),
        env=environment()
        | {"PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
