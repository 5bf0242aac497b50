"""Batches of examples of like length: short texts are not padded to the longest of all.

Without torch, for those who serve without it. Shapes: N examples.
"""

from collections.abc import Iterator

import numpy as np


def by_length(lengths_N: np.ndarray, batch_tokens: int) -> Iterator[np.ndarray]:
    """Row numbers in batches of at most `batch_tokens` tokens, padding counted in, longest first.

    Longest first, so that running out of memory shows at once and the time left is never underestimated.
    """
    order = np.argsort(-lengths_N, kind="stable")
    start = 0
    while start < len(order):
        longest = max(1, int(lengths_N[order[start]]))
        count = max(1, batch_tokens // longest)
        yield order[start : start + count]
        start += count
