"""From torch to ONNX: float32 by torch's own exporter, int8 from that by ONNX Runtime's quantiser.

Shapes: B examples, T tokens, C classes.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch.export import Dim

from commands.lib.exported import LOGITS
from stages.lib.exceptions import EncoderError

QUANTISED = ["MatMul", "Gemm"]  # a table of embeddings stays: that it is smaller makes nothing faster


class Logits(torch.nn.Module):
    """The model with its inputs by name, and its logits alone for an answer."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        logits_BC: torch.Tensor = self.model(
            input_ids=input_ids, attention_mask=attention_mask, **types
        ).logits
        return logits_BC


def write_float32(model: Any, inputs_BT: dict[str, torch.Tensor], opset: int, path: Path) -> None:
    """Any number of texts of any length. `inputs_BT` are an example. Raises EncoderError.

    Attention is written out in plain operators, which every runtime knows and the quantiser reads.
    """
    model.set_attn_implementation("eager")
    dynamic = {name: {0: Dim.DYNAMIC, 1: Dim.DYNAMIC} for name in inputs_BT}
    try:
        with quiet():
            program = torch.onnx.export(
                Logits(model).eval(),
                (),
                kwargs=inputs_BT,
                dynamo=True,
                opset_version=opset,
                input_names=list(inputs_BT),
                output_names=[LOGITS],
                dynamic_shapes=dynamic,
                verbose=False,
            )
            assert program is not None
            program.save(path, external_data=False)
    except OSError:
        raise
    except Exception as error:  # of the exporter's many, none has a parent of its own
        raise EncoderError(
            f"{type(model).__name__}: torch's exporter to ONNX cannot take it: {cause_of(error)}; "
            "`python -m commands.predict` serves it by torch, without --onnx"
        ) from error


def cause_of(error: BaseException) -> str:
    """The first line of what began it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def write_int8(float32: Path, path: Path, *, per_channel: bool, narrowing: bool, base: str) -> None:
    """Weights of the encoder as int8, activations as they come; the head, which is small, stays.

    `narrowing`: layers with fewer outputs than inputs too. `base` is the encoder's name within the model:
    weights named otherwise are the head's.
    """
    graph = onnx.load(float32).graph
    shapes = {weights.name: tuple(weights.dims) for weights in graph.initializer}
    stay = [
        name
        for node in graph.node
        if _is_of_head(node, base) or not (narrowing or _widens(node, shapes))
        for name in (node.name, f"{node.name}_MatMul")  # as a Gemm is called once it is taken apart
    ]
    with quiet():
        quantize_dynamic(
            float32,
            path,
            op_types_to_quantize=QUANTISED,
            per_channel=per_channel,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=stay,
            extra_options={"MatMulConstBOnly": True},
        )


def _is_of_head(node: onnx.NodeProto, base: str) -> bool:
    return any(name.startswith("model.") and not name.startswith(f"model.{base}.") for name in node.input)


def _widens(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> bool:
    """Whether it has as many outputs as inputs, or more; so has what is no layer."""
    if node.op_type not in QUANTISED or len(shape := shapes.get(node.input[1], ())) != 2:
        return True
    is_turned = any(option.name == "transB" and option.i for option in node.attribute)
    inputs, outputs = reversed(shape) if is_turned else shape
    return outputs >= inputs


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Both libraries tell of what they pass over, to people who write exporters."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.ERROR)
        try:
            yield
        finally:
            logging.disable(before)
