"""The kind of task that a label column makes, its classes or its range, and the metrics that suit it."""

from collections import Counter
from collections.abc import Iterable, Iterator

from commands.lib.new_source.column_names import NEGATIVE, POSITIVE, hint, words_of
from commands.lib.new_source.columns import LONGEST_CELL, LONGEST_VALUE, MOST_VALUES, Column, number_in
from commands.lib.new_source.guess import Guess
from stages.lib.exceptions import SourceError
from stages.lib.kinds import Kind
from stages.lib.sources.label_cells import NOBODYS

MOST_LABELS = 150  # of a guess; a column that is named may have more
MOST_CLASSES_OF_NUMBERS = 20  # whole numbers of more values are scores
DENIALS = (["not"], ["non"], ["no"])  # not_entailment
SEPARATORS = ("|", ";", ",", "/", "\t", " ")

Columns = dict[str, Column]


def kind_of(column: Column, said: Guess) -> Kind:
    if column.is_list or separator_of(column) is not None:
        return "multi-label"
    if not column.is_number:
        return "classification"
    values = {value for value in column.values or {} if value not in NOBODYS}
    if column.values is None or not column.is_whole or len(values) > MOST_CLASSES_OF_NUMBERS:
        return "regression"
    if len(values) > 3:
        said.doubts.append(
            f"task: {len(values)} whole numbers are taken for classes; if their order counts, as stars do, "
            "say --task regression"
        )
    return "classification"


def values_of(column: Column) -> str:
    return "many values" if column.distinct is None else f"{column.distinct:,} values"


def separator_of(column: Column) -> str | None:
    """What stands between several labels of a cell: the parts are few, and some stand by themselves too."""
    cut = any(len(cell) == LONGEST_CELL for cell in column.cells)
    if cut or column.is_number or not column.cells or column.is_date or column.textness > 6:
        return None
    for separator in SEPARATORS:
        cells = [cell.split(separator) for cell in column.cells]
        several = [cell for cell in cells if len(cell) > 1]
        usual = Counter(map(len, cells)).most_common(1)[0][1]
        if len(several) < max(2, 0.02 * len(cells)) or usual > 0.98 * len(cells):  # as in 3,50 and 12,80
            continue
        parts = Counter(part.strip() for cell in cells for part in cell)
        alone = {cell[0].strip() for cell in cells if len(cell) == 1}
        whole = set(column.cells)
        frequent = parts.total() >= 3 * len(parts)
        by_themselves = len(alone & set(parts)) >= (0.8 if separator == " " else 0.5) * len(parts)
        combined = len({tuple(cell) for cell in several}) > 1 and len(whole) > len(parts)
        if "" not in parts and len(parts) <= MOST_LABELS and frequent and (by_themselves or combined):
            return separator
    return None


def _classes(columns: Columns, said: Guess) -> None:
    column = columns[str(said.label)]
    if column.values is None:
        raise SourceError(
            f"`{said.label}` has more than {MOST_VALUES:,} values, or one of more than {LONGEST_VALUE} "
            "characters: no classes; say --task regression, or another --label"
        )
    said.labels = _in_order({value: rows for value, rows in column.values.items() if value not in NOBODYS})
    if len(said.labels) < 2:
        raise SourceError(
            f"`{said.label}` has a single value, {next(iter(said.labels), '')!r}: nothing to learn"
        )
    judge(said)


def judge(said: Guess) -> None:
    """What suits the classes that there are, of all files."""
    rows = sum(said.labels.values())
    said.positive = None
    said.why["task"] = f"`{said.label}` has {len(said.labels)} values"
    rarest, most = min(said.labels.values()), max(said.labels.values())
    if len(said.labels) == 2:
        said.positive, said.why["positive"] = _positive(said.labels)
        said.metrics = ["accuracy", "f1"] if rarest >= 0.45 * rows else ["f1", "accuracy"]
        said.why["metrics"] = f"two classes, the rarer has {100 * rarest / rows:.0f} % of the rows"
    else:
        even = most <= 1.5 * rarest
        said.metrics = ["accuracy", "macro_f1"] if even else ["macro_f1", "accuracy"]
        told = (
            "much alike in size" if even else f"from {rarest:,} to {most:,} rows: macro_f1 counts them alike"
        )
        said.why["metrics"] = f"classes {told}"


def doubts_about(labels: dict[str, int]) -> Iterator[str]:
    few = [value for value, count in labels.items() if count < 10]
    if few:
        yield f"labels: {len(few)} with fewer than 10 rows, too few to learn: {', '.join(few[:5])}"
    same = Counter(value.strip().casefold() for value in labels)
    alike = [value for value in labels if same[value.strip().casefold()] > 1]
    if alike:
        yield (
            f"labels: {' and '.join(map(repr, alike[:4]))} differ in case or spaces only, and are different "
            "classes here; if they are one, make them so in the file"
        )


def _positive(labels: dict[str, int]) -> tuple[str, str]:
    named = [value for value in labels if hint(value, POSITIVE) == 2]
    denied = [value for value in labels if hint(value, NEGATIVE) == 2 or words_of(value)[:1] in DENIALS]
    if len(named) != 1 and len(denied) == 1:
        named = [value for value in labels if value not in denied]
    if len(named) == 1:
        return named[0], "by its name; f1, precision and recall are about it"
    rarer = min(labels, key=lambda value: labels[value])
    why = "the rarer one" if len(set(labels.values())) > 1 else "the first one, as neither is rarer"
    return rarer, f"{why}; f1, precision and recall are about it"


def _scores(columns: Columns, said: Guess) -> None:
    column = columns[str(said.label)]
    if not column.numbers:
        raise SourceError(
            f"`{said.label}` holds no numbers, which a regression needs; it has {column.cells[:3]}"
        )
    ends = (column.least, column.greatest)
    said.range = ends if ends[0] < ends[1] else None
    said.why["range"] = "the least and the greatest that stand there; a row outside is set aside"
    said.why["task"] = f"`{said.label}` holds numbers from {ends[0]:g} to {ends[1]:g}"
    said.metrics, said.why["metrics"] = ["pearson", "mae"], "whether the order is right, and how far off"


def _several(columns: Columns, said: Guess) -> None:
    said.metrics, said.why["metrics"] = (
        ["macro_f1", "micro_f1"],
        "every label counts alike, every decision counts alike",
    )
    if isinstance(said.label, list):
        said.labels = {name: sum(_flagged(columns[name])) for name in said.label}
        said.why["task"] = "a row may have several of these labels, or none"
        return
    column = columns[said.label]
    if column.is_list:
        said.labels = _in_order({v: n for v, n in (column.values or {}).items() if v not in NOBODYS})
        said.why["task"] = f"`{said.label}` holds lists"
        return
    parts: Counter[str] = Counter()
    for value, rows in (column.values or Counter(column.cells)).items():
        for part in set(value.split(said.separator) if said.separator else [value]):
            parts[part.strip()] += rows
    said.labels = _in_order({part: rows for part, rows in parts.items() if part not in NOBODYS})
    said.why["task"] = f"`{said.label}` holds up to {_most(column, said.separator)} labels in a cell"
    said.why["separator"] = f"leaves {len(parts)} labels of {values_of(column)}"
    if column.filled < column.rows:
        said.no_label, said.why["no_label"] = (
            "",
            f"{column.rows - column.filled:,} empty cells: none of the labels",
        )
    if column.values is None:
        said.doubts.append("labels: those of a sample of the rows; ingest names any that is missing")


def _flagged(column: Column) -> Iterable[int]:
    return (
        rows for value, rows in (column.values or {}).items() if value.strip().lower() in ("1", "1.0", "true")
    )


def _most(column: Column, separator: str | None) -> int:
    return max(len(cell.split(separator)) for cell in column.cells)


TASKS = {"classification": _classes, "regression": _scores, "multi-label": _several}


def _in_order(labels: dict[str, int]) -> dict[str, int]:
    """Numbers by size, words by their letters."""
    numbers = {value: number_in(value) for value in labels}
    if None in numbers.values():
        return dict(sorted(labels.items()))
    return dict(sorted(labels.items(), key=lambda item: (numbers[item[0]] or 0.0, item[0])))
