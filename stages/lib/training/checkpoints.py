"""Checkpoints that a killed run goes on from: whole, or passed over; and never another run's.

They lie outside the outs, which DVC deletes before a run, and outside the throw-away trees of experiments, in
a folder whose name is a hash of all that decides what the run computes.
"""

import errno
import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from accelerate import PartialState
from filelock import FileLock, Timeout
from safetensors import SafetensorError

from stages.lib.digests import sha256
from stages.lib.disk import FAULTS, TAKES_NO_MORE, number_of
from stages.lib.exceptions import CheckpointError
from stages.lib.tables import replacing, write_text

FOLDER = Path(".textrail/checkpoints")
SEAL = "seal.json"  # written last; holds the other files' SHA-256
JOURNAL = "journal.json"
PASSES = "passes"
KEPT = 2  # the newest, and one before it in case the newest is damaged
FORGOTTEN_AFTER_DAYS = 14
ALMOST_NOTHING = 1_000_000  # bytes; a disk with less is full


class Checkpoints:
    """Of one run, `folder/checkpoint-<step>`. Every process of a run has one; the main one decides."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def newest(self) -> Path | None:
        """The last that is whole; damaged ones go."""
        for path in reversed(self._all()):
            if is_whole(path):
                return path
            print(f"finetune: {path.name} is not whole and is passed over", file=sys.stderr)
            shutil.rmtree(path)
        return None

    @contextmanager
    def saving(self, step: int, journal: dict[str, Any]) -> Iterator[Path]:
        """A folder to write this step's checkpoint into. Raises CheckpointError where the disk is full."""
        path, state = self.folder / f"checkpoint-{step}", PartialState()
        if state.is_main_process:
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
        state.wait_for_everyone()
        with self._told_when_full(path):
            yield path
            state.wait_for_everyone()
            if state.is_main_process:
                (path / JOURNAL).write_text(json.dumps(journal), encoding="utf-8")
                seal(path)
        if state.is_main_process:
            self._remove_old()

    @contextmanager
    def _told_when_full(self, path: Path) -> Iterator[None]:
        try:
            yield
        except (OSError, RuntimeError, SafetensorError) as error:
            number = number_of(error)
            # torch gives no number, and a disk without space must be asked itself
            if number == 0 and shutil.disk_usage(self.folder).free < ALMOST_NOTHING:
                number = errno.ENOSPC
            if number not in TAKES_NO_MORE:
                raise
            shutil.rmtree(path, ignore_errors=True)
            kept = self.newest()
            stands = "no earlier one stands" if kept is None else f"{kept.name} stands"
            wrong, mending = FAULTS[number]
            raise CheckpointError(
                f"{path}: {wrong}; {stands}: {mending} and run `dvc repro` again, which goes on from there"
            ) from None

    def best(self, step: int) -> Path:
        """Where the weights of the best epoch lie, by the step that it ended with."""
        return self.folder / f"best-{step}.pt"

    def passes(self, least: int) -> int:
        """Into how many a step is cut: as many as were needed where memory ran out before."""
        try:
            return max(least, int((self.folder / PASSES).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return least

    def remember_passes(self, count: int) -> None:
        write_text(str(count), self.folder / PASSES)

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _all(self) -> list[Path]:
        """Oldest first."""
        return sorted(self.folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))

    def _remove_old(self) -> None:
        """And the weights of epochs that are the best of no checkpoint left."""
        for path in self._all()[:-KEPT]:
            shutil.rmtree(path)
        best_of_those_left = {self.best(journal_of(path)["best_step"] or 0) for path in self._all()}
        for path in set(self.folder.glob("best-*.pt")) - best_of_those_left:
            path.unlink()


def seal(path: Path) -> None:
    files = {str(file.relative_to(path)): sha256(file) for file in files_in(path)}
    with replacing(path / SEAL) as partial:
        partial.write_text(json.dumps(files), encoding="utf-8")


def is_whole(path: Path) -> bool:
    try:
        sealed = json.loads((path / SEAL).read_bytes())
        return bool(sealed == {name: sha256(path / name) for name in sealed})
    except (OSError, ValueError):
        return False


def journal_of(path: Path) -> dict[str, Any]:
    return dict(json.loads((path / JOURNAL).read_bytes()))


def files_in(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file() and file.name != SEAL)


def checkpoints_of(key: str) -> Checkpoints:
    """Of the run with this key; those that nobody came back to for two weeks go."""
    root = lasting_root() / FOLDER
    root.mkdir(parents=True, exist_ok=True)
    for path in root.iterdir():
        if time.time() - path.stat().st_mtime > FORGOTTEN_AFTER_DAYS * 86_400:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return Checkpoints(root / key)


def lasting_root() -> Path:
    """The project; from within an experiment's throw-away tree, in .dvc/tmp, that which it belongs to."""
    here = Path.cwd()
    return next((path.parent for path in here.parents if path.name == ".dvc"), here)


@contextmanager
def alone(checkpoints: Checkpoints) -> Iterator[None]:
    """Two processes that train the same would tread on each other's checkpoints: the second waits.

    The lock dies with its process.
    """
    lock = FileLock(f"{checkpoints.folder}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print("finetune: another process trains the very same; waiting for it to end", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
