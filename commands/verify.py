"""Is dvc.lock current, and does the DVC remote hold all that it names? `python -m commands.verify`

For CI that does not train: no stage runs and no output is pulled. Exit status 0: yes. 1: a stage is stale, or
an output is missing. 3: that could not be told. (`dvc status -q` exits with 1 where outputs are not pulled,
`dvc repro --dry` with 0 whatever is stale.)
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from dvc.dependency import ParamsDependency
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc_data.hashfile.build import build
from dvc_data.hashfile.tree import Tree
from dvc_objects.errors import ObjectFormatError

from commands.lib.runs import changed as changed_values
from stages.lib.exceptions import RunError
from stages.lib.stage import run

STATUS = {"current": 0, "stale": 1, "unknown": 3}


@dataclass
class Findings:
    stages: int = 0
    files: int = 0  # that the remote ought to hold
    remote: str | None = None
    stale: dict[str, list[str]] = field(default_factory=dict)  # stage: why
    missing: dict[str, str] = field(default_factory=dict)  # output: why
    problem: str | None = None

    @property
    def verdict(self) -> str:
        if self.problem is not None:
            return "unknown"
        return "stale" if self.stale or self.missing else "current"


def main(
    *,
    remote: Annotated[str | None, typer.Option(help="the DVC remote, where it is not the default")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the same as JSON")] = False,
) -> None:
    """Tell whether dvc.lock is current and its outputs are in the remote; nothing is run or pulled."""
    logging.disable()  # what DVC and the clients of storage say on the way is no answer
    try:
        found = look(remote)
    except RunError as error:
        found = Findings(problem=str(error))
    print(
        as_text(found) if not as_json else json.dumps({"verdict": found.verdict, **asdict(found)}, indent=2)
    )
    raise typer.Exit(STATUS[found.verdict])


def look(remote: str | None) -> Findings:
    """Raises RunError."""
    try:
        repo = Repo()
        remote = remote or repo.config["core"].get("remote")
        if not (Path(repo.root_dir) / "dvc.lock").exists():
            raise RunError("dvc.lock: no such file; run `dvc repro` and commit the file that it writes")
        if remote is None:
            raise RunError("no DVC remote to look in; add one: `dvc remote add --default NAME URL`")
        with repo.lock:
            return findings(repo, remote)
    except DvcException as error:
        raise RunError(_in_one_line(error)) from error


def findings(repo: Repo, remote: str) -> Findings:
    stages = sorted(repo.index.stages, key=lambda stage: stage.path)  # .dvc files come as the disk lists them
    outs = [out for stage in stages for out in stage.outs if out.hash_info and not stage.is_repo_import]
    pushed = [out for out in outs if out.use_cache and out.can_push]
    missing, trees = not_in_remote(repo, pushed, remote)
    missing |= {str(out): "not in the working tree" for out in outs if not out.use_cache and not out.exists}
    makers = {out.fs_path: out for stage in stages for out in stage.outs}
    stale = {stage.addressing: list(reasons(stage, makers, trees)) for stage in stages}
    return Findings(
        stages=len(stages),
        files=sum(len(trees.get(out.fs_path, [out])) for out in pushed),
        remote=remote,
        stale={name: whys for name, whys in stale.items() if whys},
        missing=missing,
    )


# --- the lock ----------------------------------------------------------------------------------------------


def reasons(stage: Any, makers: dict[str, Any], trees: dict[str, Tree]) -> Iterator[str]:
    """Why `dvc repro` would run the stage; what is merely not pulled is none."""
    if stage.outs and not any(out.hash_info for out in stage.outs):
        yield "dvc.lock does not have it"
        return
    if stage.changed_stage():
        yield "its command changed"
    for dep in () if stage.frozen else stage.deps:
        if isinstance(dep, ParamsDependency):
            yield from changed_params(dep)
        elif why := changed(dep, makers, trees):
            yield f"{dep} {why}"
    for out in stage.outs:
        if out.exists and out.workspace_status():
            how = "changed since `dvc add`" if stage.is_data_source else "is not as the stage wrote it"
            yield f"{out} {how}"


def changed_params(dep: ParamsDependency) -> Iterator[str]:
    """A line for each knob, where the lock and DVC know sections only."""
    sections = dep.workspace_status().get(str(dep), {})
    if not isinstance(sections, dict):
        yield f"{dep}: {sections}"
        return
    before, now = dep.hash_info.value or {}, dep.read_params()
    for section in sections:
        knobs = changed_values({section: before.get(section)}, {section: now.get(section)})
        told = [
            f"{name} is {json.dumps(new)}, in dvc.lock {json.dumps(old)}"
            for name, (old, new) in knobs.items()
        ]
        yield from (f"{dep}: {each}" for each in told or [f"{section} changed"])


def changed(dep: Any, makers: dict[str, Any], trees: dict[str, Tree]) -> str | None:
    """How the dep differs from the lock, if it does. One that was not pulled is what its maker left."""
    maker = makers.get(dep.fs_path)
    if not dep.exists:
        if maker is not None:
            return None if maker.hash_info == dep.hash_info else f"was made anew by {maker.stage.addressing}"
        holder = next((makers[str(p)] for p in Path(dep.fs_path).parents if str(p) in makers), None)
        return "is missing" if holder is None else changed_within(holder, dep, trees.get(holder.fs_path))
    if not dep.workspace_status() or pulled_hash(dep, makers, trees) in (None, dep.hash_info):
        return None
    return "changed" if dep.hash_info else "is a new dep"


def changed_within(holder: Any, dep: Any, tree: Tree | None) -> str | None:
    """Of one file of a folder that is not pulled; a listing that is lacking is told elsewhere."""
    if tree is None or dep.hash_info.isdir:
        return None
    _, hash_info = tree.get(Path(dep.fs_path).relative_to(holder.fs_path).parts) or (None, None)
    return None if hash_info == dep.hash_info else f"was made anew by {holder.stage.addressing}"


def pulled_hash(dep: Any, makers: dict[str, Any], trees: dict[str, Tree]) -> Any:
    """The hash it would have with what DVC tracks in it pulled; None where the remote lacks that."""
    folder = Path(dep.fs_path)
    absent = [out for path, out in makers.items() if folder in Path(path).parents and not out.exists]
    if not absent:
        return dep.get_hash()
    here: Any = build(
        dep.repo.cache.local, dep.fs_path, dep.fs, dep.hash_name, ignore=dep.dvcignore, dry_run=True
    )[2]
    files = here.as_list()
    for out in absent:
        path = Path(out.fs_path).relative_to(folder).as_posix()
        if not out.hash_info.isdir:
            files.append({"relpath": path, **out.hash_info.to_dict()})
        elif out.fs_path in trees:
            listed = trees[out.fs_path].as_list()
            files += [{**file, "relpath": f"{path}/{file['relpath']}"} for file in listed]
        else:
            return None
    whole = Tree.from_list(files)
    whole.digest()
    return whole.hash_info


# --- the remote --------------------------------------------------------------------------------------------


@contextmanager
def asking(remote: str) -> Iterator[None]:
    """Clients of storage raise what they please; each such error is a remote that does not answer."""
    try:
        yield
    except (RunError, DvcException):
        raise
    except Exception as error:
        raise RunError(f"remote '{remote}' does not answer: {_in_one_line(error)}") from error


def storage(repo: Repo, remote: str, hash_name: str) -> Any:
    """DVC's object store of that remote."""
    place = repo.cloud.get_remote(remote)
    if place.fs.protocol == "local" and not place.fs.exists(place.path):
        raise RunError(f"remote '{remote}': no folder {place.path}; mount it, or `dvc push` to make it")
    return repo.cloud.get_remote_odb(remote, "verify", hash_name)


def not_in_remote(repo: Repo, outs: list[Any], default: str) -> tuple[dict[str, str], dict[str, Tree]]:
    """What the remote lacks, with why, and what it lists for each folder, by the folder's path.

    DVC takes a folder for whole where its listing is there; here each of its files is looked for.
    """
    missing, trees = {}, {}
    for out in outs:
        with asking(remote := out.remote or default):
            odb = storage(repo, remote, out.hash_name)
            files = [(str(out), out.hash_info.value)]
            if out.hash_info.isdir and all(exist(odb, files).values()):
                try:
                    trees[out.fs_path] = Tree.load(odb, out.hash_info)
                except ObjectFormatError:
                    missing[str(out)] = f"its listing in remote '{remote}' is damaged"
                    continue
                files = [("/".join((str(out), *key)), info.value) for key, _, info in trees[out.fs_path]]
            there = exist(odb, sorted(files))
        missing |= {path: f"not in remote '{remote}'" for path, is_there in there.items() if not is_there}
    return missing, trees


def exist(odb: Any, files: list[tuple[str, str]]) -> dict[str, bool]:
    """Of each path, whether the object with its hash is there. Raises what the client raised."""
    answers = odb.fs.info([odb.oid_to_path(value) for _, value in files], return_exceptions=True)
    for answer in answers:
        if isinstance(answer, Exception) and not is_absence(answer):
            raise answer
    return {path: isinstance(answer, dict) for (path, _), answer in zip(files, answers, strict=True)}


def is_absence(error: Exception) -> bool:
    """Whether it means `no such object`, where over HTTP any failure comes as FileNotFoundError."""
    cause = error.__cause__
    refused = getattr(cause, "status", 404) not in (404, 410)
    return isinstance(error, FileNotFoundError) and not refused and not isinstance(cause, OSError)


# --- what is printed ---------------------------------------------------------------------------------------


def as_text(found: Findings) -> str:
    lines = [f"{stage}: {why}" for stage, whys in found.stale.items() for why in whys]
    lines += [f"{out}: {why}" for out, why in found.missing.items()]
    return "\n".join([f"verify: {title(found)}", *lines])


def title(found: Findings) -> str:
    if found.problem is not None:
        return f"cannot tell: {found.problem}"
    if found.verdict == "current":
        return f"dvc.lock is current, and its outputs are in remote '{found.remote}' ({found.files:,} files)"
    lacking = f"{len(found.missing)} output{'' if len(found.missing) == 1 else 's'} missing"
    return f"{len(found.stale)} of {found.stages} stages stale, {lacking}"


def _in_one_line(error: BaseException) -> str:
    """With what caused it, since DVC's own words often are `failed to ...`."""
    causes = [error]
    while (cause := causes[-1].__cause__) is not None:
        causes.append(cause)
    texts = [" ".join(str(cause).split()) or type(cause).__name__ for cause in causes]
    return ": ".join(dict.fromkeys(texts))


if __name__ == "__main__":
    run(main)
