"""How many mistakes there are on a role, how loss is spread over its examples, whose mistakes are whose."""

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from stages.lib.errors.example_errors import is_wrong
from stages.lib.kinds import Kind
from stages.lib.statistics.predictions import BASELINES, evaluation_roles
from stages.lib.task import Task

DUMMY = BASELINES[0]

Numbers = dict[str, Any]


def error_numbers(examples: pl.DataFrame, baselines: list[str], worst_fraction: float, task: Task) -> Numbers:
    """Role -> numbers."""
    return {
        role: _of_role(examples.filter(pl.col("role") == role), baselines, worst_fraction, task)
        for role in evaluation_roles(examples)
    }


def error_line(numbers: Numbers, worst_fraction: float, task: Task) -> str:
    """`2 mistakes in 4 test examples; the worst 25% carry 49% of the loss`"""
    role = "test" if "test" in numbers else next(iter(numbers))
    of_role = numbers[role]
    where = f"{of_role['examples']:,} {role} examples"
    worst = f"the worst {worst_fraction:.0%} carry {of_role['share_of_loss_in_the_worst']:.0%} of the loss"
    return f"{LINE_OF_KINDS[task.kind](of_role, where)}; {worst}"


def _of_role(rows: pl.DataFrame, baselines: list[str], worst_fraction: float, task: Task) -> Numbers:
    losses = np.sort(rows["loss"].to_numpy())[::-1]
    worst = losses[: max(1, round(worst_fraction * len(losses)))]
    return {
        "examples": len(rows),
        "mean_loss": losses.mean(),
        "share_of_loss_in_the_worst": worst.sum() / losses.sum() if losses.sum() else 0.0,
    } | NUMBERS_OF_KINDS[task.kind](rows, baselines)


def mistakes(rows: pl.DataFrame, baselines: list[str]) -> Numbers:
    wrong = is_wrong(rows["label"], rows["predicted"])
    wrong_by = {name: is_wrong(rows["label"], rows[name]) for name in baselines}
    wrong_by_all = functools.reduce(
        operator.and_, (wrong_by[name] for name in baselines if name != DUMMY), wrong
    )
    return {
        "mistakes": wrong.sum(),
        "mistakes_that_all_but_dummy_make": wrong_by_all.sum(),
        "against": {
            name: {
                "only_finetuned_wrong": (wrong & ~wrong_by[name]).sum(),
                "only_baseline_wrong": (~wrong & wrong_by[name]).sum(),
            }
            for name in baselines
        },
    }


def residuals(rows: pl.DataFrame, baselines: list[str]) -> Numbers:
    loss_of = {name: (rows["label"] - rows[name]).abs() for name in baselines}
    return {
        "mean_residual": rows["residual"].mean(),
        "against": {
            name: {
                "finetuned_nearer": (rows["loss"] < loss_of[name]).sum(),
                "baseline_nearer": (rows["loss"] > loss_of[name]).sum(),
            }
            for name in baselines
        },
    }


def label_mistakes(rows: pl.DataFrame, baselines: list[str]) -> Numbers:
    """A mistake is an example whose labels are not exactly right."""
    labels = {f"{what}_labels": rows[what].list.len().sum() for what in ("missed", "extra")}
    return mistakes(rows, baselines) | labels


NUMBERS_OF_KINDS: dict[Kind, Callable[[pl.DataFrame, list[str]], Numbers]] = {
    "classification": mistakes,
    "regression": residuals,
    "multi-label": label_mistakes,
}

LINE_OF_KINDS: dict[Kind, Callable[[Numbers, str], str]] = {
    "classification": lambda of, where: f"{of['mistakes']:,} mistakes in {where}",
    "regression": lambda of, where: f"off by {of['mean_loss']:.3g} in the mean of {where}",
    "multi-label": lambda of, where: (
        f"{of['mistakes']:,} of {where} not exactly right, "
        f"{of['missed_labels']:,} labels missed and {of['extra_labels']:,} too many"
    ),
}
