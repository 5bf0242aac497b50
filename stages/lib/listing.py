"""Many names in a message."""

from collections.abc import Sequence


def listed(names: Sequence[str], most: int) -> str:
    """`a, b, c`; of more than `most` the first, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
