"""The disaster tweets from Kaggle's files to a page, as one straight script by the libraries' own tutorials.

    python -m bench.peers.pipeline FOLDER_OF_CSVS FOLDER_OF_ENCODER FOLDER_FOR_OUTPUT

It does what our stages do, with as many rows, epochs, folds of the baselines, resamples, changed texts and
explained ones; steps.json tells the seconds of each step. Where there was a choice, the faster way was taken:
near copies by TF-IDF, label issues from predictions that are there anyway, one confusion matrix a model.
"""

import html
import json
import random
import re
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import torch
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from datasets import Dataset
from scipy.special import softmax
from scipy.stats import entropy, fisher_exact
from sklearn.calibration import calibration_curve
from sklearn.cluster import KMeans
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    PrecisionRecallDisplay,
    RocCurveDisplay,
    accuracy_score,
    f1_score,
    log_loss,
)
from sklearn.metrics.pairwise import linear_kernel
from sklearn.model_selection import cross_val_predict, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    pipeline,
    set_seed,
)

from bench.peers.evaluate import percentiles, resampled, scores

mpl.use("Agg")
import matplotlib.pyplot as plt

SEED, LABELS = 1, ["ordinary", "disaster"]
MAX_TOKENS, BATCH, AT_ONCE = 128, 32, 1_000
EPOCHS, LEARNING_RATE, WARMUP = 3, 1e-4, 0.1
TEST, VALIDATION, NEAR = 0.15, 0.1, 0.8
FOLDS, RESAMPLES, CONFIDENCE = 5, 1_000, 0.95
CHANGED, EXPLAINED, ISSUES, ON_THE_MAP, CLUSTERS, CURVE = 500, 200, 30, 5_000, 20, 6
ROLES = ("validation", "test")

steps: dict[str, float] = {}


@contextmanager
def step(name: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    steps[name] = steps.get(name, 0.0) + time.perf_counter() - begun
    print(f"{name}: {steps[name]:.1f} s", flush=True)


# read, clean, split


def read(folder: Path) -> pd.DataFrame:
    train, unlabelled = (pd.read_csv(folder / name) for name in ("train.csv", "test.csv"))
    rows = pd.concat([train, unlabelled], ignore_index=True)
    rows["role"] = np.where(rows["target"].isna(), "unlabelled", "train")
    return rows.loc[rows["text"].str.strip() != ""].reset_index(drop=True)


def clean(text: str) -> str:
    text = html.unescape(text)
    text = re.sub(r"<[^<>]+>", " ", text)
    text = unicodedata.normalize("NFC", text)
    text = re.sub(r"[\x00-\x08\x0e-\x1f\x7f\u200b\u200e\u200f\ufeff]", "", text)
    return re.sub(r"\s+", " ", text).strip()


def split(rows: pd.DataFrame) -> pd.DataFrame:
    """Labelled texts that stand twice are kept once; near copies of an evaluation text do not train."""
    labelled = rows[rows["role"] == "train"].drop_duplicates("clean")
    rest, test = train_test_split(labelled, test_size=TEST, stratify=labelled["target"], random_state=SEED)
    train, validation = train_test_split(
        rest, test_size=VALIDATION, stratify=rest["target"], random_state=SEED
    )
    words = TfidfVectorizer(ngram_range=(1, 2), binary=True).fit(labelled["clean"])
    evaluated = pd.concat([validation, test])
    alike = linear_kernel(words.transform(train["clean"]), words.transform(evaluated["clean"]))
    train = train[alike.max(axis=1) < NEAR]
    parts: dict[str, pd.DataFrame] = {"train": train, "validation": validation, "test": test}
    parts |= {"unlabelled": rows[rows["role"] == "unlabelled"]}
    return pd.concat([part.assign(role=name) for name, part in parts.items()], ignore_index=True)


def profile(rows: pd.DataFrame, out: Path) -> None:
    lengths = rows["clean"].map(lambda text: len(text.split()))
    rows.assign(words=lengths).groupby(["role", "target"], dropna=False)["words"].describe().to_csv(
        out / "profile.csv"
    )
    for number, label in enumerate(LABELS):
        words = Counter(
            word for text in rows.loc[rows["target"] == number, "clean"] for word in text.lower().split()
        )
        pd.DataFrame(words.most_common(50)).to_csv(out / f"words_{label}.csv")
    figure, axes = plt.subplots(1, 2, figsize=(10, 4))
    lengths.hist(ax=axes[0], bins=30)
    rows["target"].value_counts().plot.bar(ax=axes[1])
    save(figure, out / "profile.png")


# tokens, frozen features, baselines


def tokenized(texts: list[str], tokenizer: Any, labels: list[int] | None = None) -> Dataset:
    columns: dict[str, Any] = {"text": texts} | ({} if labels is None else {"label": labels})
    return Dataset.from_dict(columns).map(
        lambda batch: tokenizer(batch["text"], truncation=True, max_length=MAX_TOKENS),
        batched=True,
        remove_columns=["text"],
    )


def vectors(tokens: Dataset, encoder: Any, tokenizer: Any) -> np.ndarray:
    """1,000 at a time, padded to the longest of them; the mean over the tokens."""

    def extract(batch: dict[str, Any]) -> dict[str, Any]:
        names = ("input_ids", "attention_mask", "token_type_ids")
        inputs = tokenizer.pad({name: batch[name] for name in names}, return_tensors="pt")
        with torch.no_grad():
            hidden = encoder(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1)
        return {"vector": ((hidden * mask).sum(1) / mask.sum(1)).numpy()}

    encoder.eval()
    found = tokens.map(extract, batched=True, batch_size=AT_ONCE)
    return np.asarray(found.with_format("numpy")["vector"][:])


def words_and_linear() -> Any:
    words = TfidfVectorizer(token_pattern=r"(?u)\w+", ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    return make_pipeline(words, LogisticRegression(C=3.0, max_iter=1_000, random_state=SEED))


def baselines(rows: pd.DataFrame, vectors_NH: np.ndarray) -> dict[str, np.ndarray]:
    """Probabilities of every row, of training rows out of fold."""
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1_000, random_state=SEED))
    texts = rows["clean"].to_numpy()
    train = (rows["role"] == "train").to_numpy()
    labels = rows.loc[train, "target"].astype(int).to_numpy()
    found = {}
    for name, model, inputs in (
        ("dummy", DummyClassifier(), texts),
        ("tfidf", words_and_linear(), texts),
        ("features", linear, vectors_NH),
    ):
        said = model.fit(inputs[train], labels).predict_proba(inputs)
        said[train] = cross_val_predict(model, inputs[train], labels, cv=FOLDS, method="predict_proba")
        found[name] = said
    return found


# fine-tuning and prediction


def finetune(train: Dataset, validation: Dataset, encoder: Path, tokenizer: Any, out: Path) -> Trainer:
    set_seed(SEED)
    names = dict(enumerate(LABELS))
    model = AutoModelForSequenceClassification.from_pretrained(
        encoder, num_labels=len(LABELS), id2label=names, label2id={name: n for n, name in names.items()}
    )
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(out / "checkpoints"),
            num_train_epochs=EPOCHS,
            learning_rate=LEARNING_RATE,
            warmup_steps=WARMUP,
            per_device_train_batch_size=BATCH,
            per_device_eval_batch_size=BATCH,
            weight_decay=0.01,
            eval_strategy="epoch",
            save_strategy="epoch",
            logging_steps=10,
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
            seed=SEED,
        ),
        train_dataset=train,
        eval_dataset=validation,
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
        compute_metrics=lambda found: {"f1": f1_score(found.label_ids, found.predictions.argmax(-1))},
    )
    trainer.train()
    trainer.save_model(str(out / "model"))
    return trainer


def classifier(model: Any, tokenizer: Any) -> Callable[[list[str]], np.ndarray]:
    """Texts -> probabilities, by transformers' own pipeline."""
    ready = pipeline("text-classification", model=model, tokenizer=tokenizer, top_k=None, device="cpu")

    def said(texts: list[str]) -> np.ndarray:
        found = ready(texts, batch_size=BATCH, truncation=True, max_length=MAX_TOKENS)
        by_name = [{one["label"]: one["score"] for one in row} for row in found]
        return np.array([[row[name] for name in LABELS] for row in by_name])

    return said


# what a model is worth, and where it fails


def evaluate(rows: pd.DataFrame, said: dict[str, np.ndarray], out: Path) -> pd.DataFrame:
    table = []
    for role in ROLES:
        here = (rows["role"] == role).to_numpy()
        labels = rows.loc[here, "target"].astype(int).to_numpy()
        for name, probabilities in said.items():
            predicted = probabilities[here].argmax(1)
            drawn = resampled(labels, predicted, len(LABELS), resamples=RESAMPLES, seed=SEED)
            bounds = percentiles(drawn, CONFIDENCE)
            found = scores(labels, predicted, len(LABELS)) | {
                "log_loss": log_loss(labels, probabilities[here], labels=[0, 1])
            }
            table += [(role, name, score, value, *bounds.get(score, ())) for score, value in found.items()]
            figures(labels, probabilities[here], out / f"{role}_{name}.png")
        table += compared(role, labels, {name: values[here].argmax(1) for name, values in said.items()})
    return pd.DataFrame(table, columns=["role", "model", "score", "value", "low", "high"])


def compared(role: str, labels: np.ndarray, predicted: dict[str, np.ndarray]) -> list[tuple[Any, ...]]:
    """The fine-tuned model less each other one, on the same resamples."""
    rng, new = np.random.default_rng(SEED), predicted["finetuned"]
    rows = []
    for name, old in predicted.items():
        if name == "finetuned":
            continue
        drawn: dict[str, list[float]] = {"accuracy": [], "f1": []}
        for _ in range(RESAMPLES):
            chosen = rng.integers(0, len(labels), len(labels))
            for score, of in (("accuracy", accuracy_score), ("f1", f1_score)):
                drawn[score].append(of(labels[chosen], new[chosen]) - of(labels[chosen], old[chosen]))
        bounds = percentiles(drawn, CONFIDENCE)
        rows += [
            (role, f"finetuned less {name}", score, float(np.mean(values)), *bounds[score])
            for score, values in drawn.items()
        ]
    return rows


def figures(labels: np.ndarray, probabilities: np.ndarray, path: Path) -> None:
    figure, axes = plt.subplots(1, 4, figsize=(16, 4))
    ConfusionMatrixDisplay.from_predictions(labels, probabilities.argmax(1), ax=axes[0])
    PrecisionRecallDisplay.from_predictions(labels, probabilities[:, 1], ax=axes[1])
    RocCurveDisplay.from_predictions(labels, probabilities[:, 1], ax=axes[2])
    axes[3].plot(*calibration_curve(labels, probabilities[:, 1], n_bins=15))
    save(figure, path)


def save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def label_issues(labelled: pd.DataFrame, said: dict[str, np.ndarray]) -> pd.DataFrame:
    """Judged out of fold: training rows by the baselines, the others by the fine-tuned model too."""
    places, labels = labelled.index.to_numpy(), labelled["target"].astype(int).to_numpy()
    judged = (said["tfidf"][places] + said["features"][places]) / 2
    others = (labelled["role"] != "train").to_numpy()
    judged[others] = (judged[others] + said["finetuned"][places][others]) / 2
    table = labelled.assign(
        issue=find_label_issues(labels, judged, n_jobs=1), quality=get_label_quality_scores(labels, judged)
    )
    return table.sort_values("quality")


def with_losses(labelled: pd.DataFrame, probabilities: np.ndarray) -> pd.DataFrame:
    labels = labelled["target"].astype(int).to_numpy()
    said = probabilities[labelled.index]
    loss = -np.log(np.maximum(said[np.arange(len(labels)), labels], 1e-12))
    table = labelled.assign(loss=loss, predicted=said.argmax(1), probability=said.max(1))
    return table.sort_values("loss", ascending=False)


def weak_slices(table: pd.DataFrame) -> pd.DataFrame:
    """Where more is wrong than elsewhere: by keyword, location, length and frequent word."""
    test = table[table["role"] == "test"]
    wrong = test["predicted"] != test["target"]
    words = test["clean"].str.lower().str.split().map(set)
    frequent = [word for word, _ in Counter(word for found in words for word in found).most_common(400)]
    slices = {f"word {word}": words.map(lambda found, word=word: word in found) for word in frequent}
    for column in ("keyword", "location"):
        for value in test[column].value_counts().index[:20]:
            slices[f"{column} {value}"] = test[column] == value
    slices |= {f"over {n} characters": test["clean"].str.len() > n for n in (20, 50, 100)}
    found = []
    for name, within in slices.items():
        if 20 <= within.sum() <= len(test) - 20:
            counts = pd.crosstab(within, wrong)
            found.append((name, within.sum(), wrong[within].mean(), fisher_exact(counts).pvalue))
    return pd.DataFrame(found, columns=["slice", "n", "wrong", "p"]).sort_values("p")


def learning_curve(rows: pd.DataFrame) -> pd.DataFrame:
    train = rows[rows["role"] == "train"].sample(frac=1, random_state=SEED)
    found = []
    for halvings in reversed(range(CURVE)):
        part = train.head(len(train) >> halvings)
        model = words_and_linear().fit(part["clean"], part["target"].astype(int))
        for role in ROLES:
            here = rows[rows["role"] == role]
            labels, predicted = here["target"].astype(int).to_numpy(), model.predict(here["clean"])
            drawn = resampled(labels, predicted, len(LABELS), resamples=RESAMPLES, seed=SEED)
            bounds = percentiles(drawn, CONFIDENCE)["f1_1"]
            found.append((len(part), role, f1_score(labels, predicted), *bounds))
    return pd.DataFrame(found, columns=["rows", "role", "f1", "low", "high"])


def laid_out(vectors_NH: np.ndarray, labels: np.ndarray, path: Path) -> None:
    import umap

    places = umap.UMAP(n_neighbors=15, min_dist=0.3, metric="cosine", random_state=SEED).fit_transform(
        vectors_NH
    )
    figure, axes = plt.subplots(figsize=(7, 7))
    axes.scatter(places[:, 0], places[:, 1], c=labels, s=4)
    save(figure, path)


# what moves its answers


def changed(text: str, chance: random.Random) -> list[str]:
    """The seven changes of a text that should not matter."""
    words = text.split(" ")
    long = [place for place, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    typed = list(words)
    if long:
        place = chance.choice(long)
        at = chance.randrange(1, len(words[place]) - 1)
        letters = list(words[place])
        letters[at], letters[at + 1] = letters[at + 1], letters[at]
        typed[place] = "".join(letters)
    return [
        text.lower(),
        text.upper(),
        " ".join(typed),
        text.rstrip(".") if text.endswith(".") else f"{text}.",
        f"{text} https://t.co/{chance.getrandbits(48):x}",
        f"@{chance.getrandbits(24):x} {text}",
        f"{text.replace(' ', '  ', 1)}  ",
    ]


def robustness(rows: pd.DataFrame, said: Callable[[list[str]], np.ndarray]) -> pd.DataFrame:
    chance = random.Random(SEED)
    texts = rows.loc[rows["role"] == "test", "text"].sample(CHANGED, random_state=SEED).to_list()
    asked = [clean(variant) for text in texts for variant in (text, *changed(text, chance))]
    answers = said(asked).argmax(1).reshape(len(texts), -1)
    flips = answers[:, 1:] != answers[:, :1]
    return pd.DataFrame({"flips": flips.sum(0), "rate": flips.mean(0)})


def explained(texts: list[str], said: Callable[[list[str]], np.ndarray]) -> list[list[tuple[str, float]]]:
    """Each word's weight: by how much the log odds of what is said fall without it."""
    words = [text.split() for text in texts]
    asked = [
        variant
        for found in words
        for variant in (" ".join(found), *(" ".join(found[:n] + found[n + 1 :]) for n in range(len(found))))
    ]
    logits = np.log(np.maximum(said(asked), 1e-12))
    odds = logits[:, 1] - logits[:, 0]
    told, place = [], 0
    for found in words:
        sign = 1 if odds[place] > 0 else -1
        weights = sign * (odds[place] - odds[place + 1 : place + 1 + len(found)])
        told.append(list(zip(found, weights.tolist(), strict=True)))
        place += 1 + len(found)
    return told


def page(tables: dict[str, pd.DataFrame], pictures: list[Path], out: Path) -> None:
    parts = ["<!doctype html><meta charset=utf-8><title>Disaster tweets</title>"]
    parts += [f"<h2>{name}</h2>{table.to_html(max_rows=200)}" for name, table in tables.items()]
    parts += [f"<img src={path.name}>" for path in pictures]
    (out / "report.html").write_text("\n".join(parts), encoding="utf-8")


def main(source: Path, encoder: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    tables: dict[str, pd.DataFrame] = {}
    with step("ingest"):
        rows = read(source)
    with step("clean"):
        rows["clean"] = rows["text"].map(clean)
    with step("split"):
        rows = split(rows)
    with step("profile"):
        profile(rows, out)
    labelled = rows[rows["role"] != "unlabelled"]
    with step("tokenize"):
        tokenizer = AutoTokenizer.from_pretrained(encoder)
        tokens = tokenized(rows["clean"].to_list(), tokenizer)
        training, validating = (
            tokenized(part["clean"].to_list(), tokenizer, part["target"].astype(int).to_list())
            for part in (rows[rows["role"] == role] for role in ("train", "validation"))
        )
    with step("features"):
        frozen_NH = vectors(tokens, AutoModel.from_pretrained(encoder), tokenizer)
    with step("baseline"):
        said = baselines(rows, frozen_NH)
    with step("finetune"):
        trainer = finetune(training, validating, encoder, tokenizer, out)
    with step("predict"):
        said["finetuned"] = softmax(trainer.predict(tokens).predictions, axis=1)
        unlabelled = rows["role"] == "unlabelled"
        rows.loc[unlabelled, ["id"]].assign(target=said["finetuned"][unlabelled].argmax(1)).to_csv(
            out / "submission.csv", index=False
        )
    ask = classifier(trainer.model, tokenizer)
    with step("robustness"):
        tables["changes"] = robustness(rows, ask)
    with step("evaluate"):
        tables["scores"] = evaluate(rows, said, out)
    with step("errors"):
        tables["losses"] = with_losses(labelled, said["finetuned"])
        tables["labels"] = label_issues(labelled, said)
        tables["slices"] = weak_slices(tables["losses"])
        tables["curve"] = learning_curve(rows)
        rows["cluster"] = KMeans(CLUSTERS, n_init=1, random_state=SEED).fit_predict(frozen_NH)
        unsure = pd.Series(entropy(said["finetuned"], axis=1), rows.index)[unlabelled]
        tables["to label"] = rows.loc[unsure.nlargest(100).index]
        # evaluation rows first
        chosen = labelled.sort_values("role", key=lambda role: role == "train").index[:ON_THE_MAP].to_numpy()
        tuned_NH = vectors(tokens.select(chosen), trainer.model.base_model, tokenizer)
        labels = rows.loc[chosen, "target"]
        laid_out(tuned_NH, labels, out / "map_finetuned.png")
        laid_out(frozen_NH[chosen], labels, out / "map_frozen.png")
    with step("explain"):
        worst = tables["losses"].sort_values("role", key=lambda role: role == "train", kind="stable")
        asked_for = pd.concat([worst.head(EXPLAINED), tables["labels"].head(ISSUES)]).drop_duplicates("id")
        words = explained(asked_for["clean"].to_list(), ask)
        tables["explanations"] = asked_for[["id", "clean"]].assign(words=pd.Series(words, asked_for.index))
    with step("report"):
        page(tables, sorted(out.glob("*.png")), out)
    found = tables["scores"].set_index(["role", "model", "score"])["value"]
    told = {"steps": steps, "f1": found["test", "finetuned", f"f1_{LABELS.index('disaster')}"]}
    (out / "steps.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
