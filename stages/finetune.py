"""Fine-tune the encoder on the training examples, and calibrate it on the validation examples.

transformers' Trainer over the Arrow file, in batches of like length padded to each batch's longest. The
result loads in `transformers.pipeline`, answers with label names, and its scores are calibrated: the
temperature is divided out of the head's last layer.

A regression learns its labels in standard deviations from the training labels' mean, so that a learning rate
suits scores from 0 to 5 and prices in thousands alike; both are then put into the head's last layer, which
thus answers in the labels' own unit. The losses of its curve are in variances: 1 is what the mean alone
would have.
"""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import torch
from datasets import Dataset
from dvclive import Live
from pydantic import Field
from transformers import (
    AutoTokenizer,
    EarlyStoppingCallback,
    EvalPrediction,
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from stages.lib.arrow import open_stream
from stages.lib.cleaning import read_cleaning
from stages.lib.encoders.batching import padded
from stages.lib.encoders.encoding import CUT_FROM, keep_of, max_tokens_of
from stages.lib.encoders.heads import (
    AS_THEY_ARE,
    TARGETS_OF_KINDS,
    Scale,
    last_layer,
    load_model,
    rescale,
    scale_of,
)
from stages.lib.encoders.inference import infer, inputs_read, padding_id_of, quieten_transformers
from stages.lib.encoders.learning_curve import Curve, Progress
from stages.lib.encoders.metrics import TaskScores
from stages.lib.encoders.served import Served, write_served
from stages.lib.exceptions import ConfigError
from stages.lib.kinds import Kind
from stages.lib.labels import array_of
from stages.lib.params import StageParams, load_params
from stages.lib.stage import InPath, OutPath, run
from stages.lib.statistics.answers import answers
from stages.lib.statistics.calibration import fit_temperature
from stages.lib.statistics.multi_label import fit_thresholds
from stages.lib.statistics.operating import OperatingPoint, operating_points
from stages.lib.statistics.scores import Scores, scores
from stages.lib.tables import replacing_folder, write_json
from stages.lib.task import Task, read_task
from stages.lib.versions import warn_of_drift

CHECKPOINTS = Path(".textrail/checkpoints")  # outside the outs: DVC deletes those before a run
# What else encoders, decoders and encoder-decoders answer with: hidden states by the gigabyte.
NOT_LOGITS = [
    "hidden_states",
    "attentions",
    "past_key_values",
    "decoder_hidden_states",
    "decoder_attentions",
    "cross_attentions",
    "encoder_last_hidden_state",
    "encoder_hidden_states",
    "encoder_attentions",
]


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


def make_trainer(task: Task, model: Any, tokens: Path, scale: Scale, params: Params, live: Live) -> Trainer:
    examples = Dataset.from_file(str(tokens)).remove_columns("id")
    metric = TaskScores(task)
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
            padding_id=padding_id_of(model),
            targets=partial(TARGETS_OF_KINDS[task.kind], task=task, scale=scale),
        ),
        compute_metrics=lambda judged: score(metric, judged, scale),
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    return trainer


def training_arguments(task: Task, params: Params) -> TrainingArguments:
    """Raises ConfigError."""
    if params.label_smoothing and not task.facts.has_probabilities:
        raise ConfigError(
            f"params.yaml: finetune.label_smoothing: found {params.label_smoothing}; it spreads a label's "
            f"weight over the other classes, and a {task.kind} task has none: set it to 0"
        )
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
        greater_is_better=not task.lower_is_better(task.metrics[0]),
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


def collate(
    rows: list[dict[str, Any]],
    columns: list[str],
    padding_id: int,
    targets: Callable[[list[Any]], torch.Tensor],
) -> dict[str, torch.Tensor]:
    inputs = padded({name: [row[name] for row in rows] for name in columns}, padding_id)
    return inputs | {"labels": targets([row["label"] for row in rows])}


def score(metric: TaskScores, judged: EvalPrediction, scale: Scale) -> dict[str, float]:
    """As training goes; several labels a text count from a probability of 0.5. An undefined score is 0."""
    logits_NC = np.asarray(judged.predictions)
    answered, told = JUDGED_OF_KINDS[metric.task.kind](logits_NC, np.asarray(judged.label_ids), scale)
    values = metric.compute(predictions=answered, references=told)
    return {name: value or 0.0 for name, value in values.items()}


JUDGED_OF_KINDS: dict[Kind, Callable[[np.ndarray, np.ndarray, Scale], tuple[np.ndarray, np.ndarray]]] = {
    "classification": lambda logits_NC, label_N, _: (logits_NC.argmax(axis=1), label_N),
    "regression": lambda logits_N1, label_N, scale: (
        scale.mean + scale.spread * logits_N1.reshape(-1).astype(np.float64),
        scale.mean + scale.spread * label_N.astype(np.float64),
    ),
    "multi-label": lambda logits_NC, label_NC, _: (logits_NC > 0, label_NC > 0.5),
}


class Fitted(NamedTuple):
    """What validation is for, once training is done."""

    temperature: float | None
    operating: list[OperatingPoint]
    thresholds: list[float] | None
    scores: Scores
    n: int


def calibrate(model: Any, validation: pa.Table, task: Task, params: Params) -> Fitted:
    """Divide the temperature out of the head; scores are those of the model as it is then."""
    (logits_NC,) = infer(
        model, validation, params.batch_tokens, lambda outputs, _: (outputs.logits,), title="calibrate"
    )
    labels_N = array_of(pl.Series(pl.from_arrow(validation["label"])), task)
    temperature = fit_temperature(task.kind, logits_NC, labels_N)
    if temperature is not None:
        rescale(last_layer(model), Scale(0.0, 1 / temperature))
        logits_NC = logits_NC / temperature
    thresholds = fit_thresholds(logits_NC, labels_N) if task.facts.has_thresholds else None
    predicted_N = answers(task, logits_NC, thresholds)
    operating = operating_points(logits_NC, labels_N) if task.facts.has_probabilities else []
    return Fitted(temperature, operating, thresholds, scores(task, labels_N, predicted_N), len(labels_N))


def save(model: Any, encoder: Path, served: Served, path: Path) -> None:
    with replacing_folder(path) as folder:
        model.save_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(encoder, trust_remote_code=False)
        tokenizer.model_max_length = served.max_tokens
        tokenizer.init_kwargs["truncation_side"] = tokenizer.truncation_side = CUT_FROM[served.keep]
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
    fresh = load_model(what, encoder, params.seed)
    table = open_stream(tokens)
    validation, train = (table.filter(pc.field("role") == role) for role in ("validation", "train"))
    scale = AS_THEY_ARE
    if not what.facts.has_classes:
        scale = scale_of(np.asarray(train["label"]), has_bias=last_layer(fresh).bias is not None)
    with Live(str(curve), dvcyaml=None, save_dvc_exp=False) as live:
        trainer = make_trainer(what, fresh, tokens, scale, params, live)
        trainer.train(ignore_keys_for_eval=NOT_LOGITS)
    trained = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False).eval()
    shutil.rmtree(CHECKPOINTS, ignore_errors=True)
    rescale(last_layer(trained), scale)
    fitted = calibrate(trained, validation, what, params)
    served = Served(
        kind=what.kind,
        cleaning=read_cleaning(cleaning),
        text_columns=[name for name in (what.columns.text, what.columns.text_pair) if name],
        labels=what.labels,
        max_tokens=max_tokens_of(validation),
        keep=keep_of(validation),
        temperature=fitted.temperature,
        operating=fitted.operating,
        thresholds=fitted.thresholds,
    )
    save(trained, encoder, served, model)
    steps, epochs = trainer.state.global_step, trainer.state.epoch
    numbers = {
        "steps": steps,
        "epochs": epochs,
        "temperature": fitted.temperature,
        "operating": [point.model_dump() for point in fitted.operating],
        "thresholds": fitted.thresholds,
        "selected_on_validation": selects_on_validation(params),
        "validation": fitted.scores | {"n": fitted.n},
    }
    write_json(numbers, metrics)
    print(f"finetune: {steps:,} steps, {epochs:g} epochs, {params.select} checkpoint; {told(what, fitted)}")


def selects_on_validation(params: Params) -> bool:
    """Whether the figures on validation are of the best of several checkpoints, and flatter."""
    return params.select == "best" or params.patience is not None


def told(task: Task, fitted: Fitted) -> str:
    value = fitted.scores[task.metrics[0]]
    shown = "undefined" if value is None else f"{value:.3f}"
    scored = f"validation {task.metrics[0]} {shown} (n {fitted.n:,})"
    return scored if fitted.temperature is None else f"{scored}; temperature {fitted.temperature:.2f}"


if __name__ == "__main__":
    run(main)
