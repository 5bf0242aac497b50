"""Files of a dataset on the Hub, whose content is what the Hub says that it is at this commit.

The client compares lengths alone, and a mirror, a proxy or a resumed download may alter what is as long.
Imported where it is needed alone, since it takes the client along.
"""

import hashlib
import tempfile
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import fsspec
from huggingface_hub import HfApi, HfFileSystem, RepoFile, constants, hf_hub_download

from stages.lib.disk import told_of
from stages.lib.exceptions import SourceError

PATHS_AT_ONCE = 200  # in one question


def fetch(dataset: str, revision: str, urls: Iterable[str]) -> None:
    """Bring the files behind `urls` into the client's cache. Raises SourceError where one is elsewhere."""
    here = f"hf://datasets/{dataset}@{revision}/"
    for url in urls:
        if not url.startswith(here):
            raise SourceError(
                f"Hub dataset {dataset} at {revision[:12]}: {url} lies outside of this commit and may "
                "change; lay the files in the source's folder by hand"
            )
        hf_hub_download(dataset, url.removeprefix(here), repo_type="dataset", revision=revision)


def verify(dataset: str, revision: str) -> None:
    """Hold each file of this commit in the client's cache against its digest; an altered one is deleted.

    Raises SourceError.
    """
    folder = Path(constants.HF_HUB_CACHE, f"datasets--{dataset.replace('/', '--')}", "snapshots", revision)
    paths = iter(sorted(path for path in folder.rglob("*") if path.is_file()))
    while some := {path.relative_to(folder).as_posix(): path for path in islice(paths, PATHS_AT_ONCE)}:
        known = HfApi().get_paths_info(dataset, list(some), revision=revision, repo_type="dataset")
        digests = {file.path: file for file in known if isinstance(file, RepoFile)}
        for name, path in some.items():
            with path.open("rb") as file:
                wrong = _difference(file, digests.get(name))
            if wrong:
                path.resolve().unlink()  # the blob, which other commits may link to
                path.unlink(missing_ok=True)
                raise _altered(f"Hub dataset {dataset} at {revision[:12]}, {name}", wrong)


class VerifiedFiles(HfFileSystem):
    """The Hub as `datasets` streams from it, but a file is opened once it is whole and verified.

    It lies in a temporary file that is gone when it is closed, or the process is.
    """

    def _open(self, path: str, *_: Any, **__: Any) -> Any:
        place: Any = self.resolve_path(path)
        known = HfApi().get_paths_info(
            place.repo_id, place.path_in_repo, revision=place.revision, repo_type="dataset"
        )
        # not as `with`: who reads it closes it
        file = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            with told_of(Path(tempfile.gettempdir())):
                self.get_file(path, outfile=file)
            file.seek(0)
            wrong = _difference(file, known[0] if known else None)
            if wrong:
                name = f"Hub dataset {place.repo_id} at {place.revision[:12]}, {place.path_in_repo}"
                raise _altered(name, wrong)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file


def stream_verified_files() -> None:
    """From here on, `datasets` streams from the Hub through VerifiedFiles.

    They are whole once they are open, and the Hub's client goes on where a download broke off; so `datasets`
    need not try for minutes by itself.
    """
    datasets.config.STREAMING_OPEN_MAX_RETRIES = datasets.config.STREAMING_READ_MAX_RETRIES = 1
    datasets.config.STREAMING_OPEN_RETRY_INTERVAL = 0
    fsspec.register_implementation("hf", VerifiedFiles, clobber=True)


def _difference(file: Any, known: Any) -> str:
    """What is otherwise than the Hub says; nothing where it is the same."""
    if known is None:
        return "the Hub names no digest of it"
    if known.lfs is not None:
        found, expected, digest = hashlib.file_digest(file, "sha256"), known.lfs.sha256, "SHA-256"
    else:
        length = file.seek(0, 2)
        file.seek(0)
        found = hashlib.file_digest(file, lambda: hashlib.sha1(b"blob %d\0" % length))
        expected, digest = known.blob_id, "git digest"
    is_same = found.hexdigest() == expected
    return "" if is_same else f"{digest} is {found.hexdigest()}, the Hub says {expected}"


def _altered(what: str, wrong: str) -> SourceError:
    return SourceError(
        f"{what}: {wrong}: it was altered on its way, and is not used; run again, and where that does not "
        f"help, ask another server than {constants.ENDPOINT} (HF_ENDPOINT)"
    )
