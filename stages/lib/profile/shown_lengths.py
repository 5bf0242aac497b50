"""Lengths in tokens as the profile shows them, beside what the model reads: a histogram, and a strip a label.

Both on one logarithmic scale, on which a limit of 128 tokens and an encoder's 512 stand together with tweets.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from stages.lib.profile.findings import Finding
from stages.lib.profile.length_statistics import MEASURED, length_statistics
from stages.lib.statistics.groups import Groups, in_groups

View = dict[str, Any]
ENDS = {"low": "p5", "from": "p25", "median": "median", "to": "p75", "high": "p95"}
MANY_CUT = 0.01  # of the texts: fewer cost less than a score's interval is wide


class Limits(NamedTuple):
    cut_at: int  # tokenize.max_tokens
    room: int | None  # the encoder's own most


def lengths_by_label(labelled: pl.DataFrame, groups: Groups) -> pl.DataFrame:
    """Their statistics in every unit, and `cut`: how many of the rows lose tokens."""
    grouped = in_groups(labelled.select("label", "lost", *MEASURED), groups)
    cut = grouped.group_by("label").agg(cut=(pl.col("lost") > 0).sum().cast(pl.Int64))
    return length_statistics(grouped, "label").join(cut, on="label", maintain_order="left")


def shown_lengths(rows: pl.DataFrame, by_label: pl.DataFrame, limits: Limits) -> View:
    """`rows` have tokens and lost; `by_label` are their statistics by label, with `cut`, the rows cut."""
    scale = Scale(max(int(rows["tokens"].to_numpy().max()), limits.cut_at, limits.room or 1))
    return {
        "limits": [
            {"name": name, "tokens": tokens, "at": scale.at(tokens)}
            for name, tokens in (("cut at", limits.cut_at), ("encoder’s most", limits.room))
            if tokens is not None
        ],
        "ticks": [{"tokens": tick, "at": scale.at(tick)} for tick in scale.ticks()],
        "bars": bars(rows["tokens"].to_numpy(), scale, limits),
        "labels": [
            {name: row[name] for name in ("label", "count", "cut")}
            | {
                f"{unit}_{name}": row[f"{unit}_{name}"]
                for unit in ("words", "characters")
                for name in ENDS.values()
            }
            | {"tokens": row["tokens_median"], "p95": row["tokens_p95"], "max": row["tokens_max"]}
            | {"at": {end: scale.at(row[f"tokens_{name}"]) for end, name in ENDS.items()}}
            for row in by_label.iter_rows(named=True)
        ],
    } | in_all(rows, limits)


def in_all(rows: pl.DataFrame, limits: Limits) -> View:
    lost = rows["lost"].filter(rows["lost"] > 0)
    tokens_N = rows["tokens"].to_numpy()
    return {
        "texts": len(rows),
        "cut": len(lost),
        "lost": int(lost.median() or 0) if len(lost) else 0,  # type: ignore[arg-type]
        "median": float(np.median(tokens_N)),
        "p99": int(np.quantile(tokens_N, 0.99, method="higher")),
        "max": int(tokens_N.max()),
        **limits._asdict(),
    }


class Scale(NamedTuple):
    most: int

    def at(self, tokens: float) -> float:
        """Where so many tokens stand, from 0 to 1."""
        return math.log2(max(tokens, 1)) / math.log2(max(self.most, 2) * 1.1)

    def ticks(self) -> list[int]:
        """Every power of two, or of four where there would be many."""
        powers = range(math.floor(math.log2(max(self.most, 2))) + 1)
        return [2**power for power in powers if len(powers) <= 8 or power % 2]


def bars(tokens_N: np.ndarray, scale: Scale, limits: Limits) -> list[View]:
    """Two for each doubling, with an edge at the limit: what stands to its right is cut."""
    doubled = 2 * math.log2(max(scale.most, 2)) + 1
    edges = np.unique([0, limits.cut_at, *(round(2 ** (step / 2)) for step in range(math.ceil(doubled) + 1))])
    counts = np.bincount(np.searchsorted(edges, tokens_N, side="left"), minlength=len(edges))[1:]
    peak = counts.max()
    return [
        {
            "low": int(low) + 1,
            "high": int(high),
            "count": int(count),
            "from": scale.at(low),
            "to": min(1.0, scale.at(high)),
            "height": count / peak,
            "cut": bool(high > limits.cut_at),
        }
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
        if count
    ]


def length_findings(shown: View) -> list[Finding]:
    cut, texts, room = shown["cut"], shown["texts"], shown["room"]
    if cut < MANY_CUT * texts or not cut:
        return []
    says = (
        f"{cut:,} of {texts:,} texts ({cut / texts:.1%}) are longer than {shown['cut_at']:,} tokens and lose "
        f"{shown['lost']:,} in the median: the model never reads those."
    )
    wanted = shown["p99"] if room is None else min(shown["p99"], room)
    if wanted <= shown["cut_at"]:
        do = (
            "The encoder reads no more. Set tokenize.keep to the end that tells more, take an encoder that "
            "reads longer texts (answerdotai/ModernBERT-base: 8,192 tokens), or split the texts."
        )
    else:
        holds = "99 % of the texts" if wanted == shown["p99"] else "all that the encoder reads"
        do = f"Set tokenize.max_tokens to {wanted}, which holds {holds}; long texts cost time and memory."
    return [Finding("lengths", says, do)]
