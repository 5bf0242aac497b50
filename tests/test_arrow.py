"""Numbers between NumPy and Arrow, without pandas: it takes a sixth of a second to import."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from stages.lib.arrow import arrow_of, numpy_of
from tests.tiny import ROOT, environment

NUMBERS = [
    np.arange(7, dtype=np.int64)[::-1],
    np.arange(7, dtype=np.int32)[::2],
    np.linspace(0, 1, 5, dtype=np.float32),
    np.zeros(0, dtype=np.float64),
]


@pytest.mark.parametrize("numbers", NUMBERS, ids=lambda numbers: f"{len(numbers)} {numbers.dtype}")
def test_as_the_libraries_have_it(numbers: np.ndarray) -> None:
    column = pa.array(numbers)
    assert arrow_of(numbers).equals(column)
    chunked = pa.chunked_array([column[1:], column], type=column.type)
    for arrow in (column, column[1:], chunked):
        found, expected = numpy_of(arrow), np.asarray(arrow)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_pandas_is_not_imported() -> None:
    asked = (
        "import sys, numpy as np, pyarrow as pa; from stages.lib.arrow import arrow_of, numpy_of; "
        "column = arrow_of(np.arange(3)); numpy_of(column); numpy_of(pa.chunked_array([column])); "
        "sys.exit('pandas' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", asked], cwd=ROOT, env=environment(), check=True)
