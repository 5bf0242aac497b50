"""Fetch the pretrained encoder and its tokenizer, verify them, and lay them in models/encoder.

Weights are safetensors only, from a Hub repository at one commit, from an installed package whose checksums
stand in stages/lib/encoders/known.py, or from a folder. Nothing that comes with a model is run.
"""

import importlib.util
import json
import math
import re
import shutil
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError, safe_open

from stages.lib.digests import sha256
from stages.lib.encoders.known import PACKAGES, Known, config_of, write_tokenizer
from stages.lib.encoders.traits import Traits, reads_type_ids, write_traits
from stages.lib.exceptions import EncoderError
from stages.lib.params import StageParams, load_params
from stages.lib.remotes.hub_errors import explained
from stages.lib.stage import OutPath, run
from stages.lib.tables import replacing_folder, write_json

SPACE = "▁"  # SentencePiece's
WEIGHTS = ("*.safetensors", "*.safetensors.index.json")
READ_FROM_HUB = [*WEIGHTS, "*.json", "*.txt", "*.model"]  # configuration and tokenizer; no code, no pickle


class Params(StageParams):
    name: str
    revision: str | None
    weights: Literal["pretrained", "random"]
    seed: int


def locate(params: Params) -> Path:
    """The folder on this machine that holds the encoder's files. Raises EncoderError."""
    if params.name.startswith("package:"):
        return packaged(params.name.removeprefix("package:"))
    if params.revision is None:
        folder = Path(params.name)
        if not (folder / "config.json").is_file():
            raise EncoderError(
                f"encoder.name: {params.name} is no folder with a config.json; "
                "a Hub model needs encoder.revision, the commit to take it from"
            )
        return folder
    return fetched(params.name, params.revision)


def packaged(module: str) -> Path:
    if module not in PACKAGES:
        raise EncoderError(f"encoder.name: package:{module} is unknown; known: {', '.join(PACKAGES)}")
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise EncoderError(f"encoder.name: package:{module} is not installed; `make run` installs it")
    folder = Path(spec.origin).parent / "model"
    for name, expected in PACKAGES[module].sha256.items():
        if (found := sha256(folder / name)) != expected:
            raise EncoderError(
                f"{folder / name}: SHA-256 is {found}, expected {expected}; "
                f"the file is damaged or was exchanged: reinstall the package {module.replace('_', '-')}"
            )
    return folder


def fetched(name: str, revision: str) -> Path:
    if not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise EncoderError(
            f"encoder.revision: found {revision!r}; a branch or tag can move: give the 40-digit commit "
            f"shown at the model's page under 'Files and versions' ({name})"
        )
    from huggingface_hub import snapshot_download  # only where the Hub is asked for

    with explained(f"model {name} at {revision}", EncoderError):
        return Path(snapshot_download(name, revision=revision, allow_patterns=READ_FROM_HUB))


def save_tokenizer(origin: Path, folder: Path) -> int:
    """The fast tokenizer as transformers sets it up, so that the Rust library alone gives the same ids.

    Names of special tokens within a text are text to it. Returns the id of its padding token.
    """
    from transformers import AutoConfig, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            origin, trust_remote_code=False, split_special_tokens=True, padding_side="right"
        )
        backend = tokenizer.backend_tokenizer
    except (OSError, ValueError, AttributeError) as error:
        raise EncoderError(f"{origin}: no fast tokenizer can be loaded: {_first_line(error)}") from None
    backend.no_truncation()
    backend.no_padding()
    config = AutoConfig.from_pretrained(origin, trust_remote_code=False)
    padding_id = settle_padding(tokenizer, config)
    settle_type_ids(tokenizer, config)
    if names := read_as_special(tokenizer):
        tokenizer = breaking(tokenizer, names)
    tokenizer.init_kwargs.pop("local_files_only", None)  # else HF_HUB_OFFLINE stands in an out
    tokenizer.save_pretrained(folder)
    return padding_id


def settle_padding(tokenizer: Any, config: Any) -> int:
    """The model's padding token or the tokenizer's; for want of one, as in GPT-2, that which ends a text."""
    names = ("pad_token_id", "eos_token_id")
    known = [getattr(source, name, None) for name in names for source in (config, tokenizer)]
    ids = [number for number in known if isinstance(number, int) and number >= 0]
    if not ids:
        raise EncoderError(
            "encoder.name: neither the model nor its tokenizer has a token for padding or for the end of a "
            "text: name one in its config.json, as pad_token_id"
        )
    if tokenizer.pad_token_id != ids[0]:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(ids[0])
    return ids[0]


def settle_type_ids(tokenizer: Any, config: Any) -> None:
    """`transformers.pipeline` hands the model what the tokenizer says that it reads."""
    reads, said = reads_type_ids(config), "token_type_ids" in tokenizer.model_input_names
    if reads != said:
        names = ["input_ids", "token_type_ids", "attention_mask"]
        tokenizer.model_input_names = names if reads else [names[0], names[2]]
        tokenizer.init_kwargs["model_input_names"] = tokenizer.model_input_names


def read_as_special(tokenizer: Any) -> list[str]:
    """Special tokens that the tokenizer's model finds in a text by itself, as SentencePiece's does here.

    Where the name's parts are unknown, the token for that is none of them.
    """
    numbers = {tokenizer.convert_tokens_to_ids(name): name for name in tokenizer.all_special_tokens}
    numbers.pop(tokenizer.unk_token_id, None)
    return [
        name for number, name in numbers.items() if number in tokenizer.encode(name, add_special_tokens=False)
    ]


def breaking(tokenizer: Any, names: list[str]) -> Any:
    """The same tokenizer, with a space behind the first character of such names.

    Of transformers' general class, since those of architectures would build their own normalizer instead.
    """
    from tokenizers import normalizers
    from transformers import PreTrainedTokenizerFast

    backend = tokenizer.backend_tokenizer
    steps = [backend.normalizer] if backend.normalizer else []
    steps += [normalizers.Replace(name, f"{name[0]}{SPACE}{name[1:]}") for name in names]
    backend.normalizer = normalizers.Sequence(steps)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        **tokenizer.special_tokens_map,
        model_max_length=tokenizer.model_max_length,
        model_input_names=tokenizer.model_input_names,
        padding_side="right",
        split_special_tokens=True,
    )


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
        raise EncoderError(f"{path.name}: not a whole safetensors file: {_first_line(error)}") from None
    return sum(math.prod(shape) for shape in shapes)


def provenance(params: Params, folder: Path) -> dict[str, Any]:
    return {
        "name": params.name,
        "revision": params.revision,
        "weights": params.weights,
        "sha256": {path.name: sha256(path) for path in sorted(folder.iterdir())},
    }


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def known_to_be(params: Params) -> Known | None:
    scheme, _, module = params.name.partition(":")
    return PACKAGES.get(module) if scheme == "package" and params.weights == "pretrained" else None


def lay_known(known: Known, origin: Path, folder: Path) -> tuple[dict[str, Any], Traits]:
    write_tokenizer(known, origin, folder)
    copy_weights(origin, folder)
    return describe(folder, config_of(folder)), known.traits


def lay_any(params: Params, origin: Path, folder: Path) -> tuple[dict[str, Any], Traits]:
    """Its traits are found by running it. Raises EncoderError."""
    from transformers import AutoConfig  # with torch seconds to import, which a known encoder does without

    from stages.lib.encoders.probing import probe

    padding_id = save_tokenizer(origin, folder)
    if params.weights == "pretrained":
        copy_weights(origin, folder)
        name_padding(folder, padding_id)
    else:
        save_random_weights(origin, folder, padding_id, params.seed)
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False).get_text_config()
    return describe(folder, config), probe(folder)


def main(*, encoder: OutPath, metrics: OutPath) -> None:
    params = load_params("encoder", Params)
    origin = locate(params)
    known = known_to_be(params)
    with replacing_folder(encoder) as folder:
        numbers, traits = lay_known(known, origin, folder) if known else lay_any(params, origin, folder)
        write_traits(traits, folder)
        write_json(provenance(params, folder), folder / "provenance.json")
    write_json(numbers | traits.model_dump(), metrics)
    print(
        f"encoder: {params.name}, {numbers['parameters'] / 1e6:.1f} M parameters ({params.weights}), "
        f"{numbers['layers']} layers of width {numbers['hidden_size']}, {numbers['vocabulary']:,} tokens"
    )


if __name__ == "__main__":
    run(main)
