"""Take in the source's rows as one table, and set aside with a reason each row that cannot be used.

Rows in = rows kept + rows rejected, and nothing is written unless everything is. An id is the source's own,
or a hash of the original text with a count of its occurrence; it is never a row number.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import polars as pl
from tqdm import tqdm

from stages.lib.exceptions import SourceError
from stages.lib.label_counts import label_counts
from stages.lib.labels import NAME_TYPE_OF_KINDS
from stages.lib.params import StageParams, load_params
from stages.lib.sources.label_cells import Label, as_text, read_label
from stages.lib.sources.parts import Part, find_parts
from stages.lib.sources.reading import Row
from stages.lib.sources.source import SOURCE_FILE, Source, as_task, read_source
from stages.lib.sources.source_keys import nearest
from stages.lib.stage import InPath, OutPath, run
from stages.lib.tables import write_json, write_parquet
from stages.lib.task import write_task

REJECTED = {"file": pl.String, "line": pl.Int64, "row": pl.String, "reason": pl.String}


class Params(StageParams):
    source: str


def take(source: Source, parts: list[Part]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The examples and the rejected rows, both in the source's order."""
    examples: list[list[Any]] = []
    faults: list[tuple[str, int | None, str, str]] = []
    for part in parts:
        more_examples, more_faults = _take_part(source, part)
        if not more_examples:
            reasons = Counter(reason for *_, reason in more_faults).most_common(3)
            why = "; ".join(f"{reason} ({rows:,})" for reason, rows in reasons)
            raise SourceError(f"{part.path}: none of its {len(more_faults):,} rows can be used: {why}")
        examples += more_examples
        faults += more_faults
    pair = [] if source.columns.text_pair is None else ["text_pair"]
    columns = ["source_id", "text", *pair, "label", "role", *source.keep]
    schema = dict.fromkeys(columns, pl.String()) | {"label": NAME_TYPE_OF_KINDS[source.task]}
    table = pl.DataFrame(examples, schema=schema, orient="row")
    return table.insert_column(0, make_ids(table)), pl.DataFrame(faults, schema=REJECTED, orient="row")


def _take_part(source: Source, part: Part) -> tuple[list[Any], list[Any]]:
    examples, faults = [], []
    unknown: list[tuple[int | None, str]] = []
    unlabelled = part.wanted._replace(labelled=False).names()
    for row in tqdm(part.rows, desc=f"ingest {part.role}", unit=" rows", delay=2, disable=None):
        label, fault = None, row.fault or _fault_in(row, unlabelled, part.wanted.columns.text)
        if not fault and part.wanted.labelled:
            label, fault, unknown_label = read_label(row.cells, part.wanted.columns.label, source)
            if unknown_label is not None:
                unknown.append((row.line, unknown_label))
        if fault:
            held = json.dumps(row.held, ensure_ascii=False, default=str)
            faults.append((part.place, row.line, held, fault))
        else:
            examples.append(_as_example(row, part, label, source))
    if unknown:
        raise _unknown_label(part, unknown, source)
    return examples, faults


def _fault_in(row: Row, columns: list[str], text: str) -> str | None:
    for column in columns:
        if isinstance(row.cells.get(column), list | dict):
            return f"{column} is a list or an object"
    return None if (as_text(row.cells.get(text)) or "").strip() else "text is empty"


def _as_example(row: Row, part: Part, label: Label | None, source: Source) -> list[Any]:
    columns = part.wanted.columns
    source_id = None if columns.id is None else as_text(row.cells.get(columns.id))
    texts = [as_text(row.cells.get(name)) for name in (columns.text, columns.text_pair) if name is not None]
    values = [as_text(row.cells.get(name)) for name in source.keep]
    return [source_id, *texts, label, part.role, *values]


def _unknown_label(part: Part, unknown: list[tuple[int | None, str]], source: Source) -> SourceError:
    line, label = unknown[0]
    where = part.path if line is None else f"{part.path}:{line}"
    return SourceError(
        f"{where}: {part.wanted.columns.label} is {label!r}, which {SOURCE_FILE} does not name under labels"
        f"{nearest(label, source.labels)}; rows of this file with such a label: {len(unknown):,}"
    )


def make_ids(examples: pl.DataFrame) -> pl.Series:
    """Unique over the whole source; a row keeps its id when rows are added after it.

    Where a raw id stands in two roles, every raw id is prefixed with its role.
    """
    raw = examples.select("source_id", "role").drop_nulls().unique()
    prefixed = raw["source_id"].n_unique() < len(raw)
    texts = examples.select(column for column in ("text", "text_pair") if column in examples.columns)
    bases = [
        _hash(text) if raw_id is None else f"{role}-{raw_id}" if prefixed else raw_id
        for raw_id, role, text in zip(examples["source_id"], examples["role"], texts.iter_rows(), strict=True)
    ]
    hashed = examples["source_id"].is_null().to_list()
    return pl.Series("id", _counted(bases, hashed), dtype=pl.String)


def _hash(texts: tuple[str | None, ...]) -> str:
    return hashlib.blake2b("\0".join(text or "" for text in texts).encode(), digest_size=8).hexdigest()


def _counted(bases: list[str], hashed: list[bool]) -> Iterator[str]:
    """A hash with its occurrence, from 1; a repeated raw id with #2, #3 and so on."""
    taken, seen = set(bases), Counter[str]()
    for base, is_hash in zip(bases, hashed, strict=True):
        seen[base] += 1
        if not is_hash and seen[base] == 1:
            yield base
            continue
        mark = "-" if is_hash else "#"
        while f"{base}{mark}{seen[base]}" in taken:  # the source has an id of that very form
            seen[base] += 1
        taken.add(f"{base}{mark}{seen[base]}")
        yield f"{base}{mark}{seen[base]}"


def count(examples: pl.DataFrame, faults: pl.DataFrame) -> dict[str, Any]:
    labelled = examples.select("role", "label").drop_nulls()
    return {
        "rows_in": len(examples) + len(faults),
        "rows_kept": len(examples),
        "rows_rejected": len(faults),
        "rejected_because": _counts(faults["reason"]),
        "roles": _counts(examples["role"]),
        "labels": {
            role: label_counts(part["label"])
            for (role,), part in labelled.group_by("role", maintain_order=True)
        },
    }


def _counts(values: pl.Series) -> dict[str, int]:
    return Counter(values.to_list())


def describe(numbers: dict[str, Any], name: str) -> str:
    roles = ", ".join(f"{rows:,} {role}" for role, rows in numbers["roles"].items())
    rejected = numbers["rows_rejected"]
    return f"ingest: {roles}; {rejected:,} {'row' if rejected == 1 else 'rows'} rejected ({name})"


def main(*, source: InPath, task: OutPath, ingested: OutPath, rejected: OutPath, metrics: OutPath) -> None:
    params = load_params("ingest", Params)
    what = read_source(source)
    examples, faults = take(what, find_parts(source, what))
    numbers = count(examples, faults)
    write_parquet(examples, ingested)
    write_parquet(faults, rejected)
    write_task(as_task(what), task)
    write_json(numbers, metrics)
    print(describe(numbers, params.source))


if __name__ == "__main__":
    run(main)
