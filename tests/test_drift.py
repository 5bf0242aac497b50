"""Whether a role meets other words and other lengths than training, beyond what chance makes."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from stages.lib.splits import drift
from stages.lib.splits.copies import find_copies
from stages.lib.splits.copy_keys import normalised
from stages.lib.splits.drift import FEWEST, drift_from_train
from stages.split import drift_of
from tests.predicted import task_of


def texts_of(rows: int, generator: np.random.Generator, words: int = 3_000, most: int = 20) -> list[str]:
    lengths = generator.integers(4, most + 1, size=rows)
    return [" ".join((generator.zipf(1.3, size=length) % words).astype(str)) for length in lengths]


def measured(train: list[str], other: list[str], role: str = "test") -> Any:
    roles = pl.Series(["train"] * len(train) + [role] * len(other))
    return drift_from_train(pl.Series(train + other), roles)[role]


@pytest.mark.slow
def test_roles_drawn_by_chance_seldom_stand_out() -> None:
    p = {"new_words": [], "lengths": []}  # type: dict[str, list[float]]
    for seed in range(80):
        texts = texts_of(500, np.random.default_rng(seed))
        found = measured(texts[:380], texts[380:])
        for what, values in p.items():
            values.append(found[what]["p"])
            assert found["new_words"]["share"] == pytest.approx(found["new_words"]["expected"], abs=0.05)
    for values in p.values():
        assert sum(value < 0.05 for value in values) <= 0.05 * len(values) + 6
        assert sum(value < 0.5 for value in values) == pytest.approx(len(values) / 2, abs=20)


def test_words_that_train_never_saw_stand_out() -> None:
    generator = np.random.default_rng(1)
    train, other = texts_of(400, generator), texts_of(150, generator)
    found = measured(train, [f"{text} novel{n}" for n, text in enumerate(other)])["new_words"]
    assert found["more_than_chance"]
    assert found["share"] > found["expected"] + 0.05 > 0.1


def test_longer_texts_stand_out_and_their_words_do_not() -> None:
    generator = np.random.default_rng(2)
    found = measured(texts_of(400, generator), texts_of(150, generator, most=40))
    assert found["lengths"]["more_than_chance"]
    assert not found["new_words"]["more_than_chance"]
    assert found["lengths"]["median"] > found["lengths"]["median_in_train"]


def test_every_role_but_train_is_measured_also_the_unlabelled() -> None:
    texts = texts_of(300, np.random.default_rng(3))
    roles = pl.Series(["train"] * 100 + ["test"] * 50 + ["validation"] * 50 + ["unlabelled"] * 100)
    assert list(drift_from_train(pl.Series(texts), roles)) == ["test", "unlabelled", "validation"]


def test_of_too_few_texts_nothing_is_said() -> None:
    texts = texts_of(100, np.random.default_rng(4))
    assert measured(texts, texts[: FEWEST - 1]) == {"texts": FEWEST - 1}
    assert set(measured(texts, texts[:FEWEST])) == {"texts", "new_words", "lengths"}
    assert measured(texts[: FEWEST - 1], texts) == {"texts": 100}


def test_the_same_numbers_twice_and_none_where_words_do_not_vary() -> None:
    texts = texts_of(200, np.random.default_rng(5))
    assert measured(texts[:120], texts[120:]) == measured(texts[:120], texts[120:])
    same = measured(["one text"] * 50, ["one text"] * 50)
    assert (same["new_words"]["p"], same["lengths"]["p"]) == (1.0, 1.0)
    other = measured(["one text"] * 50, ["another"] * 50)
    assert other["new_words"] == {"share": 1.0, "expected": 0.0, "p": 0.0, "more_than_chance": True}


def test_copies_that_were_taken_out_of_train_are_no_drift() -> None:
    """Half of the texts have a near copy: train keeps those among its own and lost those of test's."""
    generator = np.random.default_rng(6)
    firsts = [f"{text} unique{n} odd{n}" for n, text in enumerate(texts_of(600, generator, most=30))]
    texts = firsts + [f"{text} again" for text in firsts[:300]]
    roles = generator.choice(["train", "test"], p=[0.75, 0.25], size=len(texts)).tolist()
    table = pl.DataFrame({"text_original": texts, "text": texts, "label": "calm", "role": roles})
    task = task_of()
    copies = find_copies(table, normalised(table, task), 0.7)
    near = pl.concat([copies.near.pairs["first"], copies.near.pairs["second"]]).n_unique()
    assert near > 500
    found = drift_of(table.with_columns(left_out=pl.lit(None, pl.String)), copies, task)["test"]
    assert found["texts"] < 200
    assert not found["new_words"]["more_than_chance"]


def test_a_pair_is_measured_by_both_texts_as_the_model_reads_them() -> None:
    rows = 60
    table = pl.DataFrame(
        {
            "text_original": [f"a {n}" for n in range(rows)],
            "text_pair_original": [None] * (rows - 1) + ["b"],
            "text": ["cleaned text"] * rows,
            "text_pair": [None, "with three more"] * (rows // 2),
            "label": "calm",
            "role": ["train"] * 30 + ["test"] * 30,
            "left_out": pl.Series([None] * rows, dtype=pl.String),
        },
        schema_overrides={"text_pair_original": pl.String, "text_pair": pl.String},
    )
    task = task_of(pair="second")
    found = drift_of(table, find_copies(table, normalised(table, task), None), task)
    assert (found["test"]["lengths"]["median"], found["test"]["new_words"]["share"]) == (3.5, 0.0)


def test_of_more_texts_than_are_looked_at_some_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    texts, roles = (
        pl.Series([f"word{n} and more" for n in range(4_000)]),
        pl.Series(["train", "test"] * 2_000),
    )
    whole = drift_from_train(texts, roles)["test"]
    monkeypatch.setattr(drift, "MOST_TEXTS", 1_000)
    some = drift_from_train(texts, roles)["test"]
    assert whole["texts"] == 2_000
    assert 400 < some["texts"] < 600  # by chance, not every second one
    assert not some["new_words"]["more_than_chance"]
    assert some == drift_from_train(texts, roles)["test"]
