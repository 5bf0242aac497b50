"""What came of a source's rows, by role; roles, labels and reasons in the order of their first row."""

from collections import Counter, defaultdict

from stages.lib.sources.label_cells import Label


class Counts:
    def __init__(self) -> None:
        self.kept = Counter[str]()
        self.rejected = defaultdict[str, Counter[str]](Counter)
        self.labels = defaultdict[str, Counter[str]](Counter)
        self.corrections: dict[str, Counter[str]] = {}  # what was done, to rows of which role

    def keep(self, role: str, label: Label | None) -> None:
        self.kept[role] += 1
        self.labels_of(role, label)

    def labels_of(self, role: str, label: Label | None, times: int = 1) -> None:
        """`times` of -1 takes them back."""
        if label is None:
            return
        names = [label] if isinstance(label, str) else [] if isinstance(label, float) else label
        of_role = self.labels[role]  # there for scores too, which are not counted one by one
        for name in names:
            of_role[name] += times
            if not of_role[name]:
                del of_role[name]

    def reject(self, role: str, reason: str) -> None:
        self.rejected[role][reason] += 1

    def reject_kept(self, role: str, label: Label | None, reason: str) -> None:
        self.kept[role] -= 1
        self.labels_of(role, label, -1)
        self.reject(role, reason)
