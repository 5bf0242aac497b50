"""A model fine-tuned on a token table by one of the three loops: what the stage does once, a search often.

It goes on from the run's last whole checkpoint, and takes smaller passes where memory is short.
"""

import gc
import math
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from stages.lib.allocation import keep_memory
from stages.lib.arrow import open_stream
from stages.lib.digests import code_digest, digest_of
from stages.lib.encoders.heads import AS_THEY_ARE, TARGETS_OF_KINDS, Scale, last_layer, scale_of
from stages.lib.encoders.inference import inputs_read, padding_id_of
from stages.lib.exceptions import ConfigError, DeviceError
from stages.lib.task import Task, read_task
from stages.lib.training.adapting import make_model, merged
from stages.lib.training.batches import Batches, balanced_weights, loader
from stages.lib.training.checkpoints import Checkpoints, alone, checkpoints_of
from stages.lib.training.dropout import cheapen_dropout
from stages.lib.training.journal import Journal, Plan, Watchers
from stages.lib.training.knobs import LoopName, Params
from stages.lib.training.launching import OUT_OF_MEMORY, is_launched, share_of
from stages.lib.training.loop import train_plain, train_with_accelerate
from stages.lib.training.metrics import TaskScores
from stages.lib.training.optimization import choose_precision
from stages.lib.training.session import Session
from stages.lib.training.trainer import train_with_trainer
from stages.lib.training.validation import Validation

LOOPS: dict[LoopName, Callable[[Session], dict[str, Any]]] = {
    "trainer": train_with_trainer,
    "plain": train_plain,
    "accelerate": train_with_accelerate,
}


class Material(NamedTuple):
    """What there is to learn, and from what."""

    task: Task
    encoder: Path
    train: pa.Table  # of data/tokens.arrow
    validation: pa.Table


def read_material(task: Path, encoder: Path, tokens: Path) -> Material:
    table = open_stream(tokens)
    train_rows, validation = (table.filter(pc.field("role") == role) for role in ("train", "validation"))
    return Material(read_task(task), encoder, train_rows, validation)


class Trained(NamedTuple):
    model: Any  # on the CPU; of a regression it answers in `scale`
    scale: Scale
    journal: Journal
    checkpoints: Checkpoints  # to be cleared once the model is safe


def train(material: Material, params: Params, watchers: Watchers) -> Trained | None:
    """None in all processes but the first. Raises ConfigError, DeviceError, CheckpointError."""
    check(material.task, params)
    keep_memory()
    checkpoints = checkpoints_of(key_of(material, params))
    if share_of(1).process > 0:
        return attempt_until_it_fits(material, params, watchers, checkpoints)
    with alone(checkpoints):
        return attempt_until_it_fits(material, params, watchers, checkpoints)


def forget(material: Material, params: Params) -> None:
    """The checkpoints of a run that nobody will go on with."""
    checkpoints_of(key_of(material, params)).clear()


def attempt_until_it_fits(
    material: Material, params: Params, watchers: Watchers, checkpoints: Checkpoints
) -> Trained | None:
    while True:
        passes = checkpoints.passes(params.gradient_accumulation)
        try:
            return attempt(material, params, watchers, checkpoints, passes)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        take_smaller_passes(checkpoints, passes, params)


def is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator: can't allocate" in str(error)


def take_smaller_passes(checkpoints: Checkpoints, passes: int, params: Params) -> None:
    """Raises DeviceError where they cannot become smaller."""
    processes = share_of(1).processes
    at_once = -(-params.batch_size // processes // passes)
    if at_once == 1:
        raise DeviceError(
            "the device runs out of memory with a single example at a time: set "
            "finetune.gradient_checkpointing to true, choose a smaller encoder, or lower tokenize.max_tokens"
        )
    checkpoints.remember_passes(2 * passes)
    print(
        f"finetune: out of memory with {at_once} examples at a time; taking half of them, and "
        f"gradient_accumulation {2 * passes} instead of {passes}: a step stays at {params.batch_size}",
        file=sys.stderr,
    )
    if is_launched():
        sys.exit(OUT_OF_MEMORY)  # the other processes wait for this one in vain
    gc.collect()
    torch.cuda.empty_cache()


def attempt(
    material: Material, params: Params, watchers: Watchers, checkpoints: Checkpoints, passes: int
) -> Trained | None:
    task, share = material.task, share_of(passes)
    model = make_model(task, material.encoder, params)
    head = last_layer(model)
    scale = AS_THEY_ARE
    if not task.facts.has_classes:
        scale = scale_of(np.asarray(material.train["label"]), has_bias=head.bias is not None)
    cheapen_dropout(model)
    session = make_session(material, params, watchers, checkpoints, model, scale, passes)
    tell(session, material)
    weights = LOOPS[params.loop](session)
    session.journal.end()
    if share.process > 0:
        return None
    if params.select == "best":
        best = checkpoints.best(session.journal.best_step or 0)
        weights = torch.load(best, map_location="cpu", weights_only=True)
    trained = make_model(task, material.encoder, params)
    trained.load_state_dict(weights)
    return Trained(merged(trained).eval(), scale, session.journal, checkpoints)


def make_session(
    material: Material,
    params: Params,
    watchers: Watchers,
    checkpoints: Checkpoints,
    model: Any,
    scale: Scale,
    passes: int,
) -> Session:
    task, share = material.task, share_of(passes)
    targets = partial(TARGETS_OF_KINDS[task.kind], task=task, scale=scale)
    batches = make_batches(material.train, params, passes)
    plan = Plan(
        steps=math.ceil(params.epochs * batches.steps_per_epoch),
        steps_per_epoch=batches.steps_per_epoch,
        examples_per_epoch=len(material.train),
        log_every_steps=params.log_every_steps,
        checkpoint_every_steps=params.checkpoint_every_steps,
        patience=params.patience,
        metric=task.metrics[0],
        lower_is_better=task.lower_is_better(task.metrics[0]),
    )
    columns = inputs_read(model, material.train.column_names)
    return Session(
        kind=task.kind,
        model=model,
        params=params,
        precision=choose_precision(params.precision),
        batches=batches,
        loader=loader(material.train, batches, columns, padding_id_of(model), targets),
        validation=Validation(material.validation, TaskScores(task), targets, scale, params.batch_tokens),
        journal=Journal(plan, watchers, is_main=share.process == 0),
        checkpoints=checkpoints,
    )


def make_batches(train: pa.Table, params: Params, passes: int) -> Batches:
    weights_N, chances_N = np.ones(len(train)), None
    if params.balance != "none":
        balanced_N = balanced_weights(np.asarray(train["label"]))
        if params.balance == "weights":
            weights_N = balanced_N
        else:
            chances_N = balanced_N / balanced_N.sum()
    return Batches(
        np.asarray(train["length"]), weights_N, chances_N, params.batch_size, params.seed, share_of(passes)
    )


def check(task: Task, params: Params) -> None:
    """Raises ConfigError where a knob means nothing for this kind of task or loop."""
    if params.precision == "fp16" and params.loop == "plain":
        raise ConfigError(
            "params.yaml: finetune.precision: found fp16, with loop: plain, which does not scale its loss: "
            "small gradients would vanish; choose bf16, or loop: accelerate or trainer"
        )
    if params.label_smoothing and not task.facts.has_probabilities:
        raise ConfigError(
            f"params.yaml: finetune.label_smoothing: found {params.label_smoothing}; it spreads a label's "
            f"weight over the other classes, and a {task.kind} task has none: set it to 0"
        )
    if params.balance != "none" and not task.facts.has_probabilities:
        raise ConfigError(
            f"params.yaml: finetune.balance: found {params.balance}; it makes rare classes count as much as "
            f"frequent ones, and a {task.kind} task has no classes of which one holds: set it to none"
        )


def key_of(material: Material, params: Params) -> str:
    """What decides the weights and the curve: a checkpoint of anything else is never gone on from."""
    computing = {name: version(name) for name in ("torch", "transformers", "accelerate", "numpy")}
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return digest_of(
        params.model_dump(),
        material.task.model_dump(),
        material.encoder,
        material.train,
        material.validation,
        code_digest(),
        computing,
        [device, share_of(1).processes],
    )


def tell(session: Session, material: Material) -> None:
    """Where and how it trains, and from where it goes on: once."""
    share, params, plan = session.batches.share, session.params, session.journal.plan
    if share.process > 0 or not session.journal.watchers.shown:
        return
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    several = f", {share.processes} processes" if share.processes > 1 else ""
    chosen = " (auto)" if params.precision == "auto" else ""
    print(
        f"finetune: {params.loop} on {device} in {session.precision}{chosen}{several}; "
        f"{len(material.train):,} examples, {plan.steps:,} steps of {params.batch_size}"
    )
    if newest := session.checkpoints.newest():
        print(f"finetune: goes on from step {newest.name.split('-')[1]}")
