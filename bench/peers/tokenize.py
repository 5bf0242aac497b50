"""Token ids as the tutorials make them: `map(batched=True)` over a dataset, with the fast AutoTokenizer."""

from pathlib import Path

from datasets import Dataset
from transformers import AutoTokenizer, PreTrainedTokenizerBase


def tokenize(dataset: Dataset, tokenizer: PreTrainedTokenizerBase, max_tokens: int, arrow: Path) -> Dataset:
    """`arrow` is where the result is cached, as it would be beside a dataset that came from a file."""

    def tokenize_function(batch: dict[str, list[str]]) -> object:
        return tokenizer(batch["text"], truncation=True, max_length=max_tokens)

    return dataset.map(
        tokenize_function, batched=True, cache_file_name=str(arrow), load_from_cache_file=False
    )


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
    return tokenizer
