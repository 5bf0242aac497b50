"""Times two ways of the same work in pairs, and keeps what came of it for RESULTS.md.

A module of bench/ measures rows of the table, each against a goal, and hands them to `record`. Ours and the
peer's take turns in one process and one run (A B A B), so that whatever else the machine does falls on both.
"""

import gc
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, NotRequired, Self, TypedDict, Unpack

import psutil
from pydantic import BaseModel, ConfigDict, Field

from bench import PYTHONS_OWN

if TYPE_CHECKING:
    import torch

KEPT = Path(".textrail/bench")  # what a run measured, a file a module
PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "onnxruntime",
    "datasets",
    "polars",
    "pandas",
    "scikit-learn",
    "nltk",
    "dvc",
)

Unit = Literal[
    "times as fast", "times as long", "times as much", "seconds", "MB", "% of the limit", "%", "times"
]

Work = Callable[[], object]


class Pairs(NamedTuple):
    """Seconds of each round."""

    ours: list[float]
    theirs: list[float]

    @property
    def times_as_fast(self) -> list[float]:
        return [slow / fast for fast, slow in zip(*self, strict=True)]

    @property
    def times_as_long(self) -> list[float]:
        return [ours / theirs for ours, theirs in zip(*self, strict=True)]


class Told(TypedDict):
    """The fields of a Row that no clock gives."""

    work: str
    peer: str
    data: str
    goal: float
    predicted: str
    why_not: NotRequired[str]


class Row(BaseModel):
    """One figure of the table, measured once a round, and what it should have been."""

    model_config = ConfigDict(frozen=True)

    work: str
    peer: str
    data: str  # which, and how much of it
    ours: list[float] = []  # seconds, a round each
    theirs: list[float] = []
    figures: list[float] = Field(min_length=1)  # a round each
    unit: Unit
    goal: float
    wanted: Literal["at least", "at most"]
    predicted: str  # before it was measured or changed, and by what reasoning
    why_not: str = ""  # where the goal is missed: where the time goes, and what was tried

    @classmethod
    def of_pairs(
        cls, pairs: Pairs, unit: Literal["times as fast", "times as long"], **told: Unpack[Told]
    ) -> Self:
        """A figure is each round's ratio: at least the goal in speed, at most the goal in time."""
        is_speed = unit == "times as fast"
        return cls(
            **told,
            **pairs._asdict(),
            figures=pairs.times_as_fast if is_speed else pairs.times_as_long,
            unit=unit,
            wanted="at least" if is_speed else "at most",
        )

    @property
    def figure(self) -> float:
        return statistics.median(self.figures)

    @property
    def won(self) -> bool:
        return self.figure >= self.goal if self.wanted == "at least" else self.figure <= self.goal


def in_pairs(ours: Work, theirs: Work, rounds: int) -> Pairs:
    """A B A B; whoever wants the first call left out, for what it loads, makes it before.

    Python looks for garbage as `stages` has it in ours, and as often as by its defaults in theirs.
    """
    pairs = [(seconds(ours), seconds_by_defaults(theirs)) for _ in range(rounds)]
    return Pairs(*map(list, zip(*pairs, strict=True)))


def seconds_by_defaults(work: Work) -> float:
    thresholds = gc.get_threshold()
    gc.set_threshold(*PYTHONS_OWN)
    try:
        return seconds(work)
    finally:
        gc.set_threshold(*thresholds)


def seconds(work: Work) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def matrix_product(
    dtype: "torch.dtype | None" = None, size: int = 2048, rounds: int = 8, device: str = "cpu"
) -> float:
    """Floating-point operations a second in a large matrix product on all cores, or the GPU: the limit.

    In float32 where no other dtype is named. On this kind of machine 2,048 is the size that does best, and
    4,096 falls behind by a tenth.
    """
    import torch  # here: rows without a model need not wait for it, nor hold its memory

    left, right = (torch.randn(size, size, device=device).to(dtype or torch.float32) for _ in range(2))

    def product() -> None:
        left @ right
        if device != "cpu":
            torch.cuda.synchronize()

    product()
    return 2 * size**3 / min(seconds(product) for _ in range(rounds))


def by_profiler(work: Work, operators: int = 6) -> str:
    """Of its time on the CPU, what torch's dearest operators take, each without those that it calls."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        work()
    events = sorted(profiled.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in events)
    parts = (f"`{event.key}` {event.self_cpu_time_total / total:.1%}" for event in events[:operators])
    return f"Where its time goes, by torch's profiler: {', '.join(parts)}."


def record(module: str, rows: Sequence[Row], details: str = "") -> None:
    """Prints a line a row, and keeps them. `details` is Markdown below the table, of measured figures."""
    for row in rows:
        print(told(row))
    kept = Kept(commit=commit(), machine=machine(), versions=versions(), rows=list(rows), details=details)
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{module}.json").write_text(kept.model_dump_json(indent=2) + "\n", encoding="utf-8")


class Kept(BaseModel):
    """What a module's run left: where, by which versions and what it measured."""

    model_config = ConfigDict(frozen=True)

    commit: str
    machine: str
    versions: dict[str, str]
    rows: list[Row]
    details: str


def kept() -> dict[str, Kept]:
    """By module."""
    return {path.stem: Kept.model_validate_json(path.read_bytes()) for path in sorted(KEPT.glob("*.json"))}


def told(row: Row) -> str:
    verdict = "won" if row.won else "NOT WON"
    return f"{row.work}: {in_words(row.figures, row.unit)}; wanted {wanted(row)}: {verdict}"


def wanted(row: Row) -> str:
    return f"{row.wanted} {in_figures(row.goal)}"


def in_words(figures: list[float], unit: str) -> str:
    """`2.7 times as fast (2.5 to 2.9, 5 rounds)`."""
    least, most = in_figures(min(figures)), in_figures(max(figures))
    spread = f" ({least} to {most}, {len(figures)} rounds)" if len(figures) > 1 else ""
    return f"{in_figures(statistics.median(figures))} {unit}{spread}"


def in_figures(value: float) -> str:
    """Three of them, and all that stand before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def commit() -> str:
    """Of the code that was measured; with a + where files differ from it."""
    words = ("git", "describe", "--always", "--dirty=+", "--exclude=*")
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES} | {"Python": platform.python_version()}


def machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    parts = (processor(), f"{psutil.cpu_count(logical=True)} cores", f"{memory:.0f} GiB", platform.system())
    return ", ".join((*parts, *graphics()))


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = (line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def graphics() -> list[str]:
    """The GPUs that a module has used; one that never imported torch used none."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
