import compileall
import gc
import os
from pathlib import Path

import pytest
from filelock import FileLock

# Before anything imports torch: on two cores, two workers of two threads each wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A stage claims its GPU until its process ends, and pytest's would hold it before all that it starts.
os.environ["CUDA_VISIBLE_DEVICES"] = ""
# Typer colours its pages for GitHub's log, and tests read them.
os.environ.pop("GITHUB_ACTIONS", None)

from tests import warm
from tests.tiny import commit, dvc, environment, make_tiny_project


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", help="folder for the README's pictures (tests/test_browser.py)")


# files of slow tests that take longest begin first, so that no worker is left with one at the end
LONGEST = (
    "test_label_issues_sample",
    "test_rerun",
    "test_workflow",
    "test_kinds_end_to_end",
    "test_resume",
    "test_any_table",
    "test_verify",
    "test_hub",
    "test_hub_encoder",
    "test_chinese",
    "test_training",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file's slow tests share what they build: with `--dist loadgroup` they all go to one worker."""
    slow = [item for item in items if item.get_closest_marker("slow")]
    for item in slow:
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    rank = {name: place for place, name in enumerate(LONGEST)}
    slow.sort(key=lambda item: rank.get(item.path.stem, len(rank)))
    items[:] = [item for item in items if not item.get_closest_marker("slow")] + slow


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("slow"):
        warm.start(environment())


def pytest_unconfigure() -> None:
    warm.stop()


@pytest.fixture(scope="module", autouse=True)
def _frozen() -> None:
    """What lives on, torch and every module of tests among it, is not looked through again for garbage.

    The Trainer collects it at the begin of each training, which took a third of tests/test_resume.py.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny project, every stage run, committed, at a path with a space. Change only copies of it.

    It is built once for all of pytest's workers, which read it at the same time: take `copy_of` it.
    """
    of_worker = tmp_path_factory.getbasetemp()
    of_all = of_worker.parent if "PYTEST_XDIST_WORKER" in os.environ else of_worker
    folder, done = of_all / "finished/tiny project", of_all / "finished/done"
    with FileLock(of_all / "finished.lock"):
        if not done.exists():
            make_tiny_project(folder)
            dvc(folder, "repro")
            commit(folder)
            # what is started in it then writes no bytecode, which could vanish beneath a copy that is made
            assert compileall.compile_dir(folder / "stages", quiet=1)
            assert compileall.compile_dir(folder / "commands", quiet=1)
            done.touch()
    return folder
