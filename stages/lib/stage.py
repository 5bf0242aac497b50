"""How a stage meets the command line.

Its paths are options, its errors are messages, its time goes to a log.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import psutil
import typer

from stages.lib.disk import FAULTS, number_of
from stages.lib.exceptions import TextrailError

InPath = Annotated[Path, typer.Option(help="read: a dep in dvc.yaml", show_default=False)]
OutPath = Annotated[Path, typer.Option(help="written: an out in dvc.yaml", show_default=False)]

TIMINGS = Path(".textrail/timings.jsonl")  # ignored by git and DVC: no time ever enters an out


def run(main: Callable[..., None]) -> None:
    """Run a stage's `main` with its options from the command line.

    A TextrailError, a full disk and a place that may not be read or written become one message on stderr and
    exit status 1; anything else is a bug and keeps its traceback.
    """
    room, _, name = _module_name().rpartition(".")
    try:
        typer.run(main)
    except TextrailError as error:
        _fail(name, str(error))
    except OSError as error:
        if (number := number_of(error)) not in FAULTS:
            raise
        wrong, mending = FAULTS[number]
        where = error.filename2 or error.filename or Path.cwd()  # of a copy the second is written to
        again = "run `dvc repro` again" if room == "stages" else "run this again"
        _fail(name, f"{where}: {wrong}; {mending} and {again}")
    except SystemExit as ending:
        if room == "stages" and ending.code in (0, None):
            _log_time(name)
        raise


def _fail(name: str, message: str) -> None:
    print("\n".join(f"{name}: {line}" for line in message.splitlines()), file=sys.stderr)
    sys.exit(1)


def _module_name() -> str:
    spec = sys.modules["__main__"].__spec__
    return Path(sys.argv[0]).stem if spec is None else spec.name


def _log_time(name: str) -> None:
    seconds = time.time() - psutil.Process().create_time()  # start-up and imports counted in
    try:
        TIMINGS.parent.mkdir(exist_ok=True)
        with TIMINGS.open("a", encoding="utf-8") as log:
            log.write(json.dumps({"stage": name, "seconds": round(seconds, 2)}) + "\n")
    except OSError:
        pass  # a log that cannot be written stops no stage
