"""What is to be fixed of the model: what baselines know better, too few rows, flips by idle changes."""

import polars as pl

from stages.lib.pages.findings import Finding, Gain, counted
from stages.lib.pages.on_role import OnRole, View, loss_of
from stages.lib.pages.pages import as_percent
from stages.lib.statistics.predictions import BASELINES

DUMMY = BASELINES[0]

DO_OF_BASELINES = {
    "tfidf": "Single words decide there: does the model read past them, or are they a trap in this data?",
    "features": "Fine-tuning forgot that: fewer epochs, a smaller learning rate, frozen layers forget less.",
}
DO_OF_BETTER = (
    "Does its score on validation still rise in the last epoch (metrics/finetune/plots)? Then more epochs, a "
    "larger learning rate; has it fallen, fewer, a smaller one. Else another encoder, made for such texts."
)


def baseline_findings(on: OnRole) -> list[Finding]:
    """What a baseline but the dummy knows and the fine-tuned model does not."""
    lost = {name: lost_against(on, name) for name in on.baselines if name != DUMMY}
    found = [_of_better(on, name, rows) or _of_baseline(on, name, rows) for name, rows in lost.items()]
    return [finding for finding in found if finding.examples]


def _of_better(on: OnRole, name: str, lost: pl.DataFrame) -> Finding | None:
    """Where the whole interval of a difference says that the baseline is the better model.

    By the example score, in which gains are, or by the source's first metric, which says nothing of them.
    """
    facts = on.task.facts
    compared, score = on.comparisons.get(name, {}), facts.example_score
    gain = _beyond(on, compared.get(score), score in facts.lower_is_better)
    if gain is None:
        score = on.task.metrics[0]
        if _beyond(on, compared.get(score), score in facts.lower_is_better) is None:
            return None
    values = f"{compared[score]['old']:.3f} against {compared[score]['new']:.3f}"
    return Finding(
        "mended",
        f"{name} is better than the fine-tuned model: {score.replace('_', ' ')} {values}.",
        DO_OF_BETTER,
        f"what {name} has beyond the fine-tuned model"
        if gain
        else f"by {facts.example_score.replace('_', ' ')} neither is better by more than chance",
        len(lost),
        gain,
    )


def _beyond(on: OnRole, found: View | None, lower_is_better: bool) -> Gain | None:
    """What the baseline has beyond the fine-tuned model; None where that may be chance."""
    if found is None or found["difference"] is None:
        return None
    gain, low, high = found["difference"], found["low"], found["high"]
    if not lower_is_better:
        gain, low, high = -gain, -high, -low
    return Gain(gain, gain * on.n if on.task.facts.has_classes else None, low, high) if low > 0 else None


def _of_baseline(on: OnRole, name: str, lost: pl.DataFrame) -> Finding:
    classes = on.task.facts.has_classes
    better = "right, and the fine-tuned model wrong," if classes else "nearer than the fine-tuned model"
    return Finding(
        "mended",
        f"{name} is {better} on {counted(len(lost), 'example', 'examples')}.",
        DO_OF_BASELINES[name],
        "which of the two is right is known only afterwards, so these mistakes bound nothing",
        len(lost),
        None,
    )


def lost_against(on: OnRole, baseline: str) -> pl.DataFrame:
    """The examples on which the fine-tuned model does worse than the baseline, the worst first."""
    rows = on.by_loss
    return rows.filter(loss_of(rows, on.task) > loss_of(rows, on.task, baseline))


def won_against(on: OnRole, baseline: str) -> pl.DataFrame:
    """The examples on which it does better, those that it is surest of last."""
    rows = on.by_loss
    return rows.filter(loss_of(rows, on.task) < loss_of(rows, on.task, baseline))


def growth_findings(on: OnRole) -> list[Finding]:
    """What the cheap model of the learning curve gained from twice the rows."""
    found = grown(on)
    return [_of_growth(on, found)] if found else []


def grown(on: OnRole) -> View | None:
    """What the stage errors says of the last doubling; None where it could not."""
    found: View = on.numbers[on.role].get("learning_curve", {})
    return found if "gain_of_last_doubling" in found else None


def _of_growth(on: OnRole, found: View) -> Finding:
    course = f"from {found['half_of_the_rows']:,} to {found['rows']:,} training rows {found['model']} gained"
    helps = found["low"] > 0
    return Finding(
        "growth",
        f"More rows help: {course} by more than chance."
        if helps
        else f"More rows may not help: {course} no more than chance would give.",
        "Label those first that the model is least sure of.",
        f"what {found['model']} gained from the last doubling; the next one gains less as a rule",
        None,
        _growth(on, found),
    )


def _growth(on: OnRole, found: View) -> Gain | None:
    """In points of the curve's own score; None of a regression whose curve is not of the example score."""
    example_score = on.task.facts.example_score
    same = found["score"] == example_score
    if not (same or on.task.facts.has_classes):
        return None
    gain = max(0.0, found["gain_of_last_doubling"])
    return Gain(
        gain,
        gain * on.n if same and on.task.facts.has_classes else None,
        found["low"],
        found["high"],
        None if same else found["score"],
    )


def change_findings(on: OnRole, changes: View) -> list[Finding]:
    """The worst of the changes that should not matter, and how many more there are."""
    flipping = {name: of for name, of in changes.items() if of["kind"] == "invariance" and of["flips"]}
    if not flipping:
        return []
    name = max(sorted(flipping), key=lambda name: flipping[name]["rate"])
    of, others = flipping[name], len(flipping) - 1
    more = f" {counted(others, 'more change flips', 'more changes flip')} some." if others else ""
    return [
        Finding(
            "robustness",
            f"A change that should not matter ({name.replace('_', ' ')}) flips {as_percent(of['rate'])} of "
            f"{of['n']:,} predictions, {as_percent(of['low'])} to {as_percent(of['high'])}.{more}",
            "Clean it away (clean.steps), or train on texts with such changes.",
            "a flip is no mistake by itself, and which mistakes come of it cannot be known",
            of["flips"],
            None,
        )
    ]
