"""What to fix, as the pages say it: each finding with its gain in words and as the width of a bar."""

from typing import Any

from stages.lib.pages.findings import Finding, Gain, counted
from stages.lib.pages.on_role import OnRole
from stages.lib.pages.pages import as_number

View = dict[str, Any]


def shown_findings(found: list[Finding], on: OnRole, decimals: int, most: int) -> View:
    largest = max((of.gain.score for of in found if of.gain), default=0.0)
    return {
        "count": len(found),
        "rows": [
            of._asdict()
            | {
                "gain": in_words(of.gain, on, decimals),
                "width": of.gain.score / largest if of.gain and largest else 0,
            }
            for of in found[:most]
        ],
    }


def in_words(gain: Gain | None, on: OnRole, decimals: int) -> View | None:
    """`+3.2 points`, or of a regression by how much its mean error would fall."""
    if gain is None:
        return None
    points = on.task.facts.has_classes
    digits = 1 if points else decimals
    values = [
        None if value is None else value * (100 if points else 1)
        for value in (gain.score, gain.low, gain.high)
    ]
    score, low, high = (as_number(value, digits) for value in values)
    return {
        "score": f"{'+' if points else '−'}{score}",
        "unit": "points" if points else on.task.facts.example_score,
        "of": gain.unit and gain.unit.replace("_", " "),
        "interval": None if gain.low is None else f"{low} to {high}",
        "examples": None if gain.examples is None else counted(round(gain.examples), "example", "examples"),
    }
