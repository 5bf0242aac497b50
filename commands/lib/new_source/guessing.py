"""Which column is the text, which the label, and what is to be learned, from what the columns hold."""

import re
from collections.abc import Iterable, Sequence

from commands.lib.new_source.column_names import GROUP, ID, LABEL, TEXT, TIME, hint, is_pair
from commands.lib.new_source.columns import Column
from commands.lib.new_source.guess import Asked, Guess
from commands.lib.new_source.learning_task import (
    MOST_LABELS,
    TASKS,
    Columns,
    kind_of,
    separator_of,
    values_of,
)
from commands.lib.terminal import visible
from stages.lib.exceptions import ConfigError, SourceError
from stages.lib.source_keys import nearest
from stages.lib.sources.source import OWN_COLUMNS

MOST_KEPT_VALUES = 300
LEAST_ROWS = 20  # of a file whose first column is taken as ids though no name says so
CLOSE = 1.5  # of two candidates: less between their scores is said


def guess(columns: Columns, asked: Asked, elsewhere: Sequence[Iterable[str]], form: Sequence[str]) -> Guess:
    """`elsewhere`: the columns of the files that may lack labels. `form`: those of a form for submissions."""
    _check(columns, [*asked.text, *asked.label, *([asked.id] if asked.id else [])])
    if len(asked.text) > 2:
        raise ConfigError(
            f"--text: found {', '.join(asked.text)}; one column, or two for a pair; where several make one "
            "text, list them under columns.text in source.yaml"
        )
    said = Guess()
    _choose_texts(columns, asked, said)
    _choose_label(columns, asked, said, _hints(columns, elsewhere, form))
    _choose_id(columns, asked, said, form)
    TASKS[said.task](columns, said)
    _keep(columns, said)
    return said


def _check(columns: Columns, named: list[str]) -> None:
    for name in named:
        if name not in columns:
            raise SourceError(f"no column {name!r}{nearest(name, columns)}")


# --- texts -------------------------------------------------------------------------------------------------


def _choose_texts(columns: Columns, asked: Asked, said: Guess) -> None:
    scores = {name: _text_score(column) for name, column in columns.items() if name not in asked.label}
    ranked = sorted(scores, key=lambda name: -scores[name])
    if asked.text:
        said.text, said.text_pair = asked.text[0], next(iter(asked.text[1:]), None)
        said.why |= {"text": "as asked", "text_pair": "as asked"}
        return
    if not ranked or scores[ranked[0]] == 0:
        raise SourceError(f"no column reads like text; name it with --text: {visible(', '.join(columns))}")
    said.text = ranked[0]
    said.why["text"] = (
        f"{columns[said.text].mean_length:.0f} characters on average, {_told_variety(columns[said.text])}"
    )
    for name in ranked[1:]:
        first, second = sorted((said.text, name), key=lambda one: columns[one].place)
        alike = scores[name] > 0.72 * scores[said.text] and columns[name].filled > 0.9 * columns[name].rows
        if is_pair(first, second) or alike:
            said.text, said.text_pair = first, name if first != name else second
            said.why["text_pair"] = (
                f"{columns[second].mean_length:.0f} characters on average: read together with `{first}`"
            )
            said.why["text"] = (
                f"{columns[first].mean_length:.0f} characters on average, {_told_variety(columns[first])}"
            )
            if not is_pair(first, second):
                said.doubts.append(
                    f"text: `{first}` and `{second}` both read like text; took the two together. For one of "
                    "them, take text_pair away"
                )
            return
    close = [name for name in ranked[1:] if scores[name] > 0.6 * scores[said.text]]
    if close:
        said.doubts.append(
            f"text: could also be `{close[0]}`; took `{said.text}`. For the other, begin again with --text"
        )


def _text_score(column: Column) -> float:
    bonus = (0, 0.5, 1.5)[hint(column.name, TEXT)]
    return column.textness + bonus if column.textness and column.name.strip() else 0.0


def _told_variety(column: Column) -> str:
    return f"{100 * column.variety:.0f} % of them distinct" if column.variety < 0.995 else "hardly any twice"


# --- the label ---------------------------------------------------------------------------------------------


def _hints(
    columns: Columns, elsewhere: Sequence[Iterable[str]], form: Sequence[str]
) -> dict[str, tuple[float, str]]:
    """What other files say about a column: its score as a label, and why."""
    handed_in = {name: (6.0, "the sample submission has it") for name in form[1:] if name in columns}
    others = [set(names) for names in elsewhere]
    missing = {
        name: (3.0, "the test file lacks it")
        for name in columns
        if others and all(name not in names and names & set(columns) for names in others)
    }
    return missing | handed_in


def _choose_label(columns: Columns, asked: Asked, said: Guess, hints: dict[str, tuple[float, str]]) -> None:
    rest = {name: column for name, column in columns.items() if name not in (said.text, said.text_pair)}
    if asked.label:
        several = len(asked.label) > 1
        said.label, said.why["label"] = (asked.label if several else asked.label[0]), "as asked"
        said.task = asked.task or ("multi-label" if several else kind_of(columns[asked.label[0]], said))
        if said.task == "multi-label" and not several:
            said.separator = separator_of(columns[asked.label[0]])
        return
    if _take_flags(rest, said, hints, asked):
        return
    scores = {name: _label_score(column, len(columns), hints) for name, column in rest.items()}
    ranked = sorted((name for name in scores if scores[name][0] > 0), key=lambda name: -scores[name][0])
    if not ranked:
        there = ", ".join(f"{name} ({values_of(column)})" for name, column in rest.items())
        raise SourceError(
            f"no column looks like a label, which has 2 to {MOST_LABELS} values that come again; name it "
            f"with --label: {visible(there)}"
        )
    said.label, said.why["label"] = ranked[0], scores[ranked[0]][1]
    close = [name for name in ranked[1:] if scores[name][0] > scores[ranked[0]][0] - CLOSE]
    if close:
        others = " or ".join(f"`{name}` ({values_of(rest[name])})" for name in close[:3])
        said.doubts.append(
            f"label: could also be {others}; took `{said.label}` ({values_of(rest[ranked[0]])}): "
            f"{said.why['label']}. For another, begin again with --label"
        )
    said.task = asked.task or kind_of(columns[ranked[0]], said)
    if said.task == "multi-label":
        said.separator = separator_of(columns[ranked[0]])


def _take_flags(rest: Columns, said: Guess, hints: dict[str, tuple[float, str]], asked: Asked) -> bool:
    """Several columns of 0 and 1, and none that looks more like a label."""
    flags = [name for name, column in rest.items() if column.is_flag and hint(name, ID) < 2]
    handed_in = [name for name in flags if hints.get(name, (0, ""))[0] > 5]
    flags = handed_in if len(handed_in) > 1 else flags
    others = [
        name for name in rest if name not in flags and hint(name, LABEL) == 2 and rest[name].textness == 0
    ]
    if len(flags) < (2 if handed_in else 3) or others or asked.task not in (None, "multi-label"):
        return False
    said.label, said.task = flags, "multi-label"
    said.why["label"] = f"{len(flags)} columns of 0 and 1"
    return True


def _label_score(column: Column, count: int, hints: dict[str, tuple[float, str]]) -> tuple[float, str]:
    """Above 0 where it may be the label, with the best reason."""
    values = column.distinct
    several = column.is_list or separator_of(column) is not None
    if not _may_be_label(column, several):
        return 0.0, ""
    reasons = [hints.get(column.name, (0.0, ""))]
    reasons.append(((0.0, 2.5, 4.0)[hint(column.name, LABEL)], "its name says so"))
    reasons.append((1.0, "the last column") if column.place == count - 1 else (0.0, ""))
    reasons.append((0.5, "the first column") if column.place == 0 else (0.0, ""))
    if several:
        reasons.append((2.0, "several of a few values in a cell"))
    elif values is not None and values <= 30 and not (column.is_number and not column.is_whole):
        weight = next(weight for most, weight in ((2, 2.0), (10, 1.5), (30, 1.0)) if values <= most)
        reasons.append((weight, _told_values(column)))
    elif column.is_number:
        reasons.append((0.2, f"numbers from {column.least:g} to {column.greatest:g}"))
    score = sum(weight for weight, _ in reasons)
    score -= 2.5 * (hint(column.name, TIME) == 2 or column.is_date) + 1.5 * (hint(column.name, GROUP) == 2)
    score -= 2 * (column.filled < 0.9 * column.rows and not several) + 1.0 * (hint(column.name, ID) == 1)
    best = sorted(reasons, key=lambda one: -one[0])[:2]
    return score, ", ".join(reason for weight, reason in best if weight)


def _may_be_label(column: Column, several: bool) -> bool:
    """Neither empty nor nameless, of a kind that labels are of, and not another one in each row."""
    if not column.name.strip() or column.filled == 0 or column.is_address or hint(column.name, ID) == 2:
        return False
    values = column.distinct
    named = hint(column.name, LABEL) == 2 and 5 * (values or column.filled) <= column.filled
    if values is None or (values > MOST_LABELS and not named):
        return several or column.is_number
    return values > 1 and (values < column.filled or column.is_number)


def _told_values(column: Column) -> str:
    return f"{column.distinct} values in {column.filled:,} rows"


# --- the rest ----------------------------------------------------------------------------------------------


def _choose_id(columns: Columns, asked: Asked, said: Guess, form: Sequence[str]) -> None:
    if asked.id:
        said.id, said.why["id"] = asked.id, "as asked"
        return
    free = [column for name, column in columns.items() if name not in said.used and name.strip()]
    named = [column for column in free if _is_id(column)]
    exact = [
        column for column in named if column.name == next(iter(form), None) or hint(column.name, ID) == 2
    ]
    best = exact or named
    others = [name for name in columns if hint(name, ID)]
    if exact or (best and len(others) == 1):  # `#1 ID` and `#2 ID` are of the texts, not of the row
        said.id, said.why["id"] = best[0].name, _told_once(best[0])
    elif not others and free and _begins_rows(free[0]):
        said.id, said.why["id"] = free[0].name, f"the first column, {_told_once(free[0])}"


def _is_id(column: Column) -> bool:
    return _is_distinct(column) and hint(column.name, ID) > 0


def _begins_rows(column: Column) -> bool:
    """An id by its looks, whatever its name: one word or whole number, another one in each row."""
    other = column.is_date or hint(column.name, TIME) == 2 or hint(column.name, GROUP) == 2
    several = any(re.search(r"[\s,;]", cell.strip()) for cell in column.cells)
    named = column.is_whole or not (column.is_number or several)
    return column.place == 0 and column.rows >= LEAST_ROWS and named and not other and _is_distinct(column)


def _is_distinct(column: Column) -> bool:
    return column.variety == 1 and column.filled == column.rows > 1


def _told_once(column: Column) -> str:
    return f"no value twice among {len(column.cells):,}"


def _keep(columns: Columns, said: Guess) -> None:
    """Columns that examples may be sliced by, as far as they stand for more than a few rows each."""
    for name, column in columns.items():
        if name in said.used:
            continue
        few = column.distinct is not None and 2 <= column.distinct <= min(MOST_KEPT_VALUES, column.filled / 3)
        told = hint(name, TIME) == 2 or hint(name, GROUP) == 2 or column.is_date
        if name not in OWN_COLUMNS and name.strip() and (few or told) and column.filled:
            said.keep.append(name)
        else:
            said.left_out.append(name)
    said.why["keep"] = "few values, a time or a group: for slices of the scores, split.time, split.group"


def names_for(columns: Columns, said: Guess) -> dict[str, str]:
    """Names for the columns of a file without a header, by what they are taken as."""
    roles = {said.text: "text", said.text_pair: "text_pair", said.id: "id"}
    roles |= {said.label: "label"} if isinstance(said.label, str) else {}
    return {name: roles.get(name, name) for name in columns}
