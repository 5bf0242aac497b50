"""How large everything is: on a GPU, and where all of it only has to run."""

from typing import NamedTuple

from transformers import BertConfig, DistilBertConfig, PretrainedConfig

from bench.gpu.timing import Pace


class Scale(NamedTuple):
    """How large everything is."""

    configs: dict[str, PretrainedConfig]
    texts: int
    inferred: int
    inferred_by_peer: int
    batch: int  # as params.yaml has it
    large_batch: int  # that fills the card
    pace: Pace
    product: tuple[int, ...]
    compiler: str


FULL = Scale(
    {"BERT-base": BertConfig(), "DistilBERT": DistilBertConfig()},
    texts=20_480,
    inferred=4096,
    inferred_by_peer=1024,
    batch=32,
    large_batch=256,
    pace=Pace(warm_up=10, seconds=1.0, windows=3),
    product=(4096, 8192),
    compiler="inductor",
)
TINY_BERT = BertConfig(
    vocab_size=90, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
)
TINY = Scale(
    {
        "BERT-base": TINY_BERT,
        "DistilBERT": DistilBertConfig(vocab_size=90, dim=32, n_layers=2, n_heads=2, hidden_dim=64),
        "packaged encoder": TINY_BERT,  # the real one takes minutes
    },
    texts=64,
    inferred=64,
    inferred_by_peer=16,
    batch=4,
    large_batch=8,
    pace=Pace(warm_up=1, seconds=0.01, windows=1),
    product=(256,),
    compiler="eager",
)
