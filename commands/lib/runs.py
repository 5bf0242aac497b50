"""What a run left behind, at a revision of git, in an experiment or in the workspace, read through DVC.

Outputs come from DVC's cache or, where they are not there, from its remote; nothing is checked out.
"""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.scm import SCMError, map_scm_exception, resolve_rev
from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.lib.exceptions import RunError
from stages.lib.statistics.predictions import BASELINES, FINETUNED
from stages.lib.task import Task

WORKSPACE = "workspace"

LOCK = "dvc.lock"
PARAMS = "params.yaml"
SPLITS = "data/splits.parquet"
TASK = "data/task.json"
MODEL = "models/finetuned"


class Run:
    """One revision. A file is read once, since it may come from afar. Every method raises RunError."""

    def __init__(self, name: str, commit: str | None, files: Any) -> None:
        self.name, self.commit, self.files = name, commit, files
        self._contents: dict[str, bytes] = {}

    @property
    def hashes(self) -> dict[str, str]:
        """The SHA-256 of each file that was read."""
        return {path: hashlib.sha256(content).hexdigest() for path, content in self._contents.items()}

    @property
    def title(self) -> str:
        return self.name if self.commit in (None, self.name) else f"{self.name} ({self.commit[:7]})"

    def read(self, path: str) -> bytes:
        if path not in self._contents:
            with self._reaching(path), self.files.open(path, "rb") as file:
                self._contents[path] = file.read()
        return self._contents[path]

    def table(self, path: str) -> pl.DataFrame:
        """A Parquet file."""
        content = self.read(path)
        try:
            return pl.read_parquet(io.BytesIO(content))
        except (pl.exceptions.PolarsError, OSError, ValueError) as error:
            raise RunError(f"{self.title}: {path}: not a whole Parquet file: {_brief(error)}") from None

    def params(self) -> dict[str, Any]:
        content = self.read(PARAMS)
        try:
            return dict(YAML(typ="safe", pure=True).load(content.decode("utf-8")))
        except (YAMLError, UnicodeDecodeError, TypeError, ValueError) as error:
            raise RunError(f"{self.title}: {PARAMS}: not valid YAML: {_brief(error)}") from None

    def task(self) -> Task:
        content = self.read(TASK)
        try:
            return Task.model_validate_json(content)
        except ValidationError as error:
            raise RunError(f"{self.title}: {TASK}: {_brief(error)}; made by another version?") from None

    def predictions(self, model: str) -> pl.DataFrame:
        """id, role, label, logits and perhaps more, of one of our own models."""
        if model not in (*BASELINES, FINETUNED):
            raise RunError(f"no model '{model}'; they are {', '.join((*BASELINES, FINETUNED))}")
        folder = "baseline" if model in BASELINES else "finetuned"
        return self.table(f"data/predictions/{folder}/{model}.parquet")

    def fetch(self, path: str, folder: Path) -> None:
        """Lay the folder at `path` as `folder`."""
        with self._reaching(path):
            self.files.get(path, str(folder), recursive=True)

    def size(self, path: str) -> int:
        """Bytes of all files of a folder."""
        with self._reaching(path):
            return int(self.files.du(path, total=True))

    @contextmanager
    def _reaching(self, path: str) -> Iterator[None]:
        try:
            yield
        except (OSError, DvcException) as error:
            place = "the workspace, DVC's cache or its remote: run `dvc repro` or `dvc pull`"
            if self.commit is not None:
                place = "DVC's cache or its remote: run `dvc push` where that revision ran"
            raise RunError(f"{self.title}: {path}: {_brief(error)}; expected it in {place}") from None


@contextmanager
def opened(*names: str) -> Iterator[list[Run]]:
    """Runs by branch, tag, commit, name of an experiment, or `workspace`. Raises RunError."""
    try:
        repo = Repo()
    except DvcException as error:
        raise RunError(f"{_brief(error)}; run this in the project's root") from None
    with repo:
        runs = [_open(repo, name) for name in names]
        try:
            yield runs
        finally:
            for run in runs:
                run.files.close()


def _open(repo: Repo, name: str) -> Run:
    if name == WORKSPACE:
        return Run(name, None, DVCFileSystem())  # what is not checked out comes from the cache
    try:
        with map_scm_exception():  # git without a commit is an error of another kind
            commit = resolve_rev(repo.scm, name)
    except SCMError:
        raise RunError(
            f"'{name}' is no branch, tag, commit or experiment here; `git branch --all` and `dvc exp list` "
            "name those that are (in CI, fetch the whole history)"
        ) from None
    return Run(name, commit, DVCFileSystem(rev=commit))


def _brief(error: Exception) -> str:
    """The first line; of the system's errors neither number nor path, which stand beside it."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"finetune": {"seed": 1}}` -> `{"finetune.seed": 1}`."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        found |= flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return found


def changed(old: dict[str, Any], new: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The flat keys whose values differ, each with both values; None where one side lacks it."""
    before, after = flat(old), flat(new)
    both = {name: (before.get(name), after.get(name)) for name in dict.fromkeys([*before, *after])}
    return {name: values for name, values in both.items() if values[0] != values[1]}
