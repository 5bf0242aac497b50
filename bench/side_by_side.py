"""`make run JOBS=2` beside `make run`: every stage of the sample computed, once each way.

`python -m bench.side_by_side`, after `make run`: five minutes on two cores.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from bench.measuring import in_figures, record, seconds
from bench.projects import copy_to, dvc


def main() -> None:
    ours, theirs = taken(jobs=2), taken(jobs=1)
    told = (
        f"On {psutil.cpu_count()} cores `make run JOBS=2` takes {in_figures(ours / theirs)} times as long as "
        f"`make run`: {in_figures(ours)} s and {in_figures(theirs)} s."
    )
    print(told)
    record("side_by_side", [], told)


def taken(jobs: int) -> float:
    """Seconds of a run in which nothing is kept from an earlier one."""
    with tempfile.TemporaryDirectory() as folder:
        project = copy_to(Path(folder) / "project")
        dvc(project, "cache", "dir", "--local", str(Path(folder) / "cache"))
        (project / "dvc.lock").unlink()
        (project / ".venv").symlink_to(Path(sys.prefix))
        make = (shutil.which("make") or "make", "run", f"JOBS={jobs}", "--old-file=.venv/run.stamp")
        return seconds(lambda: subprocess.run(make, cwd=project, check=True))


if __name__ == "__main__":
    main()
