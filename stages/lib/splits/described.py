"""metrics/split.json in one line."""

from collections.abc import Iterator
from typing import Any

from stages.lib.listing import listed


def describe(numbers: dict[str, Any]) -> str:
    roles = ", ".join(f"{count:,} {role}" for role, count in numbers["roles"].items())
    drifting = [role for role, found in numbers["drift"].items() if _stands_out(found)]
    return (
        f"split: {roles}; {numbers['copies']:,} copies, "
        f"{numbers['near_copies']['pairs']:,} pairs of near copies, {numbers['left_out']:,} rows left out, "
        f"{numbers['texts_with_contradicting_labels']:,} texts with contradicting labels"
        + "".join(f"; {role} lacks {listed(labels, 5)}" for role, labels in numbers["lacking"].items())
        + (f"; {', '.join(drifting)} unlike train beyond chance" if drifting else "")
        + "".join(f"; {what}" for what in _told_of_columns(numbers["made_by"]))
    )


def _told_of_columns(made_by: dict[str, Any]) -> Iterator[str]:
    if made_by.get("rows_without"):
        go = "train" if "time" in made_by else "go by their texts"
        yield f"{made_by['rows_without']:,} rows without {made_by.get('time', made_by.get('group'))} {go}"
    if made_by.get("groups_in_several_roles"):
        yield f"{made_by['groups_in_several_roles']:,} groups stand in several roles"


def _stands_out(found: dict[str, Any]) -> bool:
    return any(found[what]["more_than_chance"] for what in ("new_words", "lengths") if what in found)
