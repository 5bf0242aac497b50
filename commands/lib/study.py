"""A search's memory: trials in a database that another process, or a later day, can join.

A trial whose process died is found by its heartbeat and tried again with the same values.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState

from commands.lib.search_space import Params, rounded, suggest, within
from stages.lib.exceptions import TextrailError

SECONDS_BETWEEN_HEARTBEATS = 60
MOST_FAILURES_IN_A_ROW = 3
SQLITE_PATIENCE = 60  # seconds that a process waits for another that writes
WHY = "why"  # a failed trial's message


class Goal(NamedTuple):
    name: str  # of the study: other data, knobs or space make another
    metric: str
    lower_is_better: bool


RunTrial = Callable[[dict[str, Any], Callable[[int, float], None]], float]


def open_study(goal: Goal, params: Params, storage: str, defaults: dict[str, Any]) -> optuna.Study:
    """Joined, or begun with the defaults as its first trial where the space holds them."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
        memory = RDBStorage(
            storage,
            engine_kwargs={"connect_args": {"timeout": SQLITE_PATIENCE}}
            if storage.startswith("sqlite")
            else {},
            heartbeat_interval=SECONDS_BETWEEN_HEARTBEATS,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=params.retries),
        )
    study = optuna.create_study(
        study_name=goal.name,
        storage=memory,
        load_if_exists=True,
        direction="minimize" if goal.lower_is_better else "maximize",
        # it looks from that step on, and the first epoch is step 1
        pruner=MedianPruner(params.pruner_startup_trials, params.pruner_warmup_epochs + 1),
    )
    known = len(study.get_trials(deepcopy=False))
    study.sampler = TPESampler(seed=params.seed + known)  # else two processes would propose the same
    if known == 0 and within(params.space, defaults):
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
        callbacks=[told, _stop_after_failures],
    )


def one_trial(trial: optuna.Trial, params: Params, run_trial: RunTrial) -> float:
    def report(epoch: int, score: float) -> None:
        trial.report(score, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned

    try:
        return run_trial(suggest(trial, params.space), report)
    except TextrailError as error:
        trial.set_user_attr(WHY, str(error))
        raise


def _stop_after_failures(study: optuna.Study, trial: FrozenTrial) -> None:
    last = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
    failed = last[-MOST_FAILURES_IN_A_ROW:]
    if len(failed) == MOST_FAILURES_IN_A_ROW and all(trial.user_attrs.get(WHY) for trial in failed):
        raise TextrailError(f"{len(failed)} trials in a row failed: {trial.user_attrs.get(WHY)}")


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
    wanted = rounded({name: defaults[name] for name in params.space})
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return next((trial for trial in complete if rounded(trial.params) == wanted), None)


def seconds_of(trial: FrozenTrial) -> float:
    return trial.duration.total_seconds() if trial.duration else 0.0


def sqlite_at(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{path}"
