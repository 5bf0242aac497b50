"""What fine-tuned models say of training rows that they did not see: a model a fold, trained on the others.

Each is trained and calibrated as stage finetune does it, and goes on from its own checkpoints after it was
killed. What it said is kept among those, so that a fold that is done is not trained again.

Shapes: N examples, C classes.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import torch

from stages.lib.digests import digest_of
from stages.lib.encoders.heads import last_layer, rescale
from stages.lib.encoders.inference import infer
from stages.lib.labels import array_of
from stages.lib.statistics.calibration import fit_temperature
from stages.lib.statistics.multi_label import fit_thresholds
from stages.lib.tables import replacing
from stages.lib.training.checkpoints import Checkpoints, checkpoints_of
from stages.lib.training.journal import Watchers
from stages.lib.training.knobs import Params
from stages.lib.training.launching import share_of
from stages.lib.training.training import Material, Trained, key_of, train


class Answer(NamedTuple):
    logits: np.ndarray  # float32 [N, C] of the fold's rest, calibrated
    temperature: float | None
    thresholds: list[float] | None  # of several labels a row, as validation chose them


class Fold(NamedTuple):
    material: Material  # its training rows are those that this fold's model learns from
    rest: pa.Table  # those that it does not
    kept: Checkpoints  # where its answer is kept; to be cleared once all answers are safe

    @property
    def path(self) -> Path:
        return self.kept.folder / "answer.npz"

    def answer(self) -> Answer:
        """Once it is trained."""
        with np.load(self.path) as found:
            temperature = float(found["temperature"]) if "temperature" in found else None
            thresholds = found["thresholds"].tolist() if "thresholds" in found else None
            return Answer(found["logits"], temperature, thresholds)


def make_fold(material: Material, is_held_out_N: np.ndarray, params: Params) -> Fold:
    rest = material.train.filter(pa.array(is_held_out_N))
    learned = material._replace(train=material.train.filter(pa.array(~is_held_out_N)))
    return Fold(learned, rest, checkpoints_of(digest_of(key_of(learned, params), rest)))


def train_fold(fold: Fold, params: Params) -> None:
    """Its answer is kept, by the first of several processes. Raises what `train` raises."""
    if fold.path.is_file():
        return
    trained = train(fold.material, params, Watchers(shown=share_of(1).process == 0))
    if trained is None:
        return
    answer = ask(trained, fold, params)
    fold.kept.folder.mkdir(parents=True, exist_ok=True)
    with replacing(fold.path) as partial, partial.open("wb") as file:
        np.savez(file, **{name: value for name, value in answer._asdict().items() if value is not None})
    trained.checkpoints.clear()


def ask(trained: Trained, fold: Fold, params: Params) -> Answer:
    """The temperature is fitted on validation, and divides what is said of the rest."""
    model, task, validation = trained.model, fold.material.task, fold.material.validation
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    rescale(last_layer(model), trained.scale)
    known_NC = logits_of(model, validation, params)
    labels_N = array_of(pl.Series(pl.from_arrow(validation["label"])), task)
    temperature = fit_temperature(task.kind, known_NC, labels_N)
    logits_NC = logits_of(model, fold.rest, params)
    if temperature is not None:
        known_NC, logits_NC = known_NC / temperature, logits_NC / temperature
    thresholds = fit_thresholds(known_NC, labels_N) if task.facts.has_thresholds else None
    return Answer(logits_NC, temperature, thresholds)


def logits_of(model: Any, table: pa.Table, params: Params) -> np.ndarray:
    (logits_NC,) = infer(model, table, params.batch_tokens, lambda outputs, _: (outputs.logits,), title=None)
    return logits_NC
