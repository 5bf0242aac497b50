"""Knobs of section `errors` for tests of its parts."""

from typing import Any

from stages.lib.errors.knobs import Params

KNOBS: dict[str, Any] = {
    "seed": 1,
    "confidence": 0.95,
    "resamples": 50,
    "worst_fraction": 0.25,
    "slice_least_n": 20,
    "slice_values": 10,
    "slice_words": 50,
    "slice_q": 0.05,
    "clusters": 3,
    "cluster_words": 5,
    "map_examples": 5,
    "map_neighbours": 3,
    "map_min_distance": 0.1,
    "judge_folds": 2,
    "judge_repeats": 1,
    "judge_alpha": 0.4,
    "folds": None,
    "surest_fraction": 0.05,
    "curve_sizes": 4,
    "curve_min_documents": 1,
    "curve_c": 3.0,
    "max_iterations": 200,
    "to_label": 5,
}
# for a handful of examples
FEW = KNOBS | {"slice_least_n": 2, "slice_words": 5, "clusters": 2, "curve_sizes": 3}


def knobs(**changes: Any) -> Params:
    return Params.model_validate(KNOBS | changes)
