"""The table of all ways, in Markdown."""

import statistics
from collections.abc import Iterable, Iterator

from bench.gpu.timing import Measured
from bench.gpu.ways import DEFAULTS, PEER, Line


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
