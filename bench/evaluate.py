"""Scores with intervals: ours beside a loop that calls scikit-learn on each of 1,000 resamples.

`python -m bench.evaluate`, no run of the pipeline needed. Before anything is timed, the values are compared
(equal), and the bounds, by what chance allows: `same_values`, `same_bounds`, `same_spread`. Below the rows
stands what each step of the stage takes on a model, by the number of examples.
"""

import functools
from typing import Any

import numpy as np
import polars as pl

from bench.coverage import task_of
from bench.measuring import Row, in_pairs, record, seconds
from bench.peers import evaluate as peer
from stages.evaluate import on_validation
from stages.lib.statistics.diagrams import Judged, diagrams
from stages.lib.statistics.intervals import with_intervals
from stages.lib.statistics.judging import Model, Settings, judge, judge_against, judge_slices
from stages.lib.statistics.slices import slices_of
from stages.lib.task import Task

RESAMPLES, CONFIDENCE, SEED = 1_000, 0.95, 13
EXAMPLES = (2_000, 200_000)
TIMED = {2_000: 1_000, 200_000: 20}  # of the loop's resamples; fewer are scaled up
ROUNDS, GOAL = 3, 50.0
SHARES = {2: (0.57, 0.43), 6: (0.29, 0.335, 0.08, 0.135, 0.11, 0.05)}  # the disaster tweets' and emotion's
RIGHT = 0.85
PREDICTED = {
    (2_000, 2): "500: five calls, about 1 ms each, a thousand times; ours calls each once or twice and draws "
    "matrices",
    (2_000, 6): "400: as with two classes, with a little more to draw",
    (200_000, 2): "300: the loop's calls sort and count 200,000 labels, about 0.1 s a resample; ours does so "
    "some three times",
    (200_000, 6): "300: as with two classes",
}
BOUND, LEAST_SPREAD, MOST_SPREAD = 0.25, 0.5, 1.7

Answers = tuple[np.ndarray, np.ndarray]  # labels and predictions, [N]
Found = dict[str, tuple[float, float, float]]  # score -> value, low, high


def main() -> None:
    rows = [row(examples, classes) for examples in EXAMPLES for classes in SHARES]
    record("evaluate", rows, steps())


def row(examples: int, classes: int) -> Row:
    labels_N, predicted_N = answers(examples, classes)
    what, timed = task(classes), TIMED[examples]
    loop = functools.partial(
        peer.resampled, labels_N, predicted_N, classes, resamples=timed, seed=SEED
    )  # and no percentiles: they are nothing beside it
    figures, drawn = ours(what, labels_N, predicted_N), loop()
    found = by_their_names(figures)
    same_values(found, peer.scores(labels_N, predicted_N, classes))
    (same_bounds if timed == RESAMPLES else same_spread)(found, drawn)
    pairs = in_pairs(lambda: ours(what, labels_N, predicted_N), loop, ROUNDS)
    pairs = pairs._replace(theirs=[took * RESAMPLES / timed for took in pairs.theirs])
    scaled = "" if timed == RESAMPLES else f"; the loop timed on {timed} and scaled"
    return Row.of_pairs(
        pairs,
        "times as fast",
        work=f"evaluate with intervals, {examples:,} examples in {classes} classes",
        peer="a loop of scikit-learn's calls",
        data=f"generated labels and predictions; {RESAMPLES:,} resamples{scaled}",
        goal=GOAL,
        predicted=PREDICTED[examples, classes],
    )


def answers(examples: int, classes: int) -> Answers:
    """Of classes as uneven as a corpus's; a part of the predictions is wrong, by any class."""
    rng = np.random.default_rng(SEED)
    labels_N = rng.choice(classes, size=examples, p=SHARES[classes])
    others_N = (labels_N + rng.integers(1, classes, size=examples)) % classes
    return labels_N, np.where(rng.random(examples) < RIGHT, labels_N, others_N)


def task(classes: int) -> Task:
    return task_of("classification", classes)


def ours(what: Task, labels_N: np.ndarray, predicted_N: np.ndarray) -> dict[str, Any]:
    return with_intervals(what, labels_N, predicted_N, resamples=RESAMPLES, confidence=CONFIDENCE, seed=SEED)


def by_their_names(figures: dict[str, Any]) -> Found:
    """Ours as the loop names them -> value, low, high."""
    named = dict.fromkeys(("accuracy", "macro_f1", "weighted_f1", "matthews"), figures)
    found = {name: bounded(of, name) for name, of in named.items()}
    for number, of_class in figures["by_class"].items():
        found |= {f"{name}_{number}": bounded(of_class, name) for name in ("precision", "recall", "f1")}
    return found


def bounded(figures: dict[str, Any], name: str) -> tuple[float, float, float]:
    return figures[name], figures[f"{name}_low"], figures[f"{name}_high"]


def same_values(found: Found, theirs: dict[str, float]) -> None:
    assert found.keys() == theirs.keys()
    for name, value in theirs.items():
        assert abs(found[name][0] - value) < 1e-12, (name, found[name], value)


def same_bounds(found: Found, drawn: dict[str, list[float]]) -> None:
    """To a quarter of the interval's width: a bound of 1,000 resamples moves by 2 % of it from seed to seed,
    and a share's percentiles differ from Wilson's interval where a class is rare."""
    for name, (low, high) in peer.percentiles(drawn, CONFIDENCE).items():
        far = max(abs(found[name][1] - low), abs(found[name][2] - high)) / (high - low)
        assert far < BOUND, (name, found[name], (low, high))


def same_spread(found: Found, drawn: dict[str, list[float]]) -> None:
    """A few resamples have no percentiles, but a standard deviation: our width is some four of them."""
    for name, values in drawn.items():
        ratio = (found[name][2] - found[name][1]) / (2 * 1.96 * np.std(values, ddof=1))
        assert LEAST_SPREAD < ratio < MOST_SPREAD, (name, found[name], ratio)


def steps() -> str:
    """What each step of the stage takes on one model and one role, in seconds."""
    taken = {examples: steps_of(examples) for examples in EXAMPLES}
    head = ["step of one model on one role, 6 classes", *(f"{examples:,} examples" for examples in EXAMPLES)]
    lines = [" | ".join(head), "|".join("---" for _ in head)]
    for step in next(iter(taken.values())):
        lines.append(" | ".join([step, *(f"{of_steps[step]:.2f} s" for of_steps in taken.values())]))
    return "\n".join(f"| {line} |" for line in lines)


def steps_of(examples: int) -> dict[str, float]:
    what, settings = task(6), Settings(RESAMPLES, CONFIDENCE, calibration_bins=15)
    rows, other, texts = (
        predictions(what, examples, 1),
        predictions(what, examples, 2),
        texts_of(what, examples),
    )
    model = Model(rows, has_probabilities=True, temperature=1.5, points=[], best_f1=None)
    known = Judged(
        on_validation(what, rows, 1.5), rows, judge(what, model, "validation", settings, SEED), settings
    )
    slices = slices_of(texts, what, most_values=10, least_n=30)
    return {
        "thresholds of validation": seconds(lambda: on_validation(what, rows, 1.5)),
        "scores, probabilities, automation": seconds(
            lambda: judge(what, known.model, "validation", settings, SEED)
        ),
        "plots": seconds(lambda: diagrams(what, known)),
        "which slices": seconds(lambda: slices_of(texts, what, most_values=10, least_n=30)),
        f"scores of {len(slices)} slices": seconds(lambda: judge_slices(what, rows, slices, settings, SEED)),
        "against another model": seconds(lambda: judge_against(what, rows, other, settings, SEED)),
    }


def predictions(what: Task, examples: int, seed: int) -> pl.DataFrame:
    """Logits by which `answers` are said, more or less surely."""
    labels_N, predicted_N = answers(examples, what.outputs)
    rng = np.random.default_rng(seed)
    logits_NC = rng.normal(size=(examples, what.outputs)).astype(np.float32)
    logits_NC[np.arange(examples), predicted_N] += rng.exponential(3, size=examples)
    columns = {"id": [f"{number}" for number in range(examples)], "label": labels_N}
    logits = pl.Series(logits_NC, dtype=pl.Array(pl.Float32, what.outputs))
    return pl.DataFrame(columns).with_columns(role=pl.lit("validation"), logits=logits)


def texts_of(what: Task, examples: int) -> pl.DataFrame:
    """Lengths like those of tweets."""
    lengths = np.random.default_rng(SEED).integers(10, 140, size=examples)
    labels_N, _ = answers(examples, what.outputs)
    names = [what.labels[number] for number in labels_N]
    return pl.DataFrame({"label": names, "text_original": ["ab cd " * (n // 6) for n in lengths]})


if __name__ == "__main__":
    main()
