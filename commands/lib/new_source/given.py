"""The files that a command was given, with their names in a source's folder; folders of texts too."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from commands.lib.new_source.column_names import role_of
from stages.lib.exceptions import SourceError
from stages.lib.readers.archives import is_hidden, telling_name
from stages.lib.readers.reading import TYPES
from stages.lib.sources.files import OWN_FILES

DATA_SUFFIXES = (*TYPES, ".gz", ".zst", ".zip")


class Given(NamedTuple):
    """What plays one role."""

    name: str  # that tells the role
    entries: list[str]  # under files in source.yaml
    files: list[tuple[Path, str]]  # to read, each with its name in the source's folder
    copies: dict[str, Path]  # name in the source's folder: file or folder to lay there
    documents: bool = False  # each file is one text, in a folder of its label's name

    @property
    def path(self) -> Path:
        return self.files[0][0] if not self.documents else next(iter(self.copies.values()))


def all_given(paths: Sequence[Path]) -> list[Given]:
    """Raises SourceError where one is missing, or two would have one name."""
    for path in paths:
        if not path.exists():
            raise SourceError(f"{path}: no such file")
        if not path.is_file() and not path.is_dir():
            raise SourceError(
                f"{path}: neither a file nor a folder, but a pipe or a device: write what comes from it to a "
                "file, and give that"
            )
    paths = list({path.resolve(): path for path in paths}.values())
    folders = [path for path in paths if path.is_dir()]
    labels = [path for path in folders if _is_label(path)]
    found = [_file(path) for path in paths if not path.is_dir()]
    found += _by_label(labels, "") if labels else []
    for path in folders:
        found += [] if path in labels else _in_folder(path, alone=len(paths) == 1)
    names = [name for name, _ in {pair: None for one in found for pair in one.copies.items()}]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise SourceError(f"two of the files are named {twice[0]}; a source's folder has one of that name")
    return found


def _file(path: Path) -> Given:
    return Given(path.name, [path.name], [(path, path.name)], {path.name: path})


def _in_folder(folder: Path, *, alone: bool) -> list[Given]:
    """Its data files; or folders of texts, as labels; or folders of such folders, as roles."""
    inside = [path for path in sorted(folder.iterdir()) if not is_hidden(path.name)]
    labels = [path for path in inside if _is_label(path)]
    roles = [path for path in inside if path.is_dir() and role_of(path.name)[0] and path not in labels]
    if labels:
        return _by_label(labels, "" if alone else folder.name)
    if roles:
        return [one for path in roles for one in _in_folder(path, alone=False)]
    files = [path for path in inside if path.is_file() and _is_data(path)]
    if not files:
        raise SourceError(f"{folder}: no data file in it, and no folder of .txt files for each label")
    return [_file(path) for path in files]


def _is_data(path: Path) -> bool:
    about = path.stem.lower() in ("readme", "license") or path.name in OWN_FILES
    return path.suffix.lower() in DATA_SUFFIXES and not about


def _is_label(path: Path) -> bool:
    """Texts lie in it, and no further folders with texts: IMDB's `train` has lists beside `pos` and `neg`."""
    return (
        path.is_dir()
        and bool(_texts(path))
        and not any(_texts(one) for one in path.iterdir() if one.is_dir())
    )


def _texts(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.txt") if path.is_file() and role_of(path.stem)[0] is None)


def _by_label(folders: Sequence[Path], under: str) -> list[Given]:
    """`pos` and `neg` are labels; `unsup`, as IMDB has it, holds texts that nobody has labelled."""
    nobodys = [path for path in folders if role_of(path.name)[0] == "unlabelled"]
    labels = [path for path in folders if path not in nobodys]
    named = [_documents(under or "train", labels, under, "*" if not nobodys else None)] if labels else []
    return [*named, *(_documents(path.name, [path], under, None) for path in nobodys)]


def _documents(name: str, folders: Sequence[Path], under: str, pattern: str | None) -> Given:
    """`pattern` in place of the folders' names, where one entry finds all of them."""
    before = f"{under}/" if under else ""
    names = [pattern] if pattern else [folder.name for folder in folders]
    files = [
        (path, f"{before}{path.parent.name}/{path.name}") for folder in folders for path in _texts(folder)
    ]
    copies = {under: folders[0].parent} if under else {folder.name: folder for folder in folders}
    return Given(name, [f"{before}{one}/*.txt" for one in names], files, copies, documents=True)


def suffix_of(path: Path) -> str:
    return Path(telling_name(path)).suffix.lower()
