"""Ten thousand to ten million rows through ingest, clean, split and tokenize: seconds and peak memory.

`python -m bench.scale`, after `make run`; smaller with `--rows 10000 --rows 30000 --rows 300000`. Each stage
is a process of its own, as under DVC, with the knobs of params.yaml. A row is made of words drawn from the
sample's tweets, as many as one of them has. Files stand in a temporary folder, of which ten million rows fill
some 2 GB: what a stage was the last to read is removed.
"""

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, NamedTuple

import numpy as np
import polars as pl
import typer

from bench.corpora import labelled_tweets
from bench.measuring import Row, record

ROWS = (10_000, 100_000, 1_000_000, 10_000_000)
MOST_SECONDS, MOST_MEMORY = 1.25, 1.2
FLAT = ("ingest", "clean", "tokenize")  # split compares all texts with all others, so it holds them
ROWS_AT_ONCE = 100_000
MEASURED = 3  # numbers of rows at least

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
INS = {
    "ingest": ("source",),
    "clean": ("task", "ingested"),
    "split": ("task", "cleaned"),
    "tokenize": ("task", "splits", "encoder"),
}
OUTS = {
    "ingest": ("task", "expectations", "ingested", "rejected", "metrics"),
    "clean": ("cleaned", "cleaning", "metrics"),
    "split": ("splits", "copies", "metrics"),
    "tokenize": ("tokens", "metrics"),
}
LAST_READ = {"ingest": "source/train.csv", "clean": "ingested", "split": "cleaned", "tokenize": "splits"}

LINEAR = (
    "{foreseen} Judged by the seconds a row at the most rows against those at a tenth of them; from "
    "both is taken what the fewest rows take, which is start-up."
)
FORESEEN = {
    "ingest": "1 time: a group of rows at a time.",
    "clean": "1 time: a group of rows at a time; the distinct texts are counted by their hashes on disk.",
    "split": "up to 1.2 times: sorting is n log n, and falls out of the processor's caches. Before that, "
    "near copies took 5 s of 200,000 texts and 31 s of a million, with memory for all their words at once.",
    "tokenize": "1 time: a batch at a time.",
}
HELD = (
    "1 time, as it holds a group of rows at a time. Judged by the peak of resident memory at the most "
    "rows against that at a tenth of them."
)


class Used(NamedTuple):
    seconds: float
    mebibytes: float  # peak of resident memory


def main(
    rows: Annotated[
        list[int] | None, typer.Option(help="How many; the last two should be a tenth apart.")
    ] = None,
) -> None:
    numbers = rows or ROWS
    if len(set(numbers)) < MEASURED:
        sys.exit(f"scale: --rows: {MEASURED} numbers at least: the fewest tell what start-up takes")
    used = {number: used_by_stages(number) for number in numbers}
    record("scale", [*linear(used), *flat(used)], table(used))


def used_by_stages(rows: int) -> dict[str, Used]:
    used = {}
    with TemporaryDirectory() as name:
        lay_out(Path(name), rows)
        for stage in INS:
            used[stage] = run(stage, Path(name))
            (Path(name) / LAST_READ[stage]).unlink()
            print(f"scale: {rows:,} rows, {stage}: {in_short(used[stage])}", flush=True)
    return used


def lay_out(folder: Path, rows: int) -> None:
    """The source, and what the stages read beside it."""
    (folder / "source").mkdir()
    (folder / "source/source.yaml").write_text(SOURCE, encoding="utf-8")
    (folder / "params.yaml").write_bytes(Path("params.yaml").read_bytes())
    (folder / "stages").symlink_to(Path("stages").resolve())
    (folder / "encoder").symlink_to(Path("models/encoder").resolve())
    with (folder / "source/train.csv").open("wb") as file:
        for number, part in enumerate(parts(rows)):
            part.write_csv(file, include_header=number == 0)


def parts(rows: int) -> Iterator[pl.DataFrame]:
    generator, (keyword_N, text_N, label_N) = np.random.default_rng(1), zip(*labelled_tweets(), strict=True)
    words_N = [text.split() for text in text_N]
    word_W = np.array(list(itertools.chain.from_iterable(words_N)))
    for start in range(0, rows, ROWS_AT_ONCE):
        like = generator.integers(len(text_N), size=min(ROWS_AT_ONCE, rows - start))
        drawn = iter(
            word_W[generator.integers(len(word_W), size=sum(len(words_N[n]) for n in like))].tolist()
        )
        texts = [" ".join(itertools.islice(drawn, len(words_N[n]))) for n in like]
        keywords, labels = ([values[n] for n in like] for values in (keyword_N, label_N))
        yield pl.DataFrame({"keyword": keywords, "text": texts, "target": labels})


# A process between: what one held before it became another counts as the other's, and this one is large.
BETWEEN = """
import os, sys
_, status, used = os.wait4(os.spawnv(os.P_NOWAIT, sys.executable, sys.argv[1:]), 0)
print(status, used.ru_maxrss)
"""


def run(stage: str, folder: Path) -> Used:
    options = [word for name in (*INS[stage], *OUTS[stage]) for word in (f"--{name}", name)]
    begun = time.perf_counter()
    done = subprocess.run(
        (sys.executable, "-c", BETWEEN, sys.executable, "-m", f"stages.{stage}", *options),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - begun
    status, most = map(int, done.stdout.split()[-2:])
    if status != 0:
        sys.exit(f"scale: {stage} failed: {os.waitstatus_to_exitcode(status)}")
    return Used(seconds, most / (2**20 if sys.platform == "darwin" else 2**10))


def linear(used: dict[int, dict[str, Used]]) -> Iterator[Row]:
    fewest, few, many = sorted(used)[0], *sorted(used)[-2:]
    for stage in INS:
        start_up, of_few, of_many = (used[rows][stage].seconds for rows in (fewest, few, many))
        grown = ((of_many - start_up) / (many - fewest)) / ((of_few - start_up) / (few - fewest))
        yield Row(
            work=f"time of {stage} a row, {many:,} rows",
            peer=f"itself, {few:,} rows",
            data=f"{many:,} generated tweets",
            ours=[of_many],
            theirs=[of_few],
            figures=[grown],
            unit="times as long",
            goal=MOST_SECONDS,
            wanted="at most",
            predicted=LINEAR.format(foreseen=FORESEEN[stage]),
        )


def flat(used: dict[int, dict[str, Used]]) -> Iterator[Row]:
    few, many = sorted(used)[-2:]
    for stage in FLAT:
        grown = used[many][stage].mebibytes / used[few][stage].mebibytes
        yield Row(
            work=f"memory of {stage}, {many:,} rows",
            peer=f"itself, {few:,} rows",
            data=f"{many:,} generated tweets",
            figures=[grown],
            unit="times as much",
            goal=MOST_MEMORY,
            wanted="at most",
            predicted=HELD,
        )


def table(used: dict[int, dict[str, Used]]) -> str:
    """Markdown: a line a stage, a column a number of rows."""
    head = [
        "| stage | " + " | ".join(f"{rows:,} rows" for rows in used) + " |",
        "|---" * (len(used) + 1) + "|",
    ]
    lines = [
        f"| {stage} | " + " | ".join(in_short(of_rows[stage]) for of_rows in used.values()) + " |"
        for stage in INS
    ]
    return "\n".join((*head, *lines))


def in_short(used: Used) -> str:
    return f"{used.seconds:,.1f} s, {used.mebibytes:,.0f} MiB"


if __name__ == "__main__":
    typer.run(main)
