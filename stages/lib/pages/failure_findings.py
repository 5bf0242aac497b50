"""Where the model fails: weak slices, confusions, and words that mistakes over-use."""

import polars as pl

from stages.lib.pages.findings import (
    Finding,
    counted,
    error_in_words,
    gain_of_sum,
    named,
)
from stages.lib.pages.on_role import OnRole, View, is_mistake

MOST_PAIRS = 3  # of confused classes: the rest is in its own section

DO_OF_SLICES = {
    "truncated": "The model does not read all of them: raise tokenize.max_tokens, or keep the other end.",
    "label": "More training rows of this label, or finetune.balance, where it is a rare one.",
    "script": "See in the profile whether the encoder's tokenizer suits this script.",
}
DO_OF_OTHER_SLICES = "Read its mistakes for what they share; more training rows like them help."


def weak_slices(on: OnRole) -> pl.DataFrame:
    """Those that the stage errors found, what they cost most first."""
    slices = on.rows("slices")
    if slices.is_empty():
        return slices
    weak = slices.filter(pl.col("difference") > 0)
    return weak.sort("excess", "slice", descending=[True, False])


def slice_findings(on: OnRole) -> list[Finding]:
    return [_of_slice(on, row) for row in weak_slices(on).iter_rows(named=True)]


def _of_slice(on: OnRole, row: View) -> Finding:
    return Finding(
        "slices",
        f"Weak: {named(row['name'])}, {error_in_words(on, row['error'])} of {row['n']:,} examples, against "
        f"{error_in_words(on, row['rest_error'])} of the rest.",
        DO_OF_SLICES.get(row["kind"], DO_OF_OTHER_SLICES),
        f"its {'mistakes' if on.task.facts.has_classes else 'error'} beyond the rest's rate",
        row["n"],
        gain_of_sum(on, row["excess"]),
        {"role": on.role, "slice": row["slice"]},
    )


def confusion_findings(on: OnRole) -> list[Finding]:
    """Of more than two classes: of two, the pairs are all mistakes, and say nothing."""
    if on.task.kind != "classification" or len(on.task.labels) < 3:
        return []
    counts = on.examples.filter(is_mistake(on.task)).group_by("label", "predicted").len("count")
    worst = counts.sort("count", "label", "predicted", descending=[True, False, False])
    return [_of_pair(on, *row) for row in worst.head(MOST_PAIRS).iter_rows()]


def _of_pair(on: OnRole, label: str, predicted: str, count: int) -> Finding:
    return Finding(
        "confusion",
        f"{named(label)} is called {named(predicted)} {counted(count, 'time', 'times')}.",
        "Does a rule tell the two apart? Where people would differ, write the rule down and relabel.",
        "all of these mistakes",
        count,
        gain_of_sum(on, float(count)),
        {"role": on.role, "label": label, "predicted": predicted},
    )


def telling_words(on: OnRole) -> pl.DataFrame:
    """Those that the stage errors found, with their `excess`, what they cost most first."""
    words = on.rows("words")
    if words.is_empty():
        return words
    found = words.with_columns(excess=pl.col("n") * (pl.col("error") - pl.col("rest_error")))
    found = found.filter(pl.col("excess") > 0)
    return found.sort("excess", "word", descending=[True, False])


def word_findings(on: OnRole) -> list[Finding]:
    words = telling_words(on)
    if words.is_empty():
        return []
    worst, others = words.row(0, named=True), len(words) - 1
    more = f" {counted(others, 'more word is', 'more words are')} over-used by mistakes." if others else ""
    return [
        Finding(
            "words",
            f"Texts with the word “{named(worst['word'])}”: {error_in_words(on, worst['error'])} of "
            f"{worst['n']:,}, against {error_in_words(on, worst['rest_error'])} of the rest.{more}",
            "Does it mean two things, or stand for one label in training? Rows that use it otherwise help.",
            f"the word's {'mistakes' if on.task.facts.has_classes else 'error'} beyond the rest's rate",
            worst["n"],
            gain_of_sum(on, worst["excess"]),
        )
    ]
