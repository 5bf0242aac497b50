"""Which ways are measured, the most telling first: for training and for inference, ours and the Trainer's."""

import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch.nn.attention import SDPBackend

from bench.gpu.changes import (
    attention,
    bf16,
    both,
    compiled,
    compiled_within,
    flash_attention_2,
    flex_attention,
    kernel,
    tf32,
)
from bench.gpu.inference import ours_inferring, theirs_inferring
from bench.gpu.scales import Scale
from bench.gpu.settings import Setting
from bench.gpu.timing import Measured, outcome
from bench.gpu.training import ours, theirs
from bench.gpu.unpadded import unpad

PEER = "Trainer, float32, padded to the longest of all"
DEFAULTS = "batch 8: all defaults"
SECONDS_TO_COMPILE = 60.0  # less is left: not begun


class Way(NamedTuple):
    setting: Setting
    work: str  # training, inference
    name: str
    measure: Callable[[], Measured]
    least_seconds: float = 5.0  # else it is not begun


class Line(NamedTuple):
    """Of the table of ways."""

    setting: Setting
    work: str
    way: str
    found: Measured | str


def tried(way: Way, ends: float) -> Line:
    left = ends - time.monotonic()
    skipped = f"skipped, {max(left, 0):.0f} s were left"
    found = outcome(way.measure, left) if left > way.least_seconds else skipped
    told = found if isinstance(found, str) else f"{statistics.median(found.examples):,.0f} examples/s"
    print(f"gpu: {way.setting}, {way.work}, {way.name}: {told}", flush=True)
    return Line(way.setting, way.work, way.name, found)


def ways(scale: Scale, settings: dict[str, Setting]) -> Iterator[Way]:
    """The most telling first, for the time may run out."""
    bert, fixed = settings["BERT-base"], settings["BERT-base, fixed"]
    yield from inferring(bert, scale)
    yield from training_as_trainers_do(bert, scale)
    yield from training_our_way(bert, scale)
    yield from inferring(settings["packaged encoder"], scale)
    yield from attending(fixed, scale)
    yield from compiling(bert, scale)
    yield from inferring_at_fixed_length(fixed, scale)
    yield from inferring(settings["DistilBERT"], scale)
    yield from compiling(settings["packaged encoder"], scale)


def training_as_trainers_do(setting: Setting, scale: Scale) -> Iterator[Way]:
    batch = scale.batch
    made = partial(Way, setting, "training")
    yield made(f"{PEER}, {DEFAULTS}", partial(theirs, setting, 8))
    yield made(f"{PEER}, batch {batch}, TF32", partial(theirs, setting, batch, tf32))
    yield made(
        f"Trainer, bf16, padded to the longest of all, batch {batch}",
        partial(theirs, setting, batch, bf16=True),
    )
    each = partial(theirs, setting, batch, each_batch=True, bf16=True)
    yield made(f"Trainer, bf16, padded to each batch's longest, batch {batch}", each)
    yield made("the same, optimizer not fused", partial(each, optim="adamw_torch"))


def training_our_way(setting: Setting, scale: Scale) -> Iterator[Way]:
    made, train = partial(Way, setting, "training"), partial(ours, setting)
    for loop in ("plain", "accelerate"):
        yield made(f"ours, {loop}, bf16, batch {scale.batch}", partial(train, loop=loop))
    yield made("ours, plain, float32", partial(train, loop="plain", precision="float32"))
    yield made("ours, plain, float32, TF32", partial(train, context=tf32, loop="plain", precision="float32"))
    large = partial(train, loop="plain", batch_size=scale.large_batch)
    name = f"ours, plain, bf16, batch {scale.large_batch}"
    yield made(name, large)
    yield made(f"{name}, unpadded", partial(large, unpad))
    for backend in (SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION):
        yield made(f"{name}, sdpa by {backend.name}", partial(large, context=kernel(backend)))
    yield made(f"{name}, eager attention", partial(large, attention("eager")))
    yield made(f"{name}, flash_attention_2", partial(large, flash_attention_2))
    yield made(f"{name}, gradient checkpointing", partial(large, gradient_checkpointing=True))


def attending(setting: Setting, scale: Scale) -> Iterator[Way]:
    """At a fixed length nothing is padded, so flash attention can."""
    made = partial(Way, setting, "training")
    large = partial(ours, setting, loop="plain", batch_size=scale.large_batch)
    name = f"ours, plain, bf16, batch {scale.large_batch}"
    yield made(f"{PEER}, batch {scale.batch}", partial(theirs, setting, scale.batch))
    backends = ("FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION", "MATH")
    for backend in backends:
        context = kernel(getattr(SDPBackend, backend))
        yield made(f"{name}, sdpa by {backend}", partial(large, context=context))
    yield made(f"{name}, eager attention", partial(large, attention("eager")))
    yield made(f"{name}, flash_attention_2", partial(large, flash_attention_2))
    yield made(f"{name}, unpadded", partial(large, unpad))


def inferring(setting: Setting, scale: Scale) -> Iterator[Way]:
    made, infer = partial(Way, setting, "inference"), partial(ours_inferring, setting)
    yield made(f"{PEER}, {DEFAULTS}", partial(theirs_inferring, setting, scale.inferred_by_peer))
    yield made("ours, float32, 4,096 tokens a batch", partial(infer, 4096))
    yield made("ours, TF32, 4,096 tokens a batch", partial(infer, 4096, context=tf32))
    yield made("ours, bf16, 4,096 tokens a batch", partial(infer, 4096, context=bf16))
    yield made("ours, bf16, 32,768 tokens a batch", partial(infer, 32_768, context=bf16))
    yield made("ours, weights in bf16, 32,768", partial(infer, 32_768, dtype=torch.bfloat16))
    yield made("ours, weights in bf16, unpadded, 32,768", partial(infer, 32_768, unpad, dtype=torch.bfloat16))


def inferring_at_fixed_length(setting: Setting, scale: Scale) -> Iterator[Way]:
    made = partial(Way, setting, "inference")
    infer = partial(ours_inferring, setting, 32_768)
    yield made("ours, bf16, 32,768 tokens a batch", partial(infer, context=bf16))
    yield made("ours, weights in bf16, 32,768", partial(infer, dtype=torch.bfloat16))
    compiling = compiled(scale.compiler, dynamic=False)
    yield made(
        "ours, weights in bf16, 32,768, compiled",
        partial(infer, compiling, dtype=torch.bfloat16),
        SECONDS_TO_COMPILE,
    )


def compiling(setting: Setting, scale: Scale) -> Iterator[Way]:
    """Batches are of any length, so for any."""
    large = partial(ours, setting, loop="plain", batch_size=scale.large_batch)
    made = partial(Way, setting, "training", least_seconds=SECONDS_TO_COMPILE)
    name = f"ours, plain, bf16, batch {scale.large_batch}"
    for_any = compiled(scale.compiler, dynamic=True)
    yield made(f"{name}, compiled", measure=partial(large, for_any))
    within = both(unpad, compiled_within(scale.compiler))
    yield made(f"{name}, unpadded, compiled", measure=partial(large, within))
    yield made(f"{name}, flex_attention without dropout", measure=partial(large, flex_attention))
