"""Corrections laid upon a source's examples as they come; each has to meet its row, and is counted.

Ids are given before: no correction changes another row's id. A row that is not dropped keeps its role.
"""

from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

import polars as pl

from stages.lib.exceptions import SourceError
from stages.lib.labels import NAME_TYPE_OF_KINDS
from stages.lib.sources.corrections import AMBIGUOUS, DROP, RELABEL, Correction, Corrections
from stages.lib.sources.files import CORRECTIONS_FILE
from stages.lib.sources.label_cells import Label
from stages.lib.sources.row_counts import Counts
from stages.lib.sources.source import SOURCE_FILE, Source
from stages.lib.task import is_unlabelled

DROPPED = f"dropped by {CORRECTIONS_FILE}"
COUNTED = {RELABEL: "relabelled", DROP: "dropped", AMBIGUOUS: "ambiguous"}
ALREADY = "already_so"  # the source itself was mended since
LIKE = 1_000  # ids among which the one that was meant is looked for


class Correcting:
    def __init__(self, corrections: Corrections, source: Source, counts: Counts) -> None:
        self._corrections, self._counts = corrections, counts
        self._label_type = NAME_TYPE_OF_KINDS[source.task]
        self._met: set[str] = set()
        self._rows = 0
        self.dropped: list[int] = []  # places of examples, from 0
        # only where some row is: other sources' tables stay as they are
        self.columns = {"ambiguous": pl.Boolean()} if corrections.has(AMBIGUOUS) else {}
        if corrections.by_id:
            counts.corrections = {what: Counter() for what in (*COUNTED.values(), ALREADY)}

    def applied(self, tables: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Raises SourceError where a role has no row left, or a row cannot be corrected so."""
        for table in tables:
            corrected = self._applied(table) if self._corrections.by_id else table
            self._rows += len(table)
            if len(corrected) or table.is_empty():
                yield corrected
        for role, rows in self._counts.kept.items():
            if not rows:
                raise SourceError(
                    f"{self._corrections.path}: every row of role {role} is dropped; take the role out of "
                    f"{SOURCE_FILE}, or drop fewer of its rows"
                )

    def _applied(self, table: pl.DataFrame) -> pl.DataFrame:
        by_id = self._corrections.by_id
        rows = table.select("id", "role", "label").with_row_index("place")
        rows = rows.filter(pl.col("id").is_in(list(by_id)))
        labels: dict[str, Label] = {}
        for place, id_, role, label in rows.iter_rows():
            correction = by_id[id_]
            self._count(id_, correction, role, label)
            if correction.action == DROP:
                self.dropped.append(self._rows + place)
            elif correction.label is not None:
                labels[id_] = correction.label
        table = self._relabelled(table, labels) if labels else table
        if self.columns:
            ambiguous = [id_ for id_ in rows["id"] if by_id[id_].action == AMBIGUOUS]
            table = table.with_columns(ambiguous=pl.col("id").is_in(ambiguous))
        return table.filter(~pl.col("id").is_in([id_ for id_ in rows["id"] if by_id[id_].action == DROP]))

    def _relabelled(self, table: pl.DataFrame, labels: dict[str, Label]) -> pl.DataFrame:
        new = pl.DataFrame(
            {"id": list(labels), "new": pl.Series(list(labels.values()), dtype=self._label_type)}
        )
        joined = table.join(new, on="id", how="left", maintain_order="left")
        return joined.with_columns(label=pl.coalesce("new", "label")).drop("new")

    def _count(self, id_: str, correction: Correction, role: str, label: Label | None) -> None:
        self._met.add(id_)
        if is_unlabelled(role) and correction.action != DROP:
            raise SourceError(
                f"{self._corrections.path}:{correction.line}: the row {id_!r} is of role {role}, whose rows "
                f"have no label to correct and keep their role: lay it, labelled, in a file of role train"
            )
        what = COUNTED[correction.action]
        if correction.action == DROP:
            self._counts.reject_kept(role, label, DROPPED)
        elif correction.action == RELABEL and correction.label == label:
            what = ALREADY
        elif correction.action == RELABEL:
            self._counts.labels_of(role, label, -1)
            self._counts.labels_of(role, correction.label)
        self._counts.corrections[what][role] += 1

    def check_all_met(self, ingested: Path) -> None:
        """Raises SourceError, with the nearest id of the table, where some row is not there."""
        unknown = [id_ for id_ in self._corrections.by_id if id_ not in self._met]
        if not unknown:
            return
        meant = _nearest_id(ingested, unknown[0])
        hint = "" if meant is None else f"; did you mean {meant!r}?"
        more = f"; {len(unknown):,} of its ids are of no row" if len(unknown) > 1 else ""
        raise SourceError(
            f"{self._corrections.path}:{self._corrections.by_id[unknown[0]].line}: no row has the id "
            f"{unknown[0]!r}{hint}{more}; ids are those of data/ingested.parquet, and a row that could not "
            "be used (data/rejected.parquet) has none: mend the id, or take the line out"
        )


def _nearest_id(ingested: Path, wanted: str) -> str | None:
    """Among those that hold it, or begin or end as it does: there may be millions."""
    half = len(wanted) // 2
    column = pl.col("id")
    holds = column.str.contains(wanted, literal=True)
    like = holds | column.str.starts_with(wanted[:half]) | column.str.ends_with(wanted[half:])
    found = pl.scan_parquet(ingested).select("id", holds=holds).filter(like).head(LIKE)
    ids = found.collect(engine="streaming")
    close = get_close_matches(wanted, ids["id"].to_list(), n=1)
    return next(iter([*close, *ids.filter("holds")["id"]]), None)
