"""Runs read through the real DVC: at a revision, as an experiment, from the workspace, from a remote."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from commands.lib.runs import opened
from stages.lib.exceptions import RunError
from tests import warm
from tests.tiny import commit, copy_of, dvc, environment, git, set_knobs

pytestmark = pytest.mark.slow

PREDICTIONS = "data/predictions/finetuned/finetuned.parquet"


@pytest.fixture(scope="module")
def project(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`main` is the finished run; the workspace and an experiment each have other baselines."""
    folder = copy_of(finished, tmp_path_factory.mktemp("runs") / "a project")
    dvc(folder, "exp", "run", "--temp", "--name", "tryout", "--set-param", "baseline.tfidf_c=0.001")
    set_knobs(folder, {"baseline": {"tfidf_c": 0.001}})
    dvc(folder, "repro")
    return folder


def python(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = (warm.program(), "-m", *words)
    return subprocess.run(
        command, cwd=project, env=environment(), capture_output=True, text=True, check=False
    )


def compared(project: Path, *words: str) -> dict[str, Any]:
    done = python(project, "commands.compare", *words, "--format", "json", "--resamples", "100")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_branch_an_experiment_and_the_workspace_are_compared(project: Path) -> None:
    found = compared(project, "main", "tryout", "workspace", "--model", "tfidf")
    groups = [group["runs"][0] for group in found["groups"]]
    assert [name.split()[0] for name in groups] == ["main", "tryout", "workspace"]
    first, second = found["comparisons"]
    assert first["params"] == second["params"] == {"baseline.tfidf_c": [3.0, 0.001]}
    assert first["differences"] == second["differences"]
    assert first["flips"]["changed"] > 0


def test_the_gate_passes_what_does_not_change_the_model(project: Path) -> None:
    done = python(project, "commands.gate", "--against", "main", "--candidate", "tryout")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("PASS: tryout (")
    verdict = json.loads((project / "metrics/gate.json").read_text(encoding="utf-8"))
    assert {name.split()[0] for name in verdict["hashes"]} == {"main", "tryout"}


def test_the_plan_is_a_page_and_no_verdict(project: Path) -> None:
    (project / "metrics/gate.json").unlink(missing_ok=True)
    done = python(project, "commands.gate", "--plan", "--against", "main")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("test, n = ")
    assert "an equal model           passes " in done.stdout
    assert not (project / "metrics/gate.json").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--against", "nowhere"), "'nowhere' is no branch, tag, commit or experiment here"),
        (("--agianst", "main"), "No such option: --agianst"),
    ],
)
def test_what_cannot_be_compared_is_3(project: Path, words: tuple[str, ...], message: str) -> None:
    done = python(project, "commands.gate", *words)
    assert done.returncode == 3
    assert message in done.stdout + done.stderr


def test_a_clone_reads_what_the_remote_alone_has_and_checks_nothing_out(
    project: Path, tmp_path: Path
) -> None:
    source, clone = tmp_path / "with a remote", tmp_path / "a clone"
    shutil.copytree(project, source)
    dvc(source, "remote", "add", "--default", "disk", str(tmp_path / "remote"))
    commit(source)
    dvc(source, "push")
    git(source, "clone", "--quiet", str(source), str(clone))
    found = compared(clone, "HEAD", "workspace")
    assert found["comparisons"][0]["flips"]["changed"] == 0
    assert not (clone / PREDICTIONS).exists()


def test_an_output_that_is_nowhere_is_named_with_what_to_do(project: Path, tmp_path: Path) -> None:
    clone = tmp_path / "a clone"
    git(project, "clone", "--quiet", str(project), str(clone))
    done = python(clone, "commands.gate", "--against", "main")
    assert done.returncode == 3
    assert "main (" in done.stdout
    assert "expected it in DVC's cache or its remote: run `dvc push`" in done.stdout


def test_without_a_commit_there_is_no_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "--quiet")
    dvc(tmp_path, "init", "--quiet")
    with pytest.raises(RunError, match="'main' is no branch, tag, commit"), opened("main", "workspace"):
        pass
