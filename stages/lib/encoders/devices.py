"""GPUs of this machine, claimed by lock, so that runs side by side do not take the same one.

`dvc queue start -j N` gives its workers no device. A claim is a lock on a file, which dies with its process,
however that ends.
"""

import os
import re
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from stages.lib.exceptions import DeviceError

SECONDS_BETWEEN_LOOKS = 1.0
CLAIMS: dict[str, FileLock] = {}  # held as long as this process lives: letting go of one would free its lock


def claim_gpus(count: int | None) -> list[str]:
    """So many GPUs, or all; CUDA_VISIBLE_DEVICES then names these. Empty where the machine has none.

    Waits where too few are free, and says so on stderr. Call it before anything touches CUDA. What this
    process has claimed before it keeps. Raises DeviceError where there are fewer than `count`.
    """
    visible = visible_gpus()
    if not visible or CLAIMS:
        return list(CLAIMS)
    wanted = len(visible) if count is None else count
    if wanted > len(visible):
        raise DeviceError(
            f"params.yaml: finetune.processes: found {wanted}; this process may use {len(visible)} GPUs "
            f"({', '.join(visible)}): set it to that or fewer, or to auto"
        )
    folder = lock_folder()
    with FileLock(folder / "turn.lock", mode=0o666):  # one takes all it needs before the next one looks
        CLAIMS.update(_wait_for(wanted, visible, folder))
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(CLAIMS)
    return list(CLAIMS)


def visible_gpus() -> list[str]:
    """By the names that CUDA_VISIBLE_DEVICES has for them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    import torch  # knows of them without touching them

    return [str(number) for number in range(torch.cuda.device_count())]


def lock_folder() -> Path:
    """One for all users of the machine."""
    folder = Path(tempfile.gettempdir()) / "textrail-gpus"
    with suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(0o1777)
    return folder


def _wait_for(wanted: int, visible: list[str], folder: Path) -> dict[str, FileLock]:
    begun, told = time.monotonic(), False
    while len(free := _lock_those_free(visible, folder, wanted)) < wanted:
        for lock in free.values():
            lock.release()
        if not told:
            told = True
            print(
                f"waiting for {wanted} of {len(visible)} GPUs ({', '.join(visible)}): other runs on this "
                "machine have claimed them",
                file=sys.stderr,
                flush=True,
            )
        time.sleep(SECONDS_BETWEEN_LOOKS)
    if told:
        seconds = time.monotonic() - begun
        print(f"got GPU {', '.join(free)} after {seconds:.0f} s", file=sys.stderr, flush=True)
    return free


def _lock_those_free(visible: list[str], folder: Path, most: int) -> dict[str, FileLock]:
    free: dict[str, FileLock] = {}
    for name in visible:
        lock = FileLock(folder / f"{re.sub(r'[^A-Za-z0-9-]', '_', name)}.lock", mode=0o666)
        with suppress(Timeout):
            lock.acquire(timeout=0)
            free[name] = lock
        if len(free) == most:
            break
    return free
