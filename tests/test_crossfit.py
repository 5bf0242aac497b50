"""Training rows, predicted by fine-tuned models that did not see them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from stages import crossfit
from stages.lib.arrow import open_stream
from stages.lib.exceptions import ConfigError
from stages.lib.statistics.predictions import read_predictions
from stages.lib.tables import write_parquet
from stages.lib.training import held_out
from tests.error_knobs import KNOBS
from tests.predicted import copies_of
from tests.test_finetune import ROLES, folder, set_knobs
from tests.tiny import ROOT, environment

__all__ = ["folder"]  # the fixture
COPY = ("2", "1")  # a training row and its copy
PATHS = {
    "task": "task.json",
    "encoder": "encoder",
    "tokens": "tokens.arrow",
    "copies": "copies.parquet",
    "predictions": "crossfitted",
    "metrics": "crossfit.json",
}


def run_stage(folds: int | None, copies: tuple[tuple[str, str], ...] = (COPY,), **knobs: Any) -> pl.DataFrame:
    prepare(folds, copies, **knobs)
    crossfit.main(**{name: Path(path) for name, path in PATHS.items()})
    return read_predictions(Path("crossfitted"))["crossfitted"]


def prepare(folds: int | None, copies: tuple[tuple[str, str], ...] = (COPY,), **knobs: Any) -> None:
    set_knobs(**knobs)
    params = json.loads(Path("params.yaml").read_text())
    Path("params.yaml").write_text(json.dumps(params | {"errors": KNOBS | {"folds": folds}}))
    stream = open_stream(Path("tokens.arrow")).select(["id", "role", "label"])
    write_parquet(copies_of(pl.DataFrame(pl.from_arrow(stream)), copies), Path("copies.parquet"))


def numbers() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("crossfit.json").read_text())
    return found


of_kind = pytest.mark.parametrize("folder", ["classification", "regression", "multi-label"], indirect=True)


@of_kind
def test_without_folds_the_out_is_a_table_without_rows(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run_stage(None)
    assert capsys.readouterr().out == "crossfit: nothing to do, errors.folds is null\n"
    assert len(found) == 0
    assert {"id", "role", "label", "logits"} <= set(found.columns)
    assert numbers() == {"folds": None, "examples": 0}


@pytest.mark.slow
def test_without_folds_nothing_imports_torch(folder: Path) -> None:
    prepare(None)
    words = " ".join(f"{name}=Path({path!r})," for name, path in PATHS.items())
    asked = f"import sys; from pathlib import Path; from stages import crossfit; crossfit.main({words})"
    asked += "; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", asked],
        env=environment() | {"PYTHONPATH": os.fspath(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.slow
@of_kind
def test_every_training_row_is_predicted_in_order_and_nothing_is_left_behind(folder: Path) -> None:
    found = run_stage(2, epochs=8)
    assert found["id"].to_list() == [str(n) for n in range(ROLES.count("train"))]
    assert found["role"].unique().to_list() == ["train"]
    assert np.isfinite(found["logits"].to_numpy()).all()
    of = numbers()
    assert (of["folds"], of["examples"], len(of["temperatures"])) == (2, 80, 2)
    score = {"accuracy": 0.6, "pearson": 0.3, "micro_f1": 0.6}  # of 40 examples; chance has 0.5, 0, 0.5
    assert all(of["held_out"][name] >= least for name, least in score.items() if name in of["held_out"])
    assert ("predicted" in found.columns) == ("micro_f1" in of["held_out"])
    assert not [path for path in Path(".textrail/checkpoints").iterdir() if path.is_dir()]


def test_no_model_sees_what_it_predicts_or_a_copy_of_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[set[str], set[str]]] = []
    train = held_out.train_fold

    def watched(fold: held_out.Fold, params: Any) -> None:
        seen.append((set(fold.material.train["id"].to_pylist()), set(fold.rest["id"].to_pylist())))
        train(fold, params)

    monkeypatch.setattr(held_out, "train_fold", watched)
    run_stage(2, epochs=0.1)
    everything = {str(n) for n in range(80)}
    assert [learned | rest for learned, rest in seen] == [everything] * 2
    assert [learned & rest for learned, rest in seen] == [set()] * 2
    assert seen[0][1] | seen[1][1] == everything
    assert all(len(set(COPY) & rest) in (0, 2) for _, rest in seen)


def test_more_folds_than_there_are_texts_are_refused(folder: Path) -> None:
    chain = tuple((str(n), str(n - 1)) for n in range(1, 79))
    with pytest.raises(ConfigError, match=r"errors.folds: found 3, but there are 2 training examples"):
        run_stage(3, chain)


WATCHED = """
import os, signal
from pathlib import Path
from stages import crossfit
from stages.lib.training import held_out
train, trained = held_out.train, []
def watched(*arguments):
    if len(trained) == {most}:
        os.kill(os.getpid(), signal.SIGKILL)
    trained.append(train(*arguments))
    return trained[-1]
held_out.train = watched
crossfit.main(**{{name: Path(path) for name, path in {paths}.items()}})
print(len(trained), "trained")
"""


def watched(most: int) -> subprocess.CompletedProcess[str]:
    """The stage, killed as it is about to train one model more than that."""
    return subprocess.run(
        [sys.executable, "-c", WATCHED.format(most=most, paths=PATHS)],
        env=environment() | {"PYTHONPATH": os.fspath(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_a_fold_that_is_done_is_not_trained_again_after_a_kill(folder: Path) -> None:
    prepare(2)
    assert watched(1).returncode == -signal.SIGKILL
    assert not Path("crossfitted").exists()
    again = watched(9)
    assert again.stdout.splitlines()[-1] == "1 trained", again.stderr
    resumed = Path("crossfitted/crossfitted.parquet").read_bytes()
    assert watched(9).stdout.splitlines()[-1] == "2 trained"
    assert Path("crossfitted/crossfitted.parquet").read_bytes() == resumed
