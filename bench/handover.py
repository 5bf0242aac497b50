"""What a full `dvc repro` spends on starting and handing over, against what it spends on the work itself.

`python -m bench.handover`, after `make run`, computes every stage of the sample once more, in a copy.

- Start-up of a stage: a bare interpreter, and every import of its process, whenever it happens, those inside
  functions too (Python's own `-X importtime`: each module's own time, so none counts twice).
- Hand-over: all of `dvc repro` that passes while no stage's process runs: DVC's own start and end, checking
  what is stale, removing, hashing and caching outs, writing dvc.lock.
- The computing: what is left of the stages' processes, reading and writing of their files included.
"""

import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from bench.measuring import Row, record, seconds
from bench.projects import copy_to, dvc
from stages.lib.config import read_yaml
from stages.lib.stage import TIMINGS

IMPORTED = re.compile(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\w+)", re.MULTILINE)
HEADER = "import time: self [us] | cumulative | imported package"
PACKAGES_TOLD = 12


class Spent(NamedTuple):
    """Seconds of one stage."""

    stage: str
    start: float
    computing: float


WHY_NOT = (
    "each stage that reads or trains a model is a process that imports torch and transformers; what each "
    "stage and each package takes stands below. Tried: less imported by predict, robustness, crossfit, "
    "package and report; the packaged encoder laid without torch; no pandas where Arrow alone would do; "
    "garbage looked for less often (saved a sixth of a model's start-up). What transformers imports "
    "for its own part, for any model of its (torch's compiler, its tensors of many machines, SciPy's "
    "optimizers), no import of ours leaves out. The computing has halved since the goal was set, the "
    "encoder's by oneDNN, and with it the share that start-up may take"
)


def main() -> None:
    stages = list(read_yaml(Path("dvc.yaml"))["stages"])
    with tempfile.TemporaryDirectory() as folder:
        project = copy_to(Path(folder))
        dvc(project, "checkout", "--quiet")
        done = dvc(project, "repro", "--force", PYTHONPROFILEIMPORTTIME="1")
        timings = read_timings(project / TIMINGS)
    if sorted(timings) != sorted(stages):
        raise SystemExit(f"ran {sorted(timings)}, and not all of {sorted(stages)}")
    bare = statistics.median(seconds(bare_interpreter) for _ in range(5))
    imports = import_seconds(done.output)
    spent = []
    for name, by_package in imports.items():
        start = bare + sum(by_package.values())
        spent.append(Spent(name, start, timings[name] - start))
    start, computing = (sum(getattr(each, of) for each in spent) for of in ("start", "computing"))
    handover = done.seconds - sum(timings.values())
    record(
        "handover",
        [
            Row(
                work="the sum of start-up and hand-over of all stages in a full run",
                peer="the computing itself",
                data=f"the sample, {len(stages)} stages",
                ours=[start + handover],
                theirs=[computing],
                figures=[100 * (start + handover) / computing],
                unit="%",
                goal=20,
                wanted="at most",
                predicted="15 %: 27 s of imports, a third of them torch's in six stages, and 8 s of DVC, "
                "against 230 s of computing",
                why_not=WHY_NOT,
            )
        ],
        "\n".join([*table(spent, handover), "", packages(imports)]),
    )


def import_seconds(output: str) -> dict[str, dict[str, float]]:
    """Stage -> package -> what its process took for importing it, without what it imports in its turn.

    DVC's own late imports beside a stage count as the stage's.
    """
    parts = re.split(r"^Running stage '(\w+)':", output, flags=re.MULTILINE)
    found: dict[str, dict[str, float]] = {}
    for name, told in zip(parts[1::2], parts[2::2], strict=True):
        by_package: dict[str, float] = defaultdict(float)
        for microseconds, package in IMPORTED.findall(told.partition(HEADER)[2]):
            by_package[package] += int(microseconds) / 1e6
        found[name] = by_package
    return found


def packages(imports: dict[str, dict[str, float]]) -> str:
    """The dearest, all stages together; the standard library's modules are among the others."""
    names = {name for by_package in imports.values() for name in by_package}
    taken = {name: [each[name] for each in imports.values() if name in each] for name in names}
    dearest = sorted(taken, key=lambda name: -sum(taken[name]))[:PACKAGES_TOLD]
    told = [
        f"{name} {sum(taken[name]):.1f} s ({len(taken[name])} of {len(imports)} stages)" for name in dearest
    ]
    total = sum(map(sum, taken.values()))
    others = total - sum(sum(taken[name]) for name in dearest)
    return f"Of {total:.1f} s of imports: {', '.join(told)}; all others {others:.1f} s."


def read_timings(path: Path) -> dict[str, float]:
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {line["stage"]: line["seconds"] for line in lines}


def bare_interpreter() -> None:
    subprocess.run((sys.executable, "-c", ""), check=True)


def table(spent: list[Spent], handover: float) -> list[str]:
    rows = [f"| {each.stage} | {each.start:.2f} | {each.computing:.2f} |" for each in spent]
    head = ["| stage | start-up, s | computing, s |", "|---|---|---|"]
    return [*head, *rows, f"| DVC between them | {handover:.2f} | |"]


if __name__ == "__main__":
    main()
