import os
from pathlib import Path

import pytest

# Before anything imports torch: on two cores, two workers of two threads each wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A stage claims its GPU until its process ends, and pytest's would hold it before all that it starts.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

from tests.tiny import commit, dvc, make_tiny_project


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", help="folder for the README's pictures (tests/test_browser.py)")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny project, every stage run, committed, at a path with a space. Change only copies of it."""
    folder = tmp_path_factory.mktemp("session") / "tiny project"
    make_tiny_project(folder)
    dvc(folder, "repro")
    commit(folder)
    return folder
