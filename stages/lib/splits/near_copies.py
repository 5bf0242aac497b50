"""Texts that are nearly the same, found among hundreds of thousands.

MinHash (Broder 1997) in bands proposes pairs, and each is then verified: the similarity is the Jaccard index
of both sets of shingles, so that the threshold means what it says. Of the pairs right at the threshold less
than one in a thousand is not proposed, of those above it fewer. Where many texts are alike, each is compared
with COMPARED of them, the first in the order given: the work grows with the texts, not with their square.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl
from rensa import RMinHash
from scipy.sparse import csr_array, hstack

from stages.lib.splits.shingles import Shingles, shingles_of

SLOTS = 128  # of a text's MinHash
MOST_MISSED = 1e-3
COMPARED = 50
SEED = 1
ROWS_AT_ONCE, PAIRS_AT_ONCE, SHINGLES_AT_ONCE = 65_536, 1_000_000, 20_000_000  # bound the memory
PAIRS = {"first": pl.UInt32, "second": pl.UInt32, "similarity": pl.Float64}


class NearCopies(NamedTuple):
    pairs: pl.DataFrame  # first, second (rows, first < second), similarity
    crowded: int  # texts that were not compared with all that may be like them


def find_near_copies(texts: pl.DataFrame, threshold: float) -> NearCopies:
    """Pairs of rows that are `threshold` or more alike in each column of texts; the least of them counts."""
    if texts.is_empty():
        return no_near_copies()
    shingles = [shingles_of(texts[column], seed) for seed, column in enumerate(texts.columns)]
    bands_NB = _bands(shingles, threshold)
    places_NB = np.stack([places_of(band_N) for band_N in bands_NB.T], axis=1)
    found = [
        _verified(shingles, first, second, threshold) for first, second in candidates(bands_NB, places_NB)
    ]
    pairs = pl.concat([pl.DataFrame(schema=PAIRS), *found]).sort("first", "second")
    return NearCopies(pairs, int((places_NB > COMPARED).any(axis=1).sum()))


def no_near_copies() -> NearCopies:
    return NearCopies(pl.DataFrame(schema=PAIRS), 0)


def slots_per_band(threshold: float) -> int:
    """The most, so the fewest false candidates, that miss a pair at the threshold seldom enough."""
    missed = {slots: (1 - threshold**slots) ** (SLOTS // slots) for slots in range(1, SLOTS + 1)}
    return max((slots for slots, share in missed.items() if share <= MOST_MISSED), default=1)


def _bands(shingles: list[Shingles], threshold: float) -> np.ndarray:
    """uint64 [N, B]: equal in a band where all slots of the band are."""
    has_NV = hstack([one.present for one in shingles], format="csr")
    hash_V = np.concatenate([one.hashes for one in shingles])
    slots = slots_per_band(threshold)
    factor_S = np.random.default_rng(SEED).integers(2**64, size=slots, dtype=np.uint64) | np.uint64(1)
    parts = []
    for start in range(0, has_NV.shape[0], ROWS_AT_ONCE):
        part = has_NV[start : start + ROWS_AT_ONCE]
        hashes = hash_V[part.indices]
        minhash = RMinHash.digest_matrix_from_flat_token_hashes(hashes, part.indptr, SLOTS, SEED)
        slots_NM = np.array(minhash.to_rows(), dtype=np.uint64)[:, : SLOTS // slots * slots]
        parts.append((slots_NM.reshape(len(slots_NM), -1, slots) * factor_S).sum(axis=2))
    return np.concatenate(parts)


def places_of(band_N: np.ndarray) -> np.ndarray:
    """Of each row: how many rows before it are in the same bucket."""
    order, starts_N = _buckets(band_N)
    places_N = np.empty(len(band_N), dtype=np.int32)
    places_N[order] = np.arange(len(band_N)) - starts_N
    return places_N


def _buckets(band_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows bucket by bucket, each in order, and at each the place where its bucket starts."""
    order = np.argsort(band_N, kind="stable")
    new = np.append(True, band_N[order][1:] != band_N[order][:-1])
    return order, np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))


def candidates(bands_NB: np.ndarray, places_NB: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """First and second row of each pair that is to be compared, once, some at a time."""
    for band, band_N in enumerate(bands_NB.T):
        order, starts_N = _buckets(band_N)
        partners_N = np.minimum(places_NB[order, band], COMPARED)
        for rows in _portions(partners_N, PAIRS_AT_ONCE):
            counts = partners_N[rows]
            within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
            first, second = order[np.repeat(starts_N[rows], counts) + within], np.repeat(order[rows], counts)
            for earlier in range(band):
                compared = bands_NB[first, earlier] == bands_NB[second, earlier]
                compared &= places_NB[first, earlier] < COMPARED
                first, second = first[~compared], second[~compared]
            yield first, second


def _portions(sizes: np.ndarray, most: int) -> Iterator[slice]:
    """Consecutive parts whose sizes come to about `most`."""
    part_of = np.cumsum(sizes, dtype=np.int64) // most
    edges = [0, *(np.flatnonzero(np.diff(part_of)) + 1), len(sizes)]
    yield from (slice(start, end) for start, end in itertools.pairwise(edges))


def _verified(
    shingles: list[Shingles], first: np.ndarray, second: np.ndarray, threshold: float
) -> pl.DataFrame:
    similarity = np.ones(len(first))
    for one in shingles:
        likely = similarity >= threshold
        first, second, similarity = first[likely], second[likely], similarity[likely]
        similarity = np.minimum(similarity, _jaccard(one.present, first, second, threshold))
    likely = similarity >= threshold
    values = (first[likely], second[likely], similarity[likely])
    return pl.DataFrame(dict(zip(PAIRS, values, strict=True)), schema=PAIRS)


def _jaccard(has_NV: csr_array, first: np.ndarray, second: np.ndarray, threshold: float) -> np.ndarray:
    """0 where the sizes alone say that it is below the threshold; 1 for two empty sets."""
    size_N = np.diff(has_NV.indptr)
    less, more = np.minimum(size_N[first], size_N[second]), np.maximum(size_N[first], size_N[second])
    jaccard: np.ndarray = (more == 0).astype(np.float64)
    likely = np.flatnonzero((less >= threshold * more) & (more > 0))
    for part in _portions(more[likely], SHINGLES_AT_ONCE):
        pairs = likely[part]
        common = has_NV[first[pairs]].multiply(has_NV[second[pairs]]).sum(axis=1)
        jaccard[pairs] = common / (less[pairs] + more[pairs] - common)
    return jaccard
