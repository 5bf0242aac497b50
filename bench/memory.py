"""The peak memory of ingest and clean, at one and at ten million rows.

`python -m bench.memory`; each stage is a process of its own, as under DVC. The tweets are the sample's,
repeated, each with its number behind it, so that no two are the same. Predicted: no difference that shows,
since both stages hold a group of rows at a time. Fails where ten times as many rows need a fifth more.
"""

import csv
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.cleaning import SAMPLE

ROWS = (1_000_000, 10_000_000)
MOST = 1.2
SOURCE = """\
title: many tweets
files: {train: train.csv}
columns: {text: text, label: target}
keep: [keyword]
labels: {0: ordinary, 1: disaster}
task: classification
metrics: [accuracy]
copies: remove
"""
OUTS = {
    "ingest": ("task", "expectations", "ingested", "rejected", "metrics"),
    "clean": ("cleaned", "cleaning", "metrics"),
}
INS = {"ingest": ("source",), "clean": ("task", "ingested")}


def main() -> None:
    peaks: dict[str, list[float]] = {stage: [] for stage in INS}
    for rows in ROWS:
        with TemporaryDirectory() as name:
            lay_out(Path(name), rows)
            for stage, found in peaks.items():
                found.append(peak(stage, Path(name)))
    for stage, (few, many) in peaks.items():
        print(
            f"{stage}: {few:,.0f} MiB at {ROWS[0]:,} rows, {many:,.0f} at {ROWS[1]:,}: {many / few:.2f} times"
        )
    assert all(many <= MOST * few for few, many in peaks.values())


def lay_out(folder: Path, rows: int) -> None:
    (folder / "source").mkdir()
    (folder / "source/source.yaml").write_text(SOURCE)
    (folder / "params.yaml").write_bytes(Path("params.yaml").read_bytes())
    (folder / "stages").symlink_to(Path("stages").resolve())
    with (folder / "source/train.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["keyword", "text", "target"])
        for number, (keyword, text, target) in zip(range(rows), itertools.cycle(tweets()), strict=False):
            writer.writerow([keyword, f"{text} {number:x}", target])


def tweets() -> Iterator[tuple[str, str, str]]:
    for path in sorted(SAMPLE.glob("t*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            yield from ((row["keyword"], row["text"], row["target"]) for row in csv.DictReader(file))


def peak(stage: str, folder: Path) -> float:
    """Of resident memory, in MiB."""
    options = [word for name in (*INS[stage], *OUTS[stage]) for word in (f"--{name}", name)]
    command = [sys.executable, "-m", f"stages.{stage}", *options]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, f"{stage} failed"
    return used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    main()
