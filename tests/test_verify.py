"""commands.verify: what it says of a project's lock and remote, nothing run and nothing pulled."""

import functools
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from dvc.dependency import ParamsDependency
from ruamel.yaml import YAML

from commands.verify import Findings, as_text, changed_params, is_absence
from tests import warm
from tests.tiny import commit, copy_of, dvc, environment, git, set_knobs

# --- fast: the pure parts ----------------------------------------------------------------------------------


class FakeParams:
    """As DVC's ParamsDependency shows itself."""

    def __init__(self, locked: Any, now: dict[str, Any], sections: dict[str, str] | str) -> None:
        self.hash_info = SimpleNamespace(value=locked)
        self.read_params = lambda: now
        self.workspace_status = lambda: {"params.yaml": sections}

    def __str__(self) -> str:
        return "params.yaml"


@pytest.mark.parametrize(
    ("locked", "now", "sections", "lines"),
    [
        (
            {"finetune": {"epochs": 5, "seed": 1, "gone": True}, "clean": {"steps": ["html"]}},
            {"finetune": {"epochs": 3, "seed": 1}, "clean": {"steps": ["html", "unicode"]}},
            {"finetune": "modified", "clean": "modified"},
            [
                "finetune.epochs is 3, in dvc.lock 5",
                "finetune.gone is null, in dvc.lock true",
                'clean.steps is ["html", "unicode"], in dvc.lock ["html"]',
            ],
        ),
        ({"finetune": {}}, {"finetune": {"patience": None}}, {"finetune": "modified"}, ["finetune changed"]),
        (None, {"finetune": {"epochs": 3}}, {"finetune": "new"}, ["finetune.epochs is 3, in dvc.lock null"]),
        (
            {"finetune": {"epochs": 3}},
            {},
            {"finetune": "deleted"},
            ["finetune.epochs is null, in dvc.lock 3"],
        ),
        ({"finetune": {"epochs": 3}}, {}, "deleted", ["deleted"]),
    ],
)
def test_a_section_is_told_knob_by_knob(locked: Any, now: Any, sections: Any, lines: list[str]) -> None:
    params = cast(ParamsDependency, FakeParams(locked, now, sections))
    assert list(changed_params(params)) == [f"params.yaml: {line}" for line in lines]


class AnswerError(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


@pytest.mark.parametrize(
    ("error", "cause", "absent"),
    [
        (FileNotFoundError("x"), None, True),
        (FileNotFoundError("x"), AnswerError(404), True),
        (FileNotFoundError("x"), Exception("no such file, says SFTP"), True),
        (FileNotFoundError("x"), AnswerError(403), False),
        (FileNotFoundError("x"), AnswerError(503), False),
        (FileNotFoundError("x"), ConnectionRefusedError(), False),
        (PermissionError("x"), None, False),
        (TimeoutError("x"), None, False),
    ],
)
def test_what_means_that_an_object_is_not_there(
    error: Exception, cause: Exception | None, absent: bool
) -> None:
    error.__cause__ = cause
    assert is_absence(error) is absent


def test_the_verdict_comes_first_then_a_line_for_each_finding() -> None:
    found = Findings(
        stages=3,
        files=9,
        remote="store",
        stale={"split": ["its command changed", "stages/split.py changed"]},
        missing={"data/splits.parquet": "not in remote 'store'"},
    )
    assert as_text(found).splitlines() == [
        "verify: 1 of 3 stages stale, 1 output missing",
        "split: its command changed",
        "split: stages/split.py changed",
        "data/splits.parquet: not in remote 'store'",
    ]
    assert found.verdict == "stale"
    assert Findings(missing={"a": "b"}).verdict == "stale"
    assert Findings().verdict == "current"
    assert Findings(stale={"a": ["b"]}, problem="no remote").verdict == "unknown"


# --- slow: real projects, in clones that pulled nothing -----------------------------------------------------


@pytest.fixture(scope="module")
def pushed(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished project whose outputs are in `../store`, its DVC remote. Change only clones of it."""
    project = copy_of(finished, tmp_path_factory.mktemp("pushed") / "origin")
    dvc(project, "remote", "add", "--default", "store", str(project.parent / "store"))
    dvc(project, "push")
    commit(project)
    return project


@pytest.fixture
def clone(pushed: Path, tmp_path: Path) -> Path:
    """Without outputs and without a cache."""
    git(tmp_path, "clone", "--quiet", str(pushed), "a clone")
    return tmp_path / "a clone"


@pytest.fixture
def own_store(pushed: Path, clone: Path) -> Path:
    """The clone's own copy of the remote, to spoil."""
    store = Path(shutil.copytree(pushed.parent / "store", clone.parent / "own store"))
    dvc(clone, "remote", "modify", "store", "url", str(store))
    return store


def verify(project: Path, *options: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        (warm.program(), "-m", "commands.verify", *options),
        cwd=project,
        env=environment() | {"DVC_SITE_CACHE_DIR": str(project / ".dvc/tmp/site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def object_of(store: Path, value: str) -> Path:
    return store / "files/md5" / value[:2] / value[2:]


def hash_in_lock(project: Path, out: str) -> str:
    stages = YAML(typ="safe").load(project / "dvc.lock")["stages"].values()
    (value,) = (each["md5"] for stage in stages for each in stage["outs"] if each["path"] == out)
    return str(value)


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


@pytest.mark.slow
def test_a_clone_without_outputs_is_current_and_stays_without(clone: Path) -> None:
    before = {path for path in clone.rglob("*") if not path.is_relative_to(clone / ".dvc/tmp")}
    status, lines = verify(clone)
    assert (status, len(lines)) == (0, 1)
    assert lines[0].startswith("verify: dvc.lock is current, and its outputs are in remote 'store' (")
    after = {path for path in clone.rglob("*") if not path.is_relative_to(clone / ".dvc/tmp")}
    caches = {path for path in after if "__pycache__" in path.parts}
    assert after - before - caches == set()
    assert not (clone / "models/finetuned").exists()
    assert not [*(clone / ".dvc").rglob("files/md5/*/*")]


@pytest.mark.slow
def test_where_everything_lies_it_is_current_too(pushed: Path, tmp_path: Path) -> None:
    status, lines = verify(Path(shutil.copytree(pushed, tmp_path / "a copy")))
    assert (status, len(lines)) == (0, 1)


def change_a_knob(project: Path) -> None:
    set_knobs(project, {"finetune": {"learning_rate": 3e-3}})


def change_code(project: Path) -> None:
    append(project / "stages/split.py", "# a comment\n")


def change_a_row(project: Path) -> None:
    path = project / "data/sources/tiny/train.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("Oslo", "Rome", 1), encoding="utf-8")


def remove_code(project: Path) -> None:
    (project / "stages/split.py").unlink()


def change_a_command(project: Path) -> None:
    path = project / "dvc.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("python -m stages.split", "python -B -m stages.split"), encoding="utf-8")


def change_an_out_in_the_lock(project: Path) -> None:
    """As a merge does that takes one stage of the lock from one side and the next from the other."""
    with edited_lock(project) as stages:
        out = next(out for out in stages["split"]["outs"] if out["path"] == "data/splits.parquet")
        out["md5"] = stages["clean"]["outs"][0]["md5"]


def forget_a_stage(project: Path) -> None:
    with edited_lock(project) as stages:
        del stages["report"]


@contextmanager
def edited_lock(project: Path) -> Iterator[Any]:
    yaml, path = YAML(), project / "dvc.lock"
    lock = yaml.load(path)
    yield lock["stages"]
    yaml.dump(lock, path)


def spoil_what_git_keeps(project: Path) -> None:
    append(project / "metrics/summary.json", "\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "line"),
    [
        (change_code, "split: stages/split.py changed"),
        (remove_code, "split: stages/split.py is missing"),
        (change_a_command, "split: its command changed"),
        (spoil_what_git_keeps, "evaluate: metrics/summary.json is not as the stage wrote it"),
        (forget_a_stage, "report: dvc.lock does not have it"),
    ],
)
def test_a_stale_stage_is_named_with_what_changed(clone: Path, change: Any, line: str) -> None:
    change(clone)
    assert verify(clone) == (1, ["verify: 1 of 17 stages stale, 0 outputs missing", line])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "stages", "what"),
    [
        # crossfit trains as finetune does; the card tells the knobs and the source
        (
            change_a_knob,
            ["finetune", "crossfit", "package"],
            "params.yaml: finetune.learning_rate is 0.003, in dvc.lock 0.005",
        ),
        (change_a_row, ["ingest", "package"], "data/sources/tiny changed"),
    ],
)
def test_every_stage_that_reads_what_changed_is_named(
    clone: Path, change: Any, stages: list[str], what: str
) -> None:
    change(clone)
    title = f"verify: {len(stages)} of 17 stages stale, 0 outputs missing"
    assert verify(clone) == (1, [title, *(f"{name}: {what}" for name in stages)])


@pytest.mark.slow
def test_an_output_that_the_next_stage_did_not_read_makes_that_stale(clone: Path) -> None:
    change_an_out_in_the_lock(clone)
    status, (title, *lines) = verify(clone)
    assert status == 1
    assert title.endswith("stages stale, 0 outputs missing")
    assert lines
    assert all("data/splits.parquet was made anew by split" in line for line in lines)


@pytest.mark.slow
def test_so_does_a_file_of_a_folder_that_the_next_stage_did_not_read(clone: Path) -> None:
    with edited_lock(clone) as stages:
        path = "data/errors/examples.parquet"
        dep = next(dep for dep in stages["explain"]["deps"] if dep["path"] == path)
        dep["md5"] = stages["clean"]["outs"][0]["md5"]
    assert verify(clone)[1][1:] == ["explain: data/errors/examples.parquet was made anew by errors"]


@pytest.mark.slow
def test_what_is_not_in_the_remote_is_named(clone: Path, own_store: Path) -> None:
    """A file, a folder, and a file in a folder that DVC takes for whole, since its listing is there."""
    listing = object_of(own_store, hash_in_lock(clone, "models/finetuned"))
    finetuned = json.loads(listing.read_text())
    weights = next(file["md5"] for file in finetuned if file["relpath"] == "model.safetensors")
    for value in (hash_in_lock(clone, "data/splits.parquet"), hash_in_lock(clone, "data/errors"), weights):
        object_of(own_store, value).unlink()
    assert verify(clone) == (
        1,
        [
            "verify: 0 of 17 stages stale, 4 outputs missing",
            "data/splits.parquet: not in remote 'store'",
            "models/trained/model.safetensors: not in remote 'store'",
            "data/errors: not in remote 'store'",
            "models/finetuned/model.safetensors: not in remote 'store'",
        ],
    )


@pytest.mark.slow
def test_a_listing_that_is_damaged_is_named(clone: Path, own_store: Path) -> None:
    listing = object_of(own_store, hash_in_lock(clone, "data/errors"))
    listing.chmod(0o644)
    listing.write_text("[{")
    status, (_, *lines) = verify(clone)
    assert (status, lines) == (1, ["data/errors: its listing in remote 'store' is damaged"])


@pytest.mark.slow
def test_json_says_the_same(clone: Path) -> None:
    change_code(clone)
    status, lines = verify(clone, "--json")
    said = json.loads("\n".join(lines))
    assert (status, said["verdict"]) == (1, "stale")
    assert (said["stale"], said["missing"]) == ({"split": ["stages/split.py changed"]}, {})


@pytest.mark.slow
def test_no_remote(clone: Path) -> None:
    dvc(clone, "remote", "remove", "store")
    assert verify(clone) == (
        3,
        ["verify: cannot tell: no DVC remote to look in; add one: `dvc remote add --default NAME URL`"],
    )


@pytest.mark.slow
def test_no_lock(clone: Path) -> None:
    (clone / "dvc.lock").unlink()
    status, (line,) = verify(clone)
    assert status == 3
    assert line.startswith("verify: cannot tell: dvc.lock: no such file; run `dvc repro`")


@pytest.mark.slow
def test_no_such_remote_and_a_broken_graph(clone: Path) -> None:
    status, (line,) = verify(clone, "--remote", "shop")
    assert (status, "remote 'shop' doesn't exist" in line) == (3, True)
    append(clone / "dvc.yaml", "stages: {}\n")
    status, lines = verify(clone, "--json")
    assert (status, json.loads("\n".join(lines))["verdict"]) == (3, "unknown")


@pytest.fixture
def server(pushed: Path) -> Iterator[ThreadingHTTPServer]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    store = pushed.parent / "store"
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(store))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.slow
def test_over_http_what_is_missing_and_a_server_that_is_away_are_told_apart(
    clone: Path, server: ThreadingHTTPServer
) -> None:
    dvc(clone, "remote", "add", "web", f"http://127.0.0.1:{server.server_port}")
    dvc(clone, "remote", "add", "empty", f"http://127.0.0.1:{server.server_port}/none")
    dvc(clone, "remote", "add", "away", "http://127.0.0.1:1")
    assert verify(clone, "--remote", "web")[0] == 0
    assert verify(clone, "--remote", "empty")[0] == 1
    status, (line,) = verify(clone, "--remote", "away")
    assert status == 3
    assert line.startswith("verify: cannot tell: remote 'away' does not answer: ")


@pytest.mark.slow
def test_a_source_under_dvc_counts_without_being_pulled(pushed: Path, tmp_path: Path) -> None:
    """Its file and its folder are no part of a fresh clone, and still the lock is current."""
    project = Path(shutil.copytree(pushed, tmp_path / "a copy"))
    store = tmp_path / "store"
    dvc(project, "remote", "modify", "store", "url", str(store))
    source = project / "data/sources/tiny"
    (source / "more").mkdir()
    (source / "more/notes.txt").write_text("kept beside the rows")
    git(project, "rm", "--quiet", "--cached", "data/sources/tiny/train.csv")
    dvc(project, "add", "data/sources/tiny/train.csv", "data/sources/tiny/more")
    dvc(project, "repro")
    dvc(project, "push")
    commit(project)
    git(tmp_path, "clone", "--quiet", str(project), "fresh")
    fresh = tmp_path / "fresh"
    assert not (fresh / "data/sources/tiny/train.csv").exists()
    assert verify(fresh)[0] == 0

    append(fresh / "data/sources/tiny/source.yaml", "# a comment\n")
    assert verify(fresh)[1][1:] == [f"{name}: data/sources/tiny changed" for name in ("ingest", "package")]

    git(fresh, "checkout", "--quiet", ".")
    for name in ("train.csv.dvc", "more.dvc"):
        object_of(store, (source / name).read_text().split("md5: ")[1].split()[0]).unlink()
    assert verify(fresh)[1] == [
        "verify: 0 of 19 stages stale, 2 outputs missing",
        "data/sources/tiny/more: not in remote 'store'",
        "data/sources/tiny/train.csv: not in remote 'store'",
    ]

    change_a_row(project)
    assert verify(project)[1][1:3] == [
        "data/sources/tiny/train.csv.dvc: data/sources/tiny/train.csv changed since `dvc add`",
        "ingest: data/sources/tiny changed",
    ]
