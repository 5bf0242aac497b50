"""A stand-in for GitHub's runner: a workflow's `run:` steps, in order, in real shells.

What it knows of expressions and of actions is what our own workflow uses.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.tiny import ROOT

WORKFLOW = ROOT / ".github/workflows/ci.yml"
SET_UP = "make "  # steps that install or check the project


class Values(dict[str, Any]):
    """`a.b.c` as GitHub reads it: what is not there is null."""

    def __getattr__(self, name: str) -> Any:
        value = self.get(name)
        return Values(value or {}) if value is None or isinstance(value, dict) else value


@dataclass
class Ran:
    outcomes: dict[str, str] = field(default_factory=dict)  # step: success, failure, skipped
    said: dict[str, str] = field(default_factory=dict)  # step: what it printed
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> list[str]:
        return [name for name, outcome in self.outcomes.items() if outcome == "failure"]


def jobs() -> dict[str, Any]:
    content: dict[str, Any] = YAML(typ="safe", pure=True).load(WORKFLOW)
    return dict(content["jobs"])


def evaluate(expression: str, context: Mapping[str, Any]) -> Any:
    """The value of a GitHub expression, with or without its `${{ }}`."""
    python = expression.strip().removeprefix("${{").removesuffix("}}").strip()
    for theirs, ours in (("&&", " and "), ("||", " or "), ("labels.*.name", "label_names")):
        python = python.replace(theirs, ours)
    python = re.sub(r"!(?!=)", " not ", python)
    functions: dict[str, Any] = {
        "cancelled": lambda: False,
        "contains": lambda items, item: item in items,
        "fromJSON": json.loads,
    }
    names = {name: Values(value) for name, value in context.items()}
    return eval(" ".join(python.split()), {"__builtins__": {}}, functions | names)


def filled_in(text: Any, context: Mapping[str, Any]) -> str:
    return re.sub(r"\$\{\{.*?\}\}", lambda found: str(evaluate(found[0], context) or ""), str(text))


def is_wanted(condition: str | None, context: Mapping[str, Any], failed: bool) -> bool:
    """Behind a failure only a step that asks for it (`!cancelled()`) runs."""
    if failed and "cancelled()" not in (condition or ""):
        return False
    return condition is None or bool(evaluate(condition, context))


def run_job(
    job: Mapping[str, Any],
    folder: Path,
    context: Mapping[str, Any],
    environment: Mapping[str, str],
    artifact: Path,
) -> Ran:
    """In the folder; what `upload-artifact` takes goes to `artifact`, other actions do nothing."""
    ran, steps = Ran(), dict[str, Any]()
    surroundings = {**environment, **_env(job, context)}
    for step in job["steps"]:
        now = {**context, "steps": steps}
        outcome, said = "skipped", ""
        if is_wanted(step.get("if"), now, bool(ran.failed)):
            if step.get("uses", "").startswith("actions/upload-artifact@"):
                upload(folder, step["with"]["path"].split(), artifact)
            if "run" in step and not step["run"].startswith(SET_UP):
                done = _shell(step["run"], folder, {**surroundings, **_env(step, now)})
                outcome, said = ("failure" if done.returncode else "success"), done.stdout
            else:
                outcome = "success"
        ran.outcomes[step["name"]], ran.said[step["name"]] = outcome, said
        steps[step.get("id", step["name"])] = {"outcome": outcome}
    outputs = job.get("outputs", {})
    ran.outputs = {name: filled_in(value, {**context, "steps": steps}) for name, value in outputs.items()}
    return ran


def _env(owner: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, str]:
    return {name: filled_in(value, context) for name, value in owner.get("env", {}).items()}


def _shell(script: str, folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ("bash", "-e", "-c", script),  # as GitHub does where a step names no shell
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def upload(folder: Path, patterns: list[str], artifact: Path) -> None:
    """Paths are kept as they are seen from the folder."""
    for pattern in patterns:
        for path in folder.glob(pattern.rstrip("/") + ("/**/*" if pattern.endswith("/") else "")):
            if path.is_file():
                target = artifact / path.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
