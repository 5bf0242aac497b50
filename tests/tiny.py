"""A whole textrail project that runs in a minute: a source of 160 rows and an encoder of 30,000 weights."""

import csv
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing

from tests import warm

ROOT = Path(__file__).parents[1]

KNOBS: dict[str, dict[str, Any]] = {
    "ingest": {"source": "tiny"},
    "split": {"validation_fraction": 0.2, "test_fraction": 0.2},
    "encoder": {"name": "tiny-encoder", "revision": None, "weights": "random"},
    "tokenize": {"max_tokens": 24},
    "baseline": {"folds": 2, "tfidf_min_documents": 1},
    "finetune": {"epochs": 8, "batch_size": 8, "learning_rate": 5e-3},
    "evaluate": {"resamples": 50, "slice_least_n": 5},
    # too few for UMAP, which compiles for 20 seconds; tests/test_errors.py has it
    "errors": {"map_examples": 9},
    "explain": {"examples": 9},
}
SOURCE = """\
title: Tiny
files: {train: train.csv, unlabelled: new.csv}
columns: {id: id, text: text, label: target}
keep: [place]
labels: {0: calm, 1: alarm}
positive: alarm
task: classification
metrics: [f1, accuracy]
copies: remove
"""
PAIR = """\
title: Tiny pairs
files: {train: train.csv, unlabelled: new.csv}
columns: {id: id, text: text, text_pair: hypothesis, label: target}
keep: [place]
labels: {0: calm, 1: alarm}
task: classification
metrics: [matthews, accuracy]
copies: report
"""
REGRESSION = """\
title: Tiny scores
files: {train: train.csv, unlabelled: new.csv}
columns: {id: id, text: text, text_pair: hypothesis, label: target}
keep: [place]
range: [0, 5]
task: regression
metrics: [pearson, spearman]
copies: remove
"""
MULTI_LABEL = """\
title: Tiny labels
files: {train: train.csv, unlabelled: new.csv}
columns: {id: id, text: text, label: target}
keep: [place]
labels: [calm, alarm, short]
separator: "|"
no_label: none
task: multi-label
metrics: [micro_f1, macro_f1]
copies: remove
"""
ALARM = ["fire", "flood", "storm", "burning", "evacuated", "rescue", "smoke", "sirens"]
CALM = ["garden", "coffee", "lovely", "music", "birthday", "movie", "cake", "holiday"]
EITHER = ["the", "in", "my", "town", "today", "near", "we", "saw", "street", "people", "they", "about"]
PLACES = ["Oslo", "Lima", "Cairo"]


def make_tiny_project(folder: Path, kind: str = "classification") -> None:
    """A scratch copy of this checkout, committed or not, with a tiny source and encoder, under git."""
    for name in checkout_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    (folder / "dvc.lock").unlink(missing_ok=True)
    SOURCES[kind](folder / "data/sources/tiny")
    write_encoder(folder / "tiny-encoder")
    set_knobs(folder, KNOBS)
    if kind == "regression":
        set_knobs(folder, {"finetune": {"epochs": 20}})  # scores take longer to learn than classes
    git(folder, "init", "--quiet", "--initial-branch", "main")
    commit(folder)


def copy_of(project: Path, folder: Path) -> Path:
    """To change; less what DVC keeps of the moment, which others may be writing."""
    return Path(shutil.copytree(project, folder, ignore=_moment))


def _moment(folder: str, names: list[str]) -> list[str]:
    return ["tmp"] if Path(folder).name == ".dvc" and "tmp" in names else []


def checkout_files() -> list[str]:
    """What git tracks or would track here, less what is deleted."""
    listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [name for name in dict.fromkeys(names) if name and (ROOT / name).is_file()]


def write_source(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "source.yaml").write_text(SOURCE, encoding="utf-8")
    chance = random.Random(7)
    rows = [
        (n, sentence(label, chance), chance.choice(PLACES), label) for n in range(140) for label in [n % 2]
    ]
    rows += [(140 + n, rows[n][1], rows[n][2], rows[n][3]) for n in range(5)]  # copies
    rows += [
        (145, rows[0][1], "Oslo", 1 - rows[0][3]),
        (146, "", "Lima", 0),
    ]  # a contradiction, an empty text
    new = [(1000 + n, sentence(n % 2, chance), chance.choice(PLACES)) for n in range(20)]
    write_csv(folder / "train.csv", ["id", "text", "place", "target"], rows)
    write_csv(folder / "new.csv", ["id", "text", "place"], new)


def write_pairs(folder: Path) -> None:
    """Whether the second text is alarming; the first one tells nothing."""
    chance = random.Random(7)
    texts = [(sentence(chance.randint(0, 1), chance), sentence(n % 2, chance)) for n in range(160)]
    write_texts(folder, PAIR, [(*pair, str(n % 2)) for n, pair in enumerate(texts)])


def write_scores(folder: Path) -> None:
    """How alarming two texts are together, from 0 to 5; one score is out of range, one no number."""
    chance = random.Random(7)
    kinds = [(chance.randint(0, 1), chance.randint(0, 1)) for _ in range(160)]
    rows = [
        (sentence(first, chance), sentence(second, chance), f"{2.5 * (first + second):g}")
        for first, second in kinds
    ]
    rows[20], rows[21] = (*rows[20][:2], "-1"), (*rows[21][:2], "3,5")
    write_texts(folder, REGRESSION, rows)


def write_label_sets(folder: Path) -> None:
    """Calm and alarming words, both or none of them; and whether there are few words."""
    chance = random.Random(7)
    rows = []
    for n in range(160):
        words = chance.choices(EITHER, k=chance.choice([2, 7]))
        labels = ["short"] if len(words) == 2 else []
        for name, telling in {"calm": CALM, "alarm": ALARM}.items():
            if chance.random() < 0.5:
                words += chance.choices(telling, k=2)
                labels.append(name)
        chance.shuffle(words)
        rows.append((f"{' '.join(words)} #{n}", "|".join(labels) or "none"))
    write_texts(folder, MULTI_LABEL, rows)


def write_texts(folder: Path, source: str, rows: Sequence[tuple[str, ...]]) -> None:
    """The last 20 rows are unlabelled; of the others the last value is the label."""
    folder.mkdir(parents=True)
    (folder / "source.yaml").write_text(source, encoding="utf-8")
    texts = ["text", "hypothesis"][: len(rows[0]) - 1]
    told = [(n, PLACES[n % 3], *row) for n, row in enumerate(rows)]
    write_csv(folder / "train.csv", ["id", "place", *texts, "target"], told[:-20])
    write_csv(folder / "new.csv", ["id", "place", *texts], [row[:-1] for row in told[-20:]])


def sentence(label: int, chance: random.Random) -> str:
    telling = CALM if label == 0 else ALARM
    words = [chance.choice(telling), *chance.choices(EITHER, k=chance.randint(1, 6)), chance.choice(telling)]
    chance.shuffle(words)
    return f"{' '.join(words).capitalize()} #{chance.randint(100, 999)}"


SOURCES = {
    "classification": write_source,
    "pair": write_pairs,
    "regression": write_scores,
    "multi-label": write_label_sets,
}


def write_csv(path: Path, header: list[str], rows: list[Any]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def write_encoder(folder: Path, more: Sequence[str] = ()) -> None:
    """A BERT's configuration and tokenizer, which knows `more` words; its weights the encoder stage draws."""
    folder.mkdir(parents=True)
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters)]
    vocabulary = {piece: place for place, piece in enumerate([*pieces, *ALARM, *CALM, *EITHER, *more])}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    settings = {"tokenizer_class": "BertTokenizer", "model_max_length": 64, "mask_token": "[MASK]", **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    # a small model needs large first weights and no dropout to learn in twenty steps
    start = {"initializer_range": 0.2, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = (
        {"model_type": "bert", "max_position_embeddings": 64, "vocab_size": len(vocabulary)} | shape | start
    )
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def set_knobs(folder: Path, knobs: dict[str, dict[str, Any]]) -> None:
    """Raises KeyError where params.yaml has no such knob."""
    yaml, path = YAML(), folder / "params.yaml"
    params = yaml.load(path.read_text(encoding="utf-8"))
    for section, values in knobs.items():
        for key, value in values.items():
            _ = params[section][key]
            params[section][key] = value
    yaml.dump(params, path)


def git(folder: Path, *words: str) -> None:
    me = ("-c", "user.name=textrail", "-c", "user.email=textrail@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(("git", *me, *words), cwd=folder, env=environment(), check=True, capture_output=True)


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "state")


def environment() -> dict[str, str]:
    """As a user's after activating the environment: offline, with bytecode on, and no word of ours.

    One thread: a model this small gains nothing from a second, and loses much where the cores are busy.
    """
    pythons = dict.fromkeys((Path(warm.program()).parent, Path(sys.executable).parent))
    ours = {"PATH": os.pathsep.join([*map(str, pythons), os.environ["PATH"]])}
    ours |= {"DVC_NO_ANALYTICS": "1", "HF_HUB_OFFLINE": "1", "CI": "true", "OMP_NUM_THREADS": "1"}
    dropped = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "GIT_DIR", "GIT_WORK_TREE")
    return {name: value for name, value in os.environ.items() if name not in dropped} | ours


def run_dvc(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Both streams in stdout; `more` joins the environment."""
    site = {"DVC_SITE_CACHE_DIR": str(folder / ".dvc/tmp/site")}  # else in a folder of the whole machine
    return subprocess.run(
        (warm.program(), "-m", "dvc", *words),
        cwd=folder,
        env=environment() | site | more,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def python(folder: Path, *words: str) -> str:
    """What it printed. Raises AssertionError, with what it said of that, where it fails."""
    command = (warm.program(), *words)
    result = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def dvc(folder: Path, *words: str, **more: str) -> str:
    """What the command printed. Raises AssertionError, with that, where it fails."""
    result = run_dvc(folder, *words, **more)
    assert result.returncode == 0, f"{result.args} exited with {result.returncode}\n{result.stdout[-3000:]}"
    return result.stdout


def stages_run(output: str) -> list[str]:
    """The stages that a `dvc repro` executed, in order; not those that came from the run cache."""
    return re.findall(r"Running stage '(\w+)'", output)
