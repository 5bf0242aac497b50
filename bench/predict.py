"""Label 20,000 texts from a CSV to a CSV, whole commands against each other: `python -m bench.predict`

models/finetuned is exported first, which tests int8 on its labelled roles; then ours by ONNX in float32 and
in int8 and transformers' pipeline take turns, each a process of its own, start-up counted in.
"""

import csv
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from bench.measuring import KEPT, Pairs, Row, Told, record, seconds
from commands.lib.exported import Exported, read_exported
from commands.lib.speeds import HEADS
from stages.lib.cleaning.cleaning import cleaned
from stages.lib.encoders.served import read_served

MODEL, FOLDER = Path("models/finetuned"), KEPT / "predict"
ONNX, TEXTS = FOLDER / "onnx", FOLDER / "texts.csv"
EMOTION = Path("../shared/data/emotion")
SAMPLE = Path("data/splits.parquet")
WAYS = ("float32", "int8", "pipeline")
PEER = "`transformers.pipeline(batch_size=32)` and pandas"
PREDICTED = {
    "float32": "2.8 times: on two cores the pipeline once did 92 tweets a second in batches of 32, ONNX "
    "Runtime 262 in batches of like length; reading, tokenizing and writing are a second or two of a minute",
    "int8": "4 times by the same figures (372 a second); 5 only if smaller batches, one a core, which stay "
    "in the core's cache, give a quarter more",
}
GOALS = {"float32": 2.7, "int8": 5.0}


def main(
    texts: Annotated[int, typer.Option(min=1)] = 20_000, rounds: Annotated[int, typer.Option(min=1)] = 2
) -> None:
    data = write_texts(texts)
    call("commands.export", "--output", str(ONNX))
    exported = read_exported(ONNX)
    ways = [way for way in WAYS if way == "pipeline" or way in exported.weights]
    check_sameness(ways)
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            taken[way].append(seconds(lambda way=way: label(way, TEXTS)))  # type: ignore[misc]
    record("predict", [row(way, taken, data, exported) for way in GOALS], details(exported))


def write_texts(count: int) -> str:
    """Behind the model's cleaning, since the pipeline does not run it. Says what they are."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    if EMOTION.is_dir():
        lines = [
            line.rpartition(";")[0]
            for name in ("train", "val", "test")
            for line in (EMOTION / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        ]
        name = "emotion's tweets"
    else:
        lines, name = pl.read_parquet(SAMPLE, columns=["text"])["text"].to_list(), "the sample's texts"
    texts = cleaned(pl.Series("text", lines), read_served(MODEL).cleaning).unique(maintain_order=True)
    texts = texts.filter(texts.str.len_chars() > 0)
    distinct, repeated = len(texts), pl.concat([texts] * (count // len(texts) + 1)).head(count)
    repeated.to_frame().with_row_index("id").write_csv(TEXTS)
    return f"{count:,} texts, {min(distinct, count):,} of them distinct: {name}, by the model of the sample"


def label(way: str, source: Path) -> None:
    output = FOLDER / f"{way}.csv"
    if way == "pipeline":
        call("bench.peers.predict", str(source), str(output), str(MODEL))
    else:
        call("commands.predict", str(source), str(output), "--onnx", str(ONNX), f"--{way}")


def call(module: str, *words: str) -> None:
    run(sys.executable, "-m", module, *words)


def run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}\n{done.stderr}")


def check_sameness(ways: list[str]) -> None:
    """float32 says of 200 texts what the pipeline says. All that a way reads is in memory after that."""
    few = FOLDER / "few.csv"
    texts = pl.read_csv(TEXTS)
    texts.gather_every(max(1, len(texts) // 200)).write_csv(few)
    for way in ways:
        label(way, few)
    ours, theirs = (answers(FOLDER / f"{way}.csv") for way in ("float32", "pipeline"))
    for (name, sure), (their_name, their_sure) in zip(ours, theirs, strict=True):
        assert name == their_name, (name, their_name)
        assert abs(sure - their_sure) < 1e-4, (sure, their_sure)


def answers(path: Path) -> list[tuple[str, float]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["label"], float(row["probability"])) for row in csv.DictReader(file)]


def row(way: str, taken: dict[str, list[float]], data: str, exported: Exported) -> Row:
    told = Told(
        work=f"`commands.predict --onnx`, a CSV to a CSV, {way}",
        peer=PEER,
        data=data,
        goal=GOALS[way],
        predicted=PREDICTED[way],
        why_not="" if way in taken else f"int8 does not count: {exported.int8}",
    )
    if way in taken:
        return Row.of_pairs(Pairs(taken[way], taken["pipeline"]), "times as fast", **told)
    return Row(**told, figures=[0.0], unit="times as fast", wanted="at least")


def details(exported: Exported) -> str:
    speed = exported.report["speed"]
    lines = [
        f"Export, int8: {exported.int8}.",
        "",
        f"| | {' | '.join(HEADS.values())} |",
        "|---" * (1 + len(HEADS)) + "|",
    ]
    lines += [f"| {name} | {' | '.join(f'{one[key]:,}' for key in HEADS)} |" for name, one in speed.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(main)
