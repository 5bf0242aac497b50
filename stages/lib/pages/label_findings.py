"""What is to be fixed of labels: suspicious ones, and copies that contradict each other."""

import polars as pl

from stages.lib.pages.findings import Finding, Gain, counted, gain_of, gain_of_sum
from stages.lib.pages.on_role import OnRole, is_mistake
from stages.lib.pages.shown_issues import look_wrong, wrong_share

TRAIN = "train"


def label_findings(on: OnRole) -> list[Finding]:
    issues = on.table("label_issues")
    if issues.is_empty():
        return []
    suspicious = issues.filter("is_issue")
    return _evaluated(on, suspicious) + (_trained(on, suspicious) if on.role != TRAIN else [])


def _evaluated(on: OnRole, suspicious: pl.DataFrame) -> list[Finding]:
    rows = on.examples.join(suspicious.filter(pl.col("role") == on.role), on="id", how="semi")
    if rows.is_empty():
        return []
    mistakes = rows.filter(is_mistake(on.task)).height
    among = f" {mistakes:,} of the model's mistakes are among them." if on.task.facts.has_classes else ""
    bounded = ", but no more labels than may be wrong" if on.task.kind == "classification" else ""
    return [
        Finding(
            "issues",
            f"{len(rows):,} {look_wrong(on, len(rows))} in {on.role}; {wrong_share(on, on.role)}.{among}",
            "Read them, the most suspicious first, and correct what is wrong. The score then tells more of "
            "the model, which is itself no better for it.",
            f"what the model loses on them{bounded}",
            len(rows),
            _at_most(on, rows),
            {"role": on.role, "issue": True},
        )
    ]


def _at_most(on: OnRole, rows: pl.DataFrame) -> Gain:
    """What is lost on `rows`; of classes, no more than the upper end of how many labels are wrong."""
    gain, high = gain_of(on, rows), on.numbers[on.role]["label_issues"].get("high")
    if on.task.kind != "classification" or high is None or gain.score <= high:
        return gain
    return gain_of_sum(on, high * on.n)


def _trained(on: OnRole, suspicious: pl.DataFrame) -> list[Finding]:
    count = suspicious.filter(pl.col("role") == TRAIN).height
    if not count:
        return []
    return [
        Finding(
            "issues",
            f"{count:,} {look_wrong(on, count)} in training; {wrong_share(on, TRAIN)}.",
            "Correct or drop them and train again: this is what makes the model better.",
            "only training again tells what correcting them gains",
            count,
            None,
            {"role": TRAIN, "issue": True},
        )
    ]


def contradiction_findings(on: OnRole) -> list[Finding]:
    pairs = on.table("contradictions")
    if pairs.is_empty():
        return []
    others = pairs.select(id=pl.col("other_id"), role=pl.col("other_role"))
    sides = pl.concat([pairs.select("id", "role"), others]).unique()
    here = on.examples.join(sides.filter(pl.col("role") == on.role), on="id", how="semi")
    gain = gain_of(on, here) if len(here) else None
    lost = gain is not None and gain.score > 0
    stand = counted(len(here), "example stands in them", "examples stand in them")
    return [
        Finding(
            "contradictions",
            f"{counted(len(pairs), 'pair of copies is', 'pairs of copies are')} labelled differently; "
            f"of {on.role} {stand}.",
            "Decide which label is right: a model can neither learn both nor be right on both.",
            f"what the model loses on those of {on.role}" if lost else "only training again tells",
            len(sides),
            gain if lost else None,
        )
    ]
