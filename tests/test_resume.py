"""A training that was killed ends as one that was not: the same weights bit for bit, the same curve."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from stages.lib.training import checkpoints as checkpoints_module
from stages.lib.training.checkpoints import Checkpoints, is_whole
from stages.lib.training.journal import Journal
from tests import warm
from tests.test_finetune import files_of, folder, run_stage, set_knobs  # noqa: F401  # a fixture
from tests.tiny import ROOT, environment

pytestmark = pytest.mark.slow  # each trains

LOOPS = ("trainer", "plain", "accelerate")
EVERY = {"checkpoint_every_steps": 3, "log_every_steps": 2}  # 30 steps of 10 an epoch
each_loop = pytest.mark.parametrize("loop", LOOPS)


class Killed(BaseException):
    """Not an Exception: nothing on the way may catch it."""


@pytest.fixture
def kill_after(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    step_done = Journal.step_done

    def arm(step: int) -> None:
        def and_die(journal: Journal, learning_rate: float) -> None:
            step_done(journal, learning_rate)
            if journal.step == step:
                raise Killed

        monkeypatch.setattr(Journal, "step_done", and_die if step else step_done)

    yield arm
    monkeypatch.setattr(Journal, "step_done", step_done)


def killed_at(step: int, kill_after: Callable[[int], None], **knobs: Any) -> None:
    kill_after(step)
    with pytest.raises(Killed):
        run_stage(**knobs)
    kill_after(0)


def runs() -> list[Path]:
    return [path for path in Path(".textrail/checkpoints").iterdir() if path.is_dir()]


def steps_kept() -> list[int]:
    (run,) = runs()
    return sorted(int(path.name.split("-")[1]) for path in run.glob("checkpoint-*"))


KNOBS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "two passes": {"gradient_accumulation": 2},
    "best": {"select": "best", "learning_rate": 3e-2},
    "patience": {"patience": 1, "learning_rate": 1e-9},
    "lora": {"lora_rank": 2},
    "frozen": {"freeze_embeddings": True, "freeze_layers": 1},
    "sampler": {"balance": "sampler"},
    "dropout": {"lora_rank": 2, "lora_dropout": 0.3},
}


@each_loop
@pytest.mark.parametrize("knobs", KNOBS.values(), ids=list(KNOBS))
def test_it_ends_as_if_it_had_not_been_killed(
    folder: Path,  # noqa: F811
    loop: str,
    knobs: dict[str, Any],
    kill_after: Callable[[int], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings: dict[str, Any] = EVERY | {"loop": loop} | knobs
    run_stage(**settings)
    expected = files_of("model", "curve")
    killed_at(14, kill_after, **settings)
    assert steps_kept() == [9, 12]
    shutil.rmtree("curve")  # as DVC does before a run
    shutil.rmtree("model")
    run_stage(**settings)
    assert "goes on from step 12" in capsys.readouterr().out
    assert files_of("model", "curve") == expected
    assert runs() == []


def test_a_checkpoint_of_other_params_is_not_gone_on_from(
    folder: Path,  # noqa: F811
    kill_after: Callable[[int], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    killed_at(7, kill_after, **EVERY)
    run_stage(**EVERY, learning_rate=9e-3)
    assert "goes on" not in capsys.readouterr().out


@pytest.mark.parametrize("changed", ["tokens.arrow", "encoder/model.safetensors", "code"])
def test_a_checkpoint_of_other_data_or_code_is_not_gone_on_from(
    folder: Path,  # noqa: F811
    changed: str,
    kill_after: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    killed_at(7, kill_after, **EVERY)
    if changed == "code":
        monkeypatch.setattr("stages.lib.training.training.code_digest", lambda: "other code")
    elif changed == "tokens.arrow":
        relabel(Path(changed))
    else:
        flip_last_byte(Path(changed))
    run_stage(**EVERY)
    assert "goes on" not in capsys.readouterr().out


def relabel(path: Path) -> None:
    import pyarrow as pa

    from stages.lib.arrow import open_stream, write_stream

    table = open_stream(path)
    labels = table["label"].to_pylist()
    labels[0] = 1 - labels[0]
    place = table.schema.get_field_index("label")
    table = table.set_column(
        place, table.schema.field(place), pa.array(labels, table.schema.field(place).type)
    )
    write_stream(table.schema, table.to_batches(), Path("other.arrow"))
    Path("other.arrow").replace(path)


def flip_last_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", ["truncated", "lost", "unsealed"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    folder: Path,  # noqa: F811
    damage: str,
    kill_after: Callable[[int], None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    run_stage(**EVERY)
    expected = files_of("model", "curve")
    killed_at(14, kill_after, **EVERY)
    (run,) = runs()
    newest = run / "checkpoint-12"
    assert is_whole(newest)
    if damage == "unsealed":
        (newest / checkpoints_module.SEAL).unlink()
    elif damage == "lost":
        (newest / "optimizer.pt").unlink()
    else:
        os.truncate(newest / "optimizer.pt", 100)
    run_stage(**EVERY)
    told = capfd.readouterr()
    assert "checkpoint-12 is not whole and is passed over" in told.err
    assert "goes on from step 9" in told.out
    assert files_of("model", "curve") == expected


def test_old_checkpoints_go_and_so_do_the_weights_of_epochs_that_were_best(
    folder: Path,  # noqa: F811
    kill_after: Callable[[int], None],
) -> None:
    killed_at(29, kill_after, **EVERY, select="best")
    (run,) = runs()
    assert steps_kept() == [24, 27]
    journals = [checkpoints_module.journal_of(run / f"checkpoint-{step}") for step in (24, 27)]
    assert {path.name for path in run.glob("best-*")} == {f"best-{j['best_step']}.pt" for j in journals}


def test_runs_that_nobody_came_back_to_go(folder: Path) -> None:  # noqa: F811
    old = Path(".textrail/checkpoints/0123456789abcdef")
    old.mkdir(parents=True)
    os.utime(old, (0, 0))
    run_stage(epochs=0.1)
    assert not old.exists()


def test_an_experiments_checkpoints_outlive_its_throw_away_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = tmp_path / "project/.dvc/tmp/exps/tmp123"
    tree.mkdir(parents=True)
    monkeypatch.chdir(tree)
    assert checkpoints_module.lasting_root() == tmp_path / "project"
    monkeypatch.chdir(tmp_path / "project")
    assert checkpoints_module.lasting_root() == tmp_path / "project"


def test_a_full_disk_is_told_and_leaves_the_last_good_checkpoint(
    folder: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Full:
        free = 0

    def fill(path: Path) -> None:
        if path.name == "checkpoint-6":
            raise OSError(28, "No space left on device")
        sealed(path)

    sealed = checkpoints_module.seal
    monkeypatch.setattr(checkpoints_module, "seal", fill)
    monkeypatch.setattr("shutil.disk_usage", lambda _: Full)
    with pytest.raises(Exception, match=r"checkpoint-6: the disk is full; checkpoint-3 stands: free some"):
        run_stage(**EVERY)
    assert steps_kept() == [3]
    assert Checkpoints(runs()[0]).newest() == runs()[0] / "checkpoint-3"


@each_loop
def test_sigkill_at_five_random_steps_and_once_while_a_checkpoint_is_written(
    folder: Path,  # noqa: F811
    loop: str,
) -> None:
    set_knobs(**EVERY, loop=loop)
    assert run_killed(0, "after").returncode == 0
    expected = files_of("model", "curve")
    numbers = json.loads(Path("finetune.json").read_text())
    chance = random.Random(LOOPS.index(loop))
    kills = [(step, "after") for step in sorted(chance.sample(range(2, 30), 5))]
    written = chance.choice([6, 12, 18, 24])
    for step, when in sorted([*kills, (written, "writing")]):
        shutil.rmtree("curve", ignore_errors=True)
        result = run_killed(step, when)
        assert result.returncode == -signal.SIGKILL, result.stderr
    shutil.rmtree("curve", ignore_errors=True)
    shutil.rmtree("model", ignore_errors=True)
    last = run_killed(0, "after")
    print(f"{loop}: killed {kills} and while writing {written}; {last.stdout}")
    assert "goes on from step" in last.stdout
    assert files_of("model", "curve") == expected
    assert json.loads(Path("finetune.json").read_text()) == numbers


def test_two_processes_go_on_where_they_were_killed(folder: Path) -> None:  # noqa: F811
    set_knobs(**EVERY, loop="trainer", processes=2)
    assert run_killed(0, "after").returncode == 0
    expected = files_of("model", "curve")
    failed = run_killed(14, "after")
    assert failed.returncode != 0
    assert steps_kept() == [9, 12]
    last = run_killed(0, "after")
    assert "goes on from step 12" in last.stdout
    assert files_of("model", "curve") == expected


def test_processes_end_when_the_stage_that_started_them_is_killed(folder: Path) -> None:  # noqa: F811
    set_knobs(**EVERY, loop="accelerate", processes=2, epochs=3000)
    stage = subprocess.Popen(
        (sys.executable, "-m", "tests.killed", "0", "after"),
        env=environment() | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    workers = until(lambda: list(Path(".textrail/checkpoints").glob("*/checkpoint-*"))) and children_of(
        stage.pid
    )
    assert len(workers) == 2
    stage.kill()
    stage.wait()
    until(lambda: not any(worker.is_running() for worker in workers))


def children_of(pid: int) -> list[psutil.Process]:
    return [child for child in psutil.Process(pid).children() if "tests.killed" in child.cmdline()]


def until(happened: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (found := happened()):
        assert time.monotonic() < end, "did not happen within a minute"
        time.sleep(0.2)
    return found


def run_killed(step: int, when: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (warm.program(), "-m", "tests.killed", str(step), when),
        env=environment() | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
