"""What the gate judges on: both models' answers to the candidate's evaluation examples.

An example that both runs know as it is has the old run's stored answer. One that was added, or whose text was
edited, is put to the old run's stored model, so that both models always stand before the same examples.
"""

from typing import NamedTuple

import numpy as np
import polars as pl

from commands.lib.pairing import Pairing, answered_anew, answers_of, pair
from commands.lib.runs import SPLITS, Run
from stages.lib.exceptions import RunError
from stages.lib.predictions import FINETUNED
from stages.lib.scores import scores
from stages.lib.tables import in_use
from stages.lib.task import Task

SHOWN = 3  # ids in an error


class Evidence(NamedTuple):
    role: str
    task: Task  # the candidate's, with the classes of both
    rows: pl.DataFrame  # compared: label, predicted, old_predicted (names), true, old_true, texts, is_added
    new_class: pl.DataFrame  # examples of classes that the old model does not know
    before: pl.DataFrame  # the old run's own examples, with its answers
    changes: Pairing
    trained_on: int  # examples of `rows` that the old model was trained on
    identical: bool  # same examples, same logits

    def numbers(self, column: str, rows: pl.DataFrame | None = None) -> np.ndarray:
        """Class numbers, [N]."""
        return numbers_of((self.rows if rows is None else rows)[column], self.task)

    @property
    def grown(self) -> bool:
        return any(len(part) for part in self.changes[1:])


def gather(old: Run, new: Run, model: str, role: str, *, accept: bool) -> Evidence:
    """Raises RunError where nothing can be compared, or old examples changed and that is not accepted."""
    before, after = answers_of(old, model, role), answers_of(new, model, role)
    changes = pair(before, after)
    if not accept:
        _refuse_changed(changes, role)
    old_task, new_task = old.task(), new.task()
    unknown = [name for name in new_task.labels if name not in old_task.labels]
    labels = [*new_task.labels, *(name for name in old_task.labels if name not in new_task.labels)]
    known = ~pl.col("label").is_in(unknown)
    new_class = after.filter(~known)
    kept = [part.filter(known) for part in (changes.same, changes.relabelled)]
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
        task=new_task.model_copy(update={"labels": labels}),
        rows=rows,
        new_class=new_class,
        before=before,
        changes=changes,
        trained_on=_trained_on(old, strange),
        identical=old_task.labels == new_task.labels
        and len(changes.same) == len(before) == len(after)
        and bool((changes.same["logits"] == changes.same["old_logits"]).all()),
    )


def _refuse_changed(changes: Pairing, role: str) -> None:
    parts = {name: getattr(changes, name) for name in ("removed", "relabelled", "edited")}
    found = [
        f"{len(rows):,} {name} ({', '.join(rows['id'].head(SHOWN))}{', ...' if len(rows) > SHOWN else ''})"
        for name, rows in parts.items()
        if len(rows)
    ]
    if found:
        raise RunError(
            f"role {role}: of the old examples {'; '.join(found)}. Scores before and after are of different "
            "examples; where that is meant, say --accept-new-test-set"
        )


def _trained_on(old: Run, strange: pl.DataFrame) -> int:
    if strange.is_empty():
        return 0
    trained = in_use(old.table(SPLITS)).filter(pl.col("role") == "train")["id"]
    return int(strange["id"].is_in(trained.to_list()).sum())


def numbers_of(names: pl.Series, task: Task) -> np.ndarray:
    places = {name: place for place, name in enumerate(task.labels)}
    return np.array([places[name] for name in names], dtype=int)


def growth(evidence: Evidence) -> dict[str, dict[str, float]]:
    """Score -> its change from the old run to the new, and how much of that is data and how much is model.

    data: the old model on today's examples less the old model on its own; model: the new model less the old
    one, both on today's.
    """
    task = evidence.task
    before = scores(task, *(evidence.numbers(name, evidence.before) for name in ("label", "predicted")))
    labels_N = evidence.numbers("label")
    between = scores(task, labels_N, evidence.numbers("old_predicted"))
    after = scores(task, labels_N, evidence.numbers("predicted"))
    return {
        name: {
            "change": after[name] - before[name],
            "data": between[name] - before[name],
            "model": after[name] - between[name],
        }
        for name in after
    }
