"""What every loop is given, and what each does beside its steps: score, keep the best, write checkpoints."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from stages.lib.kinds import Kind
from stages.lib.tables import replacing
from stages.lib.training.batches import Batches
from stages.lib.training.checkpoints import Checkpoints
from stages.lib.training.journal import Journal
from stages.lib.training.knobs import Params, Precision
from stages.lib.training.validation import Validation


class Session(NamedTuple):
    kind: Kind
    model: Any
    params: Params
    precision: Precision  # what `auto` became
    batches: Batches
    loader: Any  # of the batches, as tensors
    validation: Validation
    journal: Journal
    checkpoints: Checkpoints


def score(
    session: Session, model: Any, weights: Callable[[], dict[str, Any]], whole: bool = False
) -> dict[str, float]:
    """On validation, by all processes; a `whole` one each where they cannot infer apart.

    `weights` is asked for those of the best epoch, by all processes.
    """
    process, processes, _ = session.batches.share
    part = (0, 1) if whole else (process, processes)
    scores = session.validation.scores(model, *part)
    session.journal.evaluated(scores)
    if session.params.select == "best" and session.journal.best_step == session.journal.step:
        kept = weights()
        if process == 0:
            with replacing(session.checkpoints.best(session.journal.step)) as partial:
                torch.save(kept, partial)
    return scores
