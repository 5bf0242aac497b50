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
from pathlib import Path
from typing import NamedTuple

from bench.measuring import Row, record, seconds
from bench.projects import copy_to, dvc
from stages.lib.config import read_yaml
from stages.lib.stage import TIMINGS

IMPORTED = re.compile(r"^import time:\s+(\d+) \|", re.MULTILINE)
HEADER = "import time: self [us] | cumulative | imported package"


class Spent(NamedTuple):
    """Seconds of one stage."""

    stage: str
    start: float
    computing: float


WHY_NOT = (
    "six processes import torch and transformers, 3 s each; scikit-learn, SciPy and UMAP's compiler are most "
    "of the rest: the table below has it by stage. Tried: less imported by predict, robustness, package and "
    "report. The computing has halved since the goal was set, the encoder's by oneDNN; the start-up has not"
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
    spent = [
        Spent(name, bare + imports, timings[name] - bare - imports)
        for name, imports in import_seconds(done.output).items()
    ]
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
        "\n".join(table(spent, handover)),
    )


def import_seconds(output: str) -> dict[str, float]:
    """Stage -> all that its process imported. DVC's own late imports beside it count as the stage's."""
    parts = re.split(r"^Running stage '(\w+)':", output, flags=re.MULTILINE)
    named = zip(parts[1::2], parts[2::2], strict=True)
    return {name: sum(map(int, IMPORTED.findall(part.partition(HEADER)[2]))) / 1e6 for name, part in named}


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
