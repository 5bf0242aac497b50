"""Datasets of the Hugging Face Hub, at a pinned commit and without their code, in the client's own cache.

The client is imported where it is needed: that takes more than a second, and files need none of it.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import count
from logging import CRITICAL
from pathlib import Path
from typing import Any

import numpy as np

from stages.lib.exceptions import ConfigError, SourceError
from stages.lib.readers.rows import Row, check_columns, shortest
from stages.lib.remotes.hub_errors import explained
from stages.lib.source_keys import Hub, nearest

ROWS_AT_ONCE = 1_000
NARROW: dict[str, type[np.floating[Any]]] = {"float32": np.float32, "float16": np.float16}  # of a feature
UNLABELLED = -1  # a ClassLabel's number for: nobody has labelled this row


def check_pinned(hub: Hub, where: str) -> None:
    """Raises ConfigError where the revision is a branch or a tag; asks the Hub only then."""
    if re.fullmatch("[0-9a-f]{40}", hub.revision):
        return
    from stages.lib.remotes.hub_client import commit_of

    found = f"{where}: hub.revision: found {hub.revision!r}; a branch or a tag moves: give the commit"
    try:
        commit = commit_of(hub.dataset, hub.revision, f"Hub dataset {hub.dataset} at {hub.revision}")
    except SourceError as refusal:
        page = f"https://huggingface.co/datasets/{hub.dataset}/commits/{hub.revision}"
        raise ConfigError(f"{found}, 40 hexadecimal digits, as {page} shows it ({refusal})") from None
    raise ConfigError(f"{found}; {hub.revision} stands at it now: {commit}")


def hub_rows(hub: Hub, split: str, wanted: list[str], labels: dict[str, str]) -> Iterator[Row]:
    """Every row of the split, in order; a class by its name where `labels` knows names, else by its number.

    Raises SourceError where the Hub, the dataset or the split cannot be had, or a column is missing.
    """
    dataset = _streamed(hub, split) if hub.streaming else _stored(hub, split)
    check_columns(f"{_named(hub)}, split {split}", dataset.column_names, wanted)
    numbers = count(1)
    for batch in _batches(dataset.select_columns(wanted), hub):
        columns = [_as_written(batch[column], dataset.features[column], labels) for column in wanted]
        for values in zip(*columns, strict=True):
            cells = dict(zip(wanted, values, strict=True))
            yield Row(next(numbers), cells, cells)


def _batches(dataset: Any, hub: Hub) -> Iterator[dict[str, list[Any]]]:
    with explained(_named(hub), SourceError):
        yield from dataset.iter(batch_size=ROWS_AT_ONCE)


def _as_written(values: list[Any], feature: Any, labels: dict[str, str]) -> list[Any]:
    """Classes by name or number, as `labels` knows them; other values as a file would have them."""
    inner = getattr(feature, "feature", None)  # of a list
    if inner is not None:
        return [None if row is None else _as_written(row, inner, labels) for row in values]
    names = getattr(feature, "names", None)
    if names is not None:
        shown = names if set(names) & set(labels) else range(len(names))
        return [_class(value, shown, labels) for value in values]
    narrow = NARROW.get(getattr(feature, "dtype", ""))
    return [None if value is None else shortest(value, narrow) for value in values] if narrow else values


def _class(value: int | None, shown: Sequence[str | int], labels: dict[str, str]) -> str | int | None:
    if value is None or value >= 0:
        return None if value is None else shown[value]
    return None if str(UNLABELLED) in labels else UNLABELLED  # some source has a class of that name


def _stored(hub: Hub, split: str) -> Any:
    builder = _prepared(hub.dataset, hub.config, hub.revision)
    _check_split(hub, split, list(builder.info.splits))
    return builder.as_dataset(split=split)


def _streamed(hub: Hub, split: str) -> Any:
    """The split, read file by file as the rows are asked for; none of them stays on this disk."""
    from stages.lib.remotes.hub_files import stream_verified_files, verify

    builder, refusal = _builder(hub.dataset, hub.config, hub.revision)
    if refusal is not None:
        raise refusal
    _check_split(hub, split, [str(name) for name in builder.config.data_files])
    stream_verified_files()
    with explained(_named(hub), SourceError):
        verify(hub.dataset, hub.revision)
        dataset = builder.as_streaming_dataset(split=split)
        return dataset if dataset.features else dataset._resolve_features()  # as a CSV's first rows tell


def _check_split(hub: Hub, split: str, known: list[str]) -> None:
    if split not in known:
        raise SourceError(f"{_named(hub)}: no split {split!r}{nearest(split, known)}")


@cache  # one download serves every role
def _prepared(dataset: str, config: str | None, revision: str) -> Any:
    """The dataset's builder, with the splits of this very commit on this disk."""
    from stages.lib.remotes.hub_files import fetch, verify

    what = _named(Hub(dataset=dataset, revision=revision))
    builder, refusal = _builder(dataset, config, revision)
    with explained(what, SourceError):
        if refusal is None and not _is_prepared(builder):
            fetch(dataset, revision, (url for urls in builder.config.data_files.values() for url in urls))
            verify(dataset, revision)
    with explained(what, SourceError, Path(builder.cache_dir)):
        try:
            builder.download_and_prepare()
        except Exception:
            if refusal is not None:
                raise refusal from None
            raise
    return builder


@cache
def _builder(dataset: str, config: str | None, revision: str) -> tuple[Any, SourceError | None]:
    """The dataset as its card describes it at this very commit, and why the Hub does not give it, if so.

    Raises SourceError where the client's cache does not have it either.
    """
    import datasets

    from stages.lib.remotes.hub_client import refusal_of

    datasets.logging.set_verbosity(CRITICAL)  # what ends in an error is told in its message
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    what = _named(Hub(dataset=dataset, revision=revision))
    refusal = refusal_of(dataset, revision, what)
    if refusal is not None:
        datasets.config.HF_HUB_OFFLINE = True  # now the client looks into its cache, and nowhere else
    try:
        # hf:// and not the bare name: a folder of that name would be taken instead
        builder = datasets.load_dataset_builder(f"hf://datasets/{dataset}", config, revision=revision)
    except Exception:
        if refusal is not None:
            raise refusal from None
        with explained(what, SourceError):
            raise
    if builder.hash != revision:  # without an answer, the client takes the last commit that it has
        raise refusal or SourceError(f"{what}: the client gave commit {builder.hash} instead")
    return builder, refusal


def _is_prepared(builder: Any) -> bool:
    return Path(builder.cache_dir, "dataset_info.json").is_file()


def _named(hub: Hub) -> str:
    return f"Hub dataset {hub.dataset} at {hub.revision[:12]}"
