"""Show what the data looks like before anyone trains on it: profile.html, one file without network.

Of the rows in use, as the models read them (cleaned, a pair's texts together). By label means by class, by
range of the score, or by each of several labels a row, which then counts for each of them. Examples and words
are of training rows: nobody should have read the test set.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from pydantic import Field

from stages.lib.arrow import open_stream
from stages.lib.encoders.encoding import max_tokens_of
from stages.lib.encoders.tokenizer_fit import ENGLISH, Reader, reader_of
from stages.lib.encoders.traits import read_traits
from stages.lib.pages.pages import html_page
from stages.lib.params import StageParams, load_params
from stages.lib.profile.label_profile import label_line, label_profile, shown_profile
from stages.lib.profile.length_statistics import (
    UNITS,
    length_histogram,
    length_statistics,
    nested,
    statistics_of_each_text,
    with_lengths,
)
from stages.lib.profile.profile_plots import write_plots
from stages.lib.profile.row_accounts import missing_values, rejected_rows, roles_of, row_findings
from stages.lib.profile.shown_copies import copy_findings, shown_copies
from stages.lib.profile.shown_drift import drift_findings, shown_drift
from stages.lib.profile.shown_frequencies import frequency_findings, label_frequencies, shown_frequencies
from stages.lib.profile.shown_lengths import Limits, length_findings, lengths_by_label, shown_lengths
from stages.lib.profile.telling_words import shown_frequent_words, telling_words, word_findings
from stages.lib.profile.training_examples import training_examples
from stages.lib.profile.writing import Sample, writing_findings, writing_of
from stages.lib.roles import in_order
from stages.lib.stage import InPath, OutPath, run
from stages.lib.statistics.groups import Groups, groups_of
from stages.lib.tables import in_use, replacing_folder, write_json, write_text
from stages.lib.task import Task, read_task

View = dict[str, Any]

PROVENANCE = "provenance.json"  # of the encoder, in its folder
JUDGED = ("letters", "texts", "unknown", "tokens_per_character", "cost", "suits")


class Params(StageParams):
    seed: int
    examples_per_label: int = Field(ge=0)
    words_per_label: int = Field(ge=0)
    pairs_of_copies: int = Field(ge=0)
    rows_per_reason: int = Field(ge=0)
    text_characters: int = Field(gt=0)
    sampled_texts: int = Field(gt=0)
    histogram_bins: int = Field(gt=0)


class Data(NamedTuple):
    task: Task
    splits: pl.DataFrame  # every row
    rows: pl.DataFrame  # those in use, with words, characters, tokens and lost
    labelled: pl.DataFrame  # those of rows that have a label
    groups: Groups  # of labelled
    frequencies: pl.DataFrame
    lengths: pl.DataFrame  # by label

    @property
    def labelled_in(self) -> dict[str, int]:
        """Role -> rows."""
        roles = self.labelled["role"]
        return {role: int((roles == role).sum()) for role in in_order(roles.unique(maintain_order=True))}


class Given(NamedTuple):
    """What other stages found out."""

    rejected: pl.DataFrame
    words: View  # before and after cleaning
    drift: View  # of roles, metrics/split.json
    copies: pl.DataFrame
    encoder: str  # its name
    reader: Reader
    limits: Limits


def read_data(task: Task, splits: pl.DataFrame, tokens: Path) -> Data:
    lengths: Any = pl.from_arrow(open_stream(tokens).select(["length", "lost"]))  # a row of it, a row in use
    rows = with_lengths(in_use(splits), task.text_columns).with_columns(
        tokens=(lengths["length"] + lengths["lost"]).cast(pl.Int64), lost=lengths["lost"]
    )
    labelled = rows.filter(pl.col("label").is_not_null())
    groups = groups_of(labelled["label"], task)
    frequencies = label_frequencies(labelled, groups)
    return Data(task, splits, rows, labelled, groups, frequencies, lengths_by_label(labelled, groups))


def read_given(
    rejected: Path, cleaning: Path, splitting: Path, copies: Path, encoder: Path, tokens: Path
) -> Given:
    return Given(
        rejected=pl.read_parquet(rejected),
        words=json.loads(cleaning.read_bytes())["words"],
        drift=json.loads(splitting.read_bytes()),
        copies=pl.read_parquet(copies),
        encoder=json.loads((encoder / PROVENANCE).read_bytes())["name"],
        reader=reader_of(encoder),
        limits=Limits(max_tokens_of(open_stream(tokens)), read_traits(encoder).room),
    )


def view(data: Data, given: Given, params: Params) -> View:
    """What the page shows, section by section, and at its top what stands out."""
    task, columns, characters = data.task, data.task.text_columns, params.text_characters
    missing = missing_values(data.splits, task)
    lengths = shown_lengths(data.rows, data.lengths, given.limits)
    texts = pl.concat([data.rows[name].fill_null("").alias("text") for name in columns])
    writing = writing_of(texts, given.reader.fit, ENGLISH, Sample(params.sampled_texts, params.seed))
    copies = shown_copies(given.copies, data.splits, task, params.pairs_of_copies, characters)
    words = telling_words(data.labelled, data.groups, columns, params.words_per_label)
    examples = data.labelled, data.groups, task, params.seed, params.examples_per_label, characters
    return {
        "title": task.title,
        "kind": task.kind,
        "pair": len(columns) == 2,
        "leaves_out": task.copies == "remove",
        "rows": {
            "read": len(data.splits) + len(given.rejected),
            "used": len(data.rows),
            "rejected": len(given.rejected),
            "roles": roles_of(data.splits),
            "missing": [of for of in missing if any(of["counts"].values())],
        },
        "drift": shown_drift(given.drift),
        "labels": shown_frequencies(data.frequencies, data.labelled_in),
        "more": shown_profile(label_profile(data.labelled, task)),
        "lengths": lengths,
        "writing": writing,
        "copies": copies,
        "words": words,
        "cleaning": shown_frequent_words(given.words, params.words_per_label),
        "examples": training_examples(*examples),
        "rejected": rejected_rows(given.rejected, params.rows_per_reason, characters),
        "findings": [
            *row_findings(data.splits, given.rejected, missing),
            *frequency_findings(data.frequencies, task),
            *drift_findings(given.drift),
            *length_findings(lengths),
            *writing_findings(writing, given.encoder),
            *copy_findings(copies, task),
            *word_findings(words),
        ],
    }


def summary(data: Data, shown: View) -> View:
    labels: dict[str, View] = {}
    for role, label, count, share in data.frequencies.iter_rows():
        labels.setdefault(role, {})[label] = {"count": count, "share": share}
    return {
        "examples": len(data.rows),
        "left_out": len(data.splits) - len(data.rows),
        "rejected": shown["rows"]["rejected"],
        "labels": labels,
        "lengths_by_label": nested(data.lengths, "label"),
        "lengths_by_role": nested(length_statistics(data.rows, "role"), "role"),
        "lengths_by_text": nested(statistics_of_each_text(data.rows, data.task), "text", UNITS),
        "cut": {name: shown["lengths"][name] for name in ("cut", "cut_at", "room", "p99")},
        "missing": {of["column"]: of["counts"] for of in shown["rows"]["missing"]},
        "scripts": {of["script"]: {name: of[name] for name in JUDGED} for of in shown["writing"]["scripts"]},
        "languages": {of["code"]: of["count"] for of in shown["writing"]["languages"]},
        "languages_guessed_of": {name: shown["writing"][name] for name in ("texts", "unsure")},
        "copies": {name: shown["copies"][name] for name in ("copies", "conflicts")},
        "stands_out": [finding.says for finding in shown["findings"]],
    } | label_profile(data.labelled, data.task)


def describe(data: Data, shown: View, page: Path) -> str:
    labels = label_line(data.labelled["label"], data.frequencies, data.task)
    found, tokens_N = len(shown["findings"]), data.rows["tokens"].to_numpy()
    return (
        f"profile: {len(data.rows):,} examples, {labels}; "
        f"{np.median(tokens_N):.0f} tokens a text in the median, {tokens_N.max():,} at most; "
        f"{found} {'thing stands' if found == 1 else 'things stand'} out ({page})"
    )


def main(
    *,
    task: InPath,
    rejected: InPath,
    cleaning: InPath,
    splits: InPath,
    copies: InPath,
    splitting: InPath,
    encoder: InPath,
    tokens: InPath,
    plots: OutPath,
    page: OutPath,
    metrics: OutPath,
) -> None:
    params = load_params("profile", Params)
    data = read_data(read_task(task), pl.read_parquet(splits), tokens)
    given = read_given(rejected, cleaning, splitting, copies, encoder, tokens)
    shown = view(data, given, params)
    with replacing_folder(plots) as folder:
        write_plots(data.frequencies, data.labelled_in, data.lengths, given.limits, folder)
        write_text(
            length_histogram(data.rows, params.histogram_bins).write_csv(), folder / "length_histogram.csv"
        )
    write_text(html_page("profile.html", shown), page)
    write_json(summary(data, shown), metrics)
    print(describe(data, shown, page))


if __name__ == "__main__":
    run(main)
