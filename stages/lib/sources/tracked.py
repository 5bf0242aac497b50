"""Whether an experiment sees a source: it has what git tracks, by itself or by a .dvc file."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from stages.lib.exceptions import ConfigError, SourceError
from stages.lib.listing import listed
from stages.lib.readers.archives import located
from stages.lib.sources.files import CORRECTIONS_FILE, OWN_FILES, find_files
from stages.lib.sources.source import SOURCE_FILE, Source, read_source

STAGE = "DVC_STAGE"  # DVC sets it for every stage that it runs
EXPERIMENT = "DVC_EXP_NAME"  # and this for the stages of an experiment
WORKSPACE = "DVC_ROOT"  # and this to the workspace, also where the stage runs in a copy of it


def refuse_untracked(folder: Path) -> None:
    """Raises SourceError where an experiment would run, or be kept, without some of the source's files.

    Outside of one that is said on stderr, before it puzzles; without git there is nothing to say. What the
    Hub has is no fault: an experiment takes it from there. A folder of which nothing is tracked never gets
    here: DVC itself finds it missing in the copy, before any stage runs.
    """
    inside = EXPERIMENT in os.environ
    workspace = Path(os.environ.get(WORKSPACE, ".")) / folder
    tracked = _tracked(Path(os.path.relpath(folder)))
    if tracked is None or not workspace.is_dir():
        return
    source = _source(folder) or _source(workspace)
    corrections = [CORRECTIONS_FILE] if (workspace / CORRECTIONS_FILE).is_file() else []
    used = dict.fromkeys([SOURCE_FILE, *corrections, *(_files(workspace, source) if source else [])])
    untracked = [name for name in used if not _is_tracked(name, folder, tracked)]
    fetched = source is not None and source.hub is not None and not set(OWN_FILES) & set(untracked)
    if not untracked or (fetched and not inside):
        return
    message = _message(folder, untracked, _mending(folder, workspace, untracked, tracked))
    if inside and not fetched:
        raise SourceError(message)
    if STAGE in os.environ:
        print(f"ingest: note: {message}", file=sys.stderr)


def _tracked(folder: Path) -> set[str] | None:
    """What git's index holds of the folder, and of the .dvc files that may stand for it or a folder above."""
    pointers = [f"{above.as_posix()}.dvc" for above in (folder, *folder.parents) if above.name]
    command = ["git", "--literal-pathspecs", "ls-files", "-z", "--", folder.as_posix(), *pointers]
    try:
        answer = subprocess.run(command, capture_output=True, check=False)
    except OSError:  # git is not installed
        return None
    return set(os.fsdecode(answer.stdout).split("\0")) if answer.returncode == 0 else None


def _source(folder: Path) -> Source | None:
    try:
        return read_source(folder)
    except (ConfigError, SourceError):
        return None  # whoever reads it next says what is wrong


def _files(folder: Path, source: Source) -> Iterator[str]:
    """Those of the folder that `files` names, by itself or by a pattern; of a zip, the zip."""
    for role in source.files:
        for file in find_files(folder, source.entries(role))[0]:
            yield located(file.path)[0].relative_to(folder).as_posix()


def _is_tracked(name: str, folder: Path, tracked: set[str]) -> bool:
    path = PurePosixPath(Path(os.path.relpath(folder)).as_posix(), name)
    return str(path) in tracked or any(f"{above}.dvc" in tracked for above in (path, *path.parents))


def _mending(folder: Path, workspace: Path, untracked: list[str], tracked: set[str]) -> str:
    """One command. DVC takes nothing that git has a part of; what has its .dvc file needs git alone."""
    entries = dict.fromkeys(PurePosixPath(name).parts[0] for name in untracked if name not in OWN_FILES)
    here = Path(os.path.relpath(folder)).as_posix()
    in_git = {name.removeprefix(f"{here}/").split("/")[0] for name in tracked}
    new = [name for name in entries if name not in in_git and not (workspace / f"{name}.dvc").exists()]
    adding = [shlex.join(["dvc", "add", *(str(folder / name) for name in new)])] if new else []
    return " && ".join([*adding, shlex.join(["git", "add", str(folder)])])


def _message(folder: Path, untracked: list[str], command: str) -> str:
    return (
        f"{folder}: neither git nor DVC tracks {listed(untracked, 3)}, and an experiment has "
        f"nothing else; run this (no commit is needed), then the experiment again: {command}"
    )
