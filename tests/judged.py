"""Pairs of runs, judged by a policy."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from commands.gate import judge
from commands.lib.judgement import Judgement
from commands.lib.policy import Params
from stages.lib.task import Task
from tests.past_runs import Example, examples_of, write_run

POLICY: dict[str, Any] = {
    "model": "finetuned",
    "roles": ["test"],
    "confidence": 0.95,
    "resamples": 500,
    "seed": 13,
    "calibration_bins": 10,
    "margins": {"accuracy": 0.03},
    "floors": {},
    "slice_margin": 0.1,
    "slice_least_n": 20,
    "slice_values": 5,
    "ceilings": {
        "ece": None,
        "rmse": None,
        "mae": None,
        "leaked_copies": 0,
        "churn": None,
        "model_megabytes": None,
    },
    "texts": "full",
    "examples": 5,
}


def policy(**changed: Any) -> Params:
    return Params.model_validate(POLICY | changed)


def params_yaml(tmp_path: Path, **changed: Any) -> str:
    path = tmp_path / "some.yaml"
    YAML().dump({"gate": POLICY | changed}, path)
    return path.read_text(encoding="utf-8")


def answered(n: int, wrong: int) -> list[Example]:
    """`n` examples of either class in turn; the first `wrong` of them are answered wrongly."""
    labels = "ca" * (n // 2)
    said = "".join(
        ("a" if label == "c" else "c") if place < wrong else label for place, label in enumerate(labels)
    )
    return examples_of(labels, said)


class Sides:
    """Writes the two runs and judges."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def judged(
        self,
        old: Sequence[Example],
        new: Sequence[Example],
        rules: Params | None = None,
        accept: bool = False,
        undecided: bool = False,
        theirs: dict[str, Any] | None = None,
        task: Task | None = None,
        **options: Any,
    ) -> Judgement:
        text = params_yaml(self.root, **(theirs or {}))
        before = write_run(self.root / "old", old, name="main", params=text, task=task)
        after = write_run(self.root / "new", new, name="branch", params=text, task=task, **options)
        return judge(before, after, rules or policy(), accept=accept, undecided=undecided)
