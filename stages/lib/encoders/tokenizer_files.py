"""The tokenizer of any encoder, laid so that the Rust library alone gives the ids that transformers gives."""

from pathlib import Path
from typing import Any

from stages.lib.encoders.traits import reads_type_ids
from stages.lib.exceptions import EncoderError

SPACE = "▁"  # SentencePiece's


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


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
