"""Print what the last `dvc repro` came to: each model's scores with their intervals, the pages, the times.

python -m commands.summary
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.lib.terminal import as_interval, as_p, score_name
from stages.lib.config import read_yaml
from stages.lib.exceptions import DataError
from stages.lib.params import PARAMS_FILE
from stages.lib.stage import TIMINGS, run
from stages.lib.statistics.predictions import BASELINES, FINETUNED
from stages.lib.task import Task, read_task

NARROWEST = 22  # a name and four `0.551 [0.520, 0.582]` fill 100 columns
WIDTH = 100
DUMMY, *_ = BASELINES
OURS = (*BASELINES, FINETUNED)


def main(
    *,
    task: Annotated[Path, typer.Option(help="what was learned")] = Path("data/task.json"),
    evaluation: Annotated[Path, typer.Option(help="the models' scores")] = Path("metrics/evaluate.json"),
    comparisons: Annotated[Path, typer.Option(help="how the models differ")] = Path(
        "metrics/comparisons.json"
    ),
    reports: Annotated[Path, typer.Option(help="the folder of pages")] = Path("reports"),
    timings: Annotated[Path, typer.Option(help="how long each stage took")] = TIMINGS,
    graph: Annotated[Path, typer.Option(help="the stages, in order")] = Path("dvc.yaml"),
    params: Annotated[Path, typer.Option(help="how wide the intervals are")] = PARAMS_FILE,
    role: Annotated[str, typer.Option(help="the role to show the scores of")] = "test",
) -> None:
    """Print each model's scores with their intervals, where the pages lie, and how long each stage took."""
    what = read_task(_finished(task))
    models = scores_on(role, json.loads(_finished(evaluation).read_text(encoding="utf-8")))
    compared = json.loads(_finished(comparisons).read_text(encoding="utf-8"))[role]
    seconds = last_seconds(timings.read_text(encoding="utf-8") if timings.exists() else "")
    stages = list(read_yaml(graph)["stages"])
    print(title(what.title, role, models, read_yaml(params)["evaluate"]["confidence"]))
    print("\n".join(score_table(models, first=what.metrics)))
    print("\n".join(difference_lines(compared, what)))
    print("\n".join(str(page) for page in sorted(reports.glob("*.html"))) or f"no pages in {reports}")
    print("\n".join(time_lines([(stage, seconds[stage]) for stage in stages if stage in seconds])))


def _finished(path: Path) -> Path:
    if not path.exists():
        raise DataError(
            f"{path}: no such file; run `make run` first, or `dvc checkout` if it is in the cache"
        )
    return path


def scores_on(role: str, evaluation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Model -> its scores on the role, baselines first, then those from elsewhere that cover it.

    Raises DataError where one of ours was not judged on it.
    """
    for model, roles in evaluation.items():
        if role not in roles and model in OURS:
            raise DataError(f"{model}: not judged on role {role!r}; judged on {', '.join(roles) or 'none'}")
    elsewhere = [model for model, roles in evaluation.items() if model not in OURS and role in roles]
    order = [*BASELINES, *elsewhere, FINETUNED]
    return {model: evaluation[model][role] for model in order if model in evaluation}


def title(name: str, role: str, models: dict[str, dict[str, Any]], confidence: float) -> str:
    counts = sorted({scores["n"] for scores in models.values()})
    return (
        f"{name}: {role}, n = {', '.join(f'{count:,}' for count in counts)}, {100 * confidence:g} % intervals"
    )


def score_table(models: dict[str, dict[str, Any]], first: Iterable[str]) -> Iterator[str]:
    """Lines of at most 100 columns, or wider where a cell is; the metrics named in `first` lead."""
    known = {name: None for scores in models.values() for name in scores if f"{name}_low" in scores}
    metrics = list(dict.fromkeys([*(name for name in first if name in known), *known]))
    wide = max(11, *(len(model) + 2 for model in models))
    columns = [[name, *(cell(scores, name) for scores in models.values())] for name in metrics]
    longest = max(len(text) for column in columns for text in column) + 1  # a minus sign takes room
    each = max(NARROWEST, longest)
    a_block = max(1, (WIDTH - wide + 1) // each)
    for start in range(0, len(columns), a_block):
        for row in zip(["", *models], *columns[start : start + a_block], strict=True):
            yield (row[0].ljust(wide) + "".join(text.ljust(each) for text in row[1:])).rstrip()


def difference_lines(compared: dict[str, dict[str, Any]], task: Task) -> Iterator[str]:
    """`finetuned less tfidf: accuracy +0.150 [+0.125, +0.176], p < 0.001`, a line a model but the dummy.

    Of the first metric; where it is undefined for either model, that is said.
    """
    metric = task.metrics[0]
    for model, scores in compared.items():
        if model != DUMMY:
            line = f"{FINETUNED} less {model}: {score_name(task.kind, metric)} "
            yield line + (difference(scores[metric]) if metric in scores else "- (undefined)")


def difference(found: dict[str, float]) -> str:
    p = as_p(found["p"])
    interval = as_interval(found["difference"], found["low"], found["high"])
    return f"{interval}, p {p if p.startswith('<') else f'= {p}'}"


def cell(scores: dict[str, Any], metric: str) -> str:
    """A dash where the metric is undefined, as precision is where nothing was predicted positive."""
    value, low, high = (scores.get(f"{metric}{end}") for end in ("", "_low", "_high"))
    if value is None:
        return "-"
    return f"{value:.3f} [{low:.3f}, {high:.3f}]" if low is not None and high is not None else f"{value:.3f}"


def last_seconds(log: str) -> dict[str, float]:
    """Stage -> how long it took the last time it ran here."""
    entries = (json.loads(line) for line in log.splitlines())
    return {entry["stage"]: entry["seconds"] for entry in entries}


def time_lines(times: list[tuple[str, float]]) -> list[str]:
    """The stages' times, wrapped at commas; a stage that came from the cache has none."""
    if not times:
        return ["no stage has run here: everything came from the cache"]
    total = sum(seconds for _, seconds in times)
    lines = ["last run:"]
    for piece in [*(f"{stage} {duration(seconds)}," for stage, seconds in times), f"total {duration(total)}"]:
        if len(lines[-1]) + 1 + len(piece) > WIDTH:
            lines.append("         ")
        lines[-1] += f" {piece}"
    return lines


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


if __name__ == "__main__":
    run(main)
