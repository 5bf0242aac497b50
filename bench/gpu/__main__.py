"""Training and inference on one GPU, way beside way: `python -m bench.gpu`, eight minutes at most, offline.

BERT-base- and DistilBERT-shaped models with random weights, and the packaged encoder. Against the Trainer's
defaults, float32 and padded to the longest of all, in pairs; then every other way once. Without a GPU it says
so and measures nothing; `--tiny` then runs all of it on the CPU with tiny models, to show that it runs.
"""

import platform
import tempfile
import time
from pathlib import Path
from typing import Annotated

import torch
import typer

from bench import measuring
from bench.gpu.changes import device, tf32
from bench.gpu.goals import at_fixed_length, goals, in_turns
from bench.gpu.scales import FULL, TINY, Scale
from bench.gpu.settings import Setting, make_settings
from bench.gpu.table import table
from bench.gpu.timing import forget
from bench.gpu.ways import Line, tried, ways
from bench.measuring import Row, matrix_product, record
from stages.lib.encoders.devices import claim_gpus
from stages.lib.encoders.inference import quieten_transformers


def main(
    tiny: Annotated[bool, typer.Option(help="Tiny models on whatever there is: shows that it runs.")] = False,
    minutes: Annotated[float, typer.Option(help="What is not measured by then is skipped, and told.")] = 8.0,
) -> None:
    ends = time.monotonic() + 60 * minutes - 10  # to write it down
    if not claim_gpus(1) and not tiny:
        print("gpu: no GPU here, nothing measured; --tiny shows that it runs")
        return
    quieten_transformers()
    scale = TINY if tiny else FULL
    with tempfile.TemporaryDirectory() as folder:
        settings = make_settings(scale, Path(folder))
        forget()
        peak, limits = peaks(scale)
        rows, lines = measure(scale, settings, peak, ends)
    write(tiny, rows, "\n".join([*limits, "", *table(lines, peak)]))


def peaks(scale: Scale) -> tuple[float, list[str]]:
    """The best rate of a matrix product in bf16, and lines that tell of all."""

    def best(dtype: torch.dtype) -> float:
        return max(matrix_product(dtype, size, device=device()) for size in scale.product)

    in_bf16, in_float32 = best(torch.bfloat16), best(torch.float32)
    with tf32():
        in_tf32 = best(torch.float32)
    name = torch.cuda.get_device_name() if device() == "cuda" else f"no GPU, {platform.machine()}"
    sizes = " and ".join(f"{size:,}" for size in scale.product)
    return in_bf16, [
        f"{name}; torch {torch.__version__}, CUDA {torch.version.cuda}.",
        f"The peak, the best matrix product of size {sizes}: {in_bf16 / 1e12:,.1f} TFLOP/s in bf16, "
        f"{in_float32 / 1e12:,.1f} in float32, {in_tf32 / 1e12:,.1f} in float32 with TF32.",
    ]


def measure(
    scale: Scale, settings: dict[str, Setting], peak: float, ends: float
) -> tuple[list[Row], list[Line]]:
    rows, lines = [], []
    share, found = at_fixed_length(settings["BERT-base, fixed"], scale, peak, ends)
    rows += share
    lines += found
    for goal in goals(scale):
        row, found = in_turns(settings[goal.model], goal, ends)
        rows += row
        lines += found
    for way in ways(scale, settings):
        lines.append(tried(way, ends))
    return rows, lines


def write(tiny: bool, rows: list[Row], details: str) -> None:
    """A tiny run lies apart: bench/RESULTS.md does not show it."""
    if tiny:
        (measuring.KEPT / "tiny").mkdir(parents=True, exist_ok=True)
    record("tiny/gpu" if tiny else "gpu", rows, details)
    print(details)


if __name__ == "__main__":
    typer.run(main)
