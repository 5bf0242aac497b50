"""A made-up task with splits, predictions and vectors on disk, as errors and report find them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from stages.lib.arrow import write_stream, write_vectors
from stages.lib.kinds import KINDS, Kind
from stages.lib.labels import array_of, numbers_of
from stages.lib.statistics.predictions import write_predictions
from stages.lib.tables import write_parquet
from stages.lib.task import SourceColumns, Submission, Task, write_task

LABELS = ["calm", "alarm", "other"]
# id, role, label, what the fine-tuned model says: one mistake in validation, two in test
ROWS = [
    ("a", "train", "calm", "calm"),
    ("b", "train", "alarm", "alarm"),
    ("c", "validation", "calm", "calm"),
    ("d", "validation", "alarm", "calm"),
    ("e", "test", "calm", "calm"),
    ("f", "test", "alarm", "calm"),
    ("g", "test", "alarm", "alarm"),
    ("h", "test", "other", "alarm"),
    ("u", "unlabelled", None, "calm"),
]


def task_of(
    labels: list[str] = LABELS,
    pair: str | None = None,
    kept: tuple[str, ...] = (),
    kind: Kind = "classification",
    positive: str | None = None,
) -> Task:
    """Of a regression the labels are left out."""
    labels = labels if KINDS[kind].has_classes else []
    return Task(
        title="Made up",
        kind=kind,
        labels=labels,
        raw_labels=labels,
        separator="," if kind == "multi-label" else None,
        positive=positive,
        metrics=list(KINDS[kind].scores[:2]),
        columns=SourceColumns(id="id", text="text", text_pair=pair, label="target"),
        kept=list(kept),
        copies="remove",
        submission=Submission(delimiter=",", id="id", label="target", files={"unlabelled": "submission.csv"}),
    )


def splits_of(texts: dict[str, str] | None = None, labels: Sequence[str] = LABELS) -> pl.DataFrame:
    """Every row of ROWS, and one that was left out; `texts` by id; the first of `labels` is calm."""
    named = dict(zip(LABELS, labels, strict=False))
    rows = [
        {"id": name, "role": role, "label": label and named[label]}
        | {"text_original": (texts or {}).get(name, f"Text {name}")}
        for name, role, label, _ in ROWS
    ]
    table = pl.DataFrame(rows).with_columns(
        text=pl.col("text_original").str.to_lowercase(),
        place=pl.lit("Oslo"),
        left_out=pl.lit(None, pl.String),
    )
    copy = table.head(1).with_columns(id=pl.lit("copy"), left_out=pl.lit("copies c"))
    return pl.concat([copy, table])


def predictions_of(
    said: list[str], strength: float = 3.0, labels: list[str] = LABELS, classes: int | None = None
) -> np.ndarray:
    """Logits [N, C]: 0, and `strength` for the class that is said; `classes` where there are more."""
    logits_NC = np.zeros((len(said), classes or len(labels)), dtype=np.float32)
    logits_NC[np.arange(len(said)), [labels.index(name) for name in said]] = strength
    return logits_NC


def examples() -> pl.DataFrame:
    numbers = [None if label is None else LABELS.index(label) for _, _, label, _ in ROWS]
    return pl.DataFrame(
        {"id": [row[0] for row in ROWS], "role": [row[1] for row in ROWS], "label": numbers},
        schema_overrides={"label": pl.Int64},
    )


def write_project(folder: Path, texts: dict[str, str] | None = None, task: Task | None = None) -> None:
    """task.json, splits.parquet, baseline/ and finetuned/ in the folder."""
    task = task or task_of()
    write_task(task, folder / "task.json")
    write_parquet(splits_of(texts, task.labels), folder / "splits.parquet")
    classes = len(task.labels)
    for name, always in {"dummy": "calm", "tfidf": "alarm", "features": "other"}.items():
        logits_NC = predictions_of([always] * len(ROWS), classes=classes)
        held_out_NC = np.full_like(logits_NC, np.nan)
        held_out_NC[:2] = predictions_of(["other", "other"], classes=classes)
        path = folder / "baseline" / f"{name}.parquet"
        write_predictions(task, examples(), logits_NC, path, out_of_fold_NC=held_out_NC)
    said = predictions_of([row[3] for row in ROWS], classes=classes)
    write_predictions(task, examples(), said, folder / "finetuned/finetuned.parquet")
    write_beside(folder, task, examples())


def write_beside(
    folder: Path, task: Task, examples: pl.DataFrame, copies: Sequence[tuple[str, str]] = ()
) -> None:
    """As write_numbers; an empty crossfitted/, and copies.parquet: exact, by their ids."""
    write_numbers(folder, examples)
    path = folder / "crossfitted/crossfitted.parquet"
    write_predictions(
        task,
        examples.clear(),
        np.zeros((0, task.outputs)),
        path,
        thresholds=[0.5] * task.outputs if task.facts.has_thresholds else None,
    )
    write_parquet(copies_of(examples, copies), folder / "copies.parquet")


def copies_of(examples: pl.DataFrame, pairs: Sequence[tuple[str, str]]) -> pl.DataFrame:
    """As stage split writes them; labels as text, whatever text."""
    label = pl.col("label").cast(pl.List(pl.String)).list.join(",")
    if not isinstance(examples["label"].dtype, pl.List):
        label = pl.col("label").cast(pl.String)
    rows = examples.select("id", "role", label=label)
    links = pl.DataFrame(pairs, schema={"id": pl.String, "other_id": pl.String}, orient="row")
    found = links.join(rows, on="id", maintain_order="left")
    found = found.join(rows, left_on="other_id", right_on="id", suffix="_other", maintain_order="left")
    return found.select(
        "id",
        "role",
        "label",
        pl.lit(None, pl.String).alias("left_out"),
        "other_id",
        other_role="role_other",
        other_label="label_other",
        exact=pl.lit(True),
        similarity=pl.lit(1.0),
        agree=pl.col("label") == pl.col("label_other"),
    )


# --- other kinds -------------------------------------------------------------------------------------------

# id, role, score, what the fine-tuned model says: the largest error is f's
SCORES: list[tuple[str, str, float | None, float]] = [
    ("a", "train", 0.0, 0.5),
    ("b", "train", 5.0, 4.5),
    ("c", "validation", 1.0, 1.0),
    ("d", "validation", 3.0, 3.5),
    ("e", "test", 0.5, 1.0),
    ("f", "test", 4.0, 1.5),
    ("g", "test", 2.5, 2.5),
    ("h", "test", 5.0, 4.75),
    ("u", "unlabelled", None, 2.0),
]
# id, role, labels, what the fine-tuned model says: f has one too few, g one too many, h one for another
SETS: list[tuple[str, str, list[str] | None, list[str]]] = [
    ("a", "train", ["calm"], ["calm"]),
    ("b", "train", ["calm", "alarm"], ["calm"]),
    ("c", "validation", [], []),
    ("d", "validation", ["alarm"], ["alarm"]),
    ("e", "test", ["calm", "alarm"], ["calm", "alarm"]),
    ("f", "test", ["calm", "alarm"], ["calm"]),
    ("g", "test", [], ["calm"]),
    ("h", "test", ["calm"], ["other"]),
    ("u", "unlabelled", None, ["calm"]),
]
SAID_OF_BASELINES = {"dummy": 0.0, "tfidf": 2.0, "features": 3.0}


def write_scored(
    folder: Path,
    texts: dict[str, str] | None = None,
    pair: str | None = None,
    rows: Sequence[tuple[str, str, float | None, float]] = SCORES,
) -> Task:
    """A regression; the baselines always say 0, 2 and 3, of training rows out of fold 1."""
    task = task_of(kind="regression", pair=pair)
    examples = pl.DataFrame(rows, schema=["id", "role", "label", "said"], orient="row")
    logits = {name: np.full((len(rows), 1), said) for name, said in SAID_OF_BASELINES.items()}
    logits["finetuned"] = examples.select("said").to_numpy()
    write_examples(folder, task, as_splits(examples, texts, pair), logits, out_of_fold=1.0)
    return task


def write_labelled_sets(
    folder: Path, texts: dict[str, str] | None = None, labels: list[str] = LABELS
) -> Task:
    """Several labels a row, the first of `labels` for calm and so on; `dummy` says none, the others all."""
    task = task_of(labels, kind="multi-label")
    named = pl.col("label", "said").list.eval(pl.element().replace(LABELS, labels[: len(LABELS)]))
    examples = pl.DataFrame(SETS, schema=["id", "role", "label", "said"], orient="row").with_columns(named)
    said_NC = array_of(numbers_of(examples["said"], task), task)
    logits = {name: np.full(said_NC.shape, -2.0 if name == "dummy" else 2.0) for name in SAID_OF_BASELINES}
    logits["finetuned"] = np.where(said_NC, 2.0, -2.0)
    write_examples(folder, task, as_splits(examples, texts), logits, thresholds=[0.5] * len(labels))
    return task


def as_splits(examples: pl.DataFrame, texts: dict[str, str] | None, pair: str | None = None) -> pl.DataFrame:
    """`examples` have id, role and label (names); their texts by id are `texts`, or say which they are."""
    originals = [(texts or {}).get(name, f"Text {name}") for name in examples["id"]]
    table = examples.select("id", "role", "label").with_columns(text_original=pl.Series(originals))
    if pair is not None:
        table = table.with_columns(text_pair_original=pl.format("Pair {}", "id"))
    lower = (
        pl.col("^text.*_original$").str.to_lowercase().name.map(lambda name: name.removesuffix("_original"))
    )
    return table.with_columns(lower).with_columns(place=pl.lit("Oslo"), left_out=pl.lit(None, pl.String))


def write_examples(
    folder: Path,
    task: Task,
    splits: pl.DataFrame,
    logits: dict[str, np.ndarray],
    *,
    thresholds: list[float] | None = None,
    out_of_fold: float | None = None,
) -> None:
    """As `write_project`, of any kind: `logits` [N, C] by model, and one of all training rows out of fold."""
    write_task(task, folder / "task.json")
    write_parquet(splits, folder / "splits.parquet")
    examples = splits.select("id", "role", numbers_of(splits["label"], task))
    for name, logits_NC in logits.items():
        held_out_NC = np.full_like(logits_NC, np.nan)
        if out_of_fold is not None:
            held_out_NC[(splits["role"] == "train").to_numpy()] = out_of_fold
        room = "finetuned" if name == "finetuned" else "baseline"
        write_predictions(
            task,
            examples,
            logits_NC,
            folder / room / f"{name}.parquet",
            thresholds=thresholds,
            out_of_fold_NC=None if name == "finetuned" else held_out_NC,
        )
    write_beside(folder, task, examples)


def write_numbers(folder: Path, examples: pl.DataFrame) -> None:
    """finetuned/vectors.arrow and features.arrow; and tokens.arrow, in which the first text is cut."""
    table = pa.Table.from_batches(examples.to_arrow().to_batches())
    for seed, name in enumerate(("finetuned/vectors.arrow", "features.arrow")):
        vectors_NH = np.random.default_rng(seed).normal(size=(len(examples), 4)).astype(np.float32)
        write_vectors(table, vectors_NH, folder / name)
    tokens = examples.select("id", length=8, lost=(pl.int_range(pl.len()) == 0).cast(pl.Int32))
    tokens_table = pa.Table.from_batches(tokens.to_arrow().to_batches())
    write_stream(tokens_table.schema, tokens_table.to_batches(), folder / "tokens.arrow")
