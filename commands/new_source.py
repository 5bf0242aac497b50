"""Make a source of your files: `python -m commands.new_source train.csv test.csv`

Looks at the files, lays copies of them into data/sources/NAME with a source.yaml that says what each column
means, reads them as `ingest` does, and puts them under DVC and into git's index, without a commit. What it
concluded stands on the screen, and beside each line of source.yaml, where a wrong guess is one line to mend.

Nothing is overwritten, nothing is asked; when it fails, nothing half-made stays.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from commands.lib.new_source.column_names import role_of
from commands.lib.new_source.given import Given, all_given
from commands.lib.new_source.guess import Asked, Guess
from commands.lib.new_source.guessing import guess
from commands.lib.new_source.learning_task import doubts_about, judge
from commands.lib.new_source.looked_at import Looked, doubts_about_header, look
from commands.lib.new_source.placing import lay, track, undone_if_failed
from commands.lib.new_source.shown_source import column_lines, file_lines, label_lines, row_lines, wrapped
from commands.lib.new_source.source_roles import Cast, cast, labels_in, otherwise, rename, settle
from commands.lib.new_source.source_yaml import quoted, source_yaml
from commands.lib.terminal import visible
from stages import ingest
from stages.lib.exceptions import ConfigError, SourceError
from stages.lib.kinds import KINDS, Kind
from stages.lib.params import PARAMS_FILE, load_params
from stages.lib.roles import in_order
from stages.lib.sources.label_cells import NOBODYS
from stages.lib.sources.parts import find_parts
from stages.lib.sources.source import SOURCE_FILE, read_source
from stages.lib.sources.taking import take
from stages.lib.stage import run
from stages.lib.tables import write_text
from stages.lib.task import is_unlabelled

SOURCES = Path("data/sources")
KNOWN_KINDS = ", ".join(KINDS)


def main(
    files: Annotated[
        list[Path],
        typer.Argument(help="a file, or one for each role; or a folder of .txt files for each label"),
    ],
    name: Annotated[
        str | None, typer.Option(help="of the source; from the files' names if not given")
    ] = None,
    text: Annotated[list[str] | None, typer.Option(help="the text's column, twice for a pair")] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="the label's column; several for columns of 0 and 1")
    ] = None,
    id_column: Annotated[str | None, typer.Option("--id", help="the column of the rows' ids")] = None,
    task: Annotated[str | None, typer.Option(help=KNOWN_KINDS)] = None,
    role: Annotated[
        list[str] | None, typer.Option(help="test=FILE: what a file is, where its name does not say it")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="of the files, where their bytes leave it in doubt")
    ] = None,
) -> None:
    """Make a source of your files, and show what was concluded of them."""
    if not PARAMS_FILE.is_file() or not Path("dvc.yaml").is_file():
        raise ConfigError(f"no {PARAMS_FILE} and dvc.yaml here; run this in the project's root")
    given = all_given(files)
    folder = SOURCES / (name_of(files) if name is None else checked(name))
    if (folder / SOURCE_FILE).exists():
        raise SourceError(
            f"{folder}: there is such a source already; give this one another --name, or begin again: "
            f"remove {folder / SOURCE_FILE}"
        )
    found = cast(given, roles_asked(role or [], given))
    looked, said = conclude(found, Asked(text or [], label or [], id_column, kind(task)), encoding)
    make(folder, found, looked, said)


def name_of(paths: list[Path]) -> str:
    """`tickets` for tickets.csv alone, and else the name of the folder that the files are from."""
    first = paths[0].resolve()
    if first.parent.parent == SOURCES.resolve():
        return first.parent.name
    alone = len(paths) == 1 and (first.is_dir() or role_of(first.name.split(".")[0])[0] is None)
    said = first.name.split(".")[0] if alone else first.parent.name
    words = "-".join(re.findall("[a-z0-9]+", said.lower()))
    return words if re.search("[a-z]", words) and quoted(words) == words else f"mine-{words}".rstrip("-")


def checked(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII):
        raise ConfigError(
            f"--name {name!r}: A to Z, a to z, digits, -, _ and . are what a source's name may hold"
        )
    if quoted(name) != name:
        raise ConfigError(
            f"--name {name!r}: params.yaml would read no text in that; take a name like {name}-tickets"
        )
    return name


def kind(task: str | None) -> Kind | None:
    for known in KINDS:
        if known == task:
            return known
    if task is not None:
        raise ConfigError(f"--task {task!r}: it is one of {KNOWN_KINDS}")
    return None


def roles_asked(asked: list[str], given: list[Given]) -> dict[str, Given]:
    """`train=a.csv` -> what was given by that path or name."""
    found = {}
    for one in asked:
        role, _, file = one.partition("=")
        fits = [known for known in given if file in (known.name, str(known.path))]
        if not fits:
            there = ", ".join(known.name for known in given)
            raise ConfigError(f"--role {one!r}: expected ROLE=FILE with one of {there}")
        found[role] = fits[0]
    return found


def conclude(found: Cast, asked: Asked, encoding: str | None) -> tuple[dict[str, Looked], Guess]:
    looked = {role: look(given, encoding) for role, given in found.files.items()}
    form = list(look(found.submission, encoding).columns) if found.submission is not None else []
    documents = looked["train"].given.documents
    if documents:
        asked = asked._replace(text=["text"], label=["folder"])
    lacking = [file.columns for role, file in looked.items() if role == "test" or is_unlabelled(role)]
    said = guess(looked["train"].columns, asked, lacking, form)
    said.why |= {"text": "what a file holds", "label": "the folder it lies in"} if documents else {}
    rename(said, looked)
    said.submission = named_in_form(form, said)
    settled = settle(found, looked, said)
    for role, file in settled.items():
        if role != "train" and not is_unlabelled(role) and said.task == "classification":
            add_labels(role, file, said)
    said.doubts += doubts_about_header(looked["train"])
    said.doubts += doubts_about(said.labels) if said.task == "classification" else []
    return {role: settled[role] for role in in_order(sorted(settled))}, said


def named_in_form(form: list[str], said: Guess) -> dict[str, str]:
    """The names of a submission's columns, where they are others than the files'."""
    if len(form) != 2 or not isinstance(said.label, str):
        return {}
    names = {"id": (said.id, form[0]), "label": (said.label, form[1])}
    return {key: there for key, (ours, there) in names.items() if ours != there}


def add_labels(role: str, file: Looked, said: Guess) -> None:
    """Classes that only an evaluation file has."""
    for column in (labels_in(file, said) or {}).values():
        new = [value for value in file.columns[column].values or {} if value not in (*said.labels, *NOBODYS)]
        said.labels |= dict.fromkeys(new, 0)
        judge(said)
        if new:
            said.doubts.append(f"labels: in {role} and not in train: {', '.join(map(repr, new[:5]))}")


def make(folder: Path, found: Cast, looked: dict[str, Looked], said: Guess) -> None:
    train = looked["train"]
    others = {role: otherwise(role, file, train, said) for role, file in looked.items() if role != "train"}
    by_role = {role: given for role, given in others.items() if given}
    keys = {"by_role": by_role, "submission": said.submission}
    more = {key: value for key, value in keys.items() if value}
    title = folder.name.replace("-", " ").replace("_", " ").capitalize()
    written = source_yaml(title, looked, found.why, said, more)
    with undone_if_failed(folder):
        copies = {name: path for file in looked.values() for name, path in file.given.copies.items()}
        copied = lay(copies, folder)
        write_text(written, folder / SOURCE_FILE)
        numbers = taken_in(folder, said)
        untracked = track(folder, list(copies))
    submission = found.submission.name if found.submission else None
    print(*screen(looked, said, numbers, submission), sep="\n")
    print(*ending(folder, copied, untracked), sep="\n")


def taken_in(folder: Path, said: Guess) -> dict[str, Any]:
    """What ingest counts of the new source. Raises SourceError as it does."""
    source = read_source(folder)
    parts = find_parts(folder, source)
    with TemporaryDirectory() as scratch:
        try:
            counts = take(source, parts, Path(scratch))
        except SourceError as error:
            raise SourceError(
                f"{error}; nothing was made. Is a guess wrong? Say --text, --label, --task"
            ) from None
    fault = ingest.too_many_rejected(counts, load_params("ingest", ingest.Params).max_rejected_share)
    said.doubts += [fault] if fault else []
    numbers = ingest.count(counts, parts)
    numbers["roles"] = {role: numbers["roles"][role] for role in in_order(sorted(numbers["roles"]))}
    return numbers


def screen(
    looked: dict[str, Looked], said: Guess, numbers: dict[str, Any], submission: str | None
) -> Iterator[str]:
    yield from file_lines(looked, submission)
    yield ""
    yield from column_lines(looked["train"], said)
    yield ""
    yield from label_lines(said)
    yield ""
    yield from row_lines(numbers)
    if said.doubts:
        yield ""
        yield "not sure:"
        for doubt in said.doubts:
            yield from wrapped(visible(doubt), "  ", "    ")


def ending(folder: Path, copied: list[str], untracked: str | None) -> Iterator[str]:
    yield ""
    what = f", beside {'a copy' if len(copied) == 1 else 'copies'} of {', '.join(copied)}" if copied else ""
    yield from wrapped(f"{folder / SOURCE_FILE}{what}", "made: ", "      ")
    if untracked is None:
        yield "      under DVC and in git's index, not committed; experiments see them"
        yield f"next: dvc exp run --temp -S ingest.source={folder.name}"
    else:
        yield from wrapped(f"not tracked, as {untracked}: experiments need that", "      ", "      ")
        yield f"next: set ingest.source to {folder.name} in {PARAMS_FILE}, and run `dvc repro`"


if __name__ == "__main__":
    run(main)
