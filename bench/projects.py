"""A copy of this project for a bench to run in, and DVC as a user calls it."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.tiny import commit, git


class Ran(NamedTuple):
    seconds: float
    output: str  # stdout and stderr, as they came


def copy_to(folder: Path) -> Path:
    """Of what git tracks, as it is here now, in a repository of its own, with the outs from this cache."""
    tracked = subprocess.run(("git", "ls-files", "-z"), capture_output=True, text=True, check=True).stdout
    for name in filter(None, tracked.split("\0")):
        if Path(name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(name, folder / name)
    git(folder, "init", "--quiet")
    commit(folder)  # dvclive asks for the revision
    cache = subprocess.run(
        (sys.executable, "-m", "dvc", "cache", "dir"), capture_output=True, text=True, check=True
    ).stdout.strip()
    dvc(folder, "cache", "dir", "--local", cache)
    return folder


def dvc(folder: Path, *words: str, **environment: str) -> Ran:
    """`python` of the stages is this one."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    variables: Mapping[str, str] = os.environ | {"PATH": path, "PYTHONUNBUFFERED": "1"} | environment
    begun = time.perf_counter()
    done = subprocess.run(
        (sys.executable, "-m", "dvc", *words),
        cwd=folder,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        sys.exit(f"dvc {' '.join(words)}: exit status {done.returncode}\n{done.stdout[-4000:]}")
    return Ran(time.perf_counter() - begun, done.stdout)
