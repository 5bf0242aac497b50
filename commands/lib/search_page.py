"""What a search found, for the terminal and as reports/search: trials.csv, search.md, importance.png."""

import csv
import io
from pathlib import Path
from typing import NamedTuple

import optuna
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState

from commands.lib.params_file import as_yaml
from commands.lib.search_space import trained_with
from commands.lib.study import WHY, Goal, seconds_of
from commands.lib.terminal import columns
from stages.lib.pages.pages import markdown_page
from stages.lib.pages.plots import color_of, drawing, write_png
from stages.lib.statistics.wilson import Bounds, wilson
from stages.lib.tables import write_text
from stages.lib.task import Task

LEAST_FOR_IMPORTANCE = 4  # complete trials
SHOWN = 5


class Found(NamedTuple):
    study: optuna.Study
    goal: Goal
    task: Task
    ranked: list[FrozenTrial]  # best first
    defaults: FrozenTrial | None
    train: int  # examples of each trial
    validation: int


def outcome_of(trial: FrozenTrial) -> str:
    if trial.state is TrialState.COMPLETE:
        return f"{trial.value:.4f}"
    if trial.state is TrialState.PRUNED:
        score = f", at {trial.value:.4f}" if trial.value is not None else ""
        return f"pruned after epoch {trial.last_step}{score}"
    return f"failed: {trial.user_attrs.get(WHY, 'its process died')}"


def rows_of(found: Found, most: int) -> list[tuple[str, ...]]:
    names = list(dict.fromkeys(name for trial in found.ranked for name in trial.params))
    header = ("trial", found.goal.metric, *names, "seconds")
    return [header, *(_row(found, trial, names) for trial in found.ranked[:most])]


def _row(found: Found, trial: FrozenTrial, names: list[str]) -> tuple[str, ...]:
    values = {name: as_yaml(value) for name, value in trained_with(trial).items()}
    number = f"{trial.number}{' (params.yaml)' if trial == found.defaults else ''}"
    cells = (values.get(name, "") for name in names)
    return (number, outcome_of(trial), *cells, f"{seconds_of(trial):.0f}")


def as_text(found: Found, folder: Path) -> str:
    if not found.ranked:
        return "search: no trial has ended"
    return "\n".join(
        ["", *columns(rows_of(found, SHOWN)), "", *sentences(found), f"search: {folder}/search.md"]
    )


def sentences(found: Found) -> list[str]:
    """What the numbers say, and what they do not."""
    told, best, first = [cost(found)], found.ranked[0], found.defaults
    if best.value is None or best.state is not TrialState.COMPLETE:
        return told
    score = f"{found.goal.metric} {best.value:.4f}"
    if first is not None and first.value is not None:
        told.append(f"The best has {score} on validation, the values of params.yaml {first.value:.4f}.")
    if (bounds := bounds_of(found, best.value)) is not None:
        low, high = bounds
        told.append(f"On {found.validation:,} examples such a score is known to {low:.3f}-{high:.3f} (95 %).")
    told.append(
        f"The best of {len(found.ranked)} trials flatters: train with it on everything, and ask "
        "commands.compare."
    )
    return told


def cost(found: Found) -> str:
    complete = sum(trial.state is TrialState.COMPLETE for trial in found.ranked)
    minutes = sum(map(seconds_of, found.ranked)) / 60
    return (
        f"{len(found.ranked)} trials of {found.train:,} training examples: {complete} complete, "
        f"{len(found.ranked) - complete} pruned; {minutes:.1f} minutes of training."
    )


def bounds_of(found: Found, score: float) -> Bounds | None:
    """Wilson's, of a share of the examples; other scores have no such formula."""
    if found.goal.metric != found.task.facts.example_score or found.goal.lower_is_better:
        return None
    return wilson(round(score * found.validation), found.validation, 0.95)


def write_pages(found: Found, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_text(as_csv(found), folder / "trials.csv")
    shares = importances(found)
    plot = folder / "importance.png"
    plot.unlink(missing_ok=True)
    if shares:
        draw(shares, found, plot)
    header, *rows = rows_of(found, len(found.ranked))
    page = {
        "title": found.task.title,
        "study": found.goal.name,
        "sentences": sentences(found) if found.ranked else ["No trial has ended."],
        "header": header,
        "rows": rows,
        "plot": plot.name if shares else None,
        "why_no_plot": why_no_plot(found),
    }
    write_text(markdown_page("search.md", page), folder / "search.md")


def as_csv(found: Found) -> str:
    """Every trial, failed ones too."""
    trials = found.study.get_trials(deepcopy=False)
    names = list(dict.fromkeys(name for trial in trials for name in trial.params))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", found.goal.metric, "epochs", "seconds", *names])
    for trial in trials:
        values = {name: as_yaml(value) for name, value in trained_with(trial).items()}
        state = trial.state.name.lower()
        seconds = f"{seconds_of(trial):.1f}"
        writer.writerow([trial.number, state, trial.value, trial.last_step, seconds, *map(values.get, names)])
    return text.getvalue()


def importances(found: Found) -> dict[str, float]:
    """Each knob's share, by PED-ANOVA (Watanabe et al. 2023), which is exact; {} where none can be told."""
    if len(scores_of(found)) < LEAST_FOR_IMPORTANCE or len(set(scores_of(found))) == 1:
        return {}
    varied = [name for name, kind in found.ranked[0].distributions.items() if not kind.single()]
    if not varied:
        return {}
    raw = PedAnovaImportanceEvaluator().evaluate(found.study, params=varied)
    total = sum(raw.values())  # 0: get_param_importances would call all knobs equally important
    return (
        {name: raw[name] / total for name in sorted(raw, key=raw.__getitem__, reverse=True)}
        if total > 0
        else {}
    )


def scores_of(found: Found) -> list[float]:
    """Of the complete trials."""
    return [trial.value or 0.0 for trial in found.ranked if trial.state is TrialState.COMPLETE]


def why_no_plot(found: Found) -> str:
    if len(scores_of(found)) < LEAST_FOR_IMPORTANCE:
        return f"Fewer than {LEAST_FOR_IMPORTANCE} trials are complete: too few to say which knob matters."
    return "The complete trials do not tell the knobs apart: none can be said to matter more than another."


def draw(shares: dict[str, float], found: Found, path: Path) -> None:
    names = list(shares)[::-1]
    with drawing(6.5, 0.9 + 0.34 * len(names)) as figure:
        axes = figure.add_subplot()
        bars = axes.barh(names, [shares[name] for name in names], color=color_of(0))
        axes.bar_label(bars, fmt="%.2f", padding=3)
        axes.set_xlabel(f"Share of what {found.goal.metric} on validation depends on")
        axes.set_xlim(0, 1.08 * max(shares.values()))
        axes.grid(visible=False, axis="y")
        write_png(figure, path)
