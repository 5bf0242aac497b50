"""Single stages without git or DVC: as dvc.yaml has them in a folder of their own, or within this process."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages import clean, ingest
from stages import split as splitting
from stages.lib.exceptions import TextrailError
from tests import warm
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
        (warm.program(), *shlex.split(command)[1:]),
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


# name -> the stage, what it reads and what it writes
FIRST_STAGES: dict[str, tuple[Callable[..., None], tuple[str, ...], tuple[str, ...]]] = {
    "ingest": (ingest.main, ("source",), ("task", "expectations", "ingested", "rejected", "metrics")),
    "clean": (clean.main, ("task", "ingested"), ("cleaned", "cleaning", "metrics")),
    "split": (splitting.main, ("task", "cleaned"), ("splits", "copies", "metrics")),
}


def run_in_process(source: Path, last: str = "split") -> tuple[str, str]:
    """The first stages one after another, up to `last`, from here into out/ (metrics: out/STAGE.json).

    Returns the one that stopped and its message, or nothing of both.
    """
    names = list(FIRST_STAGES)
    for name in names[: names.index(last) + 1]:
        main, reads, writes = FIRST_STAGES[name]
        paths = {each: Path("out") / each for each in reads + writes}
        paths |= {"source": source} if "source" in reads else {}
        paths["metrics"] = Path("out") / f"{name}.json"
        try:
            main(**paths)
        except TextrailError as error:
            return name, str(error)
    return "", ""
