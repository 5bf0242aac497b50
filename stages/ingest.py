"""Take in the source's rows as one table, and set aside with a reason each row that cannot be used.

Rows in = rows kept + rows rejected, and nothing is written unless everything is. Rows go to the disk as they
come, so memory does not grow with their number.
"""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import Field

from stages.lib.exceptions import SourceError
from stages.lib.listing import listed
from stages.lib.params import StageParams, load_params
from stages.lib.readers.rows import BLANK
from stages.lib.sources.correcting import DROPPED
from stages.lib.sources.corrections import read_corrections
from stages.lib.sources.expectations import write_expectations
from stages.lib.sources.files import CORRECTIONS_FILE
from stages.lib.sources.parts import Part, find_parts
from stages.lib.sources.row_counts import Counts
from stages.lib.sources.source import as_task, read_source
from stages.lib.sources.taking import as_reasons, take
from stages.lib.sources.tracked import refuse_untracked
from stages.lib.stage import InPath, OutPath, run
from stages.lib.tables import scratch_folder, write_json
from stages.lib.task import write_task

QUARANTINE = Path(".textrail/rejected.parquet")  # of a source that fails for its many rejected rows
# holds nothing: sheets end in some, and \r\r\n makes one of every second line; and what a person asked for
NO_FAULT = (BLANK, DROPPED)
USUAL = {"csv", "tsv", "jsonl", "json", "parquet", "arrow", "utf-8"}  # what nobody need be told


class Params(StageParams):
    source: str
    max_rejected_share: float = Field(ge=0, le=1)  # of a role's rows


def too_many_rejected(counts: Counts, most: float) -> str | None:
    """What is to be said where more of a role's rows are rejected than may be."""
    for role, of_role in counts.rejected.items():
        reasons = Counter({reason: rows for reason, rows in of_role.items() if reason not in NO_FAULT})
        rejected = reasons.total()
        rows = rejected + counts.kept[role]
        if rejected > most * rows:
            return (
                f"role {role}: {rejected:,} of {rows:,} rows ({100 * rejected / rows:.1f} %) cannot be used, "
                f"where ingest.max_rejected_share in params.yaml allows {100 * most:g} %: "
                f"{as_reasons(reasons)}"
            )
    return None


def leave_behind(rejected: Path) -> str:
    """The rejected rows of a source that fails, where a person can look at them; and what to do."""
    QUARANTINE.parent.mkdir(exist_ok=True)
    shutil.copyfile(rejected, QUARANTINE)
    return f"all of them stand in {QUARANTINE}: mend the source, or raise the share"


def count(counts: Counts, parts: list[Part]) -> dict[str, Any]:
    reasons = sum(counts.rejected.values(), Counter[str]())
    return {
        "rows_in": counts.kept.total() + reasons.total(),
        "rows_kept": counts.kept.total(),
        "rows_rejected": reasons.total(),
        "rejected_because": reasons,
        "roles": counts.kept,
        "labels": counts.labels,
        "read_as": {file: form for part in parts for file, form in part.read_as.items()},
    } | ({"corrections": counts.corrections} if counts.corrections else {})


def describe(numbers: dict[str, Any], name: str) -> list[str]:
    roles = ", ".join(f"{rows:,} {role}" for role, rows in numbers["roles"].items())
    why = f": {as_reasons(numbers['rejected_because'])}" if numbers["rows_rejected"] else ""
    files_of: dict[str, list[str]] = {}
    for file, form in numbers["read_as"].items():
        if not USUAL.issuperset(form.split(", ")):
            files_of.setdefault(form, []).append(file)
    return [
        *(f"ingest: read as {form}, by its looks: {listed(files, 3)}" for form, files in files_of.items()),
        f"ingest: {name}: {numbers['rows_in']:,} rows in, {numbers['rows_kept']:,} kept ({roles}), "
        f"{numbers['rows_rejected']:,} rejected{why}{corrected(numbers)}",
    ]


def corrected(numbers: dict[str, Any]) -> str:
    rows_of = {what: roles.total() for what, roles in numbers.get("corrections", {}).items()}
    done = [f"{rows:,} {what.replace('_', ' ')}" for what, rows in rows_of.items() if rows]
    return f"; {CORRECTIONS_FILE}: {', '.join(done)}" if done else ""


def main(
    *,
    source: InPath,
    task: OutPath,
    expectations: OutPath,
    ingested: OutPath,
    rejected: OutPath,
    metrics: OutPath,
) -> None:
    params = load_params("ingest", Params)
    refuse_untracked(source)
    what = read_source(source)
    corrections = read_corrections(source, what)
    parts = find_parts(source, what)
    with scratch_folder(ingested.with_name(".ingest.partial")) as folder:
        counts = take(what, parts, folder, corrections)
        fault = too_many_rejected(counts, params.max_rejected_share)
        if fault:
            raise SourceError(f"{fault}; {leave_behind(folder / 'rejected')}")
        (folder / "ingested").replace(ingested)
        (folder / "rejected").replace(rejected)
    write_task(as_task(what), task)
    write_expectations(what.expectations, expectations)
    numbers = count(counts, parts)
    write_json(numbers, metrics)
    print("\n".join(describe(numbers, params.source)))


if __name__ == "__main__":
    run(main)
