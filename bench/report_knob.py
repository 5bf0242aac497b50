"""`dvc repro` after one knob of the report's looks has changed: all that the user waits for.

`python -m bench.report_knob`, after `make run`. It works in a copy of the project and changes nothing here.
"""

import re
import tempfile
from pathlib import Path

from bench.measuring import Row, record
from bench.projects import copy_to, dvc

ROUNDS = 3
KNOB = re.compile(r"^  highest_losses: (\d+)$", re.MULTILINE)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = copy_to(Path(folder))
        dvc(project, "checkout", "--quiet")
        if "Running stage" in dvc(project, "repro", "--dry").output:
            raise SystemExit("stale before it began: `make run` first")
        seconds = [changed(project, number) for number in range(1, ROUNDS + 1)]
    record(
        "report_knob",
        [
            Row(
                work="changing one knob of the report's looks",
                peer="none: all that the user waits for",
                data="the sample, finished; report.highest_losses",
                ours=seconds,
                figures=seconds,
                unit="seconds",
                goal=10,
                wanted="at most",
                predicted="4 s on idle cores: 1.2 of DVC, 1 of imports, 1.5 of pictures and pages",
            )
        ],
    )


def changed(project: Path, number: int) -> float:
    params = project / "params.yaml"
    text = params.read_text(encoding="utf-8")
    params.write_text(KNOB.sub(lambda found: f"  highest_losses: {int(found[1]) + 1}", text), "utf-8")
    done = dvc(project, "repro", "--no-run-cache")
    if stages_run(done.output) != ["report"]:
        raise SystemExit(f"round {number} ran {stages_run(done.output)}, and not the report alone")
    return done.seconds


def stages_run(output: str) -> list[str]:
    return re.findall(r"^Running stage '(\w+)'", output, re.MULTILINE)


if __name__ == "__main__":
    main()
