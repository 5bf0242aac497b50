"""Label the rows of a CSV: `python -m commands.predict in.csv out.csv`.

Every column is kept. What is added follows from the kind of task that the model was trained for:

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

import csv
import io
import math
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import polars as pl
import typer
from tqdm import tqdm

from stages.lib.behaviour.said import names_said
from stages.lib.encoders.served import Served, read_served
from stages.lib.exceptions import ConfigError, SourceError
from stages.lib.kinds import KINDS, Kind
from stages.lib.source_keys import as_list
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

Rows = list[list[str]]
Answers = Iterator[tuple[str, ...]]
Labeller = Callable[[pl.DataFrame], np.ndarray]


class Answer(NamedTuple):
    """What is written of each row."""

    columns: list[str]
    cells: Callable[[np.ndarray], Answers]  # of what the model says of some rows: see labelling.labeller
    decides_at: float | None  # the precision; None where nothing is decided


def main(
    source: Annotated[Path, typer.Argument(help="a CSV with a header, in UTF-8")],
    output: Annotated[Path, typer.Argument(help="the same rows with what the model says")],
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
    delimiter: Annotated[str, typer.Option(help="stands between the columns")] = ",",
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
    """Label the rows of a CSV with the fine-tuned model."""
    warn_of_drift()
    served = read_served(onnx or model)
    answer = ANSWERS_OF_KINDS[served.kind](served, precision, separator)
    if onnx is None:
        said, by = torch_labeller(model, served, batch_tokens, int8), ""
    else:
        said, by = onnx_labeller(onnx, served, batch_tokens, int8)
    added = [f"{prefix}{name}" for name in answer.columns]
    count = decisions = 0
    with replacing(output) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        chunks = read_chunks(source, delimiter)
        header = next(chunks)[0]
        places = places_of(header, chosen_texts(text, served.text_columns), added, source)
        writer.writerow(header + added)
        for rows in chunks:
            texts = pl.DataFrame([text_at(some, rows) for some in places], TEXTS[: len(places)])
            answered = list(answer.cells(said(texts)))
            writer.writerows([*row, *cells] for row, cells in zip(rows, answered, strict=True))
            decisions += sum(cells[-1] == DECIDED for cells in answered) if answer.decides_at else 0
            count += len(rows)
    print(f"predict: {count:,} rows labelled in {output}{by}{told(answer, count, decisions)}")


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


def _label(served: Served, precision: float | None, separator: str) -> Answer:
    """Raises ConfigError, as do the others."""
    aim = PRECISION if precision is None else precision
    threshold = threshold_of(served.operating, aim)

    def cells(probabilities_NC: np.ndarray) -> Answers:
        names, sure_N = names_said(served, probabilities_NC), probabilities_NC.max(axis=1)
        for name, sure in zip(names, sure_N, strict=True):
            yield name, f"{sure:.6f}", DECIDED if sure >= threshold else UNDECIDED

    return Answer(["label", "probability", "decision"], cells, aim)


def _prediction(served: Served, precision: float | None, separator: str) -> Answer:
    refuse_precision(served, precision)
    return Answer(["prediction"], lambda numbers_N1: ((f"{n:.6f}",) for n in numbers_N1[:, 0]), None)


def _labels(served: Served, precision: float | None, separator: str) -> Answer:
    refuse_precision(served, precision)
    split = [name for name in served.labels if separator in name]
    if split:
        raise ConfigError(f"--separator: {separator!r} stands in the label {split[0]!r}; name another")

    def cells(probabilities_NC: np.ndarray) -> Answers:
        for names, row_C in zip(names_said(served, probabilities_NC), probabilities_NC, strict=True):
            yield separator.join(names), *(f"{probability:.6f}" for probability in row_C)

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


def read_chunks(source: Path, delimiter: str) -> Iterator[Rows]:
    """The header alone, then the rows, some thousand at a time, with a bar. Raises SourceError."""
    if not source.is_file():
        raise SourceError(f"{source}: no such file")
    bar = tqdm(total=source.stat().st_size, unit="B", unit_scale=True, delay=2, disable=None)
    with source.open("rb") as raw, bar:
        text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
        rows = checked_rows(csv.reader(text, delimiter=delimiter, strict=True), source)
        header = list(islice(rows, 1))
        if not header:
            raise SourceError(f"{source}: the file is empty; expected a header and rows")
        yield header
        while chunk := list(islice(rows, ROWS_AT_ONCE)):
            yield chunk
            bar.update(raw.tell() - bar.n)


def checked_rows(reader: Any, source: Path) -> Iterator[list[str]]:
    """Rows of equal width, blank lines passed over."""
    width = None
    try:
        for row in filter(None, reader):
            width = width or len(row)
            if len(row) != width:
                raise SourceError(
                    f"{source}:{reader.line_num}: {len(row)} fields end here, the header has {width}"
                )
            yield row
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{source}: after line {reader.line_num}: not UTF-8 ({error.reason}); save the file as UTF-8"
        ) from None
    except csv.Error as error:
        raise SourceError(
            f"{source}:{reader.line_num}: {error}; a quote inside a cell is written twice"
        ) from None


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


def text_at(places: list[int], rows: Rows) -> list[str]:
    """The column there; several are joined as in training."""
    if len(places) == 1:
        return [row[places[0]] for row in rows]
    return [joined(row[place] for place in places) for row in rows]


def places_of(header: list[str], texts: list[list[str]], added: list[str], source: Path) -> list[list[int]]:
    """Where the texts stand in a row. Raises SourceError where a text is missing or a name taken."""
    for name in (name for columns in texts for name in columns):
        if name not in header:
            raise SourceError(
                f"{source}: no column '{name}', which the model read in training; "
                f"it has {', '.join(header)}: name the text's column with --text"
            )
    taken = [name for name in added if name in header]
    if taken:
        raise SourceError(f"{source}: has a column '{taken[0]}' already; try --prefix predicted_")
    return [[header.index(name) for name in columns] for columns in texts]


if __name__ == "__main__":
    run(main)
