"""Tiny encoders of seven architectures, as folders that hold what a person would have: config and tokenizer.

Their weights are drawn by the encoder stage. Each tokenizer has the special tokens of its architecture.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE, Unigram, WordPiece

from stages.encoder import main
from tests.tiny import ALARM, CALM, EITHER

ROOM = 32
WORDS = [*ALARM, *CALM, *EITHER]
BERT_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
END = "<|endoftext|>"  # GPT-2's only special token: it begins, ends, and stands for what is unknown


def wordpiece() -> Tokenizer:
    """BERT's: `[CLS] a [SEP] b [SEP]`, type ids 0 and 1."""
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    pieces = [*BERT_SPECIAL, *letters, *(f"##{letter}" for letter in letters), *WORDS]
    tokenizer = Tokenizer(WordPiece({piece: place for place, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = between(tokenizer, "[CLS]", "[SEP]")
    return with_special(tokenizer, BERT_SPECIAL)


def unigram() -> Tokenizer:
    """DeBERTa-v2's, SentencePiece: its vocabulary holds the special tokens as the likeliest pieces."""
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    letters = [chr(code) for code in range(33, 127)]
    pieces = [(piece, 0.0) for piece in special]
    pieces += [("▁", -3.0), *((f"▁{word}", -5.0) for word in WORDS), *((letter, -8.0) for letter in letters)]
    tokenizer = Tokenizer(Unigram(pieces, unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = between(tokenizer, "[CLS]", "[SEP]")
    return with_special(tokenizer, [*special, "[MASK]"])


def bytes_alone(special: list[str]) -> Tokenizer:
    """GPT-2's: bytes that merge, and no token that the text has not."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("Ġ", "t"), ("h", "e"), ("Ġt", "he"), ("i", "r"), ("f", "ir"), ("fir", "e")]
    pieces = [*special, *alphabet, *("".join(pair) for pair in merges)]
    tokenizer = Tokenizer(BPE({piece: place for place, piece in enumerate(pieces)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return with_special(tokenizer, special)


def gpt2() -> Tokenizer:
    return bytes_alone([END])


def roberta() -> Tokenizer:
    """`<s> a </s></s> b </s>`, all of type 0."""
    tokenizer = bytes_alone(ROBERTA_SPECIAL)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return tokenizer


def modern_bert() -> Tokenizer:
    tokenizer = bytes_alone(BERT_SPECIAL)
    tokenizer.post_processor = between(tokenizer, "[CLS]", "[SEP]", second=0)
    return tokenizer


def between(tokenizer: Tokenizer, first: str, last: str, second: int = 1) -> Any:
    return processors.TemplateProcessing(
        single=f"{first}:0 $A:0 {last}:0",
        pair=f"{first}:0 $A:0 {last}:0 $B:{second} {last}:{second}",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in (first, last)],
    )


def with_special(tokenizer: Tokenizer, names: list[str]) -> Tokenizer:
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    return tokenizer


class Architecture(NamedTuple):
    config: dict[str, Any]
    tokenizer: Callable[[], Tokenizer]
    named: dict[str, str]  # the tokenizer's special tokens, by their role
    tokenizer_class: str
    single: list[str]  # what stands around a text, which is "*"
    pair: list[str]
    type_ids: bool
    shape: str
    room: int | None
    padding: str
    head: str  # its last linear layer


BERT_NAMED = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
ROBERTA_NAMED = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "sep_token": "</s>",
    "cls_token": "<s>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}
BERT_SINGLE, BERT_PAIR = ["[CLS]", "*", "[SEP]"], ["[CLS]", "*", "[SEP]", "*", "[SEP]"]
ROBERTA_SINGLE, ROBERTA_PAIR = ["<s>", "*", "</s>"], ["<s>", "*", "</s>", "</s>", "*", "</s>"]
# large first weights, so that logits differ from text to text
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
SMALL |= {"initializer_range": 0.2}  # type: ignore[dict-item]

ARCHITECTURES = {
    "bert": Architecture(
        {"model_type": "bert", "max_position_embeddings": ROOM, **SMALL},
        wordpiece, BERT_NAMED, "BertTokenizer", BERT_SINGLE, BERT_PAIR,
        type_ids=True, shape="encoder", room=ROOM, padding="[PAD]", head="classifier",
    ),
    "distilbert": Architecture(
        {"model_type": "distilbert", "max_position_embeddings": ROOM, "dim": 32, "n_layers": 2, "n_heads": 2,
         "hidden_dim": 64, "initializer_range": 0.2},
        wordpiece, BERT_NAMED, "DistilBertTokenizer", BERT_SINGLE, BERT_PAIR,
        type_ids=False, shape="encoder", room=ROOM, padding="[PAD]", head="classifier",
    ),
    "roberta": Architecture(
        {"model_type": "roberta", "max_position_embeddings": ROOM + 2, "type_vocab_size": 1, **SMALL},
        roberta, ROBERTA_NAMED, "RobertaTokenizer", ROBERTA_SINGLE, ROBERTA_PAIR,
        type_ids=False, shape="encoder", room=ROOM, padding="<pad>", head="classifier.out_proj",
    ),
    "deberta-v2": Architecture(
        {"model_type": "deberta-v2", "max_position_embeddings": ROOM, "relative_attention": True,
         "position_biased_input": False, "position_buckets": 8, "pos_att_type": ["p2c", "c2p"],
         "share_att_key": True, "norm_rel_ebd": "layer_norm", "type_vocab_size": 0, "pad_token_id": 0,
         **SMALL},
        unigram, BERT_NAMED, "DebertaV2Tokenizer", BERT_SINGLE, BERT_PAIR,
        type_ids=False, shape="encoder", room=None, padding="[PAD]", head="classifier",
    ),
    "modernbert": Architecture(
        {"model_type": "modernbert", "max_position_embeddings": ROOM, "local_attention": 8, "pad_token_id": 0,
         "cls_token_id": 2, "bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3, **SMALL},
        modern_bert, BERT_NAMED, "PreTrainedTokenizerFast", BERT_SINGLE, BERT_PAIR,
        type_ids=False, shape="encoder", room=ROOM, padding="[PAD]", head="classifier",
    ),
    "gpt2": Architecture(
        {"model_type": "gpt2", "n_positions": ROOM, "n_embd": 32, "n_layer": 2, "n_head": 2,
         "bos_token_id": 0, "eos_token_id": 0, "initializer_range": 0.2},
        gpt2, {"bos_token": END, "eos_token": END, "unk_token": END}, "GPT2Tokenizer", ["*"], ["*", "*"],
        type_ids=False, shape="decoder", room=ROOM, padding=END, head="score",
    ),
    "bart": Architecture(
        {"model_type": "bart", "max_position_embeddings": ROOM, "d_model": 32, "encoder_layers": 2,
         "decoder_layers": 2, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
         "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "init_std": 0.2},
        roberta, ROBERTA_NAMED, "BartTokenizer", ROBERTA_SINGLE, ROBERTA_PAIR,
        type_ids=False, shape="encoder-decoder", room=ROOM, padding="<pad>",
        head="classification_head.out_proj",
    ),
}  # fmt: skip


def write_origin(name: str, folder: Path) -> None:
    architecture = ARCHITECTURES[name]
    folder.mkdir(parents=True)
    tokenizer = architecture.tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": architecture.tokenizer_class, "model_max_length": ROOM}
    write(settings | architecture.named, folder / "tokenizer_config.json")
    write(architecture.config | {"vocab_size": tokenizer.get_vocab_size()}, folder / "config.json")


def write(value: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def lay_encoder(origin: Path, folder: Path, weights: str = "random") -> Path:
    """models/encoder in the folder, by the encoder stage."""
    folder.mkdir(parents=True, exist_ok=True)
    knobs = {"name": str(origin), "revision": None, "weights": weights, "seed": 1}
    write({"encoder": knobs}, folder / "params.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        main(encoder=Path("models/encoder"), metrics=Path("metrics/encoder.json"))
    return folder / "models/encoder"
