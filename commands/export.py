"""Write the fine-tuned model as ONNX: `python -m commands.export`

float32 by torch's own exporter, held to torch on the texts of the labelled roles; int8 by ONNX Runtime's
quantiser, kept only where a paired test on those texts sees no loss. The folder, models/onnx, is all that
`python -m commands.predict in.csv out.csv --onnx models/onnx` needs, torch least of all. Its export.json
reports size, latency of single texts and throughput, beside torch's on this machine's processor.

Shapes: N examples, C classes.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
import pyarrow as pa
import torch
import typer
from pydantic import Field, field_validator
from transformers import AutoModelForSequenceClassification

from commands.lib.exported import (
    BATCH_TOKENS,
    FILE,
    Exported,
    Numbers,
    Runner,
    Weights,
    cores,
    infer,
    session_of,
)
from commands.lib.exporting import write_float32, write_int8
from commands.lib.int8_loss import Rules, Tested, differences, untested
from commands.lib.speeds import HEADS, Measured, in_numbers, measured
from commands.lib.terminal import as_interval, as_p, columns
from stages.lib.arrow import open_stream
from stages.lib.digests import sha256
from stages.lib.encoders import inference
from stages.lib.encoders.encoding import max_tokens_of
from stages.lib.encoders.served import Served, read_served
from stages.lib.exceptions import ConfigError, DataError, EncoderError
from stages.lib.kinds import KINDS
from stages.lib.labels import array_of
from stages.lib.params import StageParams, load_params
from stages.lib.stage import run
from stages.lib.statistics.answers import answers
from stages.lib.tables import replacing_folder, write_json
from stages.lib.task import Task, is_unlabelled, read_task
from stages.lib.versions import warn_of_drift

TASK, TOKENS = Path("data/task.json"), Path("data/tokens.arrow")
NEEDED = ("textrail.json", "tokenizer.json", "config.json", "model.safetensors")
COPIED = ("textrail.json", "tokenizer.json", "config.json", "tokenizer_config.json")
TORCH_BATCH_TOKENS = 4096  # as commands.predict runs it
BOTH: tuple[Numbers, Numbers] = ("float32", "int8")


class Params(StageParams):
    opset: int = Field(ge=18)
    tolerance: float = Field(gt=0)
    examples: int = Field(ge=1)
    single_texts: int = Field(ge=1)
    per_channel: bool
    narrowing_layers: Numbers
    margins: dict[str, float]
    confidence: float = Field(gt=0, lt=1)
    resamples: int = Field(ge=100)
    seed: int

    @field_validator("margins")
    @classmethod
    def _name_scores(cls, margins: dict[str, float]) -> dict[str, float]:
        known = {name for facts in KINDS.values() for name in (*facts.scores, *facts.positive_scores)}
        for name in margins:
            if name not in known:
                raise ValueError(
                    f"no kind of task has a score '{name}'; there are {', '.join(sorted(known))}"
                )
        return margins


def main(
    *,
    model: Annotated[Path, typer.Option(help="a model that `dvc repro` made")] = Path("models/finetuned"),
    output: Annotated[Path, typer.Option(help="the folder that is written")] = Path("models/onnx"),
) -> None:
    """Write the fine-tuned model as ONNX, in float32 and in int8."""
    params = load_params("export", Params)
    warn_of_drift()
    refuse_other_folder(output)
    served, task = read_served(model), read_task(TASK)
    refuse_incomplete(model)
    tokens = labelled(open_stream(TOKENS), params.examples, served)
    with replacing_folder(output) as folder:
        exported = write_files(model, served, task, tokens, params, folder)
        write_json(exported.model_dump(), folder / FILE)
    print("\n".join(told(exported, output)))


def refuse_other_folder(output: Path) -> None:
    """What stands there is replaced; so it must be an export."""
    if output.exists() and not (output / FILE).is_file() and (not output.is_dir() or any(output.iterdir())):
        raise ConfigError(
            f"--output: {output} has no {FILE}, so it is no export; it would be replaced: name another"
        )


def refuse_incomplete(model: Path) -> None:
    for name in NEEDED:
        if not (model / name).is_file():
            raise EncoderError(f"{model / name}: no such file; expected a model that `dvc repro` made")


def labelled(tokens: pa.Table, most: int, served: Served) -> pa.Table:
    """Examples with labels that did not train, at most so many, evenly spaced. Raises DataError."""
    if max_tokens_of(tokens) != served.max_tokens:
        raise DataError(
            f"{TOKENS}: cut at {max_tokens_of(tokens)} tokens, the model was trained at {served.max_tokens}: "
            "run `dvc repro`"
        )
    roles = tokens["role"].to_pylist()
    places = np.array([n for n, role in enumerate(roles) if role != "train" and not is_unlabelled(role)], int)
    if not len(places):
        raise DataError(f"{TOKENS}: no example of a labelled role but train; expected validation or test")
    if len(places) > most:
        places = places[np.linspace(0, len(places) - 1, most).astype(int)]
    return tokens.take(pa.array(places))


def write_files(
    model: Path, served: Served, task: Task, tokens: pa.Table, params: Params, folder: Path
) -> Exported:
    """All files of the folder but export.json. Raises EncoderError where float32 is not what torch says."""
    by_torch = inference.load(AutoModelForSequenceClassification, model).cpu()
    inputs = ["input_ids", "attention_mask", *inference.inputs_read(by_torch, tokens.column_names)[1:]]
    plan = Exported(
        inputs=inputs, padding_id=inference.padding_id_of(by_torch), weights={}, int8="", report={}
    )
    found = {"torch": by_torch_alone(by_torch, tokens, params)}
    paths = {numbers: folder / f"{numbers}.onnx" for numbers in BOTH}
    write_float32(by_torch, example_of(inputs), params.opset, paths["float32"])
    found["float32"] = by_onnx(paths["float32"], plan, tokens, params)
    difference = float(np.abs(found["float32"].logits - found["torch"].logits).max())
    if not difference <= params.tolerance:
        raise EncoderError(
            f"float32: a logit is {difference:.2g} from torch's, on {len(tokens):,} texts; export.tolerance "
            f"is {params.tolerance:g}: nothing was written; try another export.opset"
        )
    write_int8(
        paths["float32"],
        paths["int8"],
        per_channel=params.per_channel,
        narrowing=params.narrowing_layers == "int8",
        base=str(by_torch.base_model_prefix),
    )
    found["int8"] = by_onnx(paths["int8"], plan, tokens, params)
    tests = tests_of(task, served, tokens, found, params)
    report = report_of(tokens, found, tests, difference, paths, model)
    lacking = untested(task, params.margins, tests)
    verdict = verdict_on(tests, lacking)
    if not is_kept(tests, lacking):
        paths.pop("int8").unlink()
    for name in COPIED:
        if (model / name).is_file():
            shutil.copyfile(model / name, folder / name)
    weights = {numbers: weights_of(path) for numbers, path in paths.items()}
    return plan.model_copy(update={"weights": weights, "int8": verdict, "report": report})


def example_of(inputs: list[str]) -> dict[str, torch.Tensor]:
    """Two texts of seven tokens: 0 and 1 would be taken for sizes that never change."""
    return {name: torch.full((2, 7), name != "token_type_ids", dtype=torch.int64) for name in inputs}


def by_torch_alone(model: Any, tokens: pa.Table, params: Params) -> Measured:
    def logits_of(some: pa.Table) -> np.ndarray:
        (logits_NC,) = inference.infer(
            model, some, TORCH_BATCH_TOKENS, lambda outputs, _: (outputs.logits,), title=None
        )
        return logits_NC

    return measured(logits_of, logits_of, tokens, params.single_texts)


def by_onnx(path: Path, plan: Exported, tokens: pa.Table, params: Params) -> Measured:
    """Many texts with a batch a core, a single one with all cores."""
    many, single = (
        Runner(session_of(path, threads), plan, workers) for threads, workers in ((1, cores()), (cores(), 1))
    )
    return measured(
        lambda some: infer(many, some, BATCH_TOKENS),
        lambda some: infer(single, some, BATCH_TOKENS),
        tokens,
        params.single_texts,
    )


def tests_of(
    task: Task, served: Served, tokens: pa.Table, found: dict[str, Measured], params: Params
) -> list[Tested]:
    labels_N = array_of(pl.Series(pl.from_arrow(tokens["label"])), task)
    said = [answers(task, found[numbers].logits, served.thresholds) for numbers in BOTH]
    rules = Rules(params.margins, params.confidence, params.resamples, params.seed)
    return differences(task, labels_N, said[0], said[1], rules)


def is_kept(tests: list[Tested], lacking: list[str]) -> bool:
    """Only where every score with a margin was compared, one at least, and none shows a loss."""
    return bool(tests) and not lacking and not any(test.loss for test in tests)


def verdict_on(tests: list[Tested], lacking: list[str]) -> str:
    """`lacking` are the scores with a margin that could not be compared."""
    if lacking:
        return f"{', '.join(lacking)} is undefined for float32 or int8, so no loss can be ruled out"
    if not tests:
        return "export.margins names no score of this kind of task"
    losses = [test for test in tests if test.loss]
    return "; ".join(map(in_words, losses or tests)) if losses else f"no loss seen: {in_words(tests[0])}"


def in_words(test: Tested) -> str:
    loss = f", {test.loss}" if test.loss else ""
    difference = as_interval(test.difference, test.low, test.high)
    return f"{test.score} {difference} on {test.n:,} texts ({test.test}, p {as_p(test.p)}){loss}"


def report_of(
    tokens: pa.Table,
    found: dict[str, Measured],
    tests: list[Tested],
    difference: float,
    paths: dict[Numbers, Path],
    model: Path,
) -> dict[str, Any]:
    sizes = {"torch": model / "model.safetensors"} | {str(numbers): path for numbers, path in paths.items()}
    return {
        "texts": len(tokens),
        "roles": sorted(set(tokens["role"].to_pylist())),
        "model_sha256": sha256(model / "model.safetensors"),
        "greatest_difference": {
            "float32": float(f"{difference:.3g}"),
            "int8": float(np.abs(found["int8"].logits - found["torch"].logits).max()),
        },
        "int8": [test._asdict() for test in tests],
        "cores": cores(),
        "speed": {name: in_numbers(one, megabytes(sizes[name])) for name, one in found.items()},
    }


def weights_of(path: Path) -> Weights:
    return Weights(file=path.name, sha256=sha256(path), megabytes=round(megabytes(path), 1))


def megabytes(path: Path) -> float:
    return path.stat().st_size / 1e6


def told(exported: Exported, output: Path) -> Iterator[str]:
    report = exported.report
    yield (
        f"export: {output}: {' and '.join(exported.weights)}; float32 within "
        f"{report['greatest_difference']['float32']:.2g} of torch's logits on {report['texts']:,} texts"
    )
    rows = [(f"{report['cores']} core{'s' if report['cores'] > 1 else ''}", *HEADS.values())]
    for name, numbers in report["speed"].items():
        rows.append((name, *(f"{numbers[key]:,}" for key in HEADS)))
    yield from (f"  {line}" for line in columns(rows))
    yield f"  int8: {exported.int8}{'' if 'int8' in exported.weights else ': it is left out'}"


if __name__ == "__main__":
    run(main)
