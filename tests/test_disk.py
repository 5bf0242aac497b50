"""A full disk is told as such, with what was being written, whichever library met it."""

import errno
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import polars as pl
import pytest

from stages.lib.disk import told_of
from stages.lib.tables import replacing, replacing_folder, scratch_folder, write_json, write_parquet

RUST = "ComputeError: failed to write: No space left on device (os error 28)"


def within(context: AbstractContextManager[object], error: Exception) -> None:
    with context:
        raise error


@pytest.mark.parametrize("context", [told_of, replacing, replacing_folder, scratch_folder])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "no space"), OSError(RUST), RuntimeError(RUST)], ids=repr
)
def test_what_was_written_is_named(
    tmp_path: Path, context: Callable[[Path], AbstractContextManager[object]], error: Exception
) -> None:
    with pytest.raises(OSError, match="No space left on device") as raised:
        within(context(tmp_path / "table"), error)
    assert raised.value.errno == errno.ENOSPC
    assert str(raised.value.filename).endswith("table")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "no space", "models/a.bin"),  # it says itself what it was
        FileNotFoundError(errno.ENOENT, "no such file"),
        RuntimeError("No such file or directory (os error 2)"),
        ValueError("28"),
    ],
    ids=repr,
)
def test_any_other_error_stays_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        within(told_of(Path("table")), error)
    assert raised.value is error


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_each_library_on_a_disk_that_is_full(tmp_path: Path) -> None:
    for name in (".a.parquet.partial", ".a.json.partial"):
        (tmp_path / name).symlink_to("/dev/full")
    frame = pl.DataFrame({"n": range(10_000)})
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)) as raised:
        write_parquet(frame, tmp_path / "a.parquet")
    assert raised.value.filename == str(tmp_path / "a.parquet")
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)) as raised:
        write_json({"n": 1}, tmp_path / "a.json")
    assert raised.value.filename == str(tmp_path / "a.json")
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".partial"]
