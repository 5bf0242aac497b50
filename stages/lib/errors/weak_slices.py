"""Parts of the examples in which the model is wrong more often than elsewhere.

The lattice is that of SliceLine (Sagadeeva and Boehm, "SliceLine: Fast, Linear-Algebra-based Slice Finding
for ML Model Debugging", SIGMOD 2021) to its second level: every condition, and every two of them together,
counted by products of a sparse matrix. SliceLine leaves out what cannot reach its best few scores, which one
knows only from the errors; here all that is large enough is tested, so that what was found can be corrected
for all that was tried: by Benjamini and Hochberg's method (1995), which holds the share of false ones among
the slices with a q up to `slice_q` to that on average.

Of those the surest comes first, and then whatever is still as sure within and without the slices before it:
what overlaps them, and is weak through them alone, is left out. The share of false ones among what is left
is no longer held: a true weakness is found many times over and told once.

Legend: N examples, P conditions, S slices.
"""

from typing import Any, NamedTuple

import numpy as np
import polars as pl
from scipy import sparse
from scipy.stats import false_discovery_control

from stages.lib.errors.conditions import Condition, Words
from stages.lib.errors.knobs import Params
from stages.lib.errors.weakness import Errors, p_of_sums, p_within_strata, part_of

MOST_OF_A_PART = 0.75  # two conditions that hold more of one of them hardly say more than that one

SLICES: dict[str, Any] = {"role": pl.String, "name": pl.String, "kind": pl.String}
NUMBERS: dict[str, Any] = {"n": pl.Int64, "mistakes": pl.Int64} | dict.fromkeys(
    ("error", "rest_error", "difference", "low", "high", "p", "q", "excess"), pl.Float64
)
WORDS: dict[str, Any] = {"role": pl.String, "word": pl.String, "n": pl.Int64} | dict.fromkeys(
    ("error", "rest_error", "p", "q"), pl.Float64
)


class Lattice(NamedTuple):
    """Slices: each its first condition and its second, which are the same where there is one."""

    members: sparse.csr_array  # of the conditions, float64 [N, P]
    first: np.ndarray  # int [S]
    second: np.ndarray  # int [S]
    n: np.ndarray  # int [S]

    def members_of(self, slices: np.ndarray) -> sparse.csr_array:
        """Of so many slices, [N, slices]."""
        columns = self.members.tocsc()
        return (columns[:, self.first[slices]] * columns[:, self.second[slices]]).tocsr()


class Found(NamedTuple):
    tested: int
    slices: list[tuple[str, str, np.ndarray]]  # name, kind, bool [N]
    p: np.ndarray  # [S]
    q: np.ndarray  # [S]


def lattice_of(conditions: list[Condition], examples: int, least_n: int) -> Lattice:
    """The conditions themselves come first."""
    members_NP = sparse.csr_array(
        np.array([condition.members for condition in conditions], dtype=np.float64).reshape(-1, examples).T
    )
    both_PP = (members_NP.T @ members_NP).toarray().astype(np.int64)
    n_P = both_PP.diagonal()
    lesser_PP = np.minimum(n_P[:, None], n_P)
    tells_PP = np.triu((both_PP >= least_n) & (both_PP <= MOST_OF_A_PART * lesser_PP), k=1)
    alone, (first, second) = np.arange(len(n_P)), np.nonzero(tells_PP)
    return Lattice(
        members_NP,
        np.concatenate([alone, first]),
        np.concatenate([alone, second]),
        np.concatenate([n_P, both_PP[first, second]]),
    )


def p_of(lattice: Lattice, errors: Errors) -> np.ndarray:
    """float64 [S]."""
    scored_NP = lattice.members * errors.score[:, None]
    sum_PP = (lattice.members.T @ scored_NP).toarray()
    return p_of_sums(errors, lattice.n, sum_PP[lattice.first, lattice.second])


def corrected(p_S: np.ndarray) -> np.ndarray:
    return np.asarray(false_discovery_control(p_S, method="bh")) if len(p_S) else p_S


def distinct(members_NS: sparse.csr_array, errors: Errors, p_S: np.ndarray, largest_p: float) -> list[int]:
    """The surest, and what is as sure beside those before it, in that order; of equals the first."""
    chosen: list[int] = []
    strata_N = np.zeros(members_NS.shape[0], dtype=np.int64)
    sure_S = p_S <= largest_p
    while sure_S.any():
        best = int(np.argmin(np.where(sure_S, p_S, np.inf)))
        chosen.append(best)
        member_N = members_NS[:, [best]].toarray()[:, 0].astype(np.int64)
        strata_N = np.unique(2 * strata_N + member_N, return_inverse=True)[1]
        p_S = p_within_strata(errors, members_NS, strata_N)
        sure_S &= p_S <= largest_p
        sure_S[best] = False
    return chosen


def find_slices(conditions: list[Condition], errors: Errors, params: Params) -> Found:
    """Those of one role."""
    lattice = lattice_of(conditions, len(errors.error), params.slice_least_n)
    p_S = p_of(lattice, errors)
    q_S = corrected(p_S)
    weak = np.flatnonzero(q_S <= params.slice_q)
    members_NS = lattice.members_of(weak)
    kept = distinct(members_NS, errors, p_S[weak], p_S[weak].max(initial=0.0))
    slices = [
        (*_described(conditions, lattice, place), members_NS[:, [at]].toarray()[:, 0] > 0)
        for at, place in zip(kept, weak[kept], strict=True)
    ]
    return Found(len(p_S), slices, p_S[weak[kept]], q_S[weak[kept]])


def _described(conditions: list[Condition], lattice: Lattice, place: int) -> tuple[str, str]:
    """Name and kind."""
    first, second = (conditions[part[place]] for part in (lattice.first, lattice.second))
    return (first.name, first.kind) if first is second else (f"{first.name} and {second.name}", "both")


def slice_table(found: Found, errors: Errors, role: str, confidence: float) -> pl.DataFrame:
    """Without numbers of their own, in the order of `found`."""
    rows = []
    for (name, kind, member_N), p, q in zip(found.slices, found.p, found.q, strict=True):
        part = part_of(errors, member_N, confidence)
        excess = part.n * part.difference
        rows.append((role, name, kind, *part, float(p), float(q), excess))
    return pl.DataFrame(rows, schema=SLICES | NUMBERS, orient="row")


def word_table(words: Words, errors: Errors, role: str, params: Params) -> pl.DataFrame:
    """The words that mistakes over-use: their texts are wrong more often than others. The surest first."""
    N, n_V = len(errors.error), words.members.sum(axis=0)
    p_V = p_of_sums(errors, n_V, words.members.T @ errors.score)
    error_V = words.members.T @ errors.error
    table = pl.DataFrame(
        {
            "role": pl.repeat(role, len(n_V), dtype=pl.String, eager=True),
            "word": words.words,
            "n": n_V,
            "error": error_V / n_V,
            "rest_error": (errors.error.sum() - error_V) / (N - n_V),
            "p": p_V,
            "q": corrected(p_V),
        },
        schema_overrides=WORDS,
    )
    return table.filter(pl.col("q") <= params.slice_q).sort("p", "word")
