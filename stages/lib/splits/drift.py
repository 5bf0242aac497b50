"""How the texts of a role differ from those of training: words that training never saw, and lengths.

Chance alone makes a part of a role's words new. What it makes is measured by holding out of train, several
times over, as many rows as the role has (half of train at most): words of those rows, and of the role's, that
the rest of train lacks. Texts that have a copy stay aside on both sides, since copies of evaluation examples
were taken out of train, while train keeps its own. Of more than MOST_TEXTS so many are drawn.
"""

from typing import Any

import numpy as np
import polars as pl
from scipy.sparse import csr_array
from scipy.stats import ks_2samp, t

from stages.lib.splits.shingles import words_of

DRAWS = 50
MOST_TEXTS = 500_000  # all roles together: a difference that fewer do not show matters to no one
FEWEST = 20  # rows on each side, below which nothing is said
LEVEL = 0.05  # how often chance alone makes any role stand out, in words or lengths
SEED = 1


def drift_from_train(texts: pl.Series, roles: pl.Series) -> dict[str, dict[str, Any]]:
    """Role -> its numbers, of all roles but train; `texts` are those that the model reads."""
    texts, roles = _drawn(texts, roles)
    words = words_of(texts)
    counts_NV, length_N = _counts(words), words.list.len().to_numpy()
    in_train = np.flatnonzero((roles == "train").to_numpy())
    others = sorted(set(roles.unique()) - {"train"})
    found: dict[str, dict[str, Any]] = {}
    for role in others:
        in_role = np.flatnonzero((roles == role).to_numpy())
        found[role] = {"texts": len(in_role)}
        if min(len(in_role), len(in_train)) >= FEWEST:
            measured = {
                "new_words": _new_words(counts_NV, in_role, in_train),
                "lengths": _lengths(length_N[in_role], length_N[in_train]),
            }
            for numbers in measured.values():
                numbers["more_than_chance"] = numbers["p"] < LEVEL / (2 * len(others))
            found[role] |= measured
    return found


def _drawn(texts: pl.Series, roles: pl.Series) -> tuple[pl.Series, pl.Series]:
    """All of them, or MOST_TEXTS, by chance: rows may follow a pattern."""
    if len(texts) <= MOST_TEXTS:
        return texts, roles
    drawn = np.random.default_rng(SEED).choice(len(texts), MOST_TEXTS, replace=False)
    return texts[np.sort(drawn)], roles[np.sort(drawn)]


def _counts(words: pl.Series) -> csr_array:
    """Of N texts: how often each of V words."""
    rows = words.rename("word").to_frame().with_row_index("row")
    flat = rows.explode("word", empty_as_null=True).drop_nulls()
    distinct, codes = np.unique(flat["word"].hash(SEED).to_numpy(), return_inverse=True)
    ones = np.ones(len(codes), dtype=np.int64)
    return csr_array((ones, (flat["row"].to_numpy(), codes)), shape=(len(words), len(distinct)))


def _new_words(counts_NV: csr_array, in_role: np.ndarray, in_train: np.ndarray) -> dict[str, Any]:
    """Shares of the words, each as often as it stands there; p of a t-test, one-sided."""
    generator = np.random.default_rng(SEED)
    train_V, role_V = counts_NV[in_train].sum(axis=0), counts_NV[in_role].sum(axis=0)
    size = min(len(in_role), len(in_train) // 2)
    shares_D2 = np.empty((DRAWS, 2))
    for draw in range(DRAWS):
        held_V = counts_NV[generator.choice(in_train, size, replace=False)].sum(axis=0)
        new_V = train_V == held_V
        shares_D2[draw] = [part_V[new_V].sum() / max(1, part_V.sum()) for part_V in (role_V, held_V)]
    share, expected = shares_D2.mean(axis=0)
    spread = shares_D2[:, 1].std(ddof=1) * np.sqrt(1 + 1 / DRAWS)
    p = float(t.sf((share - expected) / spread, DRAWS - 1)) if spread > 0 else float(share <= expected)
    return {"share": float(share), "expected": float(expected), "p": p}


def _lengths(in_role: np.ndarray, in_train: np.ndarray) -> dict[str, Any]:
    """In words: the largest gap between both distribution functions, by the Kolmogorov-Smirnov test."""
    found = ks_2samp(in_role, in_train, method="asymp")
    return {
        "median": float(np.median(in_role)),
        "median_in_train": float(np.median(in_train)),
        "largest_gap": float(found.statistic),
        "at": float(found.statistic_location),
        "p": float(found.pvalue),
    }
