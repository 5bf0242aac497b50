"""A search's memory: trials in a database that another process, or a later day, can join.

A trial whose process died is found by its heartbeat and tried again with the same values.
"""

import math
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from filelock import FileLock
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from commands.lib.search_space import Params, rounded, suggest, trained_with, within
from stages.lib.exceptions import ConfigError, DataError, TextrailError

SECONDS_BETWEEN_HEARTBEATS = 60
MOST_FAILURES_IN_A_ROW = 3
SQLITE_PATIENCE = 60  # seconds that a process waits for another that writes
WHY = "why"  # a failed trial's message
PROCESSES = "processes"  # how many have joined so far


class Goal(NamedTuple):
    name: str  # of the study: other data, knobs or space make another
    metric: str
    lower_is_better: bool


RunTrial = Callable[[dict[str, Any], Callable[[int, float], None]], float]


def open_study(goal: Goal, params: Params, storage: str, defaults: dict[str, Any]) -> optuna.Study:
    """Joined, or begun with the defaults as its first trial, where the space holds them.

    Raises ConfigError.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with alone(storage):
            return _open(goal, params, memory_at(storage, params), defaults)
    except (SQLAlchemyError, ImportError) as error:
        raise ConfigError(
            f"--storage: no database that can be opened: {str(error).splitlines()[0]}; "
            "a URL is such as sqlite:///search.db"
        ) from None


def alone(storage: str) -> AbstractContextManager[Any]:
    """Two processes that begin one SQLite file at once would both make its tables, and one would fail."""
    url = make_url(storage)
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return nullcontext()
    lock = Path(f"{url.database}.lock")
    if not lock.parent.is_dir():
        raise ConfigError(f"--storage: there is no folder {lock.parent}: make it")
    return FileLock(lock)


def memory_at(storage: str, params: Params) -> RDBStorage:
    with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
        return RDBStorage(
            storage,
            engine_kwargs={"connect_args": {"timeout": SQLITE_PATIENCE}}
            if storage.startswith("sqlite")
            else {},
            heartbeat_interval=SECONDS_BETWEEN_HEARTBEATS,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=params.retries),
        )


def _open(goal: Goal, params: Params, memory: RDBStorage, defaults: dict[str, Any]) -> optuna.Study:
    study = optuna.create_study(
        study_name=goal.name,
        storage=memory,
        load_if_exists=True,
        direction="minimize" if goal.lower_is_better else "maximize",
        # it looks from that step on, and the first epoch is step 1
        pruner=MedianPruner(params.pruner_startup_trials, params.pruner_warmup_epochs + 1),
    )
    joined = study.user_attrs.get(PROCESSES, 0)
    study.set_user_attr(PROCESSES, joined + 1)
    study.sampler = TPESampler(seed=params.seed + joined)  # else two processes would propose the same
    if not study.get_trials(deepcopy=False) and within(params.space, defaults):
        study.enqueue_trial({name: defaults[name] for name in params.space})
    return study


def run_trials(
    study: optuna.Study,
    params: Params,
    run_trial: RunTrial,
    trials: int,
    minutes: float | None,
    told: Callable[[optuna.Study, FrozenTrial], None],
) -> None:
    """Raises the trials' TextrailError after three in a row that failed."""
    study.optimize(
        lambda trial: one_trial(trial, params, run_trial),
        n_trials=trials,
        timeout=None if minutes is None else 60 * minutes,
        catch=(TextrailError,),
        callbacks=[told, stopper()],
    )


def one_trial(trial: optuna.Trial, params: Params, run_trial: RunTrial) -> float:
    def report(epoch: int, score: float) -> None:
        trial.report(score, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned

    try:
        score = run_trial(suggest(trial, params.space), report)
        if not math.isfinite(score):
            raise DataError(f"its score on validation is {score}: such values do not learn")
        return score
    except TextrailError as error:
        trial.set_user_attr(WHY, str(error))
        raise
    except KeyboardInterrupt:
        trial.set_user_attr(WHY, "stopped from the keyboard")
        raise


def stopper() -> Callable[[optuna.Study, FrozenTrial], None]:
    """Of this process's trials: what failed on an earlier day may be mended."""
    failed = 0

    def stop(_: optuna.Study, trial: FrozenTrial) -> None:
        nonlocal failed
        failed = failed + 1 if trial.state is TrialState.FAIL else 0
        if failed == MOST_FAILURES_IN_A_ROW:
            raise TextrailError(f"{failed} trials in a row failed: {trial.user_attrs.get(WHY)}")

    return stop


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Complete and pruned ones, best first; a pruned one by its last score, behind all that are complete."""
    sign = 1 if study.direction == optuna.study.StudyDirection.MINIMIZE else -1
    trials = [
        t for t in study.get_trials(deepcopy=False) if t.state in (TrialState.COMPLETE, TrialState.PRUNED)
    ]
    scored = [trial for trial in trials if trial.value is not None]
    return sorted(scored, key=lambda t: (t.state is not TrialState.COMPLETE, sign * (t.value or 0.0)))


def best_of(study: optuna.Study) -> FrozenTrial | None:
    return next((trial for trial in finished(study) if trial.state is TrialState.COMPLETE), None)


def defaults_of(study: optuna.Study, params: Params, defaults: dict[str, Any]) -> FrozenTrial | None:
    """The complete trial with the values that params.yaml has."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return next((trial for trial in complete if _has(trial, {n: defaults[n] for n in params.space})), None)


def _has(trial: FrozenTrial, values: dict[str, Any]) -> bool:
    kinds = trial.distributions
    return trained_with(trial) == {name: rounded(values[name], kinds[name]) for name in kinds}


def seconds_of(trial: FrozenTrial) -> float:
    return trial.duration.total_seconds() if trial.duration else 0.0


def sqlite_at(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{path}"
