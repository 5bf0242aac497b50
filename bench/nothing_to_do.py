"""`dvc repro` with nothing to do: this project beside bare DVC with as many empty stages.

`python -m bench.nothing_to_do`, after `make run`. What the difference is made of is measured beside: the same
empty stages with as many files to watch as ours, and ours without the files of its code, without its knobs.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from ruamel.yaml import YAML

from bench.measuring import Row, in_pairs, in_words, record
from bench.projects import copy_to, dvc
from stages.lib.config import read_yaml

ROUNDS = 5
LEFT_OUT = {  # of what ours watches, on trial
    "Without the files of its code": ("code",),
    "Without params.yaml": ("params",),
    "Without either": ("code", "params"),
}


def main() -> None:
    stages = read_yaml(Path("dvc.yaml"))["stages"].values()
    counts = [(len(stage["deps"]), len(stage["outs"])) for stage in stages]
    with tempfile.TemporaryDirectory() as folder:
        bare = make_bare_project(Path(folder) / "bare", [(1, 1)] * len(counts))
        watching = make_bare_project(Path(folder) / "watching", counts)
        lighter = {name: make_lighter_project(Path(folder) / name, keys) for name, keys in LEFT_OUT.items()}
        for project in (bare, watching, *lighter.values(), Path()):
            repro(project)
            if "Running stage" in dvc(project, "repro").output:
                sys.exit(f"{project.resolve()}: a second `dvc repro` ran a stage")
        found = in_pairs(lambda: repro(Path()), lambda: repro(bare), ROUNDS)
        as_many_files = in_pairs(lambda: repro(Path()), lambda: repro(watching), ROUNDS)
        less = {
            name: in_pairs(partial(repro, project), lambda: repro(bare), ROUNDS).times_as_long
            for name, project in lighter.items()
        }
    files = sum(map(sum, counts))
    told = [
        f"- {name}, it is {in_words(figures, 'times as long')} as the empty stages."
        for name, figures in less.items()
    ]
    record(
        "nothing_to_do",
        [
            Row.of_pairs(
                found,
                "times as long",
                work="`dvc repro` with nothing to do",
                peer="bare DVC with as many empty stages",
                data=f"the sample: {len(counts)} stages, {files} deps and outs",
                goal=1.3,
                predicted="1.4, as with 13 stages: both sides have grown by four stages since",
                why_not="each stage lists the files of its code, since DVC does not follow imports, and DVC "
                "builds each of them twice, locks it, looks it up and unlocks it. Whole folders of "
                "code as deps would be fewer, and any change in one would train again. Tried by "
                "hand: folders only where a stage uses every file of one (110 of 647 deps fewer) "
                "took 7 % of the processor's time off, and with what all stages use as one more "
                "folder (195 fewer) 12 %. What the code's files and the knobs take, each left out "
                "on trial, stands below; the rest are the data's own files",
            )
        ],
        "\n".join(
            [
                f"- Beside empty stages with as many deps and outs as ours, one empty file each, it is "
                f"{in_words(as_many_files.times_as_long, 'times as long')}.",
                *told,
            ]
        ),
    )


def make_lighter_project(folder: Path, left_out: Iterable[str]) -> Path:
    """This project with outs and all, finished, but for what its stages need not watch here."""
    folder.mkdir()
    project = copy_to(folder)
    for name in ("dvc.yaml", "dvc.lock"):
        path = project / name
        told = read_yaml(path)
        for stage in told["stages"].values():
            if "params" in left_out:
                stage.pop("params", None)
            if "code" in left_out:
                stage["deps"] = [dep for dep in stage["deps"] if not is_code(dep)]
        YAML(typ="safe").dump(told, path)
    dvc(project, "checkout", "--quiet")
    return project


def is_code(dep: str | dict[str, str]) -> bool:
    """A dep of dvc.yaml, or of dvc.lock."""
    path = dep if isinstance(dep, str) else dep["path"]
    return path.startswith("stages/")


def make_bare_project(folder: Path, counts: Iterable[tuple[int, int]]) -> Path:
    """Stages that make empty files, each after the one before; `counts` are of deps and outs."""
    folder.mkdir()
    subprocess.run(("git", "init", "--quiet"), cwd=folder, check=True)
    dvc(folder, "init", "--quiet")
    dvc(folder, "config", "core.analytics", "false")
    before = "begin"
    lines = ["stages:"]
    for number, (deps, outs) in enumerate(counts):
        read = [before, *(f"in.{number}.{each}" for each in range(1, deps))]
        written = [f"out.{number}.{each}" for each in range(outs)]
        for path in read if before == "begin" else read[1:]:
            (folder / path).touch()
        lines += [f"  s{number}:", f"    cmd: touch {' '.join(written)}"]
        lines += [f"    deps: [{', '.join(read)}]", f"    outs: [{', '.join(written)}]"]
        before = written[0]
    (folder / "dvc.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def repro(folder: Path) -> None:
    dvc(folder, "repro")


if __name__ == "__main__":
    main()
