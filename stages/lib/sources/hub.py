"""Datasets of the Hugging Face Hub, at a pinned commit and without their code, in the client's own cache.

The client is imported where it is needed: that takes more than a second, and files need none of it.
"""

import sys
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from stages.lib.exceptions import SourceError
from stages.lib.sources.hub_errors import explained
from stages.lib.sources.reading import Row, check_columns
from stages.lib.sources.source_keys import Hub, nearest

ROWS_AT_ONCE = 1_000
UNLABELLED = -1  # a ClassLabel's number for: nobody has labelled this row
PATIENCE_S = 10.0  # for one question; the client alone would retry every file for half a minute


def hub_rows(hub: Hub, split: str, wanted: list[str], labels: dict[str, str]) -> Iterator[Row]:
    """Every row of the split, in order; a class by its name where `labels` knows names, else by its number.

    Raises SourceError where the Hub, the dataset or the split cannot be had, or a column is missing.
    """
    builder = _prepared(hub.dataset, hub.config, hub.revision)
    if split not in builder.info.splits:
        raise SourceError(f"{_named(hub)}: no split {split!r}{nearest(split, builder.info.splits)}")
    dataset = builder.as_dataset(split=split)
    check_columns(f"{_named(hub)}, split {split}", dataset.column_names, wanted)
    for batch in dataset.select_columns(wanted).iter(batch_size=ROWS_AT_ONCE):
        columns = [_as_written(batch[column], dataset.features[column], labels) for column in wanted]
        for values in zip(*columns, strict=True):
            cells = dict(zip(wanted, values, strict=True))
            yield Row(None, cells, cells)


def _as_written(values: list[Any], feature: Any, labels: dict[str, str]) -> list[Any]:
    """Classes by name or number, as `labels` knows them; other values as a file would have them."""
    inner = getattr(feature, "feature", None)  # of a list
    if inner is not None:
        return [None if row is None else _as_written(row, inner, labels) for row in values]
    names = getattr(feature, "names", None)
    if names is not None:
        shown = names if set(names) & set(labels) else range(len(names))
        return [_class(value, shown, labels) for value in values]
    if getattr(feature, "dtype", None) == "float32":
        # 3.8 and not 3.799999952316284: the shortest decimal that is this number
        return [None if value is None else float(str(np.float32(value))) for value in values]
    return values


def _class(value: int | None, shown: Sequence[str | int], labels: dict[str, str]) -> str | int | None:
    if value is None or value >= 0:
        return None if value is None else shown[value]
    return None if str(UNLABELLED) in labels else UNLABELLED  # some source has a class of that name


@cache  # one download serves every role
def _prepared(dataset: str, config: str | None, revision: str) -> Any:
    """The dataset's builder, with the splits of this very commit on this disk."""
    import datasets

    datasets.logging.set_verbosity_error()
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    hub = Hub(dataset=dataset, config=config, revision=revision)
    refusal = _ask(hub)
    if refusal is not None:
        datasets.config.HF_HUB_OFFLINE = True  # now the client looks into its cache, and nowhere else
    try:
        # hf:// and not the bare name: a folder of that name would be taken instead
        builder = datasets.load_dataset_builder(f"hf://datasets/{dataset}", config, revision=revision)
        if builder.hash != revision:  # without an answer, the client takes the last commit that it has
            raise refusal or SourceError(f"{_named(hub)}: the client gave commit {builder.hash} instead")
        with explained(_named(hub), SourceError):
            builder.download_and_prepare()
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        reason = str(error).strip().split("\n")[0]
        raise refusal or SourceError(f"{_named(hub)}: {reason}") from None
    return builder


def _ask(hub: Hub) -> SourceError | None:
    """Why the Hub does not give this commit, or None where it does; an answer within seconds either way."""
    from huggingface_hub import HfApi

    try:
        with explained(_named(hub), SourceError):
            HfApi().dataset_info(hub.dataset, revision=hub.revision, timeout=PATIENCE_S)
    except SourceError as refusal:
        return refusal
    return None


def _named(hub: Hub) -> str:
    return f"Hub dataset {hub.dataset} at {hub.revision[:12]}"
