"""An experiment sees what git tracks, itself or by a .dvc file: ingest refuses what it would lack."""

import subprocess
from pathlib import Path

import pytest

from stages.lib.exceptions import SourceError
from stages.lib.sources.tracked import refuse_untracked
from tests.tiny import SOURCE, dvc, environment, git, make_tiny_project, run_dvc

FOLDER = Path("data/sources/mine")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In an experiment in the workspace: nothing of the source is tracked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_EXP_NAME", "some-name")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("DVC_STAGE", "ingest")
    monkeypatch.delenv("GIT_DIR", raising=False)
    write(tmp_path / FOLDER)
    git(tmp_path, "init", "--quiet")
    return tmp_path


def write(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "source.yaml").write_text(SOURCE)
    for name in ("train.csv", "new.csv", "notes.txt"):
        (folder / name).write_text("a\n")


def command_that_mends() -> str:
    with pytest.raises(SourceError) as caught:
        refuse_untracked(FOLDER)
    return str(caught.value).rsplit(": ", 1)[1]


def test_what_git_tracks_is_fine_committed_or_staged(project: Path) -> None:
    git(project, "add", f"{FOLDER}/source.yaml", f"{FOLDER}/train.csv", f"{FOLDER}/new.csv")
    refuse_untracked(FOLDER)  # notes.txt is no file of the source


def test_nothing_tracked_is_one_command(project: Path) -> None:
    expected = f"dvc add {FOLDER}/train.csv {FOLDER}/new.csv && git add {FOLDER}"
    assert command_that_mends() == expected


def test_a_data_file_that_nobody_tracks_is_named(project: Path) -> None:
    git(project, "add", f"{FOLDER}/source.yaml", f"{FOLDER}/new.csv")
    with pytest.raises(SourceError, match=r"mine: neither git nor DVC tracks train.csv, and an experiment"):
        refuse_untracked(FOLDER)
    assert command_that_mends() == f"dvc add {FOLDER}/train.csv && git add {FOLDER}"


def test_a_file_that_git_ignores_is_not_tracked(project: Path) -> None:
    (project / ".gitignore").write_text("*.csv\n")
    git(project, "add", "--all")
    assert command_that_mends() == f"dvc add {FOLDER}/train.csv {FOLDER}/new.csv && git add {FOLDER}"


def test_a_dvc_file_that_git_lacks_needs_git_alone(project: Path) -> None:
    for name in ("train.csv", "new.csv"):
        (project / FOLDER / f"{name}.dvc").write_text("outs: []\n")
    git(project, "add", f"{FOLDER}/source.yaml")
    assert command_that_mends() == f"git add {FOLDER}"


@pytest.mark.parametrize("pointer", [f"{FOLDER}.dvc", "data/sources.dvc", f"{FOLDER}/train.csv.dvc"])
def test_a_dvc_file_stands_for_all_below_it(project: Path, pointer: str) -> None:
    (project / FOLDER / "new.csv.dvc").write_text("outs: []\n")
    (project / pointer).write_text("outs: []\n")
    git(project, "add", pointer, f"{FOLDER}/new.csv.dvc", f"{FOLDER}/source.yaml")
    refuse_untracked(FOLDER)


def test_a_folder_of_texts_is_added_as_a_folder(project: Path) -> None:
    source = SOURCE.replace("{train: train.csv, unlabelled: new.csv}", '{train: "*/*.txt"}')
    source = source.replace("{id: id, text: text, label: target}", "{text: text, label: folder}")
    (project / FOLDER / "source.yaml").write_text(source)
    for name in ("pos/1.txt", "pos/2.txt", "neg/1.txt", "neg/2.txt"):
        (project / FOLDER / name).parent.mkdir(exist_ok=True)
        (project / FOLDER / name).write_text("a")
    assert command_that_mends() == f"dvc add {FOLDER}/neg {FOLDER}/pos && git add {FOLDER}"
    git(project, "add", f"{FOLDER}/source.yaml", f"{FOLDER}/pos/1.txt")  # DVC takes no part of what git has
    (project / FOLDER / "neg.dvc").write_text("outs: []\n")
    git(project, "add", f"{FOLDER}/neg.dvc")
    with pytest.raises(SourceError, match=r"tracks pos/2.txt, and an experiment"):
        refuse_untracked(FOLDER)
    assert command_that_mends() == f"git add {FOLDER}"


def test_names_with_spaces_and_globs_are_literal(project: Path) -> None:
    odd = Path("data/sources/my own [1]")
    write(project / odd)
    git(project, "add", f"{FOLDER}")
    with pytest.raises(SourceError, match=r"dvc add 'data/sources/my own \[1\]/train.csv' "):
        refuse_untracked(odd)
    git(project, "--literal-pathspecs", "add", str(odd))
    refuse_untracked(odd)


def test_a_copy_is_held_to_what_stands_in_the_workspace(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(project, "add", f"{FOLDER}/source.yaml")
    commit_copy = project / "copy"
    (commit_copy / FOLDER).mkdir(parents=True)
    (commit_copy / FOLDER / "source.yaml").write_text(SOURCE)
    git(commit_copy, "init", "--quiet")
    git(commit_copy, "add", "--all")
    monkeypatch.chdir(commit_copy)
    assert command_that_mends() == f"dvc add {FOLDER}/train.csv {FOLDER}/new.csv && git add {FOLDER}"


def test_outside_of_an_experiment_it_is_a_note(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DVC_EXP_NAME")
    refuse_untracked(FOLDER)
    said = capsys.readouterr().err
    assert said.startswith("ingest: note: data/sources/mine: neither git nor DVC tracks source.yaml, train")
    monkeypatch.delenv("DVC_STAGE")  # by hand, or by new_source, which is about to track it
    refuse_untracked(FOLDER)
    assert capsys.readouterr().err == ""


def test_what_the_hub_has_is_no_fault(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = f"hub: {{dataset: a/b, revision: {COMMIT}}}\n"
    (project / FOLDER / "source.yaml").write_text(SOURCE + hub)
    git(project, "add", f"{FOLDER}/source.yaml")
    refuse_untracked(FOLDER)
    assert "tracks train.csv, new.csv" in capsys.readouterr().err
    monkeypatch.delenv("DVC_EXP_NAME")
    refuse_untracked(FOLDER)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("hub", ["", f"hub: {{dataset: a/b, revision: {COMMIT}}}\n"], ids=["files", "Hub"])
def test_corrections_that_nobody_tracks_are_refused_and_go_into_git(project: Path, hub: str) -> None:
    """Small, and for review: not under DVC; and what the Hub has is not corrected there."""
    (project / FOLDER / "source.yaml").write_text(SOURCE + hub)
    git(project, "add", f"{FOLDER}")
    refuse_untracked(FOLDER)
    (project / FOLDER / "corrections.csv").write_text("id,label,action\n")
    with pytest.raises(SourceError, match=r"neither git nor DVC tracks corrections.csv, and an experiment"):
        refuse_untracked(FOLDER)
    assert command_that_mends() == f"git add {FOLDER}"
    git(project, "add", f"{FOLDER}")
    refuse_untracked(FOLDER)


def test_without_git_there_is_nothing_to_say(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    refuse_untracked(FOLDER)
    monkeypatch.undo()
    monkeypatch.setenv("DVC_EXP_NAME", "some-name")
    refuse_untracked(project / "elsewhere")
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_experiments_run_once_the_named_command_has(tmp_path: Path) -> None:
    """In DVC's own experiments: in a copy, in the queue, in the workspace."""
    make_tiny_project(tmp_path)
    tiny, mine = tmp_path / "data/sources/tiny", tmp_path / FOLDER
    mine.mkdir()
    for path in tiny.iterdir():
        (mine / path.name).write_bytes(path.read_bytes())
    git(tmp_path, "add", f"{FOLDER}/source.yaml")
    setting = ("-S", "ingest.source=mine", "ingest")
    refused = run_dvc(tmp_path, "exp", "run", "--temp", *setting).stdout
    found = [line for line in refused.splitlines() if line.startswith("ingest: data/sources/mine: neither")]
    assert found, refused
    assert found[0] in run_dvc(tmp_path, "exp", "run", *setting).stdout  # in the workspace
    git(tmp_path, "checkout", "params.yaml")
    command = found[0].rsplit(": ", 1)[1]
    mended = subprocess.run(command, shell=True, cwd=tmp_path, env=environment(), capture_output=True)
    assert mended.returncode == 0, mended.stderr
    dvc(tmp_path, "exp", "run", "--queue", "--name", "queued", *setting)
    dvc(tmp_path, "queue", "start")
    assert "kept (146 train, 20 unlabelled), 1 rejected" in dvc(
        tmp_path, "queue", "logs", "--follow", "queued"
    )
    assert "'ingest' is cached" in dvc(tmp_path, "exp", "run", "--temp", *setting)
