"""Single stages, run as dvc.yaml has them in a folder of their own, without git or DVC."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.graph import read_project
from tests.tiny import ROOT, environment, set_knobs


def prepare(folder: Path, source: Path, knobs: dict[str, dict[str, Any]]) -> None:
    """`source` is copied, as are the project's knobs, changed by `knobs`."""
    shutil.copytree(source, folder / "data/sources" / source.name)
    shutil.copy(ROOT / "params.yaml", folder)
    set_knobs(folder, {"ingest": {"source": source.name}} | knobs)


def run_stage(folder: Path, name: str, **more: str) -> str:
    """What it printed; `more` joins the environment. Raises AssertionError, with that, where it fails."""
    params = read_project(ROOT).params
    command = read_project(ROOT).stages[name]["cmd"]
    here = folder / "data/sources"
    source = next(path.name for path in here.iterdir())
    command = command.replace(f"data/sources/{params['ingest']['source']}", f"data/sources/{source}")
    done = subprocess.run(
        (sys.executable, *shlex.split(command)[1:]),
        cwd=folder,
        env=environment() | {"PYTHONPATH": os.fspath(ROOT)} | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def split(folder: Path) -> str:
    """What split printed, after ingest and clean."""
    return [run_stage(folder, name) for name in ("ingest", "clean", "split")][-1]
