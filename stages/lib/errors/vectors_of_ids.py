"""Vectors on disk in the order of a table."""

from pathlib import Path

import numpy as np
import polars as pl

from stages.lib.arrow import open_stream, vectors_of
from stages.lib.joining import join_by_id


def vectors_of_ids(path: Path, ids: pl.Series) -> np.ndarray:
    """float32 [N, H], in the order of `ids`."""
    stream = open_stream(path)
    rows = pl.DataFrame(pl.from_arrow(stream.select(["id"]))).with_row_index("row")
    places = join_by_id(ids.to_frame("id"), rows, f"the table of vectors {path.name}")["row"].to_numpy()
    return np.asarray(vectors_of(stream)[places])
