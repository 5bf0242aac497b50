"""The rows with goals: ours and the Trainer in turns, and the share of the card's peak at a fixed length."""

import statistics
from functools import partial
from typing import NamedTuple

from bench.gpu.changes import both, compiled, nothing, unmasked
from bench.gpu.scales import Scale
from bench.gpu.settings import LONGEST, Setting
from bench.gpu.timing import Measured
from bench.gpu.training import ours, theirs
from bench.gpu.ways import PEER, Line, Way, tried
from bench.measuring import Row

ROUNDS = 3


class Goal(NamedTuple):
    """Ours against the Trainer, at the same batch size."""

    model: str
    batch: int
    predicted: str


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
