"""Label the rows of a CSV: `python -m commands.predict in.csv out.csv`.

Every column is kept; label, probability and decision are added. Texts go through the same cleaning and
tokenizing as in training. The model's folder is all that is needed, so it can be copied anywhere.

The decision is `decided` where the label is probable enough to need no person, and else `ask a human`. The
threshold travels with the model: the one at which so many of the decided examples of validation were decided
rightly, by default 95 %. Where validation reached that nowhere, every row is for a person.
"""

import csv
import io
import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
import typer
from tqdm import tqdm

from commands.lib.labelling import labeller
from stages.lib.exceptions import ConfigError, SourceError
from stages.lib.operating import PRECISIONS, OperatingPoint
from stages.lib.served import read_served
from stages.lib.stage import run
from stages.lib.tables import replacing
from stages.lib.versions import warn_of_drift

ROWS_AT_ONCE = 4096  # sorted by length among themselves; memory does not grow with the file

CHOICES = ", ".join(f"{precision:g}" for precision in PRECISIONS)
DECIDED, UNDECIDED = "decided", "ask a human"

Rows = list[list[str]]


def main(
    source: Annotated[Path, typer.Argument(help="a CSV with a header, in UTF-8")],
    output: Annotated[Path, typer.Argument(help="the same rows with label, probability and decision")],
    model: Annotated[Path, typer.Option(help="a model that `dvc repro` made")] = Path("models/finetuned"),
    text: Annotated[
        list[str] | None,
        typer.Option(help="the text's column, twice for a pair; as in training if not given"),
    ] = None,
    precision: Annotated[
        float, typer.Option(help=f"how many of the decided rows should be right: {CHOICES}")
    ] = 0.95,
    prefix: Annotated[str, typer.Option(help="goes before the names of the added columns")] = "",
    delimiter: Annotated[str, typer.Option(help="stands between the columns")] = ",",
    batch_tokens: Annotated[int, typer.Option(help="tokens in a batch, padding counted in")] = 4096,
) -> None:
    """Label the rows of a CSV with the fine-tuned model."""
    warn_of_drift()
    served = read_served(model)
    threshold = threshold_of(served.operating, precision)
    probabilities = labeller(model, served, batch_tokens)
    added = [f"{prefix}{name}" for name in ("label", "probability", "decision")]
    count = decisions = 0
    with replacing(output) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        chunks = read_chunks(source, delimiter)
        header = next(chunks)[0]
        places = places_of(header, text or served.text_columns, added, source)
        writer.writerow(header + added)
        for rows in chunks:
            texts = pl.DataFrame({f"text_{place}": [row[place] for row in rows] for place in places})
            labelled = list(label(probabilities(texts), served.labels, threshold))
            writer.writerows([*row, *cells] for row, cells in zip(rows, labelled, strict=True))
            decisions += sum(cells[-1] == DECIDED for cells in labelled)
            count += len(rows)
    print(
        f"predict: {count:,} rows labelled in {output}; {decisions:,} decided "
        f"(at {100 * precision:g} % precision on validation), {count - decisions:,} for a person"
    )


def label(
    probabilities_NC: np.ndarray, labels: list[str], threshold: float
) -> Iterator[tuple[str, str, str]]:
    """Label, probability and decision of each row; of equal probabilities the first class counts."""
    for row_C in probabilities_NC:
        best = int(row_C.argmax())
        yield labels[best], f"{row_C[best]:.6f}", DECIDED if row_C[best] >= threshold else UNDECIDED


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


def places_of(header: list[str], texts: list[str], added: list[str], source: Path) -> list[int]:
    """Where the texts stand in a row. Raises SourceError where a text is missing or a name taken."""
    for name in texts:
        if name not in header:
            raise SourceError(
                f"{source}: no column '{name}', which the model read in training; "
                f"it has {', '.join(header)}: name the text's column with --text"
            )
    taken = [name for name in added if name in header]
    if taken:
        raise SourceError(f"{source}: has a column '{taken[0]}' already; try --prefix predicted_")
    return [header.index(name) for name in texts]


if __name__ == "__main__":
    run(main)
