"""Each architecture leaves torch by its own exporter and says the same, of one text and of pairs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from commands.export import example_of
from commands.lib.exported import Exported, Runner, infer, session_of
from commands.lib.exporting import write_float32, write_int8
from stages.lib.encoders.heads import load_model
from stages.lib.encoders.inference import inputs_read, padding_id_of
from stages.lib.exceptions import EncoderError
from tests.architectures import ARCHITECTURES, lay_encoder, write_origin
from tests.predicted import task_of
from tests.test_architectures import TEXTS, logits_of, tokens_of


@pytest.mark.slow
@pytest.mark.parametrize("pair", [False, True])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_onnx_says_what_torch_says(tmp_path: Path, name: str, pair: bool) -> None:
    write_origin(name, tmp_path / "origin")
    encoder = lay_encoder(tmp_path / "origin", tmp_path)
    model = load_model(task_of(), encoder, seed=1).eval()
    tokens = tokens_of(encoder, *[TEXTS, TEXTS[::-1]][: 1 + pair])
    if not pair and "token_type_ids" in tokens.column_names:
        tokens = tokens.drop_columns(["token_type_ids"])  # as commands.predict reads single texts
    expected = logits_of(model, tokens)
    inputs = ["input_ids", "attention_mask", *inputs_read(model, tokens.column_names)[1:]]
    made = Exported(inputs=inputs, padding_id=padding_id_of(model), weights={}, int8="", report={})
    write_float32(model, example_of(inputs), 20, tmp_path / "float32.onnx")
    paths = tmp_path / "float32.onnx", tmp_path / "int8.onnx"
    write_int8(*paths, per_channel=True, narrowing=True, base=model.base_model_prefix)
    for batch_tokens in (1, 10_000):
        for numbers, most in (("float32", 1e-5), ("int8", 0.2)):
            runner = Runner(session_of(tmp_path / f"{numbers}.onnx", 1), made, 1)
            found = infer(runner, tokens, batch_tokens)
            assert np.abs(found - expected).max() < most
    assert np.abs(found - expected).max() > 1e-4  # int8 is not float32 by another name
    assert np.ptp(expected, axis=0).max() > 0.2


class Stubborn(torch.nn.Module):
    """What depends on a text's ids leaves no graph."""

    def set_attn_implementation(self, name: str) -> None:
        pass

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return input_ids if int(input_ids.sum()) > 3 else attention_mask


@pytest.mark.slow
def test_what_the_exporter_cannot_take_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"Stubborn: torch's exporter to ONNX cannot take it: .* by torch"):
        write_float32(Stubborn(), example_of(["input_ids", "attention_mask"]), 20, tmp_path / "f.onnx")
    assert not list(tmp_path.iterdir())
