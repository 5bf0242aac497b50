"""Times two ways of the same work in pairs, and keeps what came of it for RESULTS.md.

A module of bench/ measures rows of the table, each against a goal, and hands them to `record`. Ours and the
peer's take turns in one process and one run (A B A B), so that whatever else the machine does falls on both.
"""

import json
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict

KEPT = Path(".textrail/bench")  # what a run measured, a file a module

Work = Callable[[], object]


class Row(BaseModel):
    """One figure of the table, measured once a round, and what it should have been."""

    model_config = ConfigDict(frozen=True)

    work: str
    peer: str
    data: str  # which, and how much of it
    ours: list[float] = []  # seconds, a round each
    theirs: list[float] = []
    figures: list[float]  # a round each
    unit: Literal["times as fast", "times as long", "seconds", "% of the limit", "%", "times"]
    goal: float
    wanted: Literal["at least", "at most"]
    predicted: str  # before it was measured or changed, and by what reasoning
    why_not: str = ""  # where the goal is missed: where the time goes, and what was tried

    @property
    def figure(self) -> float:
        return statistics.median(self.figures)

    @property
    def won(self) -> bool:
        return self.figure >= self.goal if self.wanted == "at least" else self.figure <= self.goal


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


def in_pairs(ours: Work, theirs: Work, rounds: int) -> Pairs:
    """A B A B; whoever wants the first call left out, for what it loads, makes it before."""
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
    return Pairs(*map(list, zip(*pairs, strict=True)))


def seconds(work: Work) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def matrix_product(dtype: torch.dtype = torch.float32, size: int = 2048, rounds: int = 8) -> float:
    """Floating-point operations a second in a large matrix product on all cores: the limit.

    On this kind of machine 2,048 is the size that does best, and 4,096 falls behind by a tenth.
    """
    left, right = (torch.randn(size, size).to(dtype) for _ in range(2))
    left @ right
    return 2 * size**3 / min(seconds(lambda: left @ right) for _ in range(rounds))


def record(module: str, rows: Sequence[Row], details: str = "") -> None:
    """Prints a line a row, and keeps them. `details` is Markdown below the table, of measured figures."""
    for row in rows:
        print(told(row))
    KEPT.mkdir(parents=True, exist_ok=True)
    found = {"commit": commit(), "details": details, "rows": [row.model_dump() for row in rows]}
    (KEPT / f"{module}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def told(row: Row) -> str:
    verdict = "won" if row.won else "NOT WON"
    return f"{row.work}: {in_words(row.figures, row.unit)}; wanted {row.wanted} {row.goal:g}: {verdict}"


def in_words(figures: list[float], unit: str) -> str:
    """`2.7 times as fast (2.5 to 2.9, 5 rounds)`."""
    spread = f" ({min(figures):.3g} to {max(figures):.3g}, {len(figures)} rounds)" if len(figures) > 1 else ""
    return f"{statistics.median(figures):.3g} {unit}{spread}"


def commit() -> str:
    """Of the code that was measured; with a + where files differ from it."""
    words = ("git", "describe", "--always", "--dirty=+", "--exclude=*")
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
