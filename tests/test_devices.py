"""Claims on make-believe GPUs, by real processes."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from stages.lib.encoders import devices
from stages.lib.encoders.devices import claim_gpus
from stages.lib.exceptions import DeviceError
from tests.tiny import ROOT

CLAIMANT = """
import os, sys, time
from pathlib import Path
from typing import IO, Any
from stages.lib.encoders import devices

devices.lock_folder = lambda: Path(sys.argv[1])
devices.SECONDS_BETWEEN_LOOKS = 0.05
devices.claim_gpus(int(sys.argv[2]) if sys.argv[2] != "all" else None)
print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
sys.stdin.readline()
"""


class Claimants:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []

    def start(self, count: str, visible: str = "0,1") -> subprocess.Popen[str]:
        process = subprocess.Popen(
            (sys.executable, "-c", CLAIMANT, str(self.folder), count),
            env=os.environ | {"CUDA_VISIBLE_DEVICES": visible, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process


@pytest.fixture
def claimants(tmp_path: Path) -> Iterator[Claimants]:
    made = Claimants(tmp_path)
    yield made
    for process in made.started:
        process.kill()
        process.communicate()


def gpus(process: subprocess.Popen[str]) -> str:
    return line_of(process.stdout)


def said(process: subprocess.Popen[str]) -> str:
    return line_of(process.stderr)


def line_of(stream: IO[str] | None) -> str:
    assert stream is not None
    assert select.select([stream], [], [], 10)[0], "nothing said within ten seconds"
    return stream.readline().strip()


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_two_get_different_ones_and_a_third_waits_until_one_is_killed(claimants: Claimants) -> None:
    first, second = claimants.start("1"), claimants.start("1")
    assert {gpus(first), gpus(second)} == {"0", "1"}
    third = claimants.start("1")
    assert said(third) == "waiting for 1 of 2 GPUs (0, 1): other runs on this machine have claimed them"
    end(second)
    assert gpus(third) in ("0", "1")
    assert "got GPU" in said(third)
    assert first.poll() is None


def test_two_that_want_both_do_not_wait_for_each_other(claimants: Claimants) -> None:
    both = [claimants.start("all"), claimants.start("2")]
    streams: list[Any] = [process.stdout for process in both]
    first = select.select(streams, [], [], 10)[0][0]
    got, other = both if first is streams[0] else reversed(both)
    assert gpus(got) == "0,1"
    assert said(other).startswith("waiting for 2 of 2 GPUs")
    end(got)
    assert gpus(other) == "0,1"


def test_one_that_wants_both_is_not_passed_over_by_those_that_want_one(claimants: Claimants) -> None:
    first = claimants.start("1")
    gpus(first)
    greedy = claimants.start("2")
    assert said(greedy).startswith("waiting for 2 of 2")
    late = claimants.start("1")
    time.sleep(0.3)
    end(first)
    assert gpus(greedy) == "0,1"
    end(greedy)
    assert gpus(late) == "0"


def test_only_those_that_the_process_may_see_are_claimed(claimants: Claimants) -> None:
    assert gpus(claimants.start("1", visible="GPU-8932f937-d72c,MIG-1/2")) == "GPU-8932f937-d72c"
    assert gpus(claimants.start("1", visible="GPU-8932f937-d72c,MIG-1/2")) == "MIG-1/2"


@pytest.mark.parametrize("visible", ["", None])
def test_without_gpus_nothing_is_claimed(visible: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert claim_gpus(None) == claim_gpus(3) == []
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == visible


def test_more_than_there_are_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "visible_gpus", lambda: ["0", "1"])
    with pytest.raises(DeviceError, match=r"processes: found 3; this process may use 2 GPUs \(0, 1\)"):
        claim_gpus(3)
