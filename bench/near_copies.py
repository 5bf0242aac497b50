"""Near copies among 200,000 texts, and among as many of which 50,000 are nearly the same.

`python -m bench.near_copies`; it fails where a planted copy within the threshold is not found, or one in the
crowd of near-identical texts has no copy. Texts are made of words drawn by Zipf's law, 8 to 30 a text; one in
twenty is another one with a word replaced. Predicted for two cores, before it was first run: 20 s, and with
the crowd 60 s. `python -m bench.near_copies 1000000` does the same with so many.
"""

import itertools
import resource
import sys
import time

import numpy as np
import polars as pl

from bench.measuring import record
from stages.lib.splits.near_copies import find_near_copies

ROWS, COPIES, CROWD, VOCABULARY = 200_000, 10_000, 50_000, 100_000
THRESHOLD = 0.8


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    generator = np.random.default_rng(1)
    texts, copies = written(rows, generator), planted(rows, generator)
    for other, place in copies:
        texts[place] = edited(texts[other], generator)
    told: list[str] = []
    pairs = timed(texts, "no crowd", told)
    found = set(pairs.select("first", "second").iter_rows())
    meant = {pair for pair in copies if jaccard(*(texts[place] for place in pair)) >= THRESHOLD}
    missed = meant - found
    told.append(f"planted within the threshold: {len(meant):,}, of which {len(missed):,} were not found")
    assert len(missed) <= len(meant) * 1e-3
    crowded = [f"{texts[0]} seen at {n}" for n in range(CROWD)] + texts[CROWD:]
    pairs = timed(crowded, f"{CROWD:,} nearly the same", told)
    assert len(pairs.filter(pl.col("second") < CROWD)["second"].unique()) == CROWD - 1
    record("near_copies", [], "\n".join(f"- {line}" for line in told))


def written(rows: int, generator: np.random.Generator) -> list[str]:
    lengths = generator.integers(8, 31, size=rows)
    words = (generator.zipf(1.2, size=lengths.sum()) % VOCABULARY).astype(str)
    ends = np.cumsum(lengths)
    return [" ".join(words[end - length : end]) for end, length in zip(ends, lengths, strict=True)]


def planted(rows: int, generator: np.random.Generator) -> list[tuple[int, int]]:
    """(original, copy), each row in one pair at most."""
    drawn = generator.permutation(rows)[: 2 * COPIES * rows // ROWS].reshape(-1, 2)
    return [(int(min(pair)), int(max(pair))) for pair in drawn]


def edited(text: str, generator: np.random.Generator) -> str:
    words = text.split()
    words[int(generator.integers(len(words)))] = f"new{generator.integers(VOCABULARY)}"
    return " ".join(words)


def jaccard(text: str, other: str) -> float:
    """By its definition, over words and pairs of words."""
    one, two = ({*words, *itertools.pairwise(words)} for words in (text.split(), other.split()))
    return len(one & two) / len(one | two)


def timed(texts: list[str], what: str, told: list[str]) -> pl.DataFrame:
    """Pairs; how long they took is appended to `told`."""
    begun = time.perf_counter()
    found = find_near_copies(pl.DataFrame({"text": texts}), THRESHOLD)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    told.append(
        f"near copies of {len(texts):,} texts, {what}: {seconds:.1f} s, {len(found.pairs):,} pairs, "
        f"{found.crowded:,} texts in a crowd; peak memory so far {peak:.1f} GiB"
    )
    print(told[-1])
    return found.pairs


if __name__ == "__main__":
    main()
