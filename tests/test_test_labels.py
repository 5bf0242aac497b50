"""Test is for reporting: its labels, turned round, change test figures and nothing else of the pipeline."""

import csv
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.tiny import copy_of, dvc

pytestmark = pytest.mark.slow


def relabel_test(project: Path) -> int:
    """Turns the label of every test example round, in the source's own file. Returns their number."""
    splits = pl.read_parquet(project / "data/splits.parquet")
    of_test = set(splits.filter((pl.col("role") == "test") & pl.col("left_out").is_null())["id"])
    path = project / "data/sources/tiny/train.csv"
    header, *rows = csv.reader(path.read_text(encoding="utf-8").splitlines())
    place, name = header.index("target"), header.index("id")
    turned = [row for row in rows if row[name] in of_test]
    for row in turned:
        row[place] = str(1 - int(row[place]))
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    return len(turned)


def without_test(path: Path) -> Any:
    """The JSON less what stands under the key `test`, at any depth."""

    def pruned(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: pruned(item) for key, item in value.items() if key != "test"}

    return pruned(json.loads(path.read_text(encoding="utf-8")))


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_other_test_labels_change_test_figures_alone(finished: Path, tmp_path: Path) -> None:
    project = copy_of(finished, tmp_path / "a copy")
    assert relabel_test(project) > 20
    dvc(project, "repro")

    models, models_now = (bytes_of(root / "models") for root in (finished, project))
    card = "finetuned/README.md"  # tells test's scores
    assert models.pop(card) != models_now.pop(card)
    assert models_now == models
    assert bytes_of(project / "metrics/finetune") == bytes_of(finished / "metrics/finetune")  # learning curve
    for name in ("baseline", "finetune"):  # temperatures, thresholds, scores on validation
        old, new = (root / f"metrics/{name}.json" for root in (finished, project))
        assert new.read_bytes() == old.read_bytes()
    for path in sorted((finished / "data/predictions").rglob("*.parquet")):
        before, after = (pl.read_parquet(root / path.relative_to(finished)) for root in (finished, project))
        in_test = pl.col("role") == "test"
        assert before.drop("label").equals(after.drop("label"))
        assert before.filter(~in_test).equals(after.filter(~in_test))
        asked_for = not before.is_empty()  # the cross-fitted ones are not
        assert asked_for == (not before.filter(in_test).equals(after.filter(in_test)))
    for name in ("evaluate", "comparisons", "summary"):
        old, new = (root / f"metrics/{name}.json" for root in (finished, project))
        assert without_test(new) | {"baseline": 0} == without_test(old) | {
            "baseline": 0
        }  # the best one on test
        assert new.read_bytes() != old.read_bytes()
    for name, content in bytes_of(finished / "metrics/evaluate").items():
        same = (project / "metrics/evaluate" / name).read_bytes() == content
        assert same == ("test" not in name), name
