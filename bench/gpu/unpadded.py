"""A batch of texts as one row without padding, each text attending to itself alone.

transformers knows this of decoders with flash-attn installed; its BERT and DistilBERT make no mask of packed
rows, and their heads read the first token of a row. So the attention here is PyTorch's own `varlen_attn` (a
GPU, half precision; it has no dropout of attention weights), and elsewhere a loop over the texts, which is
what tests hold it to.

Shapes: B texts, T tokens in the longest, S tokens in all, H hidden size, C classes, A heads, D their size.
"""

from types import MethodType
from typing import Any

import torch
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import pad, relu, scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.modeling_outputs import SequenceClassifierOutput

NAME = "each_text_for_itself"


def unpad(model: Any) -> None:
    """BERT or DistilBERT with a head for sequences: it reads padded batches as before, and gives logits."""
    AttentionInterface.register(NAME, attention)
    model.set_attn_implementation(NAME)
    model.forward = MethodType(forward, model)


def forward(
    model: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: Any
) -> SequenceClassifierOutput:
    """[B, T] each."""
    is_token_BT = attention_mask.bool()
    starts = pad(attention_mask.sum(1).cumsum(0), (1, 0)).to(torch.int32)  # [B + 1]
    places_BT = torch.arange(input_ids.shape[1], device=input_ids.device).expand_as(input_ids)
    states_1SH = model.base_model(
        input_ids=input_ids[is_token_BT].unsqueeze(0),
        position_ids=places_BT[is_token_BT].unsqueeze(0),
        starts=starts,
        longest=input_ids.shape[1],
    ).last_hidden_state
    return SequenceClassifierOutput(logits=head(model, states_1SH[0, starts[:-1]]))


def head(model: Any, first_BH: torch.Tensor) -> torch.Tensor:
    """[B, C], as the model's own head has it."""
    if model.config.model_type == "distilbert":
        pooled_BH = relu(model.pre_classifier(first_BH))
    else:
        pooled_BH = model.base_model.pooler(first_BH.unsqueeze(1))
    logits_BC: torch.Tensor = model.classifier(model.dropout(pooled_BH))
    return logits_BC


def attention(
    module: Any,
    query_1ASD: torch.Tensor,
    key_1ASD: torch.Tensor,
    value_1ASD: torch.Tensor,
    attention_mask: None,
    *,
    scaling: float,
    starts: torch.Tensor,
    longest: int,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """[1, S, A, D]; of transformers' AttentionInterface."""
    heads_1ASD = (query_1ASD, key_1ASD, value_1ASD)
    if query_1ASD.is_cuda:
        query, key, value = (x.squeeze(0).transpose(0, 1).contiguous() for x in heads_1ASD)
        found = varlen_attn(query, key, value, starts, starts, longest, longest, scale=scaling)
        return found.unsqueeze(0), None  # type: ignore[union-attr]
    bounds = list(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True))
    texts = [
        scaled_dot_product_attention(query, key, value, scale=scaling)
        for begin, end in bounds
        for query, key, value in [[x[:, :, begin:end] for x in heads_1ASD]]
    ]
    return torch.cat(texts, dim=2).transpose(1, 2).contiguous(), None
