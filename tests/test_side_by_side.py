"""`make run JOBS=2` runs stages at once, in the graph's order, and leaves what `dvc repro` leaves."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# left and right each wait for the other to have begun, so they end only side by side
GRAPH = """
stages:
  base:
    cmd: echo base > base.txt
    outs: [base.txt]
  left:
    cmd: touch left.began && until test -e right.began; do sleep 0.1; done && cp base.txt left.txt
    deps: [base.txt]
    outs: [left.txt]
  right:
    cmd: touch right.began && until test -e left.began; do sleep 0.1; done && cp base.txt right.txt
    deps: [base.txt]
    outs: [right.txt]
  end:
    cmd: cat left.txt right.txt > end.txt
    deps: [left.txt, right.txt]
    outs: [end.txt]
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".venv").symlink_to(sys.prefix)
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "commands").mkdir()
    (tmp_path / "commands/summary.py").write_text("print('summary')\n")
    (tmp_path / "dvc.yaml").write_text(GRAPH)
    for words in (("init", "--no-scm", "--quiet"), ("config", "core.analytics", "false")):
        subprocess.run([sys.executable, "-m", "dvc", *words], cwd=tmp_path, check=True)
    return tmp_path


def run(project: Path, jobs: int) -> subprocess.CompletedProcess[str]:
    # the stamp is taken to be there: nothing is to be installed
    words = ["make", "--assume-old", ".venv/run.stamp", "run", f"JOBS={jobs}"]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(words, cwd=project, env=variables, capture_output=True, text=True, timeout=120)


def test_stages_that_wait_for_no_other_run_at_once(project: Path) -> None:
    done = run(project, 2)
    assert done.returncode == 0, done.stderr
    assert (project / "end.txt").read_text() == "base\nbase\n"
    assert done.stdout.endswith("summary\n")

    together = (project / "dvc.lock").read_text()
    again = run(project, 1)
    assert "didn't change, skipping" in again.stdout
    assert "Running stage" not in again.stdout
    assert (project / "dvc.lock").read_text() == together


def test_the_lock_is_that_of_one_after_another(project: Path) -> None:
    for sign in ("left.began", "right.began"):
        (project / sign).touch()
    assert run(project, 1).returncode == 0
    alone = (project / "dvc.lock").read_text()
    for path in ("base.txt", "left.txt", "right.txt", "end.txt", "left.began", "right.began"):
        (project / path).unlink()
    shutil.rmtree(project / ".dvc/cache")
    assert "Running stage 'end'" in run(project, 2).stdout
    assert (project / "dvc.lock").read_text() == alone


def test_after_a_failure_nothing_more_is_started(project: Path) -> None:
    (project / "dvc.yaml").write_text(GRAPH.replace("&& cp base.txt left.txt", "&& false"))
    done = run(project, 2)
    assert done.returncode != 0
    assert "failed to reproduce 'left'" in done.stderr
    assert (project / "right.txt").exists()
    assert not (project / "end.txt").exists()
    assert "summary" not in done.stdout
