"""The sample is what its README says: reproducible, fair to both classes, faulty exactly where listed."""

import csv
import difflib
import html
import importlib.util
import itertools
import math
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

Rows = list[dict[str, str]]

SAMPLE = Path(__file__).parents[1] / "data" / "sources" / "sample"
DATA_FILES = ["train.csv", "validation.csv", "test.csv", "unlabelled.csv", "planted_faults.csv"]
ROLES = ["train", "validation", "test", "unlabelled"]
LABELLED = ROLES[:3]

TEXTURES = {
    "link": r"https?://t\.co/\w+",
    "mention": r"@\w+",
    "hashtag": r"#\w+",
    "HTML entity": r"&(amp|lt|gt);",
    "emoji": "[\U0001f300-\U0001faff\u2600-\u27bf]",
    "newline": r"\n",
    "capitals": r"\b[A-Z]{2,} [A-Z]{2,} [A-Z]{2,}\b",
    "lower case": r"\A[^A-Z]+\Z",
    "exclamation": "!",
    "retweet": r"\bRT\b",
}


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sample_generate", SAMPLE / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)  # the folder is a dep: write nothing there
        spec.loader.exec_module(module)
    return module


def read(name: str) -> Rows:
    with (SAMPLE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def rows() -> dict[str, Rows]:
    return {role: read(f"{role}.csv") for role in ROLES}


@pytest.fixture(scope="module")
def labelled(rows: dict[str, Rows]) -> Rows:
    return [row for role in LABELLED for row in rows[role]]


@pytest.fixture(scope="module")
def by_id(rows: dict[str, Rows]) -> dict[str, dict[str, str]]:
    return {row["id"]: {**row, "role": role} for role in ROLES for row in rows[role]}


@pytest.fixture(scope="module")
def faults() -> Rows:
    return read("planted_faults.csv")


@pytest.fixture(scope="module")
def tweets(generate: ModuleType) -> list[Any]:
    return [tweet for tweets in generate.make().values() for tweet in tweets]


# --- the files


@pytest.mark.slow
@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_the_program_writes_the_files_byte_for_byte(tmp_path: Path, hash_seed: str) -> None:
    command = [sys.executable, str(SAMPLE / "generate.py"), str(tmp_path)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": hash_seed}, cwd=tmp_path)
    for name in DATA_FILES:
        written, kept = (tmp_path / name).read_bytes(), (SAMPLE / name).read_bytes()
        assert written == kept, f"{name} is not what generate.py writes"


def test_shape(rows: dict[str, Rows], labelled: Rows) -> None:
    assert len(labelled) >= 4_000
    assert len(rows["test"]) >= 1_000
    for row in labelled:
        assert list(row) == ["id", "keyword", "location", "text", "target"]
        assert row["target"] in {"0", "1"}
    assert list(rows["unlabelled"][0]) == ["id", "keyword", "location", "text"]


def test_ids_and_texts_are_unique(rows: dict[str, Rows], by_id: dict[str, dict[str, str]]) -> None:
    assert len(by_id) == sum(map(len, rows.values()))
    for role in ROLES:
        assert len({row["text"] for row in rows[role]}) == len(rows[role])


def test_it_says_that_it_is_synthetic() -> None:
    assert "synthetic" in (SAMPLE / "README.md").read_text(encoding="utf-8").lower()
    assert "synthetic" in (SAMPLE / "source.yaml").read_text(encoding="utf-8")


def test_no_stage_knows_what_is_planted() -> None:
    readers = [
        SAMPLE / "source.yaml",
        *SAMPLE.parents[2].glob("*.yaml"),
        *SAMPLE.parents[2].glob("stages/**/*.py"),
    ]
    assert [path for path in readers if "planted_faults" in path.read_text(encoding="utf-8")] == []


# --- what tweets have


def two_proportion_z(hits_a: int, rows_a: int, hits_b: int, rows_b: int) -> float:
    pooled = (hits_a + hits_b) / (rows_a + rows_b)
    error = math.sqrt(pooled * (1 - pooled) * (1 / rows_a + 1 / rows_b))
    return (hits_a / rows_a - hits_b / rows_b) / error if error else 0.0


@pytest.mark.parametrize("name", TEXTURES)
def test_texture_occurs_and_tells_nothing_about_the_label(labelled: Rows, name: str) -> None:
    targets = Counter(row["target"] for row in labelled)
    hits = Counter(row["target"] for row in labelled if re.search(TEXTURES[name], row["text"]))
    assert min(hits["0"], hits["1"]) >= 10
    assert abs(two_proportion_z(hits["1"], targets["1"], hits["0"], targets["0"])) < 3


@pytest.mark.parametrize("column", ["keyword", "location"])
def test_columns_tell_nothing_about_the_label(labelled: Rows, column: str) -> None:
    targets = Counter(row["target"] for row in labelled)
    hits = {target: Counter(row[column] for row in labelled if row["target"] == target) for target in "01"}
    assert hits["0"][""] >= 50, "some are empty, as in the original"
    for value in set(hits["0"] | hits["1"]):
        z = two_proportion_z(hits["1"][value], targets["1"], hits["0"][value], targets["0"])
        assert abs(z) < 4, f"{column} {value!r} gives the label away"  # 4: some eighty values are compared


def test_keywords_are_quoted_as_in_the_original(labelled: Rows) -> None:
    assert sum("%20" in row["keyword"] for row in labelled) > 100
    assert not any(" " in row["keyword"] for row in labelled)


# --- no frame, no figurative phrase in two roles


def word_runs(template: str, words_in_a_row: int = 3) -> set[tuple[str, ...]]:
    runs = set()
    for piece in re.split(r"{\w+}", template):  # a run does not reach across a slot
        words = re.findall(r"[\w']+", piece.lower())
        runs |= {tuple(words[at : at + words_in_a_row]) for at in range(len(words) - words_in_a_row + 1)}
    return runs


def bare(template: str) -> str:
    """A template without case and punctuation, and with its slots all alike."""
    return " ".join(re.findall(r"\w+", re.sub(r"{\w+}", " SLOT ", template).lower()))


def leaves(branch: dict[str, Any] | list[str]) -> list[str]:
    """Every string of a nested table of lists."""
    return branch if isinstance(branch, list) else [leaf for twig in branch.values() for leaf in leaves(twig)]


def templates(vocabulary: dict[str, Any], section: str) -> list[tuple[str, str]]:
    """(role, template) for each frame or figurative phrase."""
    return [(role, template) for role, groups in vocabulary[section].items() for template in leaves(groups)]


@pytest.mark.parametrize("section", ["frames", "figurative"])
def test_nothing_said_in_one_role_is_said_in_another(generate: ModuleType, section: str) -> None:
    roles_by_form: dict[Any, set[str]] = defaultdict(set)
    for role, template in templates(generate.load_vocabulary(), section):
        for form in {bare(template), *word_runs(template)}:
            roles_by_form[form].add(role)
    assert {form: roles for form, roles in roles_by_form.items() if len(roles) > 1} == {}


def test_each_row_uses_its_own_roles_frames_and_phrases(generate: ModuleType, tweets: list[Any]) -> None:
    vocabulary = generate.load_vocabulary()
    owners: dict[str, set[str]] = defaultdict(set)
    for role, template in templates(vocabulary, "frames") + templates(vocabulary, "figurative"):
        owners[template].add(role)
    literal = set(leaves(vocabulary["literal"]))
    for tweet in tweets:
        said_in = tweet.copy_of.role if tweet.copy_of else tweet.role
        assert owners[tweet.frame] == {said_in}
        assert all(phrase in literal or owners[phrase] == {said_in} for phrase in tweet.phrases)


def test_a_tweet_reports_a_disaster_where_what_is_real_is_literal(
    generate: ModuleType, tweets: list[Any]
) -> None:
    vocabulary = generate.load_vocabulary()
    literal = set(leaves(vocabulary["literal"]))
    for tweet in tweets:
        real = tweet.phrases[0] if "{real}" in tweet.frame else None
        assert tweet.target == (real in literal)


def test_the_same_frames_and_keywords_serve_both_classes(tweets: list[Any]) -> None:
    targets = defaultdict(set)
    for tweet in tweets:
        if tweet.role != "unlabelled" and "{real}" in tweet.frame:
            targets[tweet.frame].add(tweet.target)
            targets[tweet.family].add(tweet.target)
    assert [form for form, seen in targets.items() if seen != {0, 1}] == []


# --- the faults


def plain_words(text: str) -> list[str]:
    text = re.sub(r"http\S+|@\w+:?|#\w+|\bRT\b", " ", html.unescape(text))
    return re.findall(r"\w+", text.lower())


def similarity(a: str, b: str) -> float:
    a, b = " ".join(plain_words(a)), " ".join(plain_words(b))
    return difflib.SequenceMatcher(None, a, b, autojunk=False).ratio()


def of_kind(faults: Rows, kind: str) -> Rows:
    return [fault for fault in faults if fault["fault"] == kind]


def test_fault_file_agrees_with_the_rows(faults: Rows, by_id: dict[str, dict[str, str]]) -> None:
    assert len({fault["id"] for fault in faults}) == len(faults)
    for fault in faults:
        row = by_id[fault["id"]]
        assert (row["role"], row["target"]) == (fault["role"], fault["target"])
        assert row["role"] in LABELLED


@pytest.mark.parametrize(("kind", "share"), [("flipped label", 0.02), ("copy", 0.03)])
def test_shares_of_faults(faults: Rows, labelled: Rows, kind: str, share: float) -> None:
    assert abs(len(of_kind(faults, kind)) / len(labelled) - share) < 0.002


def test_the_written_labels_are_wrong_where_and_only_where_listed(
    faults: Rows, tweets: list[Any], by_id: dict[str, dict[str, str]]
) -> None:
    wrong = {fault["id"] for fault in faults if fault["target"] != fault["true_target"]}
    assert wrong == {fault["id"] for fault in faults if fault["fault"] in {"flipped label", "opposite copy"}}
    truth = {str(tweet.id): str(tweet.target) for tweet in tweets if tweet.role != "unlabelled"}
    assert wrong == {id for id, target in truth.items() if by_id[id]["target"] != target}


def test_copies_are_copies(faults: Rows, by_id: dict[str, dict[str, str]]) -> None:
    for fault in of_kind(faults, "copy") + of_kind(faults, "opposite copy"):
        copy, original = by_id[fault["id"]], by_id[fault["other_id"]]
        assert original["role"] == fault["other_role"]
        assert copy["text"] != original["text"]
        assert similarity(copy["text"], original["text"]) > 0.9, (copy["text"], original["text"])
        assert (copy["target"] == original["target"]) == (fault["fault"] == "copy")


def test_some_copies_leak_from_evaluation_into_training(faults: Rows) -> None:
    leaks = Counter((fault["role"], fault["other_role"]) for fault in faults if fault["other_id"])
    assert leaks["train", "test"] >= 20
    assert leaks["train", "validation"] >= 10
    assert len(of_kind(faults, "opposite copy")) >= 10


def test_no_copies_but_the_planted(faults: Rows, rows: dict[str, Rows]) -> None:
    planted = {frozenset({fault["id"], fault["other_id"]}) for fault in faults if fault["other_id"]}
    groups = defaultdict(list)
    for row in itertools.chain.from_iterable(rows.values()):
        groups[frozenset(plain_words(row["text"]))].append(row["id"])
    pairs = {frozenset(pair) for ids in groups.values() for pair in itertools.combinations(ids, 2)}
    assert len(planted & pairs) > 50, "this test would not see a copy"
    assert pairs <= planted


def test_ids_do_not_tell_which_rows_are_planted(faults: Rows, by_id: dict[str, dict[str, str]]) -> None:
    """Copies and flips lie all over the range of ids, and copies not beside their originals."""
    order = {id: place for place, id in enumerate(sorted(by_id, key=int))}
    for kind in ("flipped label", "copy"):
        places = [order[fault["id"]] / len(order) for fault in of_kind(faults, kind)]
        assert 0.4 < sum(places) / len(places) < 0.6
    gaps = [abs(order[fault["id"]] - order[fault["other_id"]]) for fault in of_kind(faults, "copy")]
    assert sum(gap < 50 for gap in gaps) < len(gaps) / 10
