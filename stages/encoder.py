"""Fetch the pretrained encoder and its tokenizer, verify them, and lay them in models/encoder.

Weights are safetensors only, from a Hub repository at one commit, from an installed package whose checksums
stand in stages/lib/encoders/known.py, or from a folder. Nothing that comes with a model is run.
"""

import importlib.util
import re
from pathlib import Path
from typing import Any, Literal

from stages.lib.digests import sha256
from stages.lib.encoders.known import PACKAGES, Known, config_of, write_tokenizer
from stages.lib.encoders.tokenizer_files import save_tokenizer
from stages.lib.encoders.traits import Traits, write_traits
from stages.lib.encoders.weights import WEIGHTS, copy_weights, describe, name_padding, save_random_weights
from stages.lib.exceptions import EncoderError
from stages.lib.params import StageParams, load_params
from stages.lib.remotes.hub_errors import explained
from stages.lib.stage import OutPath, run
from stages.lib.tables import replacing_folder, write_json

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


def provenance(params: Params, folder: Path) -> dict[str, Any]:
    return {
        "name": params.name,
        "revision": params.revision,
        "weights": params.weights,
        "sha256": {path.name: sha256(path) for path in sorted(folder.iterdir())},
    }


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
