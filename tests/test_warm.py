"""A command that is forked from the warm process is found, runs and ends as one of a cold Python."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import warm
from tests.tiny import environment

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks on Linux alone"),
]
PROGRAM = """
import os, signal, sys

print("torch" in sys.modules)
print(__name__, __spec__.name, sys.argv[1:], os.getcwd(), sys.orig_argv[1:], sys.stdin.read())
if sys.argv[1] == "signal":
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1] == "error":
    raise ValueError("found nothing")
sys.exit(int(sys.argv[1]) if sys.argv[1].isdigit() else sys.argv[1])
"""


def run(python: str, folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (python, *words),
        cwd=folder,
        env=environment() | more,
        input="given",
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rooms").mkdir()
    (tmp_path / "rooms/say.py").write_text(PROGRAM, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("ending", ["0", "3", "words", "error", "signal"])
def test_it_ends_as_a_cold_one(folder: Path, ending: str) -> None:
    warmly, coldly = (
        run(python, folder, "-m", "rooms.say", ending) for python in (warm.program(), sys.executable)
    )
    assert warmly.returncode == coldly.returncode
    assert warmly.stderr.splitlines()[-1:] == coldly.stderr.splitlines()[-1:]
    if ending != "signal":  # which leaves unsaid what stands in a buffer
        assert warmly.stdout.splitlines() == ["True", *coldly.stdout.splitlines()[1:]]


@pytest.mark.parametrize("more", [{"HF_HUB_OFFLINE": "0"}, {"PYTHONHASHSEED": "1"}, {"TZ": "Asia/Tokyo"}])
def test_what_an_import_would_read_otherwise_is_for_a_cold_one(folder: Path, more: dict[str, str]) -> None:
    assert run(warm.program(), folder, "-m", "rooms.say", "0", **more).stdout.startswith("False\n")


def test_what_pythonpath_brings_is_there_before_the_command(folder: Path) -> None:
    (folder / "more").mkdir()
    (folder / "more/sitecustomize.py").write_text("print('first', __import__('sys').orig_argv[2])\n")
    done = run(warm.program(), folder, "-m", "rooms.say", "0", PYTHONPATH=str(folder / "more"))
    assert done.stdout.startswith("first rooms.say\nTrue\n")
