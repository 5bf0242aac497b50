"""What the comparison of runs says, as text, page and JSON."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from commands import compare
from commands.compare import Form, Texts
from commands.lib.runs import Run
from stages.lib.exceptions import ConfigError, RunError
from stages.lib.task import Task
from tests.judged import answered
from tests.past_runs import TOPICS, Example, examples_of, scored_of, topics_of, write_run
from tests.predicted import task_of

Call = Callable[..., str]


def params(rate: float, seed: int) -> str:
    return f"finetune: {{learning_rate: {rate}, seed: {seed}}}\nclean:\n  steps: []\n"


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Compares runs given as (examples, params), named a, b, c ...; returns what was printed.

    `tasks`: of each run, or of all.
    """

    def called(
        *given: tuple[list[Example], str], tasks: Sequence[Task | None] = (None,), **options: Any
    ) -> str:
        runs = {
            name: write_run(tmp_path / name, examples, name=name, params=text, task=task)
            for name, (examples, text), task in zip("abcdef", given, cycle(tasks), strict=False)
        }

        @contextmanager
        def opened(*names: str) -> Iterator[list[Run]]:
            yield [runs[name] for name in names]

        monkeypatch.setattr(compare, "opened", opened)
        settings = {"resamples": 500, "seed": 1} | options
        compare.main(list(runs), **settings)
        return capsys.readouterr().out

    return called


def test_a_table_says_by_how_much_and_how_surely(call: Call) -> None:
    text = call((answered(1_000, 100), params(1e-4, 1)), (answered(1_000, 160), params(5e-5, 1)))
    lines = text.splitlines()
    assert lines[0] == "test, n = 1,000, finetuned, 95 % intervals"
    assert lines[1] == "compared with a"
    row = next(line for line in lines if line.startswith("b") and "accuracy" in line)
    assert row.split() == ["b", "accuracy", "0.900", "0.840", "-0.060", "[-0.075,", "-0.045]", "<", "0.001"]
    assert "b: 60 of 1,000 predictions changed: 0 fixed, 60 broken" in lines
    assert "  param finetune.learning_rate: 0.0001 -> 5e-05" in lines
    assert sum(line.startswith("  broken ") for line in lines) == 5
    assert max(map(len, lines)) <= 120


def test_several_runs_are_each_compared_with_the_first_and_corrected_for_their_number(call: Call) -> None:
    text = call(
        (answered(400, 40), params(1e-4, 1)),
        (answered(400, 50), params(2e-4, 1)),
        (answered(400, 40), params(3e-4, 1)),
        form=Form.json,
    )
    found = json.loads(text)["comparisons"]
    assert [comparison["new"] for comparison in found] == [["b"], ["c"]]
    first = found[0]["differences"]["accuracy"]
    assert first["p"] == pytest.approx(2 * 0.5**10)
    assert first["p_holm"] == pytest.approx(2 * first["p"])
    assert found[0]["params"] == {"finetune.learning_rate": [0.0001, 0.0002]}


def test_only_examples_that_all_runs_have_unchanged_are_compared(call: Call) -> None:
    other = [("e0", "another text", "calm", "calm"), *answered(10, 2)[1:8]]
    text = call((answered(10, 2), params(1, 1)), (other, params(2, 1)))
    assert text.startswith(
        "test, n = 7, finetuned, 95 % intervals; 3 examples are not in all runs and are left out"
    )


def test_runs_without_a_common_example_are_refused(call: Call) -> None:
    with pytest.raises(RunError, match="role test: no example stands in all of a, b"):
        call((examples_of("ca", "ca"), params(1, 1)), (examples_of("ca", "ca", prefix="x"), params(2, 1)))


def test_one_run_is_nothing_to_compare() -> None:
    with pytest.raises(ConfigError, match="found one run, main; expected two or more"):
        compare.main(["main"])


def test_runs_that_differ_only_in_the_seed_are_a_family(call: Call) -> None:
    runs = [
        (answered(400, wrong), params(rate, seed))
        for rate, seed, wrong in ((1e-4, 1, 40), (2e-4, 1, 60), (1e-4, 2, 44), (2e-4, 2, 66))
    ]
    found = json.loads(call(*runs, seeds=True, form=Form.json))
    assert [group["runs"] for group in found["groups"]] == [["a", "c"], ["b", "d"]]
    difference = found["comparisons"][0]["differences"]["accuracy"]
    assert difference["old"] == pytest.approx((360 + 356) / 800)
    assert difference["new"] == pytest.approx((340 + 334) / 800)
    assert difference["low"] < difference["difference"] < difference["high"]
    text = call(*runs, seeds=True)
    row = next(line for line in text.splitlines() if line.startswith("a and 1 more") and "accuracy" in line)
    assert row.split()[-3:] == ["2", "0.900,", "0.890"]


def test_runs_on_other_data_are_no_family(call: Call) -> None:
    other = [*answered(100, 10), ("more", "one more", "calm", "calm")]
    with pytest.raises(RunError, match="no other run on the same data"):
        call((answered(100, 10), params(1, 1)), (other, params(1, 2)), seeds=True)


def test_a_family_of_one_has_no_spread_and_says_what_to_do(call: Call) -> None:
    with pytest.raises(
        RunError,
        match=r"^b: no other run on the same data differs .* run it again with another finetune.seed",
    ):
        call(
            *[(answered(100, 10), params(rate, seed)) for rate, seed in ((1e-4, 1), (2e-4, 1), (1e-4, 2))],
            seeds=True,
        )


def test_the_page_is_markdown_in_which_texts_are_only_shown(call: Call) -> None:
    nasty = [("x", "<b>bold</b> [link](http://x) |", "calm", "alarm"), *answered(100, 1)]
    plain = [("x", "<b>bold</b> [link](http://x) |", "calm", "calm"), *answered(100, 1)]
    page = call((plain, params(1, 1)), (nasty, params(2, 1)), form=Form.markdown)
    assert "<b>" not in page
    assert "](http" not in page
    lines = page.splitlines()
    head = next(n for n, line in enumerate(lines) if line.startswith("| run |"))
    assert lines[head + 1] == "|---|---|---|---|---|---|"
    assert lines[head + 2].startswith("| b | accuracy |")


def test_texts_can_be_kept_back(call: Call) -> None:
    pair = (answered(100, 1), params(1, 1)), (answered(100, 3), params(2, 1))
    assert "text e 1" in call(*pair)
    assert "text e 1" not in call(*pair, texts=Texts.ids)
    assert "xxxx x 0" in call(*pair, texts=Texts.redacted)


REGRESSION, MULTI_LABEL = task_of(kind="regression"), task_of(TOPICS, kind="multi-label")
LABELS = [1.0, 2.0, 3.0, 4.0, 5.0]
CLOSE = scored_of(LABELS, [1.1, 2.1, 2.9, 4.1, 5.0])
FAR = scored_of(LABELS, [1.5, 2.1, 2.9, 3.0, 4.0])


def cells(text: str, run: str, score: str) -> list[str]:
    rows = (line.split() for line in text.splitlines() if line.startswith(run) and f" {score} " in line)
    return next(rows)


def test_numbers_are_compared_by_the_metrics_of_the_source_and_mae(call: Call) -> None:
    text = call((CLOSE, params(1, 1)), (FAR, params(2, 1)), tasks=[REGRESSION])
    assert [line.split()[1] for line in text.splitlines() if line.startswith("b ")] == [
        "pearson",
        "spearman",
        "mae",
    ]
    row = cells(text, "b", "mae")
    assert row[:7] == ["b", "mae", "(lower", "is", "better)", "0.080", "0.540"]
    assert row[7] == "+0.460"
    assert "b: of 5 predictions the error grew on 3 and shrank on 0" in text.splitlines()
    assert "  worse by 1.000 e4: 5.000; was 5.000; now 4.000  text e 4" in text


def test_several_labels_are_compared_as_sets(call: Call) -> None:
    old, new = topics_of("f ws - s", "f w - s"), topics_of("f ws - s", "f ws s s")
    text = call((old, params(1, 1)), (new, params(2, 1)), tasks=[MULTI_LABEL])
    assert cells(text, "b", "micro_f1")[2:4] == ["0.857", "0.889"]
    assert cells(text, "b", "subset_accuracy")[2:4] == ["0.750", "0.750"]
    assert "b: 2 of 4 sets of labels changed: 1 fixed, 1 broken" in text
    assert "  worse by 1 label e2: (none); was (none); now storm" in text


def test_a_set_of_labels_is_the_same_whatever_order_a_source_lists_them_in(call: Call) -> None:
    other = task_of(TOPICS[::-1], kind="multi-label")
    examples = topics_of("fws f -", "fs w -")
    found = json.loads(
        call((examples, params(1, 1)), (examples, params(2, 1)), tasks=[MULTI_LABEL, other], form=Form.json)
    )
    assert (found["n"], found["left_out"]) == (3, 0)
    assert found["comparisons"][0]["flips"]["changed"] == 0
    assert found["groups"][0]["scores"] == found["groups"][1]["scores"]


@pytest.mark.parametrize(
    ("task", "runs"),
    [
        (REGRESSION, [CLOSE, scored_of(LABELS, [1.2, 2.0, 2.9, 4.1, 5.2]), FAR, FAR]),
        (MULTI_LABEL, [topics_of("f ws s", said) for said in ("f ws s", "f w s", "- w s", "- w -")]),
    ],
    ids=["regression", "multi-label"],
)
def test_families_are_of_every_kind(call: Call, task: Task, runs: list[list[Example]]) -> None:
    settings = [params(1, 1), params(1, 2), params(2, 1), params(2, 2)]
    given = list(zip(runs, settings, strict=True))
    found = json.loads(call(*given, tasks=[task], seeds=True, form=Form.json))
    name = task.facts.example_score
    means = [sum(group["scores"][name]) / 2 for group in found["groups"]]
    difference = found["comparisons"][0]["differences"][name]
    assert difference["old"] == pytest.approx(means[0])
    assert difference["difference"] == pytest.approx(means[1] - means[0])
    text = call(*given, tasks=[task], seeds=True)
    assert f"{means[0]:.4f}" in next(line for line in text.splitlines() if name in line)


@pytest.mark.parametrize("form", list(Form))
def test_a_score_without_a_value_is_a_dash_and_a_null(call: Call, form: Form) -> None:
    """Every prediction is the same, so there is no correlation."""
    constant = scored_of(LABELS, [3.0] * 5)
    text = call((CLOSE, params(1, 1)), (constant, params(2, 1)), tasks=[REGRESSION], form=form)
    assert "nan" not in text.lower()
    if form is Form.json:
        found = json.loads(text)
        assert found["kind"] == "regression"
        assert found["groups"][1]["scores"]["pearson"] == [None]
        assert "pearson" not in found["comparisons"][0]["differences"]
        assert found["comparisons"][0]["flips"] is None
    else:
        row = next(line for line in text.splitlines() if "pearson" in line)
        assert row.replace("\\", "").replace("|", " ").split() == ["b", "pearson", "0.999", "-", "-", "-"]


def test_the_precision_of_who_never_says_the_class_is_a_null_and_compared_with_nothing(call: Call) -> None:
    task = task_of(["calm", "alarm"], positive="alarm").model_copy(update={"metrics": ["precision"]})
    never, some = (examples_of("ccaa", said) for said in ("cccc", "caaa"))
    given = (never, params(1e-4, 1)), (some, params(2e-4, 1))
    found = json.loads(call(*given, tasks=(task,), form=Form.json))
    assert [group["scores"]["precision"] for group in found["groups"]] == [[None], [pytest.approx(2 / 3)]]
    differences = found["comparisons"][0]["differences"]
    assert "precision" not in differences
    assert differences["recall"]["difference"] == 1.0
    row = next(line for line in call(*given, tasks=(task,)).splitlines() if "precision" in line)
    assert row.split() == ["b", "precision", "-", "0.667", "-", "-"]


def test_a_family_with_a_run_without_a_value_has_a_dash(call: Call) -> None:
    runs = [CLOSE, scored_of(LABELS, [3.0] * 5), FAR, CLOSE]
    settings = [params(1, 1), params(1, 2), params(2, 1), params(2, 2)]
    text = call(*zip(runs, settings, strict=True), tasks=[REGRESSION], seeds=True)
    assert cells(text, "a and 1 more", "pearson")[-4:] == ["-", "2", "0.999,", "-"]
    assert cells(text, "c and 1 more  pearson", "pearson")[-2:] == ["0.981,", "0.999"]


def test_runs_of_different_kinds_are_not_compared(call: Call) -> None:
    with pytest.raises(RunError, match=r"b has a regression task \('Made up'\) and a a classification task"):
        call((answered(10, 1), params(1, 1)), (CLOSE, params(2, 1)), tasks=[None, REGRESSION])
