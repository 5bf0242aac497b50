"""A model as ONNX in a folder of its own: what stands there, and how it answers without torch.

The folder holds all that serving takes: the weights, the tokenizer, the cleaning steps and thresholds of
textrail.json, and export.json, which says what each file is and what export measured.

Shapes: N examples, B of them in a batch, T tokens in the longest of the batch, C classes.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import onnxruntime
import polars as pl
import pyarrow as pa

from stages.lib.behaviour.said import SAID_OF_KINDS, reader
from stages.lib.config import StrictModel
from stages.lib.digests import sha256
from stages.lib.encoders.batching import by_length
from stages.lib.encoders.served import Served, read_record
from stages.lib.exceptions import EncoderError

FILE = "export.json"
LOGITS = "logits"  # the one output
BATCH_TOKENS = 512  # on one core a small batch's states stay in its cache: 4,096 took half as long again
ERRORS_ONLY = 3  # of ONNX Runtime's log

Numbers = Literal["float32", "int8"]


class Weights(StrictModel):
    file: str
    sha256: str
    megabytes: float


class Exported(StrictModel):
    inputs: list[str]  # by name, among the columns of tokens; attention_mask is made
    padding_id: int
    weights: dict[Numbers, Weights]  # int8 only where it counts
    int8: str  # why it counts, or does not
    report: dict[str, Any]  # what export measured, for people


class Runner(NamedTuple):
    session: onnxruntime.InferenceSession
    exported: Exported
    threads: int


def read_exported(folder: Path) -> Exported:
    """Raises EncoderError where the folder holds no model that `commands.export` wrote."""
    return read_record(
        folder / FILE,
        Exported,
        expected="expected a folder that `python -m commands.export` wrote",
        otherwise="run `python -m commands.export` again",
    )


def chosen_numbers(exported: Exported, int8: bool | None) -> Numbers:
    """Those asked for; int8 where nothing was asked for and it counts. Raises EncoderError."""
    if int8 and "int8" not in exported.weights:
        raise EncoderError(
            f"--int8: the export left it out: {exported.int8}; take --float32, or change the section export "
            "of params.yaml and run `python -m commands.export` again"
        )
    wants_int8 = "int8" in exported.weights if int8 is None else int8
    return "int8" if wants_int8 else "float32"


def load_runner(folder: Path, exported: Exported, numbers: Numbers) -> Runner:
    """Raises EncoderError where the file is not the one that was checked."""
    weights = exported.weights[numbers]
    path = folder / weights.file
    found = sha256(path) if path.is_file() else None
    if found != weights.sha256:
        problem = "no such file" if found is None else f"its SHA-256 is {found[:12]}..."
        raise EncoderError(
            f"{path}: {problem}; {FILE} has {weights.sha256[:12]}...: run `python -m commands.export` again"
        )
    return Runner(session_of(path, threads=1), exported, cores())


def session_of(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    options.enable_mem_pattern = False  # one is kept for each shape, and batches have hundreds
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def cores() -> int:
    """Those that this process may use; OMP_NUM_THREADS, which limits torch, limits this too."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def labeller(
    folder: Path, served: Served, runner: Runner, batch_tokens: int
) -> Callable[[pl.DataFrame], np.ndarray]:
    """As behaviour.labelling.labeller."""
    read, say = reader(folder, served), SAID_OF_KINDS[served.kind]
    return lambda texts: say(infer(runner, read(texts), batch_tokens))


def infer(runner: Runner, tokens: pa.Table, batch_tokens: int) -> np.ndarray:
    """Logits of every row, float32 [N, C]: each batch on a core of its own."""
    session, exported, threads = runner
    columns = {name: flat(tokens[name]) for name in exported.inputs if name != "attention_mask"}
    lengths_N = np.maximum(1, np.diff(columns["input_ids"].offsets))

    def logits_of(rows: np.ndarray) -> np.ndarray:
        feeds = inputs_of(rows, columns, lengths_N, exported.padding_id)
        return np.asarray(session.run([LOGITS], feeds)[0])

    classes = session.get_outputs()[0].shape[1]
    logits_NC = np.empty((len(tokens), classes), np.float32)
    batches = list(by_length(lengths_N, batch_tokens))
    with ThreadPoolExecutor(threads) as pool:
        for rows, logits_BC in zip(batches, pool.map(logits_of, batches), strict=True):
            logits_NC[rows] = logits_BC
    return logits_NC


class Flat(NamedTuple):
    """Lists of ids as one array, and where each begins and ends."""

    values: np.ndarray
    offsets: np.ndarray


def flat(column: pa.ChunkedArray) -> Flat:
    """Of list<int32>, from its buffers: Arrow's own way to numpy imports pandas."""
    lists = column.combine_chunks()
    if not len(lists):
        return Flat(np.empty(0, np.int32), np.zeros(1, np.int32))
    offsets = np.frombuffer(lists.buffers()[1], np.int32)[lists.offset : lists.offset + len(lists) + 1]
    values = lists.values
    held = np.frombuffer(values.buffers()[1] or b"", np.int32)[values.offset :]
    return Flat(held, offsets)


def inputs_of(
    rows: np.ndarray, columns: dict[str, Flat], lengths_N: np.ndarray, padding_id: int
) -> dict[str, np.ndarray]:
    """int64 [B, T] each, padded on the right; a text without any token is read as one of padding."""
    shape = len(rows), int(lengths_N[rows].max())
    fillers = {name: padding_id if name == "input_ids" else 0 for name in columns}
    inputs = {name: np.full(shape, filler, dtype=np.int64) for name, filler in fillers.items()}
    for name, (values, offsets) in columns.items():
        for row_T, row in zip(inputs[name], rows, strict=True):
            start, end = offsets[row], offsets[row + 1]
            row_T[: end - start] = values[start:end]
    inputs["attention_mask"] = (np.arange(shape[1]) < lengths_N[rows, None]).astype(np.int64)
    return inputs
