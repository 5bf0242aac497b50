"""Get the NLTK data that cleaning steps need: `python -m commands.get_corpora`.

Without names, what the steps in params.yaml need; with names, those: stopwords, punkt_tab, wordnet. Each
goes into the first folder of NLTK_DATA, or into ~/nltk_data, which NLTK searches by itself; what NLTK finds
already is left alone. No stage ever fetches: a step whose data is missing names this command.

The packages come from the repository of NLTK's data at one commit, and each must have the SHA-256 that NLTK's
own index states there; a mirror (--url) must have the same. A package is installed whole or not at all.
"""

import hashlib
import http.client
import os
import stat
import warnings
import zipfile
from collections.abc import Generator
from contextlib import closing
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Annotated, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import nltk
import typer
from tqdm import tqdm

from stages.clean import Params
from stages.lib.cleaning.nltk_steps import FOLDERS, PACKAGE_OF_STEPS
from stages.lib.exceptions import SourceError
from stages.lib.params import load_params
from stages.lib.stage import run
from stages.lib.tables import replacing_folder

COMMIT = "550b6625bcef1f2abff2ff770a5a0d272c9c6b2a"  # of github.com/nltk/nltk_data
URL = f"https://raw.githubusercontent.com/nltk/nltk_data/{COMMIT}/packages"
SECONDS = 30  # without a byte
BLOCK = 65_536


class Package(NamedTuple):
    """As index.xml at that commit has it."""

    size: int  # bytes, as for the next
    unpacked: int
    sha256: str


PACKAGES = {
    "stopwords": Package(37_733, 89_446, "48c0e52d8b52546e827f53761fb30300c0ab94f70660d28bd65ba0a86270946b"),
    "punkt_tab": Package(
        4_319_076, 10_885_330, "e57f64187974277726a3417ca6f181ec5403676c717672eef6a748a7b20e0106"
    ),
    "wordnet": Package(
        10_775_600, 36_353_991, "cbda5ea6eef7f36a97a43d4a75f85e07fccbb4f23657d27b4ccbc93e2646ab59"
    ),
}


def main(
    names: Annotated[
        list[str] | None,
        typer.Argument(help=f"of {', '.join(PACKAGES)}; without, what params.yaml's steps need"),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="where to; without, the first of NLTK_DATA, or ~/nltk_data")
    ] = None,
    url: Annotated[str, typer.Option(help="a mirror: the folder that holds corpora and tokenizers")] = URL,
) -> None:
    wanted = needed() if not names else checked(names)
    if not wanted:
        print(f"get_corpora: the steps in params.yaml need no data; there are {', '.join(PACKAGES)}")
    for name in wanted:
        found = where(name, [str(folder)] if folder else nltk.data.path)
        if found is None:
            found = install(name, url.rstrip("/"), folder or default_folder())
            print(f"get_corpora: {name}: fetched, SHA-256 as in NLTK's index; in {found}")
        else:
            print(f"get_corpora: {name}: there already, in {found}")


def needed() -> list[str]:
    """By the steps in params.yaml; a pattern of the user's own needs nothing."""
    steps = [step for step in load_params("clean", Params).steps if isinstance(step, str)]
    return sorted({PACKAGE_OF_STEPS[step] for step in steps if step in PACKAGE_OF_STEPS})


def checked(names: list[str]) -> list[str]:
    for name in names:
        if name not in PACKAGES:
            raise SourceError(
                f"no package {name!r} here; cleaning steps need {', '.join(PACKAGES)}, and for others there "
                f"is `python -m nltk.downloader {name}`"
            )
    return list(dict.fromkeys(names))


def default_folder() -> Path:
    first = os.environ.get("NLTK_DATA", "").split(os.pathsep)[0]
    return Path(first) if first else Path.home() / "nltk_data"


def where(name: str, folders: list[str]) -> str | None:
    """Where NLTK finds the package; None where it does not, or refuses what it finds."""
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # of a refusal: told by install
        try:
            return str(nltk.data.find(FOLDERS[name], folders))
        except LookupError:
            return None


def install(name: str, url: str, folder: Path) -> str:
    """Fetch, check and unpack. Raises SourceError, and then nothing of the package is there."""
    place = Path(FOLDERS[name])
    parent = folder / place.parent
    make_folder(parent)
    with TemporaryDirectory(dir=parent, prefix=f".{name}.") as scratch:
        archive = Path(scratch) / f"{name}.zip"
        fetch(f"{url}/{place}.zip", archive, PACKAGES[name])
        with replacing_folder(parent / name) as partial:
            partial.chmod(0o755)
            unpack(archive, partial, name)
    found = where(name, [str(folder)])
    if found is None:
        raise SourceError(
            f"{parent / name}: is whole, but NLTK refuses it: no other account may write to it or to a "
            f"folder that it is in; choose another with --folder, or `chmod -R go-w {folder}`"
        )
    return found


def make_folder(path: Path) -> None:
    """And those that it is in; writable by their owner alone, whatever the umask, or NLTK refuses them."""
    if not path.exists():
        make_folder(path.parent)
        path.mkdir(mode=0o755)


def fetch(url: str, archive: Path, package: Package) -> None:
    digest, size = hashlib.sha256(), 0
    with (
        archive.open("wb") as file,
        closing(blocks(url)) as received,
        tqdm(total=package.size, unit="B", unit_scale=True, delay=2, disable=None) as bar,
    ):
        for block in received:
            size += len(block)
            digest.update(block)
            file.write(block)
            bar.update(len(block))
            if size > package.size:
                break
    if size != package.size:
        how = "more than" if size > package.size else f"{size:,} of"
        raise SourceError(
            f"{url}: the server sent {how} {package.size:,} bytes; nothing is installed, try again"
        )
    if digest.hexdigest() != package.sha256:
        raise SourceError(
            f"{url}: is another file: its SHA-256 is {digest.hexdigest()}, expected {package.sha256}; "
            "nothing is installed. Something between here and there changes it: a proxy, or the mirror"
        )


def blocks(url: str) -> Generator[bytes]:
    """What the server sends; its failures, and those of the way there, as SourceError."""
    try:
        with urlopen(Request(url, headers={"User-Agent": "textrail"}), timeout=SECONDS) as response:
            while block := response.read(BLOCK):
                yield block
    except HTTPError as error:
        error.close()
        raise SourceError(
            f"{url}: the server answered {error.code} {error.reason}; nothing is installed. How to lay the "
            "data there by hand: docs/cleaning.md"
        ) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise SourceError(
            f"{url}: cannot be fetched: {reason}; nothing is installed. Behind a proxy set HTTPS_PROXY; "
            "without a network see docs/cleaning.md"
        ) from None


def unpack(archive: Path, folder: Path, name: str) -> None:
    """The members of `name/` into the folder. Raises SourceError where one would go elsewhere."""
    try:
        with zipfile.ZipFile(archive) as packed:
            members = [member for member in packed.infolist() if not member.is_dir()]
            check_members(members, archive.name, name)
            for member in members:
                path = folder.joinpath(*PurePosixPath(member.filename).parts[1:])
                make_folder(path.parent)
                path.write_bytes(packed.read(member))
                path.chmod(0o644)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise SourceError(f"{archive.name}: cannot be unpacked: {error}") from None


def check_members(members: list[zipfile.ZipInfo], archive: str, name: str) -> None:
    for member in members:
        parts = PurePosixPath(member.filename).parts
        climbs = ".." in parts or "\\" in member.filename or parts[0] != name or len(parts) < 2
        if climbs or stat.S_ISLNK(member.external_attr >> 16):
            raise SourceError(
                f"{archive}: its member {member.filename!r} would not lie in the folder {name}; not unpacked"
            )
    if sum(member.file_size for member in members) > PACKAGES[name].unpacked:
        raise SourceError(f"{archive}: unpacks to more than {PACKAGES[name].unpacked:,} bytes; not unpacked")


if __name__ == "__main__":
    run(main)
