"""What knobs of training and inference gain on this machine: `python -m bench.knobs`, after `make run`.

Each setting takes turns with that of params.yaml, on the emotion tweets; docs/performance.md says what it
costs. Training is timed by steps spread over the lengths of an epoch's, as bench/training.py has it.
"""

from collections.abc import Callable
from typing import Any

from transformers import AutoModel

from bench import emotion, training
from bench.measuring import Pairs, in_words, record, seconds
from stages.features import Params as FeaturesParams
from stages.lib.allocation import keep_memory
from stages.lib.encoders.inference import infer, load, pooler, quieten_transformers
from stages.lib.params import load_params
from stages.lib.training.knobs import Params
from stages.lib.training.optimization import choose_precision

ROUNDS = 2
TRAINING: dict[str, dict[str, Any]] = {
    "`finetune.precision: float32`": {"precision": "float32"},
    "`finetune.batch_size: 16`": {"batch_size": 16},
    "`finetune.batch_size: 64`": {"batch_size": 64},
    "`finetune.gradient_accumulation: 4`": {"gradient_accumulation": 4},
    "`finetune.gradient_checkpointing: true`": {"gradient_checkpointing": True},
    "`finetune.freeze_embeddings: true`": {"freeze_embeddings": True},
    "`finetune.freeze_embeddings: true` and `freeze_layers: 3`": {
        "freeze_embeddings": True,
        "freeze_layers": 3,
    },
    "`finetune.lora_rank: 8`": {"lora_rank": 8},
}
BATCH_TOKENS = (1024, 16_384)

Way = Callable[[], float]  # seconds


def main() -> None:
    if not emotion.is_here():
        raise SystemExit(f"knobs: {emotion.TEXTS} is not here, and nothing was measured")
    quieten_transformers()
    keep_memory()
    tweets = emotion.emotion()
    lines = ["| set to | training, or inference, is |", "|---|---|"]
    by_default = step_of(tweets, {})
    for name, knobs in TRAINING.items():
        lines.append(line(name, in_turns(step_of(tweets, knobs), by_default)))
    for batch_tokens in BATCH_TOKENS:
        found = in_turns(inference_of(tweets, batch_tokens), inference_of(tweets, None))
        lines.append(line(f"`batch_tokens: {batch_tokens}`", found))
    print("\n".join(lines))
    record("knobs", [], "\n".join(lines))


def line(name: str, found: Pairs) -> str:
    return f"| {name} | {in_words(found.times_as_fast, 'times as fast')} |"


def in_turns(changed: Way, by_default: Way) -> Pairs:
    pairs = [(changed(), by_default()) for _ in range(ROUNDS)]
    return Pairs(*map(list, zip(*pairs, strict=True)))


def step_of(tweets: emotion.Tweets, knobs: dict[str, Any]) -> Way:
    """An example of training."""
    params = load_params("finetune", Params).model_copy(update=knobs)
    precision = choose_precision(params.precision)
    return lambda: training.ours(tweets.material, params, precision)


def inference_of(tweets: emotion.Tweets, batch_tokens: int | None) -> Way:
    """All of test's vectors."""
    model: Any = load(AutoModel, emotion.ENCODER)
    pool = pooler(model, "mean")
    most = batch_tokens or load_params("features", FeaturesParams).batch_tokens

    def vectors() -> None:
        infer(model, tweets.test, most, lambda outputs, mask_BT: (pool(outputs, mask_BT),), title=None)

    return lambda: seconds(vectors)


if __name__ == "__main__":
    main()
