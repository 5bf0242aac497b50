"""What `dvc repro` runs again, and what it does not: on a real project, a tiny one, with real processes."""

import compileall
import re
from pathlib import Path
from typing import Any

import pytest

from tests.graph import read_project
from tests.tiny import ROOT, copy_of, dvc, git, run_dvc, set_knobs, stages_run

pytestmark = pytest.mark.slow

STAGES = list(read_project(ROOT).stages)

# What may differ from one user to the next and must not show in an out.
ELSEWHERE = {
    "HF_HUB_OFFLINE": "0",
    "TZ": "Asia/Tokyo",
    "LC_ALL": "C",
    "PYTHONHASHSEED": "1",
    "USER": "somebody",
}

# Laid before the standard library's own start: the stage dies by SIGKILL just before its n-th such event.
# Its environment tells which: a file written twice in a second would be run from the first one's bytecode.
KILLER = """
import os, signal, sys

stage, wanted, count = os.environ["KILL"].split()
seen = 0

def is_write(event, arguments):
    path, mode = (arguments[1], "w") if event == "os.rename" else arguments[:2]
    if not isinstance(path, (str, os.PathLike)) or not set(mode or "") & set("wax+"):
        return False
    room = os.path.relpath(path).split(os.sep)[0]
    return room in ("data", "models", "metrics", "reports")

def watch(event, arguments):
    global seen
    if event == wanted and is_write(event, arguments):
        seen += 1
        if seen == int(count):
            os.kill(os.getpid(), signal.SIGKILL)

if f"stages.{stage}" in sys.orig_argv:
    sys.addaudithook(watch)
"""


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    return copy_of(finished, tmp_path / "a copy")


def test_a_second_run_runs_nothing(project: Path) -> None:
    assert stages_run(dvc(project, "repro")) == []


def test_a_fresh_clone_with_the_cache_runs_nothing(finished: Path, tmp_path: Path) -> None:
    clone = tmp_path / "elsewhere, with bytecode"
    git(finished, "clone", "--quiet", str(finished), str(clone))
    dvc(clone, "cache", "dir", "--local", str(finished / ".dvc/cache"))
    for path in clone.rglob("*.py"):
        path.touch()
    assert compileall.compile_dir(clone / "stages", quiet=1)
    dvc(clone, "checkout")
    assert stages_run(dvc(clone, "repro")) == []
    assert dvc_status_is_clean(clone)


def test_an_experiment_without_a_change_runs_nothing(project: Path) -> None:
    assert stages_run(dvc(project, "exp", "run", "--temp")) == []


def test_what_was_killed_runs_again_to_the_same_bytes(project: Path, tmp_path: Path) -> None:
    """Every stage, cut short with some of its outs written, then all of them anew, as by another user."""
    lock = (project / "dvc.lock").read_text(encoding="utf-8")
    for stage in reversed(STAGES):  # so that what a stage reads is still there
        kill(project, stage, "os.rename", 2, tmp_path)
    assert stages_run(dvc(project, "repro", "--force", **ELSEWHERE)) == STAGES  # none from the cache
    assert (project / "dvc.lock").read_text(encoding="utf-8") == lock
    assert dvc_status_is_clean(project)
    assert not list(project.rglob("*.partial"))


def test_training_cut_short_ends_as_it_would_have(project: Path, tmp_path: Path) -> None:
    lock = (project / "dvc.lock").read_text(encoding="utf-8")
    kill(project, "finetune", "open", 3, tmp_path)  # in the middle of the learning curve
    dvc(project, "repro", "--force", "--single-item", "finetune")
    assert (project / "dvc.lock").read_text(encoding="utf-8") == lock


KNOBS_AND_STAGES: list[tuple[dict[str, dict[str, Any]], str]] = [
    ({"report": {"text_characters": 77}}, "report"),
    ({"profile": {"histogram_bins": 7}}, "profile"),
    ({"baseline": {"tfidf_c": 0.01}}, "baseline evaluate errors explain package report"),
    (
        {"finetune": {"learning_rate": 3e-3}},
        "finetune predict robustness evaluate crossfit errors explain package report",
    ),
    # no text of the tiny source changes: what was trained differs only in the steps that it carries
    ({"clean": {"steps": ["unicode"]}}, "clean finetune predict robustness explain package report"),
]


@pytest.mark.parametrize(("knobs", "stages"), KNOBS_AND_STAGES, ids=str)
def test_a_knob_reruns_what_depends_on_it(
    project: Path, knobs: dict[str, dict[str, Any]], stages: str
) -> None:
    set_knobs(project, knobs)
    assert stages_run(dvc(project, "repro")) == stages.split()


def test_a_comment_reruns_the_users_of_its_file_and_no_more(project: Path) -> None:
    with (project / "stages/lib/pages/plots.py").open("a", encoding="utf-8") as file:
        file.write("# a comment\n")
    users = [stage for stage in STAGES if "stages/lib/pages/plots.py" in deps(project, stage)]
    assert stages_run(dvc(project, "repro")) == users


def test_going_back_to_earlier_knobs_runs_nothing(project: Path) -> None:
    before = (project / "params.yaml").read_text(encoding="utf-8")
    set_knobs(project, {"profile": {"histogram_bins": 7}})
    assert stages_run(dvc(project, "repro")) == ["profile"]
    (project / "params.yaml").write_text(before, encoding="utf-8")
    assert stages_run(dvc(project, "repro")) == []


def kill(project: Path, stage: str, event: str, count: int, folder: Path) -> None:
    """Run the stage alone and let it die at its `count`-th event of that kind within the project."""
    (folder / "sitecustomize.py").write_text(KILLER, encoding="utf-8")
    killing = {"PYTHONPATH": str(folder), "KILL": f"{stage} {event} {count}"}
    result = run_dvc(project, "repro", "--force", "--single-item", stage, **killing)
    # -9 where the shell became the stage, 137 where it stood between DVC and the stage: /bin/sh differs
    assert re.search(r"exited with (-9|137)$", result.stdout, re.MULTILINE), f"not killed\n{result.stdout}"


def deps(project: Path, stage: str) -> list[str]:
    listed: list[str] = read_project(project).stages[stage]["deps"]
    return listed


def dvc_status_is_clean(project: Path) -> bool:
    return "up to date" in dvc(project, "status")
