"""GPUs of this machine, claimed by lock, so that runs side by side do not take the same one.

`dvc queue start -j N` gives its workers no device. A claim is a lock on a file, which dies with its process,
however that ends.
"""

import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from stages.lib.exceptions import DeviceError

# Else torch.cuda.is_available() settles which GPUs the process sees, and a claim comes too late.
os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")

SECONDS_BETWEEN_LOOKS = 1.0
CLAIMS: dict[str, FileLock] = {}  # held as long as this process lives: letting go of one would free its lock


def claim_gpus(count: int | None) -> list[str]:
    """So many GPUs, or all; CUDA_VISIBLE_DEVICES then names these. Empty where the machine has none.

    Waits where too few are free, and says so on stderr. Call it before anything touches CUDA. A second
    call gives what the first one claimed. Raises DeviceError where there are fewer than `count`.
    """
    visible = list(CLAIMS) or visible_gpus()
    wanted = len(visible) if count is None else count
    if visible and wanted > len(visible):
        raise DeviceError(
            f"params.yaml: finetune.processes: found {wanted}; this process may use {len(visible)} of the "
            f"machine's GPUs ({', '.join(visible)}): set it to that or fewer, or to auto"
        )
    if visible and not CLAIMS:
        CLAIMS.update(_wait_for(wanted, visible))
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(CLAIMS)
    return list(CLAIMS)


def visible_gpus() -> list[str]:
    """By the names that CUDA_VISIBLE_DEVICES has for them."""
    import torch  # here, so that what only looks at this module does not wait for it

    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        return [str(number) for number in range(torch.cuda.device_count())]
    names = [name.strip() for name in given.split(",") if name.strip()]
    if any(name.startswith("MIG-") for name in names):
        return names  # to count these torch would start CUDA, which then no longer heeds the variable
    return names[: torch.cuda.device_count()]  # CUDA stops at the first that is none: -1 hides all after it


def lock_folder() -> Path:
    """One for all users of the machine."""
    folder = Path(tempfile.gettempdir()) / "textrail-gpus"
    with suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(0o1777)
    return folder


def _wait_for(wanted: int, visible: list[str]) -> dict[str, FileLock]:
    begun, looks = time.monotonic(), _looks(wanted, visible, lock_folder())
    if claimed := next(looks):
        return claimed
    _say(
        f"waiting for {wanted} of {len(visible)} GPUs ({', '.join(visible)}): other runs on this machine "
        "have claimed them"
    )
    claimed = next(filter(None, looks))
    _say(f"got GPU {', '.join(claimed)} after {time.monotonic() - begun:.0f} s")
    return claimed


def _looks(wanted: int, visible: list[str], folder: Path) -> Iterator[dict[str, FileLock]]:
    """What each look claims: nothing, and in the last one all that is wanted."""
    turn = _lock(folder, "turn")  # only its holder looks, so one that wants many is not passed over
    while not _taken(turn, SECONDS_BETWEEN_LOOKS):
        yield {}
    while not (claimed := _all_or_none(wanted, {name: _lock(folder, name) for name in visible})):
        yield {}
        time.sleep(SECONDS_BETWEEN_LOOKS)
    turn.release()
    yield claimed


def _all_or_none(wanted: int, locks: dict[str, FileLock]) -> dict[str, FileLock]:
    claimed: dict[str, FileLock] = {}
    for name, lock in locks.items():
        if len(claimed) < wanted and _taken(lock, 0):
            claimed[name] = lock
    if len(claimed) == wanted:
        return claimed
    for lock in claimed.values():
        lock.release()
    return {}


def _taken(lock: FileLock, seconds: float) -> bool:
    with suppress(Timeout):
        lock.acquire(timeout=seconds)
    return lock.is_locked


def _lock(folder: Path, name: str) -> FileLock:
    return FileLock(folder / f"{re.sub(r'[^A-Za-z0-9-]', '_', name)}.lock", mode=0o666)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
