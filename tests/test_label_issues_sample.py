"""The sample's planted faults: how many of the flipped labels the ranking has at its top, by real stages."""

import csv
import os
from pathlib import Path

import polars as pl
import pytest

from stages.lib.errors.contradictions import contradictions
from tests.predicted import task_of
from tests.staged import prepare, run_stage
from tests.test_copies import SAMPLE, listed, sample
from tests.tiny import set_knobs

__all__ = ["sample"]  # the fixture
CROSSFIT = "TEXTRAIL_TEST_CROSSFIT"
TOP = 0.05
FIRST = ("ingest", "clean", "split", "encoder", "tokenize", "features", "baseline", "finetune", "predict")


def planted(fault: str) -> list[dict[str, str]]:
    with (SAMPLE / "planted_faults.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["fault"] == fault]


def found_at(issues: pl.DataFrame, share: float) -> dict[str, tuple[int, int]]:
    """Role -> the flipped labels in so large a part of its ranking, and in all."""
    flipped = [row["id"] for row in planted("flipped label")]
    counts = {}
    for (role,), of_role in issues.sort("rank").group_by("role", maintain_order=True):
        is_flipped = of_role["id"].is_in(flipped)
        counts[str(role)] = (int(is_flipped.head(round(share * len(of_role))).sum()), int(is_flipped.sum()))
    return counts


def test_all_planted_contradictory_copies_are_listed(sample: pl.DataFrame) -> None:
    found = contradictions(listed(sample), sample, task_of(["0", "1"]))
    pairs = {frozenset(pair) for pair in found.select("id", "other_id").iter_rows()}
    opposite = [frozenset((row["id"], row["other_id"])) for row in planted("opposite copy")]
    assert len(opposite) == 12
    assert pairs >= set(opposite)
    assert (found["label"] != found["other_label"]).all()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, as far as predict."""
    folder = tmp_path_factory.mktemp("sample")
    prepare(folder, SAMPLE, {"errors": {"map_examples": 9}})
    for name in FIRST:
        run_stage(folder, name)
    return folder


def issues_of(folder: Path) -> pl.DataFrame:
    for name in ("crossfit", "errors"):
        run_stage(folder, name)
    return pl.read_parquet(folder / "data/errors/label_issues.parquet")


@pytest.mark.slow
def test_three_in_five_flipped_labels_are_in_the_top_twentieth(project: Path) -> None:
    counts = found_at(issues_of(project), TOP)
    found, flipped = (sum(column) for column in zip(*counts.values(), strict=True))
    assert flipped == 95
    assert found >= 0.6 * flipped
    assert counts["train"][0] >= 0.5 * counts["train"][1]


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get(CROSSFIT), reason=f"trains five models, 10 minutes: {CROSSFIT}=1 has it run"
)
def test_four_in_five_flipped_training_labels_are_where_models_are_cross_fitted(project: Path) -> None:
    set_knobs(project, {"errors": {"folds": 5}})
    issues = issues_of(project)
    assert set(issues.filter(pl.col("role") == "train")["judged_by"]) <= {
        "crossfitted",
        "crossfitted, features, tfidf",
    }
    found, flipped = found_at(issues, TOP)["train"]
    assert flipped == 60
    assert found >= 0.8 * flipped
