"""See what the fine-tuned model makes of texts that are changed: does it say the same where it should?

robustness.parquet   one row a changed text: id, role, change, kind ("invariance", or "direction" where the
                     source says what should follow), the texts as changed (before cleaning), label, what the
                     model says before and after, how probable that is, flipped, as_expected

Changed texts go through the cleaning and tokenizing that the model carries, and so do the unchanged ones.
"""

from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field, field_validator

from stages.lib.behaviour.changed_texts import DIRECTION, INVARIANCE, directed, varied
from stages.lib.behaviour.changes import ChangeName
from stages.lib.behaviour.flips import compared, figures, said_once, told_apart
from stages.lib.behaviour.labelling import speaker
from stages.lib.behaviour.said import reader
from stages.lib.encoders.devices import claim_gpus
from stages.lib.encoders.served import read_served
from stages.lib.exceptions import ConfigError, DataError
from stages.lib.hashes import hash_of
from stages.lib.params import StageParams, load_params
from stages.lib.sources.expectations import Expectation, read_expectations
from stages.lib.stage import InPath, OutPath, run
from stages.lib.tables import write_json, write_parquet
from stages.lib.task import Task, read_task
from stages.lib.versions import warn_of_drift


class Params(StageParams):
    seed: int
    roles: list[str] = Field(min_length=1)
    examples: int = Field(ge=1)
    changes: list[ChangeName]
    score_tolerance: float = Field(ge=0)  # in standard deviations of the labels
    confidence: float = Field(gt=0, lt=1)
    batch_tokens: int = Field(ge=1)

    @field_validator("roles", "changes")
    @classmethod
    def _are_named_once(cls, names: list[str]) -> list[str]:
        if len(set(names)) < len(names):
            raise ValueError("a name stands there twice")
        return names


def labelled_examples(splits: Path, task: Task, roles: list[str]) -> pl.DataFrame:
    """id, role, label and the texts as written. Raises DataError where a role has no labelled examples."""
    texts = [pl.col(f"{name}_original").alias(name) for name in task.text_columns]
    table = (
        pl.scan_parquet(splits)
        .filter(pl.col("left_out").is_null() & pl.col("label").is_not_null())
        .select("id", "role", "label", *texts)
    )
    there = table.select(pl.col("role").unique(maintain_order=True)).collect()["role"].to_list()
    lacking = [role for role in roles if role not in there]
    if lacking:
        raise DataError(
            f"params.yaml: robustness.roles: found '{lacking[0]}'; labelled examples have {', '.join(there)}"
        )
    return table.filter(pl.col("role").is_in(roles)).collect()


def sampled(examples: pl.DataFrame, most: int, seed: int) -> pl.DataFrame:
    """By a hash of the id, so that added rows move few; in the order of the table."""
    hashes = [hash_of(f"{seed} {id_}") for id_ in examples["id"]]
    places = sorted(range(len(hashes)), key=hashes.__getitem__)[:most]
    return examples[sorted(places)]


def spread(splits: Path, task: Task) -> float:
    """Of the scores that the model learned from; 0 where the task has none."""
    if task.facts.has_classes:
        return 0.0
    trained = pl.scan_parquet(splits).filter((pl.col("role") == "train") & pl.col("left_out").is_null())
    found = trained.select(pl.col("label").std(ddof=0)).collect().item()
    return float(found or 0)


def changes_of(params: Params, expectations: list[Expectation]) -> dict[str, str]:
    """Name -> kind. Raises ConfigError where an expectation bears the name of a change of our own."""
    named: dict[str, str] = dict.fromkeys(params.changes, INVARIANCE)
    taken = [expectation.name for expectation in expectations if expectation.name in named]
    if taken:
        raise ConfigError(
            f"source.yaml: expectations: {taken[0]!r} is the name of one of robustness.changes too; rename it"
        )
    return {**named, **dict.fromkeys((expectation.name for expectation in expectations), DIRECTION)}


def describe(found: dict[str, dict[str, Any]], examples: pl.DataFrame) -> str:
    roles = " and ".join(examples["role"].unique(maintain_order=True))
    line = f"robustness: {len(found)} changes of {len(examples):,} {roles} examples"
    tried = {name: of for name, of in found.items() if of["kind"] == INVARIANCE and of["n"]}
    if tried:
        most = max(tried, key=lambda name: float(tried[name]["rate"]))
        flips = f"most flips by {most.replace('_', ' ')}: {percent(tried[most])}"
        line += f"; {flips if tried[most]['flips'] else 'none flips a prediction'}"
    for name, of in found.items():
        if of["kind"] == DIRECTION and of["n"]:
            line += f"; {name}: {percent(of, 'as_expected_')} as expected"
    return line


def percent(of: dict[str, float], of_what: str = "") -> str:
    rate, low, high = (f"{100 * of[of_what + key]:.1f} %" for key in ("rate", "low", "high"))
    return f"{rate} [{low}, {high}]"


def main(
    *,
    task: InPath,
    expectations: InPath,
    splits: InPath,
    model: InPath,
    robustness: OutPath,
    metrics: OutPath,
) -> None:
    params = load_params("robustness", Params)
    claim_gpus(1)
    warn_of_drift()
    what, expected, served = read_task(task), read_expectations(expectations), read_served(model)
    changes = changes_of(params, expected)
    examples = sampled(labelled_examples(splits, what, params.roles), params.examples, params.seed)
    texts = examples.select(what.text_columns)
    changed = pl.concat(
        [
            varied(examples, what.text_columns, params.changes, params.seed),
            directed(examples, what.text_columns, expected),
        ]
    )
    tokens = reader(model, served)(pl.concat([texts, changed.select(what.text_columns)]))
    numbers = told_apart(tokens)
    said_NC = said_once(tokens, numbers, speaker(model, served, params.batch_tokens, "robustness"))
    places = changed["place"].to_numpy()
    tolerance = params.score_tolerance * spread(splits, what)
    after = len(examples)
    table = compared(changed, said_NC[places], said_NC[after:], served, expected, tolerance)
    unread = pl.Series(numbers[places] == numbers[after:], dtype=pl.Boolean)
    found = figures(table, unread, changes, params.confidence)
    known = examples.select("id", "role", "label")[places]
    write_parquet(known.hstack(table.drop("place")), robustness)
    write_json(found, metrics)
    print(describe(found, examples))


if __name__ == "__main__":
    run(main)
