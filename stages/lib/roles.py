"""In which order people read of roles."""

from collections.abc import Iterable

from stages.lib.task import is_unlabelled

FIRST = ("train", "validation", "test")


def in_order(roles: Iterable[str]) -> list[str]:
    """Training first, what nobody has labelled last, others as they come."""
    return sorted(
        roles, key=lambda role: FIRST.index(role) if role in FIRST else len(FIRST) + is_unlabelled(role)
    )
