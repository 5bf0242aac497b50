"""How roles differ from training, as metrics/split.json has it: in words, lengths and labels."""

from typing import Any

from stages.lib.pages.pages import as_percent
from stages.lib.profile.findings import Finding, named
from stages.lib.roles import in_order

View = dict[str, Any]

SURE = 0.001  # of a label's share: how often chance alone would give as much


def shown_drift(found: View) -> list[View]:
    """A role a row; `differs` names what does by more than chance. None is what was not measured."""
    roles = in_order({**found["drift"], **found["shares"]})
    return [{"role": role, "differs": list(reasons(found, role))} | _measured(found, role) for role in roles]


def _measured(found: View, role: str) -> View:
    of = found["drift"].get(role, {})
    words, lengths = of.get("new_words", {}), of.get("lengths", {})
    return {
        "new": words.get("share"),
        "expected": words.get("expected"),
        "median": lengths.get("median"),
        "in_train": lengths.get("median_in_train"),
    }


def reasons(found: View, role: str) -> dict[str, str]:
    """What differs -> by how much, as the end of a sentence."""
    of, shares, said = found["drift"].get(role, {}), found["shares"].get(role), {}
    if (words := of.get("new_words")) and words["more_than_chance"]:
        said["words"] = (
            f"{as_percent(words['share'])} of its words are new, against {as_percent(words['expected'])}"
        )
    if (lengths := of.get("lengths")) and lengths["more_than_chance"]:
        medians = f"{lengths['median']:.0f} words in the median, against {lengths['median_in_train']:.0f}"
        said["lengths"] = f"its texts have {medians}"
    if shares and shares["p"] < SURE:
        said["labels"] = _of_labels(shares)
    return said


def _of_labels(shares: View) -> str:
    if "label" not in shares:
        return f"the share of scores up to {shares['at']:g} differs by {as_percent(shares['largest_gap'])}"
    return (
        f"{as_percent(shares['share'])} of its rows are {named(shares['label'])}, "
        f"against {as_percent(shares['share_in_train'])}"
    )


def drift_findings(found: View) -> list[Finding]:
    return [
        Finding(
            "rows",
            f"{named(role)} differs from training by more than chance: {'; '.join(said.values())}.",
            _advice(found, role),
        )
        for role in in_order({**found["drift"], **found["shares"]})
        if (said := reasons(found, role))
    ]


def _advice(found: View, role: str) -> str:
    if role not in found["moved"]:
        return (
            "Its scores are about other texts than training has: right, if the model will meet such. If not, "
            "let split make the roles."
        )
    if "time" in found["made_by"]:
        return "It has the newest rows, as split.time asks: what people write has changed since."
    return (
        "Split made it from the same rows, so the difference is what left training as copies of it (see "
        "Rows), or whole groups of split.group. If those are no copies in your eyes, raise split.near_copies."
    )
