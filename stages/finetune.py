"""Fine-tune the encoder on the training examples, and calibrate it on the validation examples.

transformers' Trainer over the Arrow file, in batches of like length padded to each batch's longest. The
result loads in `transformers.pipeline`, answers with label names, and its scores are calibrated: the
temperature is divided out of the head's last layer.
"""

import shutil
import time
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from datasets import Dataset
from dvclive import Live
from pydantic import Field
from tqdm import tqdm
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    EarlyStoppingCallback,
    EvalPrediction,
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from stages.lib.arrow import open_stream
from stages.lib.batching import padded
from stages.lib.calibration import fit_temperature
from stages.lib.cleaning import read_cleaning
from stages.lib.encoding import max_tokens_of
from stages.lib.exceptions import ConfigError
from stages.lib.inference import infer, inputs_read, quieten_transformers
from stages.lib.metrics import ClassificationScores
from stages.lib.operating import OperatingPoint, operating_points
from stages.lib.params import StageParams, load_params
from stages.lib.scores import scores
from stages.lib.served import Served, write_served
from stages.lib.stage import InPath, OutPath, run
from stages.lib.tables import replacing_folder, write_json
from stages.lib.task import Task, read_task
from stages.lib.versions import warn_of_drift

CHECKPOINTS = Path(".textrail/checkpoints")  # outside the outs: DVC deletes those before a run
STEPS_UNTIL_ESTIMATE = 20


class Params(StageParams):
    seed: int
    epochs: float = Field(gt=0)
    learning_rate: float = Field(gt=0)
    batch_size: int = Field(ge=1)
    warmup_fraction: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0)
    label_smoothing: float = Field(ge=0, lt=1)
    max_gradient_norm: float = Field(gt=0)
    precision: Literal["auto", "float32", "bf16", "fp16"]
    select: Literal["last", "best"]
    patience: int | None = Field(ge=1)
    log_every_steps: int = Field(ge=1)
    batch_tokens: int = Field(ge=1)


class Curve(TrainerCallback):  # type: ignore[misc]
    """The learning curve through DVCLive: losses, learning rate and validation scores, never a time."""

    def __init__(self, live: Live):
        self.live = live

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any) -> None:
        self.live.step = state.global_step
        for name, value in logs.items():
            if name in ("loss", "learning_rate"):
                self.live.log_metric(f"train/{name}", value)
            elif name.startswith("eval_") and not name.endswith(("_time", "runtime", "_per_second")):
                self.live.log_metric(f"validation/{name.removeprefix('eval_')}", value)


class Progress(TrainerCallback):  # type: ignore[misc]
    """A bar; and once, after twenty steps, how many minutes remain."""

    def __init__(self, tokens_per_epoch: int):
        self.tokens_per_epoch = tokens_per_epoch

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar = tqdm(total=state.max_steps, desc="finetune", unit=" steps", disable=None)
        self.begun = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.update()
        if state.global_step == STEPS_UNTIL_ESTIMATE < state.max_steps:
            # by tokens, not steps: the first batches are the longest
            remaining = self.tokens_per_epoch * args.num_train_epochs / state.num_input_tokens_seen - 1
            minutes = max(0.0, remaining) * (time.monotonic() - self.begun) / 60
            self.bar.write(f"finetune: about {minutes:.1f} minutes remain of {state.max_steps:,} steps")

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any) -> None:
        if "loss" in logs:
            self.bar.set_postfix(loss=f"{logs['loss']:.3f}")

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.close()


def make_trainer(task: Task, encoder: Path, tokens: Path, params: Params, live: Live) -> Trainer:
    set_seed(params.seed)  # before the head is made
    model = AutoModelForSequenceClassification.from_pretrained(
        encoder,
        dtype=torch.float32,
        id2label=dict(enumerate(task.labels)),
        label2id={name: number for number, name in enumerate(task.labels)},
        trust_remote_code=False,
    )
    examples = Dataset.from_file(str(tokens)).remove_columns("id")
    metric = ClassificationScores(task)
    train = of_role(examples, "train")
    callbacks: list[TrainerCallback] = [Curve(live), Progress(int(np.sum(train["length"])))]
    if params.patience is not None:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=params.patience))
    trainer = Trainer(
        model=model,
        args=training_arguments(task, params),
        train_dataset=train,
        eval_dataset=of_role(examples, "validation"),
        data_collator=partial(
            collate,
            columns=inputs_read(model, examples.column_names),
            padding_id=model.config.pad_token_id or 0,
        ),
        compute_metrics=lambda judged: score(metric, judged),
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    return trainer


def training_arguments(task: Task, params: Params) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(CHECKPOINTS),
        seed=params.seed,
        num_train_epochs=params.epochs,
        learning_rate=params.learning_rate,
        warmup_steps=params.warmup_fraction,  # below 1: a share of all steps
        weight_decay=params.weight_decay,
        label_smoothing_factor=params.label_smoothing,
        max_grad_norm=params.max_gradient_norm,
        per_device_train_batch_size=params.batch_size,
        per_device_eval_batch_size=params.batch_size * 2,
        train_sampling_strategy="group_by_length",
        remove_unused_columns=False,  # the sampler needs the lengths
        eval_strategy="epoch",
        include_num_input_tokens_seen="non_padding",
        save_strategy="best" if params.select == "best" else "no",
        save_only_model=True,
        save_total_limit=1,
        load_best_model_at_end=params.select == "best",
        metric_for_best_model=task.metrics[0],
        greater_is_better=True,
        logging_steps=params.log_every_steps,
        dataloader_pin_memory=torch.cuda.is_available(),
        disable_tqdm=True,
        **precision(params.precision),
    )


def precision(wanted: str) -> dict[str, bool]:
    """Autocast; the weights stay float32. `auto` is bf16 on a device that computes in it, else float32."""
    on_gpu = torch.cuda.is_available()
    if wanted == "fp16" and not on_gpu:
        raise ConfigError(
            "params.yaml: finetune.precision: found fp16, but no GPU; choose auto, bf16 or float32"
        )
    if wanted == "auto":
        native = torch.cuda.is_bf16_supported(including_emulation=False) if on_gpu else cpu_computes_in_bf16()
        wanted = "bf16" if native else "float32"
    bf16 = wanted == "bf16"
    return {"bf16": bf16, "fp16": wanted == "fp16", "use_cpu": bf16 and not on_gpu}


def cpu_computes_in_bf16() -> bool:
    abilities = torch.cpu.get_capabilities()
    return bool(abilities.get("avx512_bf16") or abilities.get("amx_bf16"))


def of_role(examples: Dataset, role: str) -> Dataset:
    return examples.select(np.flatnonzero(np.asarray(examples["role"]) == role)).remove_columns("role")


def collate(rows: list[dict[str, Any]], columns: list[str], padding_id: int) -> dict[str, torch.Tensor]:
    inputs = padded({name: [row[name] for row in rows] for name in columns}, padding_id)
    return inputs | {"labels": torch.tensor([row["label"] for row in rows])}


def score(metric: ClassificationScores, judged: EvalPrediction) -> dict[str, float]:
    predicted_N = np.asarray(judged.predictions).argmax(axis=1)
    return dict(metric.compute(predictions=predicted_N, references=judged.label_ids))


class Fitted(NamedTuple):
    """What validation is for, once training is done."""

    temperature: float
    operating: list[OperatingPoint]
    scores: dict[str, float]  # and `n`


def calibrate(model: Any, validation: pa.Table, task: Task, params: Params) -> Fitted:
    """Divide the temperature out of the head, which leaves the scores as they are."""
    (logits_NC,) = infer(
        model, validation, params.batch_tokens, lambda outputs, _: (outputs.logits,), title="calibrate"
    )
    labels_N = np.asarray(validation["label"])
    temperature = fit_temperature(logits_NC, labels_N)
    head = [
        module
        for module in model.modules()
        if isinstance(module, torch.nn.Linear) and module.out_features == len(task.labels)
    ][-1]
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.div_(temperature)
    scored = scores(task, labels_N, logits_NC.argmax(axis=1)) | {"n": len(labels_N)}
    return Fitted(temperature, operating_points(logits_NC / temperature, labels_N), scored)


def save(model: Any, encoder: Path, served: Served, path: Path) -> None:
    with replacing_folder(path) as folder:
        model.save_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(encoder, trust_remote_code=False)
        tokenizer.model_max_length = served.max_tokens
        tokenizer.init_kwargs.pop("local_files_only", None)  # else HF_HUB_OFFLINE stands in an out
        tokenizer.save_pretrained(folder)
        write_served(served, folder)


def main(
    *,
    task: InPath,
    cleaning: InPath,
    encoder: InPath,
    tokens: InPath,
    model: OutPath,
    curve: OutPath,
    metrics: OutPath,
) -> None:
    params = load_params("finetune", Params)
    warn_of_drift()
    quieten_transformers()
    what = read_task(task)
    with Live(str(curve), dvcyaml=None, save_dvc_exp=False) as live:
        trainer = make_trainer(what, encoder, tokens, params, live)
        trainer.train()
    trained = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False).eval()
    shutil.rmtree(CHECKPOINTS, ignore_errors=True)
    validation = open_stream(tokens).filter(pc.field("role") == "validation")
    fitted = calibrate(trained, validation, what, params)
    served = Served(
        cleaning=read_cleaning(cleaning),
        text_columns=[name for name in (what.columns.text, what.columns.text_pair) if name],
        labels=what.labels,
        max_tokens=max_tokens_of(validation),
        temperature=fitted.temperature,
        operating=fitted.operating,
    )
    save(trained, encoder, served, model)
    steps, epochs = trainer.state.global_step, trainer.state.epoch
    operating = [point.model_dump() for point in fitted.operating]
    ran = {"steps": steps, "epochs": epochs, "temperature": fitted.temperature, "operating": operating}
    scored = fitted.scores
    write_json(ran | {"validation": scored}, metrics)
    print(
        f"finetune: {steps:,} steps, {epochs:g} epochs, {params.select} checkpoint; "
        f"validation {what.metrics[0]} {scored[what.metrics[0]]:.3f} (n {scored['n']:,}); "
        f"temperature {fitted.temperature:.2f}"
    )


if __name__ == "__main__":
    run(main)
