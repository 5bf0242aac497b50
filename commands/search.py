"""Better values for finetune's knobs: `python -m commands.search --trials 20 --fraction 0.1`

Trains on a part of the training examples, with values from `search.space` in params.yaml, and looks at the
first metric of source.yaml on validation, never at test. Trials are kept in a database: a second process at
the same time, or a later day, joins them. It writes a table and a plot into reports/search; `--apply` writes
the best values into params.yaml.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import optuna
import pyarrow as pa
import typer
from optuna.trial import FrozenTrial, TrialState
from pydantic import ValidationError

from commands.lib.params_file import as_yaml, set_values
from commands.lib.runs import PARAMS, TASK
from commands.lib.search_page import Found, as_text, outcome_of, write_pages
from commands.lib.search_space import Params, trained_with
from commands.lib.study import (
    Goal,
    best_of,
    defaults_of,
    finished,
    open_study,
    run_trials,
    seconds_of,
    sqlite_at,
)
from stages.lib.digests import digest_of
from stages.lib.encoders.devices import claim_gpus
from stages.lib.encoders.inference import quieten_transformers
from stages.lib.exceptions import ConfigError, RunError, TextrailError
from stages.lib.params import load_params
from stages.lib.stage import run
from stages.lib.training.journal import Watchers
from stages.lib.training.knobs import Params as Knobs
from stages.lib.training.training import Material, forget, read_material, train

ENCODER = Path("models/encoder")
TOKENS = Path("data/tokens.arrow")
STORAGE = Path(".textrail/search.db")


def main(
    *,
    trials: Annotated[int, typer.Option(min=0, help="so many more, by this process")] = 20,
    fraction: Annotated[float, typer.Option(help="of the training examples, above 0 and at most 1")] = 0.1,
    minutes: Annotated[float | None, typer.Option(min=0, help="begin no trial after so many")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="write the best values into params.yaml")] = False,
    storage: Annotated[
        str | None, typer.Option(help="URL of another database than .textrail/search.db")
    ] = None,
    reports: Annotated[Path, typer.Option(help="where the table and the plot go")] = Path("reports/search"),
) -> None:
    """Search for better values of finetune's knobs, on validation."""
    params, knobs = load_params("search", Params), load_params("finetune", Knobs)
    check_space(knobs, params)
    material = material_for(fraction)
    goal = goal_of(material, params, knobs, fraction)
    study = open_study(goal, params, storage or sqlite_at(STORAGE), knobs.model_dump())
    print(begun(study, material, goal))
    try:
        if trials:  # else there is nothing to wait for a GPU for
            claim_gpus(1)
            quieten_transformers()
        run_trials(study, params, trainer_of(material, knobs), trials, minutes, tell)
    except KeyboardInterrupt:
        print("search: stopped; the trials that ended are kept")
    found = Found(
        study=study,
        goal=goal,
        task=material.task,
        ranked=finished(study),
        defaults=defaults_of(study, params, knobs.model_dump()),
        train=len(material.train),
        validation=len(material.validation),
    )
    write_pages(found, reports)
    print(as_text(found, reports))
    if apply:
        print(applied(study))


def material_for(fraction: float) -> Material:
    """Raises ConfigError, RunError."""
    if not 0 < fraction <= 1:
        raise ConfigError(
            f"--fraction: found {fraction:g}; it is a share of the training examples, such as 0.1"
        )
    for path in (Path(TASK), ENCODER, TOKENS):
        if not path.exists():
            raise RunError(f"{path}: not there; `dvc repro tokenize` makes it")
    material = read_material(Path(TASK), ENCODER, TOKENS)
    return material._replace(train=part_of(material.train, fraction))


def part_of(rows: pa.Table, fraction: float) -> pa.Table:
    """By a hash of their ids: fewer are a part of more."""
    keys = [digest_of(name) for name in rows["id"].to_pylist()]
    count = max(1, round(fraction * len(rows)))
    chosen = sorted(sorted(range(len(rows)), key=keys.__getitem__)[:count])
    return rows.take(pa.array(chosen))


def goal_of(material: Material, params: Params, knobs: Knobs, fraction: float) -> Goal:
    """Whatever makes scores comparable is in the study's name; the project's code is not."""
    metric = material.task.metrics[0]
    kept = {name: value for name, value in knobs.model_dump().items() if name not in params.space}
    fingerprint = digest_of(
        material.task.model_dump(), material.encoder, material.train, material.validation, kept, params.space
    )
    return Goal(f"{metric}-{fraction:g}-{fingerprint[:6]}", metric, material.task.lower_is_better(metric))


def trainer_of(
    material: Material, knobs: Knobs
) -> Callable[[dict[str, Any], Callable[[int, float], None]], float]:
    def run_trial(values: dict[str, Any], report: Callable[[int, float], None]) -> float:
        chosen = with_values(knobs, values)
        try:
            trained = train(material, chosen, Watchers(on_score=report))
        except (optuna.TrialPruned, TextrailError, KeyboardInterrupt):
            forget(material, chosen)
            raise
        assert trained is not None  # one process
        trained.checkpoints.clear()
        return trained.journal.selected_score(chosen.select)

    return run_trial


def check_space(knobs: Knobs, params: Params) -> None:
    """Raises ConfigError where finetune refuses a bound or a choice: now, and not after hours."""
    for name, values in params.space.items():
        for value in values.get("choices", [values.get("low"), values.get("high")]):
            with_values(knobs, {name: value})


def with_values(knobs: Knobs, values: dict[str, Any]) -> Knobs:
    """Raises ConfigError."""
    try:
        return Knobs.model_validate(knobs.model_dump() | values)
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(map(str, problem["loc"]))
        raise ConfigError(
            f"{PARAMS}: search.space.{name}: {problem['msg'].replace('Input should', 'a value should')}, "
            f"found {problem['input']!r}"
        ) from None


def begun(study: optuna.Study, material: Material, goal: Goal) -> str:
    trained, judged = len(material.train), len(material.validation)
    what = f"{trained:,} training examples, {goal.metric} on {judged:,} of validation"
    best = best_of(study)
    known = [trial for trial in study.get_trials(deepcopy=False) if trial.state is not TrialState.WAITING]
    if not known:
        return f"search: begins {goal.name}: {what}"
    score = "" if best is None else f", the best {best.value:.4f}"
    return f"search: joins {goal.name}, which has {len(known)} trials{score}: {what}"


def tell(study: optuna.Study, trial: FrozenTrial) -> None:
    values = ", ".join(f"{name} {as_yaml(value)}" for name, value in trained_with(trial).items())
    best = best_of(study)
    so_far = "" if best is None else f"; best {best.value:.4f} (trial {best.number})"
    took = f"{outcome_of(trial)} in {seconds_of(trial):.0f} s"
    print(f"search: trial {trial.number}: {took} with {values}{so_far}", flush=True)


def applied(study: optuna.Study) -> str:
    best = best_of(study)
    if best is None:
        raise RunError("--apply: no trial of this search is complete; nothing was written")
    values = trained_with(best)
    set_values(Path(PARAMS), "finetune", values)
    listed = ", ".join(f"{name} {as_yaml(value)}" for name, value in values.items())
    return f"search: {PARAMS} now has {listed}; `dvc repro` trains with them on everything"


if __name__ == "__main__":
    run(main)
