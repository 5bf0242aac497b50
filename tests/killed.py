"""The finetune stage, killed on the way: `python -m tests.killed STEP WHEN` in a folder with what it reads.

WHEN is `after`, once the step is done, or `writing`, when half of that step's checkpoint is on the disk.
STEP 0 kills nothing.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from stages import finetune
from stages.lib.training import checkpoints
from stages.lib.training.journal import Journal

INS = {"task": "task.json", "cleaning": "cleaning.json", "encoder": "encoder", "tokens": "tokens.arrow"}
OUTS = {"model": "model", "curve": "curve", "metrics": "finetune.json"}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_after(step: int) -> None:
    step_done = Journal.step_done

    def and_die(journal: Journal, learning_rate: float) -> None:
        step_done(journal, learning_rate)
        if journal.step == step:
            die()

    setattr(Journal, "step_done", and_die)  # noqa: B010  # mypy refuses to assign a method


def kill_while_writing(step: int) -> None:
    sealed = checkpoints.seal

    def half(path: Path) -> None:
        if path.name == f"checkpoint-{step}":
            largest = max(checkpoints.files_in(path), key=lambda file: file.stat().st_size)
            os.truncate(largest, largest.stat().st_size // 2)
            die()
        sealed(path)

    checkpoints.seal = half


def main(step: int, when: str) -> None:
    if step:
        {"after": kill_after, "writing": kill_while_writing}[when](step)
    paths: dict[str, Any] = {name: Path(path) for name, path in (INS | OUTS).items()}
    finetune.main(**paths)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
