"""Claims on make-believe GPUs, by real processes."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.lib.encoders import devices
from stages.lib.encoders.devices import claim_gpus, visible_gpus
from stages.lib.exceptions import DeviceError
from tests.tiny import ROOT

CLAIMANT = """
import os, signal, sys
from pathlib import Path
from stages.lib.encoders import devices

signal.alarm(20)  # a claim that never comes is a failure, not a hang
devices.lock_folder = lambda: Path(sys.argv[1])
devices.visible_gpus = lambda: sys.argv[3].split(",")
devices.SECONDS_BETWEEN_LOOKS = 0.2
devices.claim_gpus(int(sys.argv[2]) if sys.argv[2] != "all" else None)
assert "torch" not in sys.modules  # whose import takes seconds
print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
sys.stdin.readline()
"""


class Claimants:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []

    def start(self, count: str, visible: str = "0,1") -> subprocess.Popen[str]:
        process = subprocess.Popen(
            (sys.executable, "-c", CLAIMANT, str(self.folder), count, visible),
            env=os.environ | {"PYTHONPATH": str(ROOT)},
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
    assert process.stdout is not None
    return process.stdout.readline().strip()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline().strip()


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()  # SIGKILL: nothing of its own tidies up
    process.wait()


def test_two_get_different_ones_and_a_third_waits_until_one_is_killed(claimants: Claimants) -> None:
    first, second = claimants.start("1"), claimants.start("1")
    of_second = gpus(second)
    assert {gpus(first), of_second} == {"0", "1"}
    third = claimants.start("1")
    assert said(third) == "waiting for 1 of 2 GPUs (0, 1): other runs on this machine have claimed them"
    kill(second)
    assert gpus(third) == of_second
    assert said(third).startswith(f"got GPU {of_second} after ")
    assert first.poll() is None


def test_two_that_want_both_do_not_wait_for_each_other(claimants: Claimants) -> None:
    first = claimants.start("1")
    assert gpus(first) == "0"
    both = [claimants.start("all"), claimants.start("2")]  # each could take 1, and keep it
    assert all(said(process).startswith("waiting for 2 of 2 GPUs") for process in both)
    kill(first)
    ready, _, _ = select.select([process.stdout for process in both if process.stdout], [], [])
    got, other = both if both[0].stdout in ready else reversed(both)
    assert gpus(got) == "0,1"
    kill(got)
    assert gpus(other) == "0,1"


def test_who_waits_for_many_is_not_passed_over_by_who_wants_one(claimants: Claimants) -> None:
    first = claimants.start("1")
    assert gpus(first) == "0"
    greedy = claimants.start("2")
    assert said(greedy).startswith("waiting for 2 of 2")
    late = claimants.start("1")
    assert said(late).startswith("waiting for 1 of 2")  # though 1 is free
    kill(first)
    assert gpus(greedy) == "0,1"
    kill(greedy)
    assert gpus(late) == "0"


def test_who_is_killed_while_it_waits_is_waited_for_no_longer(claimants: Claimants) -> None:
    first = claimants.start("1")
    assert gpus(first) == "0"
    greedy = claimants.start("2")
    assert said(greedy).startswith("waiting")
    late = claimants.start("1")
    assert said(late).startswith("waiting")
    kill(greedy)
    assert gpus(late) == "1"
    assert first.poll() is None


def test_only_those_that_the_process_may_see_are_claimed(claimants: Claimants) -> None:
    assert gpus(claimants.start("1", visible="GPU-8932f937-d72c,MIG-1/2")) == "GPU-8932f937-d72c"
    assert gpus(claimants.start("1", visible="GPU-8932f937-d72c,MIG-1/2")) == "MIG-1/2"


@pytest.mark.parametrize(
    ("given", "counted", "visible"),
    [
        (None, 2, ["0", "1"]),
        (None, 0, []),
        ("", 0, []),
        ("3, 1", 2, ["3", "1"]),
        ("-1", 0, []),
        ("1,-1,0", 1, ["1"]),
        ("0,1", 0, []),
        ("MIG-a,MIG-b", 1, ["MIG-a", "MIG-b"]),  # CUDA sees one at a time
    ],
)
def test_gpus_that_the_process_may_see(
    given: str | None, counted: int, visible: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if given is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    monkeypatch.setattr("torch.cuda.device_count", lambda: counted)
    assert visible_gpus() == visible


@pytest.mark.parametrize("given", ["", "-1", "0", None])
def test_without_gpus_nothing_is_claimed(
    given: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if given is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr(devices, "lock_folder", lambda: tmp_path)
    assert claim_gpus(None) == claim_gpus(3) == []
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == given
    assert not list(tmp_path.iterdir())


def test_a_second_call_gives_what_the_first_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claims_among(["0", "1", "2"], tmp_path, monkeypatch)
    assert claim_gpus(2) == claim_gpus(1) == claim_gpus(None) == ["0", "1"]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"
    with pytest.raises(DeviceError, match=r"found 3; this process may use 2 of the machine's GPUs \(0, 1\)"):
        claim_gpus(3)


def test_more_than_there_are_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claims_among(["0", "1"], tmp_path, monkeypatch)
    with pytest.raises(DeviceError, match=r"processes: found 3; this process may use 2 .* \(0, 1\)"):
        claim_gpus(3)
    assert not list(tmp_path.iterdir())


def claims_among(names: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, and gone with the test."""
    monkeypatch.setattr(devices, "visible_gpus", lambda: names)
    monkeypatch.setattr(devices, "lock_folder", lambda: folder)
    monkeypatch.setattr(devices, "CLAIMS", {})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(names))


def test_the_folder_is_open_to_all_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    folder = devices.lock_folder()
    assert devices.lock_folder() == folder
    assert folder.stat().st_mode & 0o7777 == 0o1777
    with devices._lock(folder, "MIG-1/2"):
        assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
            "MIG-1_2.lock": 0o666
        }
