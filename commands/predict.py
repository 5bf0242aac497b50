"""Label the rows of a table: `python -m commands.predict in.csv out.csv`.

Whatever ingest reads is read, and by the same code: CSV and TSV in any encoding, JSON, Parquet, Arrow, Excel.
CSV, TSV and JSON Lines are written, as the output's name says. Every column is kept. What is added follows
from the kind of task that the model was trained for:

classification    label, probability, decision
regression        prediction, a number
multi-label       labels, joined by --separator (empty for none), and probability_NAME for each label

Texts go through the same cleaning and tokenizing as in training. The model's folder is all that is needed, so
it can be copied anywhere. Of several labels those are said that reach the thresholds that it carries, each
chosen on validation.

With `--onnx models/onnx`, which `python -m commands.export` wrote, ONNX Runtime answers in torch's place, in
about half the time; torch is then not even imported. By int8 where the export saw no loss, else by float32.

The decision is `decided` where the label is probable enough to need no person, and else `ask a human`. The
threshold travels with the model: the one at which so many of the decided examples of validation were decided
rightly, by default 95 %. Where validation reached that nowhere, every row is for a person.
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import polars as pl
import typer

from commands.lib.table_files import Added, Cells, Table, form_of, writer
from stages.lib.behaviour.said import names_said
from stages.lib.encoders.served import Served, read_served
from stages.lib.exceptions import ConfigError, EncoderError, SourceError
from stages.lib.kinds import KINDS, Kind
from stages.lib.source_keys import as_list
from stages.lib.sources.label_cells import as_text
from stages.lib.stage import run
from stages.lib.statistics.operating import PRECISIONS, OperatingPoint
from stages.lib.tables import replacing
from stages.lib.task import joined
from stages.lib.versions import warn_of_drift

TORCH_BATCH_TOKENS = 4096
ROWS_AT_ONCE = 4096  # sorted by length among themselves; memory does not grow with the file

CHOICES = ", ".join(f"{precision:g}" for precision in PRECISIONS)
PRECISION = 0.95  # where none is asked for
DECIDED, UNDECIDED = "decided", "ask a human"

TEXTS = ["text_1", "text_2"]

Answers = Iterator[Added]
Labeller = Callable[[pl.DataFrame], np.ndarray]


class Answer(NamedTuple):
    """What is written of each row."""

    columns: list[str]
    cells: Callable[[np.ndarray], Answers]  # of what the model says of some rows: see labelling.labeller
    decides_at: float | None  # the precision; None where nothing is decided


def main(
    source: Annotated[Path, typer.Argument(help="a table: .csv, .tsv, .jsonl, .json, .parquet, .xlsx ...")],
    output: Annotated[
        Path, typer.Argument(help="the same rows with what the model says: .csv, .tsv or .jsonl")
    ],
    model: Annotated[Path, typer.Option(help="a model that `dvc repro` made")] = Path("models/finetuned"),
    text: Annotated[
        list[str] | None,
        typer.Option(
            help="the text's column, twice for a pair, each of several; as in training if not given"
        ),
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(
            help=f"how many of the decided rows should be right: {CHOICES}; {PRECISION:g} if not given"
        ),
    ] = None,
    separator: Annotated[str, typer.Option(help="stands between several labels of a row")] = ", ",
    prefix: Annotated[str, typer.Option(help="goes before the names of the added columns")] = "",
    type: Annotated[  # as in source.yaml
        str | None, typer.Option(help="how the source is written, where its name does not tell: csv ...")
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="stands between the source's columns; , or tab, by its name")
    ] = None,
    quoting: Annotated[
        bool | None, typer.Option(help="whether quotes enclose its cells; not in a .tsv, if not given")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="of the source: utf-8, cp1252 ...; found out if not given")
    ] = None,
    sheet: Annotated[str | None, typer.Option(help="of an Excel workbook; its first if not given")] = None,
    batch_tokens: Annotated[
        int | None,
        typer.Option(
            min=1, help=f"tokens in a batch, padding counted in; {TORCH_BATCH_TOKENS}, or with --onnx 512"
        ),
    ] = None,
    onnx: Annotated[
        Path | None, typer.Option(help="a folder that commands.export wrote, in place of --model")
    ] = None,
    int8: Annotated[
        bool | None,
        typer.Option("--int8/--float32", help="with --onnx; int8 where it lost nothing, if not given"),
    ] = None,
) -> None:
    """Label the rows of a table with the fine-tuned model."""
    warn_of_drift()
    if onnx is not None and not onnx.is_dir():
        raise EncoderError(f"{onnx}: no such folder; `python -m commands.export` writes models/onnx")
    served = read_served(onnx or model)
    answer = ANSWERS_OF_KINDS[served.kind](served, precision, separator)
    if onnx is None:
        said, by = torch_labeller(model, served, batch_tokens, int8), ""
    else:
        said, by = onnx_labeller(onnx, served, batch_tokens, int8)
    added = [f"{prefix}{name}" for name in answer.columns]
    form = form_of(type=type, delimiter=delimiter, quoting=quoting, encoding=encoding, sheet=sheet)
    count = decisions = 0
    with replacing(output) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
        table = Table(source, form)
        columns = chosen_texts(text, served.text_columns)
        read = [name for some in columns for name in some]
        check(table, read, added)
        write = writer(output, file, table, added)
        for rows in table.pieces(ROWS_AT_ONCE):
            refuse_nested(table, read, rows)
            texts = pl.DataFrame([text_of(some, rows) for some in columns], TEXTS[: len(columns)])
            answered = list(answer.cells(said(texts)))
            for cells, more in zip(rows, answered, strict=True):
                write(cells, more)
            decisions += sum(more[-1] == DECIDED for more in answered) if answer.decides_at else 0
            count += len(rows)
    print(f"predict: {count:,} rows labelled in {output}{by}{told(answer, count, decisions)}{read_as(table)}")


def torch_labeller(folder: Path, served: Served, batch_tokens: int | None, int8: bool | None) -> Labeller:
    """Raises ConfigError."""
    if int8 is not None:
        raise ConfigError("--int8, --float32: for a folder that commands.export wrote: name it with --onnx")
    from stages.lib.behaviour.labelling import labeller  # torch takes seconds to import

    return labeller(folder, served, batch_tokens or TORCH_BATCH_TOKENS)


def onnx_labeller(
    folder: Path, served: Served, batch_tokens: int | None, int8: bool | None
) -> tuple[Labeller, str]:
    """And what to tell of it. Raises EncoderError."""
    from commands.lib import exported  # nor need those wait who have no ONNX Runtime

    found = exported.read_exported(folder)
    numbers = exported.chosen_numbers(found, int8)
    runner = exported.load_runner(folder, found, numbers)
    return exported.labeller(folder, served, runner, batch_tokens or exported.BATCH_TOKENS), f" by {numbers}"


def told(answer: Answer, count: int, decisions: int) -> str:
    if answer.decides_at is None:
        return ""
    return (
        f"; {decisions:,} decided (at {100 * answer.decides_at:g} % precision on validation), "
        f"{count - decisions:,} for a person"
    )


def read_as(table: Table) -> str:
    """What is worth a look of how the source was read."""
    found_out = table.layout.found_out
    odd = "sheet" in found_out or table.layout.encoding not in ("", "utf-8-sig")
    read = f"; read as {found_out}" if odd and found_out else ""
    return read + (f"; blank lines passed over: {table.blank:,}" if table.blank else "")


def _label(served: Served, precision: float | None, separator: str) -> Answer:
    """Raises ConfigError, as do the others."""
    aim = PRECISION if precision is None else precision
    threshold = threshold_of(served.operating, aim)

    def cells(probabilities_NC: np.ndarray) -> Answers:
        names, sure_N = names_said(served, probabilities_NC), probabilities_NC.max(axis=1)
        for name, sure in zip(names, sure_N, strict=True):
            yield name, float(sure), DECIDED if sure >= threshold else UNDECIDED

    return Answer(["label", "probability", "decision"], cells, aim)


def _prediction(served: Served, precision: float | None, separator: str) -> Answer:
    refuse_precision(served, precision)
    return Answer(["prediction"], lambda numbers_N1: ((float(n),) for n in numbers_N1[:, 0]), None)


def _labels(served: Served, precision: float | None, separator: str) -> Answer:
    refuse_precision(served, precision)
    split = [name for name in served.labels if separator in name]
    if split:
        raise ConfigError(f"--separator: {separator!r} stands in the label {split[0]!r}; name another")

    def cells(probabilities_NC: np.ndarray) -> Answers:
        for names, row_C in zip(names_said(served, probabilities_NC), probabilities_NC, strict=True):
            yield separator.join(names), *row_C.tolist()

    return Answer(["labels", *(f"probability_{name}" for name in served.labels)], cells, None)


ANSWERS_OF_KINDS: dict[Kind, Callable[[Served, float | None, str], Answer]] = {
    "classification": _label,
    "regression": _prediction,
    "multi-label": _labels,
}


def refuse_precision(served: Served, precision: float | None) -> None:
    if precision is not None:
        deciding = ", ".join(kind for kind, facts in KINDS.items() if facts.has_probabilities)
        raise ConfigError(
            f"--precision: found {precision:g}; the model is of a {served.kind} task, and decisions are for "
            f"{deciding}: leave it out"
        )


def threshold_of(points: list[OperatingPoint], precision: float) -> float:
    """Infinity where the model reached the precision nowhere. Raises ConfigError."""
    for point in points:
        if point.precision == precision:
            return math.inf if point.threshold is None else point.threshold
    raise ConfigError(f"--precision: found {precision:g}; the model carries thresholds for {CHOICES}")


def chosen_texts(asked: list[str] | None, trained: list[str | list[str]]) -> list[list[str]]:
    """The columns of each text; as in training, or in their place those asked for. Raises ConfigError."""
    texts = [as_list(columns) for columns in trained]
    if not asked or len(asked) == len(texts):
        return [[name] for name in asked] if asked else texts
    if len(asked) != sum(map(len, texts)):
        said = " and ".join(" + ".join(columns) for columns in texts)
        raise ConfigError(f"--text: found {', '.join(asked)}; the model reads {said}: name as many columns")
    names = iter(asked)
    return [[next(names) for _ in columns] for columns in texts]


def text_of(columns: list[str], rows: list[Cells]) -> list[str]:
    """The column's; several are joined as in training."""
    if len(columns) == 1:
        return [as_text(cells.get(columns[0])) or "" for cells in rows]
    return [joined(as_text(cells.get(name)) for name in columns) for cells in rows]


def refuse_nested(table: Table, texts: list[str], rows: list[Cells]) -> None:
    for name in texts:
        if any(isinstance(cells.get(name), list | dict) for cells in rows):
            raise SourceError(f"{table.path}: '{name}' holds a list or an object; expected a text")


def check(table: Table, texts: list[str], added: list[str]) -> None:
    """Raises SourceError where a text is missing or a name taken."""
    which = "the text's column" if len(texts) == 1 else "each of its columns"
    for name in texts:
        if name not in table.columns:
            raise SourceError(
                f"{table.path}: no column '{name}', which the model read in training; "
                f"it has {', '.join(table.columns)}: name {which} with --text{table.doubt()}"
            )
    taken = [name for name in added if name in table.columns]
    if taken:
        raise SourceError(f"{table.path}: has a column '{taken[0]}' already; try --prefix predicted_")


if __name__ == "__main__":
    run(main)
