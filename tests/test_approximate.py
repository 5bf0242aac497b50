"""What `--plan` says of regressions and of several labels an example."""

from pathlib import Path

import numpy as np
import pytest

from commands.lib.approximate import equal_models, examples_needed, least_loss, plan, rates
from commands.lib.evidence import gather
from commands.lib.planning import Rates, Rules
from commands.lib.verdicts import non_inferior
from stages.lib.exceptions import RunError
from stages.lib.statistics.paired import better, compare
from stages.lib.task import Task
from tests.past_runs import TOPICS, Example, scored_of, topics_of, write_run
from tests.predicted import task_of

REGRESSION, MULTI_LABEL = task_of(kind="regression"), task_of(TOPICS, kind="multi-label")


def numbers(n: int, seed: int = 0) -> list[np.ndarray]:
    """Labels, and two equal models whose errors have something in common."""
    rng = np.random.default_rng(seed)
    labels_N, shared_N = rng.uniform(0, 5, n), rng.normal(0, 0.6, n)
    return [labels_N, *(labels_N + shared_N + rng.normal(0, 0.3, n) for _ in range(2))]


def sets(n: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    labels_NC = rng.random((n, len(TOPICS))) < 0.4
    return [labels_NC, *(labels_NC ^ (rng.random(labels_NC.shape) < 0.1) for _ in range(2))]


KINDS = [(REGRESSION, numbers, {"pearson": 0.02, "mae": 0.06}), (MULTI_LABEL, sets, {"micro_f1": 0.03})]


@pytest.mark.slow
@pytest.mark.parametrize(("task", "draw", "margins"), KINDS, ids=["regression", "multi-label"])
def test_the_rates_are_those_of_test_sets_drawn_anew(task, draw, margins) -> None:  # type: ignore[no-untyped-def]
    n, rules = 300, Rules(margins, 0.95, seed=1)
    samples = [equal_models(task, *draw(n, seed), rules=rules) for seed in range(201, 211)]
    said = Rates(*np.mean([rates(list(scores.values())) for scores in samples], axis=0))
    verdicts = []
    for seed in range(1, 121):
        found = compare(task, *draw(n, seed), resamples=200, confidence=0.95, seed=1)
        each = {non_inferior(better(task, name, found[name]), margin) for name, margin in margins.items()}
        verdicts.append("worse" if "worse" in each else "undecided" if "undecided" in each else "pass")
    assert 0.2 < said.passed < 0.95
    assert said.passed == pytest.approx(verdicts.count("pass") / 120, abs=0.1)
    assert said.worse == pytest.approx(verdicts.count("worse") / 120, abs=0.04)
    assert sum(said) == pytest.approx(1)


def test_the_least_loss_is_called_worse_in_four_of_five_test_sets() -> None:
    rules = Rules({"mae": 0.04}, 0.95, seed=1)
    loss = least_loss(equal_models(REGRESSION, *numbers(300), rules=rules)["mae"])
    caught = 0
    for seed in range(1, 121):
        labels_N, old_N, new_N = numbers(300, seed)
        away_N = np.sign(new_N - labels_N) * loss  # every error grows by as much
        found = compare(REGRESSION, labels_N, old_N, new_N + away_N, resamples=100, confidence=0.95, seed=1)
        caught += non_inferior(better(REGRESSION, "mae", found["mae"]), 0.04) == "worse"
    assert caught / 120 == pytest.approx(0.8, abs=0.1)


def test_half_the_margin_needs_four_times_the_examples() -> None:
    score = equal_models(REGRESSION, *numbers(500), rules=Rules({"pearson": 0.02}, 0.95, 1))["pearson"]
    wide, narrow = (examples_needed(score, 500, margin, 0.95) for margin in (0.02, 0.01))
    assert narrow == pytest.approx(4 * wide, abs=4)


@pytest.mark.slow
def test_so_many_examples_do_pass_an_equal_model_that_often() -> None:
    margins = {"pearson": 0.02}
    score = equal_models(REGRESSION, *numbers(2_000), rules=Rules(margins, 0.95, 1))["pearson"]
    n = examples_needed(score, 2_000, 0.02, 0.95)
    said = rates([equal_models(REGRESSION, *numbers(n, 3), rules=Rules(margins, 0.95, 1))["pearson"]])
    assert said.passed == pytest.approx(0.8, abs=0.12)


def planned(tmp_path: Path, task: Task, old: list[Example], new: list[Example], **margins: float) -> str:
    before, after = write_run(tmp_path / "a", old, task=task), write_run(tmp_path / "b", new, task=task)
    return plan(gather(before, after, "finetuned", "test", accept=True), Rules(margins, 0.95, seed=1))


def test_the_page_of_a_regression(tmp_path: Path) -> None:
    labels_N, old_N, new_N = (array_N.tolist() for array_N in numbers(200))
    page = planned(tmp_path, REGRESSION, scored_of(labels_N, old_N), scored_of(labels_N, new_N), mae=0.05)
    lines = page.splitlines()
    assert lines[0] == "test, n = 200; margins: mae 0.05"
    assert lines[1].startswith("disagreement             predictions differ by 0.3")
    assert lines[-2].split() == [
        "score",
        "error",
        "loss",
        "caught",
        "examples",
        "at",
        "half",
        "the",
        "margin",
    ]
    assert lines[-1].startswith("  mae (lower is better)  0.0")
    assert max(map(len, lines)) <= 120


def test_the_page_of_several_labels(tmp_path: Path) -> None:
    old, new = topics_of("f ws - s", "f w - s"), topics_of("f ws - s", "f ws s s")
    page = planned(tmp_path, MULTI_LABEL, old, new, micro_f1=0.03)
    assert "disagreement             50.0% of the sets of labels differ (observed)" in page


def test_of_one_model_nobody_knows_how_far_an_equal_one_is(tmp_path: Path) -> None:
    alike = scored_of([1, 2, 3], [1, 2, 4])
    with pytest.raises(RunError, match=r"test: both runs answer alike, .* -S finetune.seed=2"):
        planned(tmp_path, REGRESSION, alike, alike, pearson=0.02)


def test_of_a_constant_there_is_no_correlation_to_plan_with(tmp_path: Path) -> None:
    old, new = scored_of([1, 2, 3], [1, 2, 4]), scored_of([1, 2, 3], [2, 2, 2])
    with pytest.raises(RunError, match="pearson of the new model is undefined: every prediction is 2"):
        planned(tmp_path, REGRESSION, old, new, pearson=0.02)
