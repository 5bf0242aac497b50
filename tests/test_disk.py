"""A full disk is told as such, with what was being written, whichever library met it."""

import errno
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from safetensors import SafetensorError

from stages.lib.disk import told_of
from stages.lib.exceptions import CheckpointError, SourceError
from stages.lib.remotes import kaggle, kaggle_client, kaggle_errors
from stages.lib.remotes.hub_errors import explained
from stages.lib.tables import replacing, replacing_folder, scratch_folder, write_json, write_parquet
from stages.lib.training.checkpoints import Checkpoints

RUST = "ComputeError: failed to write: No space left on device (os error 28)"


def within(context: AbstractContextManager[Any], error: Exception) -> None:
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


def wrapped(cause: Exception) -> Exception:
    """As clients raise it: from what happened, in words of their own."""
    error = RuntimeError("an error occurred while the dataset was generated")
    error.__cause__ = cause
    return error


OF_A_CLIENT = [
    OSError(errno.ENOSPC, "no space"),
    OSError(errno.EDQUOT, "quota exceeded"),
    OSError(errno.EROFS, "read-only"),
    RuntimeError(RUST),
    wrapped(OSError(errno.ENOSPC, "no space")),
]


@pytest.mark.parametrize("error", OF_A_CLIENT, ids=repr)
def test_it_is_none_of_the_hubs_doing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", "/a/cache")
    with pytest.raises(OSError, match=r"Errno") as raised:
        within(explained("a dataset", SourceError), error)
    assert raised.value.filename == "/a/cache"
    with pytest.raises(OSError, match=r"Errno") as raised:
        within(explained("a dataset", SourceError, Path("/another")), error)
    assert raised.value.filename == "/another"


@pytest.mark.parametrize("error", OF_A_CLIENT, ids=repr)
def test_nor_of_kaggles(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fetched(*_: object) -> Path:
        raise error

    monkeypatch.setattr(kaggle_client, "fetched", fetched)
    monkeypatch.setattr(kaggle_errors, "get_cache_folder", lambda: "/a/cache")
    with pytest.raises(OSError, match=r"Errno") as raised:
        kaggle.fetched_folder("nlp-getting-started", "train.csv", Path("data/sources/mine"))
    assert raised.value.filename == "/a/cache"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            SafetensorError("I/O error: Disk quota exceeded (os error 122)"),
            "your share of the disk is used up",
        ),
        (OSError(errno.EROFS, "read-only"), "the disk is read-only; no earlier one stands: make it writable"),
        (
            OSError(errno.ENOSPC, "no space"),
            "the disk is full; no earlier one stands: free some space and run",
        ),
        (RuntimeError("PytorchStreamWriter failed writing file data/0"), None),
        (FileNotFoundError(errno.ENOENT, "no such file"), None),
    ],
    ids=repr,
)
def test_a_checkpoint_is_told_as_such(tmp_path: Path, error: Exception, message: str | None) -> None:
    """Here is space: what names no fault of the disk is none."""
    with pytest.raises(CheckpointError if message else type(error), match=message):
        within(Checkpoints(tmp_path).saving(6, {}), error)


def test_torchs_error_has_no_number_so_the_disk_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(CheckpointError, match="checkpoint-6: the disk is full"):
        within(Checkpoints(tmp_path).saving(6, {}), RuntimeError("PytorchStreamWriter failed writing file"))
    with pytest.raises(FileNotFoundError):
        within(Checkpoints(tmp_path).saving(6, {}), FileNotFoundError(errno.ENOENT, "no such file"))


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
