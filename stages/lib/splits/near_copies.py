"""Texts that are nearly the same, found among hundreds of thousands.

MinHash (Broder 1997) in bands proposes pairs, and each is then verified: the similarity is the Jaccard index
of both sets of shingles, so that the threshold means what it says. By chance many texts of a large table
share a band; a sketch of both tells most of those pairs from copies, at a fraction of the cost. Of the pairs
right at the threshold less than one in a thousand is not proposed, of those above it fewer. Where many texts
are alike, each is compared with COMPARED of them, the first in the order given: the work grows with the
texts, not with their square.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl
from rensa import RMinHash
from scipy.sparse import csr_array
from scipy.stats import binom

from stages.lib.splits.shingles import Words, as_sets, hashed_words, shingles_of, side_by_side

SLOTS = 128  # of a text's MinHash
MOST_MISSED = 1e-3
COMPARED = 50
SEED = 1
ROWS_AT_ONCE, PAIRS_AT_ONCE, WORDS_AT_ONCE = 65_536, 1_000_000, 10_000_000  # bound the memory
PAIRS = {"first": pl.UInt32, "second": pl.UInt32, "similarity": pl.Float64}


class NearCopies(NamedTuple):
    pairs: pl.DataFrame  # first, second (rows, first < second), similarity
    crowded: int  # texts that were not compared with all that may be like them


def find_near_copies(texts: pl.DataFrame, threshold: float) -> NearCopies:
    """Pairs of rows that are `threshold` or more alike in each column of texts; the least of them counts."""
    if texts.is_empty():
        return no_near_copies()
    words = [hashed_words(texts[column], seed) for seed, column in enumerate(texts.columns)]
    bands_NB, bits_NW = _hashed(words, threshold)
    places_NB = np.zeros(bands_NB.shape, dtype=np.uint8)
    proposed = candidates(bands_NB, places_NB, Sketch(bits_NW, fewest_in_common(threshold)))
    found = [_verified(words, first, second, threshold) for first, second in proposed]
    pairs = pl.concat([pl.DataFrame(schema=PAIRS), *found]).sort("first", "second")
    return NearCopies(pairs, int((places_NB > COMPARED).any(axis=1).sum()))


def no_near_copies() -> NearCopies:
    return NearCopies(pl.DataFrame(schema=PAIRS), 0)


def slots_per_band(threshold: float) -> int:
    """The most, so the fewest false candidates, that miss a pair at the threshold seldom enough."""
    missed = {slots: (1 - threshold**slots) ** (SLOTS // slots) for slots in range(1, SLOTS + 1)}
    return max((slots for slots, share in missed.items() if share <= MOST_MISSED), default=1)


class Sketch(NamedTuple):
    """The lowest bit of each slot (b-bit minwise hashing, Li and König 2010): cheap to compare."""

    bits: np.ndarray  # uint64 [N, 2]
    fewest: int

    def maybe_alike(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        differ = np.bitwise_count(self.bits[first] ^ self.bits[second]).sum(axis=1, dtype=np.uint8)
        likely: np.ndarray = differ <= SLOTS - self.fewest
        return likely


def fewest_in_common(threshold: float) -> int:
    """Bits of SLOTS that a pair at the threshold shares, but for one in a hundred million."""
    # two slots that differ share their lowest bit by chance
    return int(binom.ppf(1e-8, SLOTS, (1 + threshold) / 2))


def _hashed(words: list[Words], threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """uint64 [N, B], equal in a band where all slots of the band are; and the bits of all slots, [N, 2]."""
    rows, slots = len(words[0].sizes), slots_per_band(threshold)
    factor_S = np.random.default_rng(SEED).integers(2**64, size=slots, dtype=np.uint64) | np.uint64(1)
    bands_NB = np.empty((rows, SLOTS // slots), dtype=np.uint64)
    bits_NW = np.empty((rows, SLOTS // 64), dtype=np.uint64)
    for start in range(0, rows, ROWS_AT_ONCE):
        part = np.arange(start, min(start + ROWS_AT_ONCE, rows))
        shingles = side_by_side([shingles_of(one, part) for one in words])
        minhash = RMinHash.digest_matrix_from_flat_token_hashes(
            shingles.hashes, shingles.starts.astype(np.uint64), SLOTS, SEED
        )
        slots_NM = np.array(minhash.to_rows(), dtype=np.uint64)
        bits_NW[part] = np.packbits((slots_NM & np.uint64(1)).astype(bool), axis=1).view(np.uint64)
        of_bands = slots_NM[:, : SLOTS // slots * slots].reshape(len(part), -1, slots)
        bands_NB[part] = (of_bands * factor_S).sum(axis=2)
    return bands_NB, bits_NW


def candidates(
    bands_NB: np.ndarray, places_NB: np.ndarray, sketch: Sketch
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """First and second row of each pair that is to be compared, once, some at a time.

    Band by band `places_NB` is filled in: how many rows before it are in the same bucket as a row, up to one
    more than are compared.
    """
    for band, band_N in enumerate(bands_NB.T):
        order, starts_N = _buckets(band_N)
        places_N = np.minimum(np.arange(len(order)) - starts_N, COMPARED + 1)
        places_NB[order, band] = places_N
        partners_N = np.minimum(places_N, COMPARED)
        for rows in _portions(partners_N, PAIRS_AT_ONCE):
            counts = partners_N[rows]
            within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
            first, second = order[np.repeat(starts_N[rows], counts) + within], np.repeat(order[rows], counts)
            likely = sketch.maybe_alike(first, second)
            first, second = first[likely], second[likely]
            for earlier in range(band):
                compared = bands_NB[first, earlier] == bands_NB[second, earlier]
                compared &= places_NB[first, earlier] < COMPARED
                first, second = first[~compared], second[~compared]
            yield first, second


def _buckets(band_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows that share a bucket, bucket by bucket, each in order; and at each where its bucket starts."""
    order = np.argsort(band_N)  # not stable, which takes several times as long: few rows share a bucket
    value_N = band_N[order]
    same = np.concatenate([[False], value_N[1:] == value_N[:-1], [False]])
    shared = same[1:] | same[:-1]
    order, value_N = order[shared], value_N[shared]
    order = order[np.lexsort((order, value_N))]
    new = np.append(True, value_N[1:] != value_N[:-1])[: len(order)]
    return order, np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))


def _portions(sizes: np.ndarray, most: int) -> Iterator[slice]:
    """Consecutive parts whose sizes come to about `most`."""
    part_of = np.cumsum(sizes, dtype=np.int64) // most
    edges = [0, *(np.flatnonzero(np.diff(part_of)) + 1), len(sizes)]
    yield from (slice(start, end) for start, end in itertools.pairwise(edges))


def _verified(words: list[Words], first: np.ndarray, second: np.ndarray, threshold: float) -> pl.DataFrame:
    similarity = np.ones(len(first))
    for one in words:
        likely = similarity >= threshold
        first, second, similarity = first[likely], second[likely], similarity[likely]
        similarity = np.minimum(similarity, _jaccard(one, first, second, threshold))
    likely = similarity >= threshold
    values = (first[likely], second[likely], similarity[likely])
    return pl.DataFrame(dict(zip(PAIRS, values, strict=True)), schema=PAIRS)


def _jaccard(words: Words, first: np.ndarray, second: np.ndarray, threshold: float) -> np.ndarray:
    """0 where the sizes alone say that it is below the threshold; 1 for two empty sets."""
    jaccard = np.zeros(len(first))
    for part in _portions(words.sizes[first] + words.sizes[second], WORDS_AT_ONCE):
        rows, places = np.unique(np.append(first[part], second[part]), return_inverse=True)
        sets_RV = as_sets(shingles_of(words, rows))
        one, other = places.reshape(2, -1)
        jaccard[part] = _of_sets(sets_RV, one, other, threshold)
    return jaccard


def _of_sets(has_NV: csr_array, first: np.ndarray, second: np.ndarray, threshold: float) -> np.ndarray:
    size_N = np.diff(has_NV.indptr)
    less, more = np.minimum(size_N[first], size_N[second]), np.maximum(size_N[first], size_N[second])
    jaccard: np.ndarray = (more == 0).astype(np.float64)
    likely = np.flatnonzero((less >= threshold * more) & (more > 0))
    common = has_NV[first[likely]].multiply(has_NV[second[likely]]).sum(axis=1)
    jaccard[likely] = common / (less[likely] + more[likely] - common)
    return jaccard
