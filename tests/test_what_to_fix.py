"""The findings at the top of the report, held to arithmetic that can be done by hand."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from stages.lib.kinds import Kind
from stages.lib.pages.findings import Finding, Gain, ranked
from stages.lib.pages.on_role import OnRole
from stages.lib.pages.shown_findings import shown_findings
from stages.lib.pages.what_to_fix import findings
from stages.lib.statistics.predictions import BASELINES
from tests.error_tables import CHANGES, growth
from tests.predicted import task_of

# ten test examples: b to e are wrong, tfidf has b and c right, features e alone; f is right by ours alone
CLASSES = pl.DataFrame(
    {
        "id": list("abcdefghij"),
        "label": ["calm"] * 5 + ["alarm"] * 5,
        "predicted": ["calm", "alarm", "alarm", "alarm", "other"] + ["alarm"] * 5,
        "loss": [0.1, 3.0, 2.0, 2.5, 1.5, 0.2, 0.2, 0.2, 0.2, 0.2],
        "dummy": ["other"] * 10,
        "tfidf": ["calm"] * 3 + ["alarm"] * 2 + ["other"] + ["alarm"] * 4,
        "features": ["calm"] + ["alarm"] * 3 + ["calm"] + ["alarm"] * 5,
    }
).with_columns(role=pl.lit("test"))
SCORES = pl.DataFrame(
    {
        "id": list("abcd"),
        "label": [1.0, 2.0, 3.0, 4.0],
        "predicted": [1.0, 2.5, 3.0, 2.0],
        "loss": [0.0, 0.5, 0.0, 2.0],
        "residual": [0.0, -0.5, 0.0, 2.0],
        "tfidf": [2.0, 2.0, 3.0, 3.5],
    }
).with_columns(role=pl.lit("test"))
SHARE = {"label_issues": {"n": 10, "issues": 3, "share": 0.2, "low": 0.1, "high": 0.3}}
UNKNOWN = {
    "label_issues": {"share": None, "low": None, "high": None, "reason": "a number is not right or wrong"}
}


def on_role(kind: Kind = "classification", **tables: pl.DataFrame) -> OnRole:
    examples, numbers = (SCORES, UNKNOWN) if kind == "regression" else (CLASSES, SHARE)
    baselines = [name for name in BASELINES if name in examples.columns]
    roles = {"test": dict(numbers), "train": dict(numbers)}
    tables = {"examples": examples} | tables
    return OnRole(task_of(kind=kind), "test", {}, {}, roles, tables, list[str](baselines))


def of_section(on: OnRole, section: str, changes: dict[str, Any] | None = None) -> list[Finding]:
    return [found for found in findings(on, changes or {}) if found.section == section]


def issues(*rows: tuple[str, str, bool]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["id", "role", "is_issue"], orient="row")


def slices(**columns: Any) -> pl.DataFrame:
    row = {
        "slice": 3,
        "role": "test",
        "name": "long",
        "kind": "length",
        "n": 5,
        "error": 0.6,
        "rest_error": 0.2,
    }
    return pl.DataFrame([row | {"difference": 0.4, "q": 0.01, "excess": 2.0} | columns])


def test_mistakes_among_suspicious_labels_would_vanish_and_hits_would_not() -> None:
    (found,) = of_section(
        on_role(label_issues=issues(("b", "test", True), ("a", "test", True), ("c", "test", False))), "issues"
    )
    assert found.gain == Gain(0.1, 1.0)  # b is wrong; a is right, and c no issue
    assert found.examples == 2
    assert "2 labels look wrong in test" in found.says
    assert "about 20.0% are wrong, 10.0% to 30.0%. 1 of the model's mistakes are among them" in found.says
    assert found.opens == {"role": "test", "issue": True}


def test_a_share_of_nothing_is_told_by_what_it_may_be() -> None:
    on = on_role(label_issues=issues(("b", "test", True)))
    on.numbers["test"]["label_issues"] = {"share": 0.0, "low": 0.0, "high": 0.058}
    assert "1 label looks wrong in test; at most 5.8% of all are wrong, by an estimate." in (
        of_section(on, "issues")[0].says
    )


def test_no_more_labels_are_won_than_may_be_wrong() -> None:
    on = on_role(label_issues=issues(*((name, "test", True) for name in "bcde")))
    assert of_section(on, "issues")[0].gain == Gain(0.3, 3.0)  # four mistakes, but 30% at most are wrong


def test_what_correcting_training_labels_gains_is_unknown() -> None:
    (found,) = of_section(on_role(label_issues=issues(("z", "train", True))), "issues")
    assert (found.gain, found.examples) == (None, 1)
    assert found.says.startswith("1 label looks wrong in training")
    assert found.opens == {"role": "train", "issue": True}


def test_contradictions_gain_what_is_lost_on_the_examples_of_the_role() -> None:
    pair = {"id": "b", "role": "test", "other_id": "z", "other_role": "train"}
    (found,) = of_section(on_role(contradictions=pl.DataFrame([pair, pair | {"id": "c"}])), "contradictions")
    assert (found.gain, found.examples) == (Gain(0.2, 2.0), 3)  # b, c and z: z once
    elsewhere = pl.DataFrame([pair | {"role": "train"}])
    (found,) = of_section(on_role(contradictions=elsewhere), "contradictions")
    assert found.gain is None  # b of train is not b of test


def test_a_weak_slice_gains_its_excess() -> None:
    (found,) = of_section(on_role(slices=slices()), "slices")
    assert found.gain == Gain(0.2, 2.0)
    assert found.says == "Weak: \u2068long\u2069, 60.0% wrong of 5 examples, against 20.0% wrong of the rest."
    assert found.opens == {"role": "test", "slice": 3}


@pytest.mark.parametrize("columns", [{"difference": -0.4}, {"role": "validation"}])
def test_a_slice_that_is_strong_or_of_another_role_is_none(columns: dict[str, Any]) -> None:
    assert not of_section(on_role(slices=slices(**columns)), "slices")


def test_cut_texts_say_which_knob() -> None:
    (found,) = of_section(on_role(slices=slices(kind="truncated")), "slices")
    assert "tokenize.max_tokens" in found.do


def test_confusions_count_their_mistakes_and_of_two_classes_say_nothing() -> None:
    on = on_role()
    first, second = of_section(on, "confusion")
    assert first.gain == Gain(0.3, 3.0)
    assert first.says == "\u2068calm\u2069 is called \u2068alarm\u2069 3 times."
    assert first.opens == {"role": "test", "label": "calm", "predicted": "alarm"}
    assert second.gain == Gain(0.1, 1.0)
    assert not of_section(on._replace(task=task_of(["calm", "alarm"])), "confusion")


def test_words_gain_the_worst_ones_mistakes_beyond_the_rest() -> None:
    row = {"role": "test", "word": "fire", "n": 4, "error": 0.75, "rest_error": 0.25, "q": 0.01}
    rows = [row | {"word": "rare", "n": 1}, row, row | {"word": "the", "error": 0.2}]
    (found,) = of_section(on_role(words=pl.DataFrame(rows)), "words")
    assert found.gain == Gain(0.2, 2.0)
    assert "the word “\u2068fire\u2069”" in found.says
    assert found.says.endswith(" 1 more word is over-used by mistakes.")


def test_what_a_baseline_alone_has_right_is_counted_and_bounds_nothing_and_the_dummy_is_none() -> None:
    tfidf, features = of_section(on_role(), "mended")
    assert (tfidf.gain, features.gain, tfidf.examples, features.examples) == (None, None, 2, 1)
    assert tfidf.says == "tfidf is right, and the fine-tuned model wrong, on 2 examples."


def compared(kind: Kind, score: str, **found: float | None) -> list[Finding]:
    on = on_role(kind)
    on.comparisons["tfidf"] = {score: {"old": 0.9, "new": 0.8} | found}
    return of_section(on, "mended")


def test_a_baseline_that_is_the_better_model_is_said_to_be_with_what_it_has_beyond() -> None:
    found = compared("classification", "accuracy", difference=-0.1, low=-0.15, high=-0.05)[0]
    assert found.says == "tfidf is better than the fine-tuned model: accuracy 0.900 against 0.800."
    assert (found.gain, found.examples) == (Gain(0.1, 1.0, 0.05, 0.15), 2)
    assert "more epochs" in found.do
    of_regression = compared("regression", "mae", difference=0.1, low=0.05, high=0.15)[0]
    assert of_regression.says == "tfidf is better than the fine-tuned model: mae 0.900 against 0.800."
    assert of_regression.gain == Gain(0.1, None, 0.05, 0.15)


def test_by_the_first_metric_alone_a_better_baseline_bounds_no_gain() -> None:
    on = on_role("regression")
    by_metric = {"difference": -0.4, "low": -0.6, "high": -0.2, "old": 0.5, "new": 0.1}
    unsure = {"difference": 0.1, "low": -0.1, "high": 0.3, "old": 1.0, "new": 1.1}
    on.comparisons["tfidf"] = {on.task.metrics[0]: by_metric, "mae": unsure}
    (found,) = of_section(on, "mended")
    assert (
        found.says == f"tfidf is better than the fine-tuned model: {on.task.metrics[0]} 0.500 against 0.100."
    )
    assert (found.gain, found.how) == (None, "by mae neither is better by more than chance")


@pytest.mark.parametrize(
    ("kind", "score", "ends"),
    [
        ("classification", "accuracy", (-0.1, -0.25, 0.05)),
        ("classification", "accuracy", (0.1, 0.05, 0.15)),
        ("regression", "mae", (0.1, -0.05, 0.15)),
        ("regression", "mae", (-0.1, -0.15, -0.05)),
        ("regression", "mae", (None, None, None)),
    ],
)
def test_a_baseline_that_chance_may_favour_is_not_called_better(
    kind: Kind, score: str, ends: tuple[float | None, ...]
) -> None:
    found = compared(kind, score, **dict(zip(("difference", "low", "high"), ends, strict=True)))[0]
    assert found.gain is None
    assert "better" not in found.says


def test_of_a_regression_gains_are_absolute_errors() -> None:
    tables = {
        "label_issues": issues(("d", "test", True), ("b", "test", True)),
        "slices": slices(error=1.5, rest_error=0.5, excess=1.0),
    }
    on = on_role("regression", **tables)
    assert of_section(on, "issues")[0].gain == Gain(2.5 / 4, None)
    assert (
        "how many are wrong cannot be estimated: a number is not right or wrong."
        in of_section(on, "issues")[0].says
    )
    assert of_section(on, "issues")[0].how == "what the model loses on them"  # no share bounds it
    (weak,) = of_section(on, "slices")
    assert (weak.gain, "off by 1.5 of 5 examples" in weak.says) == (Gain(0.25, None), True)
    (tfidf,) = of_section(on, "mended")  # nearer on b and on d
    assert (tfidf.gain, tfidf.examples) == (None, 2)
    assert shown_findings([weak], on, 2, 5)["rows"][0]["gain"] == {
        "score": "−0.25", "unit": "mae", "of": None, "interval": None, "examples": None
    }  # fmt: skip


def grown(score: str, kind: Kind = "classification", **changed: float) -> Finding:
    on = on_role(kind)
    on.numbers["test"]["learning_curve"] = growth(score) | changed
    (found,) = of_section(on, "growth")
    return found


def test_more_rows_gain_at_most_what_the_last_doubling_gained() -> None:
    found = grown("accuracy")
    assert found.gain == Gain(0.04, 0.4, -0.01, 0.09)
    course = "from 400 to 800 training rows tfidf gained no more than chance would give"
    assert found.says == f"More rows may not help: {course}."
    assert grown("accuracy", low=0.01).says.endswith("tfidf gained by more than chance.")
    assert grown("accuracy", gain_of_last_doubling=-0.02).gain == Gain(0.0, 0.0, -0.01, 0.09)


def test_a_gain_in_another_score_says_which_and_counts_no_examples() -> None:
    assert grown("macro_f1").gain == Gain(0.04, None, -0.01, 0.09, "macro_f1")
    assert grown("mae", "regression").gain == Gain(0.04, None, -0.01, 0.09)
    assert grown("pearson", "regression").gain is None  # no absolute error


def test_an_idle_change_is_told_by_its_rate_and_its_gain_is_unknown() -> None:
    (found,) = of_section(on_role(), "robustness", CHANGES)
    assert (found.gain, found.examples) == (None, 8)
    assert found.says == (
        "A change that should not matter (lower case) flips 8.0% of 100 predictions, 4.1% to 15.0%. "
        "1 more change flips some."
    )  # not white space, which flips none, and not the directional one
    assert not of_section(on_role(), "robustness", {"not": CHANGES["not"]})


def test_the_largest_gain_comes_first_and_unknown_ones_last() -> None:
    def finding(name: str, gain: Gain | None) -> Finding:
        return Finding("", name, "", "", None, gain)

    found = [finding("unknown", None), finding("none", Gain(0.0, 0.0)), finding("most", Gain(0.2, 2.0))]
    assert [of.says for of in ranked(found)] == ["most", "none", "unknown"]


def test_what_a_person_can_act_on_comes_before_another_models_luck() -> None:
    """tfidf has two of ten right that the model has wrong; a slice of 0.1 stands before that."""
    found = findings(on_role(slices=slices(excess=1.0)), CHANGES)
    sections = [of.section for of in found]
    assert sections.index("slices") < sections.index("mended")
    assert all(of.gain is None for of in found[sections.index("mended") :])


def test_gains_are_said_in_points_and_examples_beside_a_bar() -> None:
    found = [
        Finding("", "one", "", "", None, Gain(0.2, 2.0, -0.1, 0.3)),
        Finding("", "two", "", "", None, Gain(0.05, 1.0)),
        Finding("", "three", "", "", None, None),
    ]
    shown = shown_findings(found, on_role(), 0, 2)
    assert (shown["count"], len(shown["rows"])) == (3, 2)
    first, second = shown["rows"]
    assert first["gain"] == {
        "score": "+20.0",
        "unit": "points",
        "of": None,
        "interval": "−10.0 to 30.0",
        "examples": "2 examples",
    }
    assert second["gain"]["examples"] == "1 example"
    assert (first["width"], second["width"]) == (1.0, 0.25)


NOTHING: dict[Kind, Callable[[], OnRole]] = {
    "classification": lambda: on_role(slices=pl.DataFrame(), label_issues=issues()),
    "regression": lambda: on_role("regression"),
}


@pytest.mark.parametrize("kind", NOTHING)
def test_missing_and_empty_tables_find_nothing(kind: Kind) -> None:
    assert {of.section for of in findings(NOTHING[kind](), {})} <= {"confusion", "mended"}
