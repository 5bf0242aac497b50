"""`dvc repro` with nothing to do: this project beside bare DVC with as many empty stages.

`python -m bench.nothing_to_do`, after `make run`. The goal is a ratio of 1.5 at most.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stages.lib.config import read_yaml

ROUNDS = 5


def main() -> None:
    stages = len(read_yaml(Path("dvc.yaml"))["stages"])
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder)
        make_bare_project(bare, stages)
        for project in (bare, Path()):
            repro(project)
            if "Running stage" in repro(project):
                sys.exit(f"{project.resolve()}: a second `dvc repro` ran a stage")
        pairs = [(timed(Path()), timed(bare)) for _ in range(ROUNDS)]
    ratios = [ours / theirs for ours, theirs in pairs]
    ours, theirs = (statistics.median(seconds) for seconds in zip(*pairs, strict=True))
    print(
        f"dvc repro with nothing to do, {stages} stages: ours {ours:.2f} s, "
        f"empty stages {theirs:.2f} s; ratio {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f}, {ROUNDS} pairs)"
    )


def make_bare_project(folder: Path, stages: int) -> None:
    """Each stage copies nothing but the end of the one before."""
    subprocess.run(("git", "init", "--quiet"), cwd=folder, check=True)
    dvc(folder, "init", "--quiet")
    dvc(folder, "config", "core.analytics", "false")
    (folder / "0").touch()
    lines = ["stages:"]
    for number in range(1, stages + 1):
        lines += [f"  s{number}:", f"    cmd: cp {number - 1} {number}"]
        lines += [f"    deps: ['{number - 1}']", f"    outs: ['{number}']"]
    (folder / "dvc.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def repro(folder: Path) -> str:
    return dvc(folder, "repro")


def timed(folder: Path) -> float:
    begun = time.perf_counter()
    repro(folder)
    return time.perf_counter() - begun


def dvc(folder: Path, *words: str) -> str:
    done = subprocess.run(
        (sys.executable, "-m", "dvc", *words), cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


if __name__ == "__main__":
    main()
