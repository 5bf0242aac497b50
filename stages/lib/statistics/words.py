"""Words of texts, and which of them tell one group of texts from the others.

Telling is log-odds with an informative Dirichlet prior, as z-scores (Monroe, Colaresi and Quinn, "Fightin'
Words", Political Analysis 16:4, 2008). A word counts once a text. Scripts that put no space between words are
read as overlapping pairs of characters.
"""

import numpy as np
import polars as pl

from stages.lib.scripts import UNSPACED
from stages.lib.statistics.groups import Groups, in_groups

_SPACED = rf"[\p{{L}}\p{{M}}\p{{N}}--[{UNSPACED}]]"
WORD = rf"{_SPACED}+(?:['’_]+{_SPACED}+)*"
ROWS_AT_ONCE = 50_000  # a row becomes a row a word
PRIOR = (
    500.0  # words that the prior is worth, shared as in all the texts: so much evidence a class has to beat
)
LEAST_Z, LEAST_TEXTS = 1.96, 2


def word_lists(rows: pl.DataFrame, columns: list[str]) -> pl.Series:
    """Of each row its distinct words, in lower case: list(String)."""
    of_columns = []
    for name in columns:
        text = pl.col(name).fill_null("").str.to_lowercase()
        shifted = text.str.replace_all(f"[{UNSPACED}]([{UNSPACED}]*)", " ${1}")  # each run without its first
        pairs = [part.str.extract_all(f"[{UNSPACED}]{{2}}") for part in (text, shifted)]
        of_columns += [text.str.extract_all(WORD), *pairs]
    return rows.select(words=pl.concat_list(of_columns).list.unique(maintain_order=True)).to_series()


def texts_by_word(
    rows: pl.DataFrame, groups: Groups, columns: list[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """label, word, texts: of each group; and word, texts: of all rows."""
    within, overall = [], []
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = rows.slice(start, ROWS_AT_ONCE)
        words = part.select(word=word_lists(part, columns))
        members = {name: member_N[start : start + ROWS_AT_ONCE] for name, member_N in groups.items()}
        within.append(_counted(in_groups(words, members), "label"))
        overall.append(_counted(words))
    sums = pl.col("texts").sum()
    return (
        pl.concat(within).group_by("label", "word").agg(sums),
        pl.concat(overall).group_by("word").agg(sums),
    )


def _counted(words: pl.DataFrame, *by: str) -> pl.DataFrame:
    exploded = words.select(*by, "word").explode("word", empty_as_null=False, keep_nulls=False)
    return exploded.group_by(*by, "word").agg(texts=pl.len().cast(pl.Int64))


def by_z(counts: pl.DataFrame, totals: pl.DataFrame) -> pl.DataFrame:
    """word, texts, elsewhere, z: words that the group has more often than chance would, the surest first."""
    y_W, all_W = (counts[name].to_numpy().astype(float) for name in ("texts", "all"))
    n, n_all = y_W.sum(), float(totals["all"].sum())
    prior_W = PRIOR * all_W / max(n_all, 1.0)
    z_W = _log_odds(y_W + prior_W, n + PRIOR) - _log_odds(all_W - y_W + prior_W, n_all - n + PRIOR)
    z_W /= np.sqrt(1 / (y_W + prior_W) + 1 / (all_W - y_W + prior_W))
    # rounded, so that the last bit of a machine's logarithm decides no order
    scored = counts.select(
        "word", "texts", elsewhere=pl.col("all") - pl.col("texts"), z=pl.Series(z_W.round(6))
    )
    telling = scored.filter(pl.col("z") >= LEAST_Z, pl.col("texts") >= LEAST_TEXTS)
    return telling.sort(["z", "word"], descending=[True, False])


def _log_odds(count_W: np.ndarray, total: float) -> np.ndarray:
    return np.asarray(np.log(count_W / np.maximum(total - count_W, 0.5)))
