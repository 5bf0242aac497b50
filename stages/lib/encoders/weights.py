"""An encoder's weights in its folder, as safetensors alone, with the config.json that they belong to."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from stages.lib.exceptions import EncoderError

WEIGHTS = ("*.safetensors", "*.safetensors.index.json")


def copy_weights(origin: Path, folder: Path) -> None:
    files = sorted(path for pattern in WEIGHTS for path in origin.glob(pattern))
    if not files:
        raise EncoderError(
            f"{origin}: no .safetensors file; textrail loads no pickles (pytorch_model.bin): "
            "take a revision that has safetensors, or convert the weights with transformers' save_pretrained"
        )
    for path in files:
        shutil.copyfile(path, folder / path.name)
    shutil.copyfile(origin / "config.json", folder / "config.json")


def name_padding(folder: Path, padding_id: int) -> None:
    """In config.json, where it names another or none."""
    from transformers import AutoConfig

    known = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    if getattr(known, "pad_token_id", None) != padding_id:
        config = json.loads((folder / "config.json").read_bytes()) | {"pad_token_id": padding_id}
        # not write_json, which rounds: layer_norm_eps is 1e-12
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def save_random_weights(origin: Path, folder: Path, padding_id: int, seed: int) -> None:
    import torch
    from transformers import AutoConfig, AutoModel, set_seed
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # of the writing, which takes no time
    set_seed(seed)  # before the weights are made
    config = AutoConfig.from_pretrained(origin, trust_remote_code=False)
    model = AutoModel.from_config(config, dtype=torch.float32)
    model.config.pad_token_id = padding_id
    model.save_pretrained(folder)


def describe(folder: Path, config: Any) -> dict[str, Any]:
    """Raises EncoderError where a weights file is cut short or no safetensors."""
    weights = sorted(folder.glob("*.safetensors"))
    return {
        "parameters": sum(count_parameters(path) for path in weights),
        "bytes": sum(path.stat().st_size for path in weights),
        "layers": config.num_hidden_layers,
        "hidden_size": config.hidden_size,
        "vocabulary": config.vocab_size,
    }


def count_parameters(path: Path) -> int:
    try:
        with safe_open(path, framework="np") as file:
            shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118 (no mapping)
    except SafetensorError as error:
        raise EncoderError(f"{path.name}: not a whole safetensors file: {error}") from None
    return sum(math.prod(shape) for shape in shapes)
