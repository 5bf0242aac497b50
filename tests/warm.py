"""`python -m MODULE` by forking a process that has imported what takes seconds: torch, scikit-learn, DVC.

A tiny pipeline is seventeen processes that work for a moment and import for seconds. The slow tests have,
first on PATH, a `python` of ours: it hands the command with its folder, environment and streams to the warm
process, which forks; the child ends as the command does, by signal too. None of the project's own modules is
imported before the fork, so a changed copy of it runs as it stands. A command goes to a cold Python instead
where an import would have read something else from its environment (COLD), and on other systems than Linux.
tests/test_rerun.py runs every stage cold and compares the bytes.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

# What takes longest to import. Not Polars, nor itables with it: its threads start as it is imported, and a
# child has none of its parent's threads. A name that a later version of a library lacks is passed over.
LIBRARIES = """
torch torch._dynamo torch.utils.data transformers.trainer transformers.pipelines evaluate safetensors.torch
transformers.models.auto.modeling_auto transformers.models.auto.tokenization_auto
transformers.models.bert.modeling_bert
sklearn.cluster sklearn.decomposition sklearn.dummy sklearn.feature_extraction.text sklearn.linear_model
sklearn.metrics sklearn.model_selection sklearn.neighbors sklearn.pipeline sklearn.preprocessing
scipy.optimize scipy.special scipy.stats cleanlab.filter cleanlab.rank pandas pyarrow.dataset pyarrow.parquet
matplotlib.backends.backend_agg matplotlib.pyplot jinja2 markdown_it nltk rensa
charset_normalizer psutil pydantic ruamel.yaml tqdm.auto typer
dulwich.repo dvc.api dvc.cli.parser dvc.repo.experiments dvc.repo.reproduce dvc.scm dvc.stage.cache
dvc.stage.run dvc_data.index dvc_objects.fs.local dvclive pygit2
"""
# what imports read: it is to be as it was before the fork
COLD = ("PYTHON", "HF_", "TRANSFORMERS_", "OMP_", "MKL_", "OPENBLAS_", "CUDA_", "LC_", "LANG", "TZ")
ALSO_WARM = ("PYTHONPATH",)  # laid on sys.path after the fork
SAFE_THREADS = {"jemalloc_bg_thd"}  # Arrow's allocator, which sees to forks itself

SECONDS_TO_START = 120

_started: list[tuple[subprocess.Popen[bytes], Path]] = []


def program() -> str:
    """The Python to start commands with: ours where it was started."""
    return str(_started[0][1] / "python") if _started else sys.executable


def start(environment: dict[str, str]) -> None:
    """From now on commands are forked, if they have this environment. Ends with this process."""
    if sys.platform.startswith("linux") and not _started:
        folder = Path(tempfile.mkdtemp(prefix="warm-"))  # a socket's path is short
        server = subprocess.Popen(
            (sys.executable, "-P", __file__, str(folder)), cwd=folder, env=environment, stdin=subprocess.PIPE
        )
        program = folder / "python"
        words = f"{_quoted(sys.executable)} -I -S {_quoted(__file__)} {_quoted(folder)}"
        program.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        _started.append((server, folder))


def stop() -> None:
    while _started:
        server, _ = _started.pop()
        server.communicate()  # its end of file is what it waits for


def _quoted(path: Any) -> str:
    return "'" + str(path).replace("'", "'\\''") + "'"


# --- the warm process -------------------------------------------------------------------------------------


def serve(folder: Path) -> None:
    """Until standard input ends."""
    try:
        import_libraries()
    except BaseException:
        (folder / "cold").touch()
        raise
    before = dict(os.environ)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket.new"))
        listening.listen(16)
        (folder / "socket.new").rename(folder / "socket")
        while not _ended(listening):
            connection, _ = listening.accept()
            if not os.fork():
                listening.close()
                answer(connection, before)
            connection.close()
            _reap(os.WNOHANG)
    shutil.rmtree(folder, ignore_errors=True)
    _reap(0)


def import_libraries() -> None:
    for name in LIBRARIES.split():
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    assert _threads() <= SAFE_THREADS, f"{_threads()}: a child has none of its parent's threads"
    gc.collect()
    gc.freeze()


def _reap(options: int) -> None:
    """Those that have ended, so that their CPU time counts as that of the tests."""
    try:
        while os.waitpid(-1, options)[0]:
            pass
    except ChildProcessError:
        pass


def _threads() -> set[str]:
    """Names of those besides the main one."""
    others = [path for path in Path("/proc/self/task").iterdir() if path.name != str(os.getpid())]
    return {(path / "comm").read_text().strip() for path in others}


def _ended(listening: socket.socket) -> bool:
    readable, _, _ = select.select([listening.fileno(), 0], [], [])
    return 0 in readable


def answer(connection: socket.socket, before: dict[str, str]) -> NoReturn:
    """In the child: one more fork, which becomes the command, and whose status goes back. Does not return."""
    data, streams, _, _ = socket.recv_fds(connection, 4, 3)
    asked = json.loads(_exactly(connection, int.from_bytes(data)))
    if _read_by_imports(asked["environment"]) != _read_by_imports(before):
        connection.sendall(b"cold")
        os._exit(0)
    child = os.fork()
    if not child:
        connection.close()
        become(asked, streams)
    _, status = os.waitpid(child, 0)
    connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, signed=True))
    os._exit(0)


def _exactly(connection: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        more = connection.recv(size - len(content))
        if not more:
            raise ConnectionError("the warm process has ended")
        content += more
    return content


def _read_by_imports(environment: dict[str, str]) -> dict[str, str]:
    return {
        name: value for name, value in environment.items() if name.startswith(COLD) and name not in ALSO_WARM
    }


def become(asked: dict[str, Any], streams: list[int]) -> NoReturn:
    """The command: what a Python finds at its start, then its module, as `__main__`."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    time.tzset()
    os.umask(asked["umask"])
    more = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[0:0] = [os.getcwd(), *more]  # noqa: PTH109
    importlib.invalidate_caches()
    sys.orig_argv = [sys.executable, *asked["words"]]
    if any((Path(path) / "sitecustomize.py").exists() for path in more):
        sys.modules.pop("sitecustomize", None)
        importlib.import_module("sitecustomize")
    os._exit(_run(*asked["words"][1:]))


def _run(module: str, *words: str) -> int:
    """Its exit status. A Python's end, less taking its modules apart, which takes a third of a second."""
    sys.argv[1:] = words
    status = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
        if isinstance(ending.code, str):
            print(ending.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for those that are no daemons
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return status


# --- our `python` -----------------------------------------------------------------------------------------


def ask(folder: Path, words: list[str]) -> NoReturn:
    """Ends this process as the command ends."""
    status = warm_status(folder, words) if words[:1] == ["-m"] else None
    if status is None:
        os.execv(sys.executable, [sys.executable, *words])
    if status < 0:
        os.kill(os.getpid(), -status)
    sys.exit(status)


def warm_status(folder: Path, words: list[str]) -> int | None:
    """None where it is for a cold Python."""
    umask = os.umask(0)
    os.umask(umask)
    asked = {"words": words, "folder": os.getcwd(), "environment": dict(os.environ), "umask": umask}  # noqa: PTH109
    content = json.dumps(asked).encode()
    end = time.monotonic() + SECONDS_TO_START
    while not (folder / "socket").exists():  # it is still importing
        if (folder / "cold").exists() or time.monotonic() > end:
            return None
        time.sleep(0.05)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(folder / "socket"))
        socket.send_fds(connection, [len(content).to_bytes(4)], [0, 1, 2])
        connection.sendall(content)
        said = _exactly(connection, 4)
    return None if said == b"cold" else int.from_bytes(said, signed=True)


if __name__ == "__main__":
    if sys.argv[2:]:
        ask(Path(sys.argv[1]), sys.argv[2:])
    else:
        serve(Path(sys.argv[1]))
