"""requirements.lock pins every dependency of pyproject.toml, in a form that resolves on every platform."""

import tomllib
from collections.abc import Iterator

import pytest
from packaging.requirements import InvalidRequirement, Requirement

from tests.tiny import ROOT

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]


def faults(lock: str) -> Iterator[str]:
    pins: dict[str, list[str]] = {}
    for line in lock.splitlines():
        if fault := fault_of(line):
            yield fault
        else:
            pin = Requirement(line)
            pins.setdefault(pin.name, []).append(next(iter(pin.specifier)).version)
    for wanted in (Requirement(text) for group in GROUPS.values() for text in group if isinstance(text, str)):
        if wanted.name not in pins:
            yield f"{wanted.name} is not pinned"
        for version in pins.get(wanted.name, []):
            if not wanted.specifier.contains(version):
                yield f"{wanted.name}=={version} is not {wanted.specifier}"


def fault_of(line: str) -> str | None:
    """Why the line is no plain pin that every platform can resolve."""
    try:
        pin = Requirement(line)
    except InvalidRequirement:
        return f"{line!r} is no requirement"
    operators = [clause.operator for clause in pin.specifier]
    if pin.url or operators != ["=="] or "*" in str(pin.specifier):
        return f"{line!r} does not pin one version"
    return f"{line!r} is the build of one platform" if "+" in str(pin.specifier) else None


def test_the_lock_is_whole_and_portable() -> None:
    assert list(faults(LOCK)) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("torch==2.13.0", "torch==2.13.0+cpu", "'torch==2.13.0+cpu' is the build of one platform"),
        ("torch==2.13.0", "torch==2.12.0", "torch==2.12.0 is not ==2.13.0"),
        ("torch==2.13.0\n", "", "torch is not pinned"),
        ("torch==2.13.0", "torch>=2.13.0", "'torch>=2.13.0' does not pin one version"),
        ("torch==2.13.0", "torch==2.13.*", "'torch==2.13.*' does not pin one version"),
        ("torch==2.13.0", "torch", "'torch' does not pin one version"),
        ("torch==2.13.0", "torch @ https://example.org/t.whl", "does not pin one version"),
        ("torch==2.13.0", "torch @ file:///wheels/t.whl", "does not pin one version"),
        ("torch==2.13.0", "./wheels/torch.whl", "'./wheels/torch.whl' is no requirement"),
        ("torch==2.13.0", "--find-links wheels", "'--find-links wheels' is no requirement"),
        ("transformers==", "transformers==4.", "is not >=5.23"),
        ("ruff==", "rough==", "ruff is not pinned"),
    ],
)
def test_a_spoilt_lock_is_refused(old: str, new: str, fault: str) -> None:
    assert f"\n{old}" in LOCK
    assert any(fault in found for found in faults(LOCK.replace(f"\n{old}", f"\n{new}")))
