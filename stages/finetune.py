"""Fine-tune the encoder on the training examples, and calibrate it on the validation examples.

One of three loops (stages/lib/training) over batches of like length, on one device or many. The result loads
in `transformers.pipeline`, answers with label names, and its scores are calibrated: the temperature is
divided out of the head's last layer.

A regression learns its labels in standard deviations from the training labels' mean, so that a learning rate
suits scores from 0 to 5 and prices in thousands alike; both are then put into the head's last layer, which
thus answers in the labels' own unit. The losses of its curve are in variances: 1 is what the mean alone
would have.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import torch
from dvclive import Live
from scmrepo.exceptions import SCMError
from transformers import AutoTokenizer

from stages.lib.cleaning.steps import Cleaning, read_cleaning
from stages.lib.disk import told_of
from stages.lib.encoders.encoding import CUT_FROM, keep_of, max_tokens_of
from stages.lib.encoders.heads import Scale, last_layer, rescale
from stages.lib.encoders.inference import infer, quieten_transformers
from stages.lib.encoders.served import Served, write_served
from stages.lib.labels import array_of
from stages.lib.params import load_params
from stages.lib.stage import InPath, OutPath, run
from stages.lib.statistics.answers import answers
from stages.lib.statistics.calibration import fit_temperature
from stages.lib.statistics.multi_label import fit_thresholds
from stages.lib.statistics.operating import OperatingPoint, operating_points
from stages.lib.statistics.scores import Scores, scores
from stages.lib.tables import replacing_folder, write_json
from stages.lib.task import Task
from stages.lib.training.journal import Watchers
from stages.lib.training.knobs import Params
from stages.lib.training.launching import is_launched, launch, processes_for, share_of
from stages.lib.training.training import Material, Trained, read_material, train
from stages.lib.versions import warn_of_drift


class Fitted(NamedTuple):
    """What validation is for, once training is done."""

    temperature: float | None
    operating: list[OperatingPoint]
    thresholds: list[float] | None
    scores: Scores
    n: int


def calibrate(trained: Trained, material: Material, params: Params) -> Fitted:
    """Put scale and temperature into the head; the scores are those of the model as it is then."""
    model, task, validation = trained.model, material.task, material.validation
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    rescale(last_layer(model), trained.scale)
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
    if not is_launched() and (processes := processes_for(params)) > 1:
        return launch(params, processes)
    warn_of_drift()
    quieten_transformers()
    material = read_material(task, encoder, tokens)
    is_main = share_of(1).process == 0
    with curve_in(curve) if is_main else nullcontext() as live:
        trained = train(material, params, Watchers(live, shown=is_main))
    if trained is None:  # one process writes
        return None
    fitted = calibrate(trained, material, params)
    save(trained.model, encoder, served_as(material, read_cleaning(cleaning), fitted), model)
    write_json(numbers(trained, fitted, params), metrics)
    trained.checkpoints.clear()
    journal = trained.journal
    print(
        f"finetune: {journal.step:,} steps, {journal.epochs:g} epochs, {params.select} checkpoint; "
        f"{told(material.task, fitted)}"
    )
    return None


class Curve(Live):  # type: ignore[misc]
    """DVCLive asks for the commit that an experiment begins from, and fails where git has none yet.

    It needs it for experiments alone, and DVC makes none without a commit.
    """

    def _init_dvc(self) -> None:
        with suppress(SCMError):
            super()._init_dvc()


@contextmanager
def curve_in(folder: Path) -> Iterator[Live]:
    live = Curve(str(folder), dvcyaml=None, save_dvc_exp=False)
    try:
        yield live
    finally:
        with told_of(folder):
            live.end()


def served_as(material: Material, cleaning: Cleaning, fitted: Fitted) -> Served:
    task, validation = material.task, material.validation
    return Served(
        kind=task.kind,
        cleaning=cleaning,
        text_columns=[name for name in (task.columns.text, task.columns.text_pair) if name],
        labels=task.labels,
        max_tokens=max_tokens_of(validation),
        keep=keep_of(validation),
        temperature=fitted.temperature,
        operating=fitted.operating,
        thresholds=fitted.thresholds,
    )


def numbers(trained: Trained, fitted: Fitted, params: Params) -> dict[str, Any]:
    return {
        "steps": trained.journal.step,
        "epochs": trained.journal.epochs,
        "temperature": fitted.temperature,
        "operating": [point.model_dump() for point in fitted.operating],
        "thresholds": fitted.thresholds,
        "selected_on_validation": selects_on_validation(params),
        "validation": fitted.scores | {"n": fitted.n},
    }


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
