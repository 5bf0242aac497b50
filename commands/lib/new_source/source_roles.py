"""Which file plays which role, by its name and what it lacks, and how it differs from train's."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from commands.lib.new_source.column_names import ID, hint, is_submission, role_of
from commands.lib.new_source.given import Given
from commands.lib.new_source.guess import Guess
from commands.lib.new_source.guessing import names_for
from commands.lib.new_source.looked_at import Looked
from stages.lib.exceptions import SourceError
from stages.lib.source_keys import nearest
from stages.lib.task import UNLABELLED, is_unlabelled


@dataclass
class Cast:
    files: dict[str, Given] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)  # by role
    submission: Given | None = None


def cast(given: Sequence[Given], asked: dict[str, Given]) -> Cast:
    """Roles by the files' names alone. Raises SourceError where a file has none."""
    found = Cast(dict(asked), dict.fromkeys(asked, "as asked"))
    rest = [one for one in given if one not in asked.values()]
    forms = [one for one in rest if is_submission(one.name.split(".")[0])]
    if forms and len(given) > 1:
        found.submission = forms[0]
        rest = [one for one in rest if one not in forms]
    nameless = []
    for one in rest:
        role, words = role_of(one.name.split(".")[0])
        if role is None:
            nameless.append(one)
            continue
        name = role if role not in found.files else "_".join([role, *words])
        _give(name, one, "by its name", found)
    if len(nameless) == 1 and "train" not in found.files:
        _give("train", nameless.pop(), "the only file" if len(given) == 1 else "no other is named so", found)
    if nameless or "train" not in found.files:
        if len(given) == 1:
            return Cast({"train": given[0]}, {"train": "the only file"})
        which = f"{nameless[0].name}: its name tells no role" if nameless else "no file of training rows"
        raise SourceError(f"{which}; say which is what: --role train={given[0].name} --role test=...")
    return found


def _give(role: str, given: Given, why: str, found: Cast) -> None:
    if role in found.files:
        raise SourceError(
            f"{found.files[role].name} and {given.name} are both {role}; say --role train=... --role test=..."
        )
    found.files[role], found.why[role] = given, why


def rename(said: Guess, files: dict[str, Looked]) -> None:
    """Give names to the columns of files without a header: those of train, and those that are like it."""
    train = files["train"]
    if train.names is None:
        return
    new = names_for(train.columns, said)
    for looked in files.values():
        if looked.names is not None and len(looked.names) == len(train.columns):
            columns = {new[name]: column for name, column in looked.columns.items()}
            for name, column in columns.items():
                column.name = name
            looked.columns, looked.names = columns, list(columns)
    said.text, said.text_pair = new[said.text], new.get(said.text_pair or "")
    said.label = [new[name] for name in said.label] if isinstance(said.label, list) else new[said.label]
    said.id, said.keep = new.get(said.id or ""), [new[name] for name in said.keep]
    said.left_out = [new[name] for name in said.left_out]
    for old, name in new.items():
        said.why = {key: why.replace(f"`{old}`", f"`{name}`") for key, why in said.why.items()}
        said.doubts = [doubt.replace(f"`{old}`", f"`{name}`") for doubt in said.doubts]


def settle(found: Cast, files: dict[str, Looked], said: Guess) -> dict[str, Looked]:
    """A file without labels is unlabelled; a dev set judges where the test set has no labels."""
    settled: dict[str, Looked] = {}
    for role, looked in files.items():
        new, why = role, found.why[role]
        if role != "train" and not is_unlabelled(role) and not labels_in(looked, said):
            what = f"`{said.label}`" if isinstance(said.label, str) else "labels"
            new, why = UNLABELLED, f"{why}, and it has no {what}"
            if new in settled or new in files:
                new = f"{UNLABELLED}_{role}"
        found.files[new] = found.files.pop(role)
        settled[new], found.why[new] = looked, why
    if "test" not in settled and "validation" in settled and any(map(is_unlabelled, settled)):
        settled = {"test" if role == "validation" else role: looked for role, looked in settled.items()}
        found.files["test"] = found.files.pop("validation")
        found.why["test"] = (
            "it has labels, and no other file to be judged by has; validation is made from train"
        )
    return settled


def labels_in(looked: Looked, said: Guess) -> dict[str, str] | None:
    """The label's columns, by the names that train's have; None where there are none."""
    there = {}
    for name in said.label_columns:
        column = looked.columns.get(name) or _alike(looked, said)
        values = (column.values if column else None) or {}
        if column is None or column.filled == 0 or set(values) == {"-1"}:
            return None
        there[name] = column.name
    return there


def _alike(looked: Looked, said: Guess) -> Any:
    """The column whose values are train's labels, where no column has the label's name."""
    if not said.labels or isinstance(said.label, list):
        return None
    known = [c for c in looked.columns.values() if c.values and set(c.values) <= set(said.labels)]
    return known[0] if len(known) == 1 else None


def otherwise(role: str, looked: Looked, train: Looked, said: Guess) -> dict[str, Any]:
    """What source.yaml says of the role under by_role. Raises SourceError where the file has no such text."""
    given: dict[str, Any] = {}
    form = {key: value for key, value in looked.form.items() if train.form.get(key) != value}
    columns = _other_texts(looked, said) | _other_id(looked, said)
    if not is_unlabelled(role):
        there = labels_in(looked, said) or {}
        new = list(there.values())
        if new != said.label_columns:
            columns["label"] = new if isinstance(said.label, list) else new[0]
    lacks = [name for name in said.keep if name not in looked.columns]
    if form:
        given["format"] = form
    if looked.names is not None and looked.names != train.names:
        given["names"] = looked.names
    return given | ({"columns": columns} if columns else {}) | ({"lacks": lacks} if lacks else {})


def _other_texts(looked: Looked, said: Guess) -> dict[str, Any]:
    missing = {
        key: name
        for key, name in (("text", said.text), ("text_pair", said.text_pair))
        if name is not None and name not in looked.columns
    }
    free = [c for c in looked.columns.values() if c.textness and c.name not in (said.text, said.text_pair)]
    best = sorted(free, key=lambda column: -column.textness)[: len(missing)]
    if len(best) < len(missing):
        raise SourceError(
            f"{looked.given.path}: no column {next(iter(missing.values()))!r}{nearest('', looked.columns)}"
        )
    best.sort(key=lambda column: column.place)
    return {key: column.name for key, column in zip(missing, best, strict=True)}


def _other_id(looked: Looked, said: Guess) -> dict[str, Any]:
    if said.id in looked.columns:
        return {}
    own = [c.name for c in looked.columns.values() if hint(c.name, ID) == 2 and c.variety == 1]
    if said.id is None and not own:
        return {}
    return {"id": own[0] if own else None}
