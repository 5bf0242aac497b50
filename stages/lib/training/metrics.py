"""The scores behind Hugging Face's interface, which takes batches and gathers them across processes.

Nothing is fetched: the values are those of stages/lib/statistics/scores.py. Importing `evaluate` imports
transformers and torch (it has no lighter way in), so only what needs the interface imports this module.
"""

from typing import Any

import evaluate
import numpy as np
from datasets import Features, Sequence, Value

from stages.lib.kinds import Kind
from stages.lib.statistics.scores import metric_names, scores
from stages.lib.task import Task

FEATURES_OF_KINDS: dict[Kind, Any] = {
    "classification": Value("int64"),
    "regression": Value("float64"),
    "multi-label": Sequence(Value("bool")),
}


class TaskScores(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """`.compute(predictions=..., references=...)` returns what `scores` does, from arrays as in labels.py."""

    def __init__(self, task: Task, **options: Any) -> None:
        """`options` are evaluate.Metric's (num_process, process_id, experiment_id, cache_dir ...).

        A single process keeps everything in memory; several meet in files of `cache_dir`, by default
        evaluate's own.
        """
        self.task = task
        alone = options.get("num_process", 1) == 1
        super().__init__(**({"keep_in_memory": alone} | options))

    def _info(self) -> evaluate.MetricInfo:
        feature = FEATURES_OF_KINDS[self.task.kind]
        return evaluate.MetricInfo(
            description=f"{', '.join(metric_names(self.task.kind, self.task.positive))}, by scikit-learn",
            citation="",
            inputs_description="predictions and references, as in stages/lib/labels.py",
            features=Features({"predictions": feature, "references": feature}),
        )

    def _compute(self, predictions: list[Any], references: list[Any]) -> dict[str, float | None]:
        return scores(self.task, np.asarray(references), np.asarray(predictions))
