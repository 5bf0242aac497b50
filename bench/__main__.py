"""Runs the modules of bench/ one after another, then writes bench/RESULTS.md: `make bench`.

Each is a process of its own. One that fails costs no other its results; the whole then exits with 1.
"""

import subprocess
import sys
from typing import Annotated

import typer

from bench import results
from bench.measuring import KEPT


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Modules; all that have rows if none.")] = None,
) -> None:
    unknown = [name for name in names or [] if name not in (*results.MODULES, *results.APART)]
    if unknown:
        sys.exit(f"bench: no module {', '.join(unknown)}; there are {', '.join(results.MODULES)}")
    chosen = names or list(results.MODULES)
    clear(chosen if names else [path.stem for path in KEPT.glob("*.json") if path.stem not in results.APART])
    failed = [name for name in chosen if not measured(name)]
    results.main()
    if failed:
        sys.exit(f"bench: failed: {', '.join(failed)}")


def clear(names: list[str]) -> None:
    """So that no old row is taken for one of this run."""
    for name in names:
        (KEPT / f"{name}.json").unlink(missing_ok=True)


def measured(name: str) -> bool:
    print(f"bench: {name}", flush=True)
    done = subprocess.run((sys.executable, "-m", f"bench.{name}"))
    return done.returncode == 0 and (KEPT / f"{name}.json").is_file()


if __name__ == "__main__":
    typer.run(main)
