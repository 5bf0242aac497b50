"""What the gate judges on: both models' answers to the candidate's evaluation examples.

An example that both runs know as it is has the old run's stored answer. One that was added, or whose text was
edited, is put to the old run's stored model, so that both models always stand before the same examples.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import polars as pl

from commands.lib.pairing import (
    Pairing,
    answered_anew,
    answers_of,
    certainties,
    common_task,
    has_any,
    pair,
)
from commands.lib.runs import SPLITS, Run
from stages.lib.exceptions import RunError
from stages.lib.labels import array_of_names
from stages.lib.listing import listed
from stages.lib.statistics.operating import probabilities_of
from stages.lib.statistics.predictions import FINETUNED, logits_of
from stages.lib.statistics.scores import scores, undefined
from stages.lib.tables import in_use
from stages.lib.task import Task

SAID = ("logits", "predicted")  # the same logits with other thresholds say other labels
SHOWN = 3  # ids in an error


class Evidence(NamedTuple):
    role: str
    task: Task  # the candidate's, with the classes of both
    rows: pl.DataFrame  # compared: label, predicted, old_predicted (names), true, old_true, texts, is_added
    new_class: pl.DataFrame  # examples with a label that the old model does not know
    before: pl.DataFrame  # the old run's own examples, with its answers
    changes: Pairing
    trained_on: int  # examples of `rows` that the old model was trained on
    identical: bool  # same examples, same logits, same answers

    def array(self, column: str, rows: pl.DataFrame | None = None) -> np.ndarray:
        """As in stages/lib/labels.py, of the compared examples or of others."""
        return array_of_names((self.rows if rows is None else rows)[column], self.task)

    def arrays(self) -> list[np.ndarray]:
        """Labels, what the old model says, what the new one says."""
        return [self.array(name) for name in ("label", "old_predicted", "predicted")]

    @property
    def grown(self) -> bool:
        return any(len(part) for part in self.changes[1:])


def gather(old: Run, new: Run, model: str, role: str, *, accept: bool) -> Evidence:
    """Raises RunError where nothing can be compared, or old examples changed and that is not accepted."""
    old_task, new_task = old.task(), new.task()  # what the baseline lacks is told first
    task = common_task([new, old])
    before, after = answers_of(old, model, role), answers_of(new, model, role)
    changes = pair(before, after)
    if not accept:
        _refuse_changed(changes, role)
    known = ~has_any(pl.col("label"), [name for name in task.labels if name not in old_task.labels], task)
    new_class = after.filter(~known)
    kept = [changes.same.filter(known), _of_new_labels(changes.relabelled.filter(known), old_task)]
    strange = pl.concat([changes.edited.select(after.columns), changes.added]).filter(known)
    if len(strange):
        if model != FINETUNED:
            raise RunError(
                f"{role}: {len(strange):,} examples are new to {old.title}, and only its fine-tuned model "
                f"can be asked again; gate.model is '{model}'"
            )
        kept.append(answered_anew(old, strange))
    columns = [*after.columns, "old_predicted", "old_sure", "old_true"]
    rows = pl.concat([part.select(columns) for part in kept if len(part)] or [kept[0].select(columns)])
    if rows.is_empty():
        raise RunError(f"{role}: no example of a class that {old.title} knows")
    rows = rows.with_columns(is_added=pl.col("id").is_in(changes.added["id"].to_list()))
    return Evidence(
        role=role,
        task=task,
        rows=rows,
        new_class=new_class,
        before=before,
        changes=changes,
        trained_on=_trained_on(old, strange),
        identical=old_task.labels == new_task.labels
        and len(changes.same) == len(before) == len(after)
        and all((changes.same[name] == changes.same[f"old_{name}"]).all() for name in SAID),
    )


def _refuse_changed(changes: Pairing, role: str) -> None:
    parts = {name: getattr(changes, name) for name in ("removed", "relabelled", "edited")}
    found = [
        f"{len(rows):,} {name} ({listed(rows['id'].to_list(), SHOWN)})"
        for name, rows in parts.items()
        if len(rows)
    ]
    if found:
        raise RunError(
            f"role {role}: of the old examples {'; '.join(found)}. Scores before and after are of different "
            "examples; where that is meant, say --accept-new-test-set"
        )


def _of_new_labels(relabelled: pl.DataFrame, old_task: Task) -> pl.DataFrame:
    """`old_true` was of the old label: what the old model gave the one that stands there now."""
    probabilities_NC = probabilities_of(logits_of(relabelled, "old_logits"))
    true = certainties(old_task, probabilities_NC, relabelled["label"])[1]
    return relabelled.with_columns(true.alias("old_true"))


def _trained_on(old: Run, strange: pl.DataFrame) -> int:
    if strange.is_empty():
        return 0
    trained = in_use(old.table(SPLITS)).filter(pl.col("role") == "train")["id"]
    return int(strange["id"].is_in(trained.to_list()).sum())


def require_defined(evidence: Evidence, names: Iterable[str]) -> None:
    """Raises RunError where one of these scores is undefined for either model."""
    labels, *answers = evidence.arrays()
    for model, said in zip(("old", "new"), answers, strict=True):
        reasons = undefined(evidence.task, labels, said)
        for name in names:
            if name in reasons:
                raise RunError(f"{evidence.role}: {name} of the {model} model is undefined: {reasons[name]}")


def growth(evidence: Evidence) -> dict[str, dict[str, float]]:
    """Score -> its change from the old run to the new, and how much of that is data and how much is model.

    data: the old model on today's examples less the old model on its own; model: the new model less the old
    one, both on today's. A score that is undefined in one of the three is left out.
    """
    labels, *answers = evidence.arrays()
    own = [evidence.array(name, evidence.before) for name in ("label", "predicted")]
    pairs = [own, *([labels, said] for said in answers)]
    before, between, after = (scores(evidence.task, *pair) for pair in pairs)
    parts = {}
    for name, last in after.items():
        first, middle = before[name], between[name]
        if first is not None and middle is not None and last is not None:
            parts[name] = {"change": last - first, "data": middle - first, "model": last - middle}
    return parts
