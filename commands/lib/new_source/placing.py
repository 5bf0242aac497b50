"""A source's files laid in its folder and put under DVC; what fails half-way is taken back."""

import filecmp
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo

from stages.lib.exceptions import SourceError
from stages.lib.sources.source import SOURCE_FILE
from stages.lib.tables import replacing, replacing_folder


@contextmanager
def undone_if_failed(folder: Path) -> Iterator[None]:
    """Whatever ends the block early, the folder is then as it was before."""
    before = {path.name for path in folder.iterdir()} if folder.is_dir() else None
    ignored = folder / ".gitignore"
    ignores = ignored.read_bytes() if ignored.is_file() else None
    try:
        yield
    except BaseException:
        _take_back(folder, before)
        if ignores is not None:
            ignored.write_bytes(ignores)
        raise


def _take_back(folder: Path, before: set[str] | None) -> None:
    if before is None:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for path in list(folder.iterdir()):
        if path.name not in before:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def lay(copies: dict[str, Path], folder: Path) -> list[str]:
    """The files and folders, by their names, in the source's folder; what is there already stays.

    Returns the names of the new ones. Raises SourceError, and copies nothing, where it would overwrite one.
    """
    new = {name: path for name, path in copies.items() if not _stands(path, folder / name)}
    for name, path in new.items():
        if (folder / name).exists():
            raise SourceError(f"{folder / name}: there is such a file already; {path} was not laid over it")
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in new.items():
        if path.is_dir():
            with replacing_folder(folder / name) as partial:
                shutil.copytree(path, partial, dirs_exist_ok=True)
        else:
            with replacing(folder / name) as partial:
                shutil.copyfile(path, partial)
    return list(new)


def _stands(path: Path, there: Path) -> bool:
    """Whether it is that file, or one of the same bytes, as where one begins again."""
    if path.resolve() == there.resolve():
        return True
    return path.is_file() and there.is_file() and filecmp.cmp(path, there, shallow=False)


def track(folder: Path, names: Iterable[str]) -> str | None:
    """`dvc add` and `git add`, without a commit. Returns why not, where there is no git or no DVC here.

    Raises SourceError where either refuses.
    """
    if _git("rev-parse", "--is-inside-work-tree") is None:
        return "this is no git repository"
    try:
        with Repo(config={"core": {"autostage": True}}) as repo:  # else it says what to type
            in_git = (_git("ls-files", "-z", "--", str(folder)) or "").split("\0")
            repo.add([str(folder / name) for name in names if not _is_in(name, folder, in_git)])
    except DvcException as error:
        if type(error).__name__ == "NotDvcRepoError":
            return "DVC is not set up here (`dvc init`)"
        raise SourceError(f"{folder}: dvc add: {str(error).splitlines()[0]}") from None
    ours = [SOURCE_FILE, ".gitignore", *(f"{name}.dvc" for name in names)]
    there = [str(folder / name) for name in ours if (folder / name).exists()]
    added = subprocess.run(["git", "add", "--", *there], capture_output=True, text=True, check=False)
    if added.returncode != 0:
        raise SourceError(f"{folder}: git add: {added.stderr.strip().splitlines()[0]}")
    return None


def _is_in(name: str, folder: Path, in_git: list[str]) -> bool:
    """DVC takes nothing that git has, or has a part of."""
    path = (folder / name).as_posix()
    return any(known == path or known.startswith(f"{path}/") for known in in_git)


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(["git", "--literal-pathspecs", *words], capture_output=True, check=False)
    except OSError:
        return None
    return os.fsdecode(done.stdout) if done.returncode == 0 else None
