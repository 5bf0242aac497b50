"""Which words tell a class from the others: log-odds with an informative Dirichlet prior, as z-scores.

Monroe, Colaresi and Quinn, "Fightin' Words", Political Analysis 16:4, 2008. A word counts once a text.
Scripts that put no space between words are read as overlapping pairs of characters.
"""

from typing import Any

import polars as pl

from stages.lib.profile.findings import Finding, some
from stages.lib.statistics.groups import Groups
from stages.lib.statistics.words import by_z, texts_by_word

View = dict[str, Any]

GIVES_AWAY, ELSEWHERE, ENOUGH_TEXTS = 0.5, 0.01, 20


def telling_words(labelled: pl.DataFrame, groups: Groups, columns: list[str], most: int) -> list[View]:
    """A group a row, with its words by z and in how many texts of it, and of the others, each stands.

    Of the training rows alone.
    """
    train_N = (labelled["role"] == "train").to_numpy()
    rows, groups = labelled.filter(train_N), {name: member_N[train_N] for name, member_N in groups.items()}
    if rows.is_empty() or not groups:
        return []
    within, overall = texts_by_word(rows, groups, columns)
    totals = overall.rename({"texts": "all"})
    return [
        {
            "label": name,
            "texts": int(member_N.sum()),
            "others": int((~member_N).sum()),
            "words": by_z(within.filter(pl.col("label") == name).join(totals, on="word"), totals)
            .head(most)
            .to_dicts(),
        }
        for name, member_N in groups.items()
    ]


def word_findings(shown: list[View]) -> list[Finding]:
    """Words that all but give a label away: often it stands in the text itself."""
    given = [
        f"{word['word']} ({group['label']})"
        for group in shown
        if group["texts"] >= ENOUGH_TEXTS and group["others"] >= ENOUGH_TEXTS
        for word in group["words"]
        if _gives_away(word, group)
    ]
    if not given:
        return []
    return [
        Finding(
            "words",
            "Some words stand in more than half of the training texts of a label, and in hardly any other: "
            f"{some(given)}.",
            "Does the label, or what it was made from, stand in the text? Then the model will learn that "
            "alone: take it out with a step of clean.steps.",
        )
    ]


def _gives_away(word: View, group: View) -> bool:
    return bool(
        word["texts"] >= GIVES_AWAY * group["texts"] and word["elsewhere"] <= ELSEWHERE * group["others"]
    )


def shown_frequent_words(counted: View, most: int) -> View:
    """The words of each label, or of all texts, before and after cleaning, as metrics/clean.json has them."""
    before, after = counted["before"], counted["after"]
    labels = dict.fromkeys([*before["frequent"], *after["frequent"]])
    return {
        "rows": counted["rows"],
        "before": before,
        "after": after,
        "frequent": [
            {
                "label": label,
                "before": before["frequent"].get(label, [])[:most],
                "after": after["frequent"].get(label, [])[:most],
            }
            for label in labels
        ],
    }
