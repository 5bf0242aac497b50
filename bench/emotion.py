"""The emotion tweets as the pipeline lays them before training, kept in .textrail/bench/emotion.

They are made by the stages themselves from ../shared/data/emotion; without it there are none.
"""

import contextlib
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from bench.measuring import KEPT
from stages import clean, ingest, split, tokenize
from stages.lib.arrow import open_stream
from stages.lib.training.training import Material, read_material

TEXTS = Path("../shared/data/emotion")
SOURCE = Path("data/sources/emotion")
ENCODER = Path("models/encoder")
LAID = KEPT / "emotion"


class Tweets(NamedTuple):
    material: Material
    test: pa.Table  # as material.train
    texts: dict[str, pl.DataFrame]  # role -> text, label (a number), in the order of the tables


def is_here() -> bool:
    return TEXTS.is_dir() or (LAID / "tokens.arrow").exists()


def emotion() -> Tweets:
    if not (LAID / "tokens.arrow").exists():
        lay()
    task, tokens = LAID / "task.json", LAID / "tokens.arrow"
    material = read_material(task, ENCODER, tokens)
    numbers = {name: number for number, name in enumerate(material.task.labels)}
    rows = pl.read_parquet(LAID / "splits.parquet", columns=["role", "text", "label"])
    rows = rows.with_columns(pl.col("label").replace_strict(numbers))
    texts = {role: rows.filter(role=role) for role in ("train", "validation", "test")}
    return Tweets(material, open_stream(tokens).filter(pc.field("role") == "test"), texts)


def lay() -> None:
    """Stages ingest, clean, split and tokenize, in a folder of their own, by the knobs of params.yaml."""
    source = LAID / "data/sources/emotion"
    shutil.rmtree(LAID, ignore_errors=True)
    shutil.copytree(SOURCE, source)
    for path in TEXTS.iterdir():
        shutil.copyfile(path, source / path.name)
    knobs = Path("params.yaml").read_text(encoding="utf-8")
    knobs = re.sub(r"^  source: .*$", "  source: emotion", knobs, count=1, flags=re.MULTILINE)
    (LAID / "params.yaml").write_text(knobs, encoding="utf-8")
    encoder = ENCODER.resolve()

    def paths(*names: str) -> dict[str, Path]:
        return {name: Path(NAMES.get(name, name)) for name in names}

    with contextlib.chdir(LAID):
        where = {"source": Path("data/sources/emotion"), "metrics": Path("metrics.json")}
        ingest.main(**paths("task", "expectations", "ingested", "rejected"), **where)
        del where["source"]
        clean.main(**paths("task", "ingested", "cleaned", "cleaning"), **where)
        split.main(**paths("task", "cleaned", "splits", "copies"), **where)
        tokenize.main(**paths("task", "splits", "tokens"), encoder=encoder, **where)


NAMES = {
    "task": "task.json",
    "expectations": "expectations.json",
    "cleaning": "cleaning.json",
    "tokens": "tokens.arrow",
} | {name: f"{name}.parquet" for name in ("ingested", "rejected", "cleaned", "splits", "copies")}
