"""The ways to train and to infer that bench/gpu.py measures: the Trainer's, and the project's own loops.

Whatever the project has a knob for goes through finetune's Params; attention and torch.compile, for which it
has none, are set on the model that its loops are given.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import AutoModel, AutoModelForSequenceClassification, PretrainedConfig, set_seed

from bench.gpu_timing import Enough, Measured, Pace, Size, Stopwatch, Window, measured, size_of
from bench.peers import gpu as peer
from stages.lib.encoders.encoding import as_arrow
from stages.lib.encoders.heads import AS_THEY_ARE
from stages.lib.encoders.inference import infer, load
from stages.lib.task import Task
from stages.lib.training.adapting import make_model
from stages.lib.training.batches import Batches
from stages.lib.training.checkpoints import Checkpoints
from stages.lib.training.journal import Journal, Plan, Watchers
from stages.lib.training.knobs import Params
from stages.lib.training.training import LOOPS, Material, make_session

CLASSES = 6
TRAINING, INFERENCE = 3, 1  # passes over the layers
MOST_APART = 0.05  # logits in half precision, of which random weights make no more than 1
Change = Callable[[Any], None]  # of a model
Context = Callable[[], AbstractContextManager[Any]]


class Setting(NamedTuple):
    """A model, its texts, and how long and how much each way may take."""

    model: str
    texts: str
    material: Material
    params: Params
    pace: Pace
    inferred: int  # rows
    compiler: str  # torch.compile's backend

    def __str__(self) -> str:
        return f"{self.model}, {self.texts}"


def nothing(_: Any) -> None:
    pass


# what a model is


def write_encoder(config: PretrainedConfig, folder: Path) -> Path:
    """Random weights, always the same."""
    set_seed(1)
    AutoModel.from_config(config).save_pretrained(folder)
    return folder


def emotion_lengths(count: int) -> np.ndarray:
    """As MiniLM's tokenizer makes of emotion's 16,000 training texts: 22 tokens on average, 4 to 87."""
    lengths_N = np.random.default_rng(1).gamma(3.3, 6.1, count) + 2
    lengths_N[0] = 87
    return np.clip(np.rint(lengths_N), 4, 87).astype(np.int64)


def material(encoder: Path, lengths_N: np.ndarray, vocabulary: int) -> Material:
    """Random tokens and labels."""
    chance = np.random.default_rng(2)
    ids = as_arrow([chance.integers(5, vocabulary, length).tolist() for length in lengths_N])
    labels = pa.array(chance.integers(0, CLASSES, len(lengths_N)))
    table = pa.table({"input_ids": ids, "length": ids.value_lengths(), "label": labels})
    return Material(task(), encoder, table, table.slice(0, 8))


def task() -> Task:
    names = [f"class {number}" for number in range(CLASSES)]
    columns = {"id": None, "text": "text", "text_pair": None, "label": "label"}
    return Task.model_validate(
        {
            "title": "random tokens",
            "kind": "classification",
            "labels": names,
            "raw_labels": names,
            "separator": None,
            "positive": None,
            "metrics": ["accuracy"],
            "columns": columns,
            "kept": [],
            "copies": "report",
            "submission": {"delimiter": ",", "id": "id", "label": "label", "files": {}},
        }
    )


# how it is changed


def attention(name: str) -> Change:
    return lambda model: model.set_attn_implementation(name)


def flash_attention_2(model: Any) -> None:
    import flash_attn  # type: ignore[import-not-found]  # noqa: F401  # else transformers would ask the Hub for it

    model.set_attn_implementation("flash_attention_2")


def compiled(compiler: str, dynamic: bool) -> Change:
    """In place, so that its weights keep their names."""
    return lambda model: model.compile(backend=compiler, dynamic=dynamic)


def compiled_within(compiler: str) -> Change:
    """The encoder alone, for any length: of an unpadded batch what goes before depends on the texts."""
    return lambda model: model.base_model.compile(backend=compiler, dynamic=True)


def flex_attention(model: Any) -> None:
    """Without dropout of attention's weights, which it does not know."""
    model.set_attn_implementation("flex_attention")
    for module in model.modules():
        if hasattr(module, "scaling") and isinstance(module.dropout, torch.nn.Dropout):
            module.dropout.p = 0.0


def unmasked(model: Any) -> None:
    """Reads no attention mask: right where no text is padded, and nowhere else."""
    forward = model.forward

    def without(input_ids: torch.Tensor, attention_mask: torch.Tensor, **rest: Any) -> Any:
        return forward(input_ids=input_ids, **rest)

    model.forward = without


def both(first: Change, second: Change) -> Change:
    def change(model: Any) -> None:
        first(model)
        second(model)

    return change


def kernel(backend: SDPBackend) -> Context:
    return lambda: sdpa_kernel(backend)


@contextmanager
def tf32() -> Iterator[None]:
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision("highest")


def bf16() -> AbstractContextManager[Any]:
    return torch.autocast(device(), torch.bfloat16)


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


# how it trains


def ours(
    setting: Setting, change: Change = nothing, context: Context = nullcontext, **knobs: Any
) -> Measured:
    """One of the project's loops."""
    params = setting.params.model_copy(update=knobs)
    given = setting.material
    watch = Stopwatch(setting.pace)
    with tempfile.TemporaryDirectory() as folder:
        model = make_model(given.task, given.encoder, params)
        size = size_of(model)
        change(model)
        session = make_session(given, params, Watchers(), Checkpoints(Path(folder)), model, AS_THEY_ARE, 1)
        session = session._replace(journal=Clock(session.journal.plan, watch))
        try:
            with context():
                LOOPS[params.loop](session)
        except Enough:
            pass
    windows = [Window(s, lengths_read(session.batches, first, end)) for s, first, end in watch.spans]
    return measured(windows, size, TRAINING, watch.warm_up)


class Clock(Journal):
    """Scores nothing, and ends the training once its stopwatch has had enough."""

    def __init__(self, plan: Plan, watch: Stopwatch) -> None:
        super().__init__(plan, Watchers(), is_main=True)
        self.watch = watch

    @property
    def epoch_is_over(self) -> bool:
        return False

    def step_done(self, learning_rate: float) -> None:
        super().step_done(learning_rate)
        self.watch.step_done()


def lengths_read(batches: Batches, first: int, end: int) -> np.ndarray:
    """Of the texts of these steps."""

    @cache
    def steps_of(epoch: int) -> list[np.ndarray]:
        batches.epoch = epoch
        return batches.steps()

    steps = [divmod(step, batches.steps_per_epoch) for step in range(first, end)]
    return np.concatenate([batches.lengths_N[steps_of(epoch)[place]] for epoch, place in steps])


def theirs(
    setting: Setting, batch_size: int, context: Context = nullcontext, each_batch: bool = False, **knobs: Any
) -> Measured:
    """The Trainer. Its batches are random: a window's lengths are those of all texts, as often as need be."""
    given = setting.material
    lengths_N = np.asarray(given.train["length"])
    laid = peer.unpadded if each_batch else peer.padded_to_the_longest
    rows = laid(given.train["input_ids"].to_pylist(), given.train["label"].to_pylist())
    collate = peer.pad_to_the_batch if each_batch else None
    knobs = {"per_device_train_batch_size": batch_size, "use_cpu": device() == "cpu", **knobs}
    watch = Stopwatch(setting.pace)
    try:
        with context():
            peer.train(given.encoder, CLASSES, rows, watch.step_done, collate, **knobs)
    except Enough:
        pass
    windows = [
        Window(seconds, np.resize(lengths_N, (end - first) * batch_size))
        for seconds, first, end in watch.spans
    ]
    return measured(windows, size_on_disk(given.encoder), TRAINING, watch.warm_up)


@cache
def size_on_disk(encoder: Path) -> Size:
    return size_of(AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=CLASSES))


# how it infers


def ours_inferring(
    setting: Setting,
    batch_tokens: int,
    change: Change = nothing,
    context: Context = nullcontext,
    dtype: torch.dtype | None = None,
) -> Measured:
    """`infer` of the project, checked against the unchanged model in float32 before it is timed."""
    given = setting.material
    table = given.train.slice(0, setting.inferred)
    set_seed(1)  # of the head
    model: Any = load(AutoModelForSequenceClassification, given.encoder)
    size = size_of(model)
    few = table.slice(0, 64)
    (plain,) = infer(model, few, batch_tokens, logits_of, title=None)
    change(model)
    if dtype is not None:
        model.to(dtype)

    def once(rows: pa.Table) -> np.ndarray:
        with context():
            return infer(model, rows, batch_tokens, logits_of, title=None)[0]

    apart = float(np.abs(once(few) - plain).max())
    assert apart < MOST_APART, f"logits are {apart:.2g} off those of float32"
    return repeated(lambda: once(table), np.asarray(table["length"]), size, setting.pace)


def theirs_inferring(setting: Setting, rows: int, **knobs: Any) -> Measured:
    given = setting.material
    table = given.train.slice(0, rows)
    laid = peer.padded_to_the_longest(table["input_ids"].to_pylist(), table["label"].to_pylist())
    with tempfile.TemporaryDirectory() as folder:
        predict = peer.predictor(given.encoder, CLASSES, folder, use_cpu=device() == "cpu", **knobs)
        size = size_on_disk(given.encoder)
        return repeated(lambda: predict(laid), np.asarray(table["length"]), size, setting.pace)


def repeated(work: Callable[[], Any], lengths_N: np.ndarray, size: Size, pace: Pace) -> Measured:
    """All rows again and again; the first time is the warm-up."""
    watch = Stopwatch(pace._replace(warm_up=1))
    try:
        while True:
            work()
            watch.step_done()
    except Enough:
        pass
    windows = [Window(seconds, np.tile(lengths_N, end - first)) for seconds, first, end in watch.spans]
    return measured(windows, size, INFERENCE, watch.warm_up)


def logits_of(outputs: Any, _: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return (outputs.logits,)
