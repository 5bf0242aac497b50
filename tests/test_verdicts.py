import pytest

from commands.lib.verdicts import Finding, Verdict, non_inferior, overall, slice_verdicts, within
from stages.lib.statistics.paired import Difference


def difference(low: float, high: float, p: float = 1.0) -> Difference:
    middle = (low + high) / 2
    return Difference(0.8, 0.8 + middle, middle, low, high, p)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.02, 0.01, "pass"),
        (-0.02, -0.01, "pass"),  # worse for sure, and by less than the margin for sure
        (-0.04, 0.01, "undecided"),
        (-0.06, -0.01, "worse"),
        (0.01, 0.10, "pass"),
        (-0.03, 0.00, "undecided"),  # the margin itself is not above it
        (-0.5, 0.5, "undecided"),
    ],
)
def test_the_interval_decides(low: float, high: float, verdict: str) -> None:
    assert non_inferior(difference(low, high), 0.03) == verdict


def test_an_improvement_never_fails() -> None:
    assert non_inferior(difference(-0.2, 0.9), 0.03) == "undecided"
    assert non_inferior(difference(0.0, 0.9), 0.03) == "pass"


def test_a_slice_is_worse_where_it_still_is_after_as_many_tests() -> None:
    worse = difference(-0.3, -0.05, p=0.02)
    assert slice_verdicts([worse], 0.1, 0.95) == ["worse"]
    assert slice_verdicts([worse, difference(-0.3, 0.2), difference(-0.3, 0.2)], 0.1, 0.95)[0] == "undecided"


def test_a_slice_that_got_better_is_never_worse() -> None:
    assert slice_verdicts([difference(0.05, 0.3, p=0.001)], 0.1, 0.95) == ["pass"]


def test_limits_hold_at_their_own_value() -> None:
    assert within(0.6, floor=0.6) == within(0.1, ceiling=0.1) == "pass"
    assert within(0.599, floor=0.6) == within(0.101, ceiling=0.1) == "worse"
    assert within(7.0) == "pass"


def found(verdict: Verdict, decides: bool = True) -> Finding:
    return Finding("accuracy", "test", 10, 0.8, 0.8, None, "", verdict, decides)


def test_the_worst_that_decides_is_the_answer() -> None:
    assert overall([found("pass"), found("undecided"), found("worse")]) == "worse"
    assert overall([found("pass"), found("undecided")]) == "undecided"
    assert overall([found("pass"), found("undecided", decides=False)]) == "pass"
    assert overall([]) == "pass"
