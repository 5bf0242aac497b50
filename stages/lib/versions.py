"""Whether the installed libraries are those that the lock names: other versions give other numbers."""

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement

LOCK = Path("requirements.lock")
COMPUTING = ("torch", "transformers", "tokenizers", "accelerate", "numpy")


def warn_of_drift() -> None:
    """Say on stderr which computing libraries differ from requirements.lock, local tags aside."""
    try:
        lines = LOCK.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return  # models/finetuned may be used far from the project
    for package, wanted, found in drift(lines):
        print(f"warning: {package} {found} is installed, requirements.lock has {wanted}", file=sys.stderr)


def drift(lock: list[str]) -> list[tuple[str, str, str]]:
    """(package, version in the lock, version installed) wherever the two differ on this platform."""
    requirements = [Requirement(line) for line in lock if line.startswith(COMPUTING)]
    return [
        (wanted.name, str(wanted.specifier).removeprefix("=="), installed(wanted.name))
        for wanted in requirements
        if wanted.name in COMPUTING
        and (wanted.marker is None or wanted.marker.evaluate())
        and not wanted.specifier.contains(installed(wanted.name))
    ]


def installed(package: str) -> str:
    try:
        return version(package).split("+")[0]
    except PackageNotFoundError:
        return "0"
