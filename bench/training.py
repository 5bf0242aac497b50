"""Examples per second in training: the three loops beside the Trainer with its defaults.

`python -m bench.training`, after `make run`. The defaults are random batches, each padded to its longest, in
float32; the loops train in batches of like length, in the precision that `auto` chooses and in float32. On a
GPU the most memory that each took is told as well.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from transformers import PrinterCallback, ProgressCallback, Trainer, TrainerCallback, TrainingArguments

from stages.lib.encoders.batching import padded
from stages.lib.encoders.heads import AS_THEY_ARE
from stages.lib.encoders.inference import inputs_read, padding_id_of, quieten_transformers
from stages.lib.params import load_params
from stages.lib.training.adapting import make_model
from stages.lib.training.checkpoints import Checkpoints
from stages.lib.training.journal import Journal, Watchers
from stages.lib.training.knobs import Params
from stages.lib.training.training import LOOPS, Material, make_session, read_material

WARM_UP, STEPS, ROUNDS = 2, 20, 3
Timed = Callable[[], tuple[float, int]]  # seconds, examples


def main() -> None:
    quieten_transformers()
    params = load_params("finetune", Params)
    material = read_material(Path("data/task.json"), Path("models/encoder"), Path("data/tokens.arrow"))
    ways: dict[str, Timed] = {"Trainer's defaults": lambda: defaults(material, params)}
    for precision in ("auto", "float32"):
        for loop in LOOPS:
            chosen = params.model_copy(update={"loop": loop, "precision": precision})
            ways[f"{loop}, {precision}"] = lambda chosen=chosen: ours(material, chosen)  # type: ignore[misc]
    rates: dict[str, list[float]] = {name: [] for name in ways}
    memory: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            if torch.cuda.is_available():
                torch.cuda.reset_peak_memory_stats()
            seconds, examples = way()
            rates[name].append(examples / seconds)
            memory[name] = torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else 0.0
    tell(rates, memory)


def tell(rates: dict[str, list[float]], memory: dict[str, float]) -> None:
    first = next(iter(rates))
    for name, values in rates.items():
        ratios = [value / base for value, base in zip(values, rates[first], strict=True)]
        gigabytes = f", {memory[name]:.2f} GB" if memory[name] else ""
        print(
            f"{name:22} {statistics.median(values):7.1f} examples/s, ratio {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f}, {ROUNDS} rounds){gigabytes}"
        )


class Clock(Journal):
    """Ends the training once enough steps are timed."""

    def step_done(self, learning_rate: float) -> None:
        super().step_done(learning_rate)
        if self.step == WARM_UP:
            self.begun = time.perf_counter()
        if self.step == WARM_UP + STEPS:
            raise Enough(time.perf_counter() - self.begun)


class Enough(Exception):  # noqa: N818  # no error
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


def ours(material: Material, params: Params) -> tuple[float, int]:
    with tempfile.TemporaryDirectory() as folder:
        model = make_model(material.task, material.encoder, params)
        session = make_session(material, params, Watchers(), Checkpoints(Path(folder)), model, AS_THEY_ARE, 1)
        session = session._replace(journal=Clock(session.journal.plan, Watchers(), is_main=True))
        try:
            LOOPS[params.loop](session)
        except Enough as enough:
            return enough.seconds, STEPS * params.batch_size
    raise AssertionError("too few steps in an epoch to time")


def defaults(material: Material, params: Params) -> tuple[float, int]:
    """As the tutorials have it."""
    model = make_model(material.task, material.encoder, params)
    columns, padding_id = inputs_read(model, material.train.column_names), padding_id_of(model)

    def collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        inputs = padded({name: [row[name] for row in rows] for name in columns}, padding_id)
        return inputs | {"labels": torch.tensor([row["label"] for row in rows])}

    timer = Timer()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                output_dir=folder,
                max_steps=WARM_UP + STEPS,
                per_device_train_batch_size=params.batch_size,
                remove_unused_columns=False,
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
                report_to="none",
                dataloader_pin_memory=torch.cuda.is_available(),
            ),
            train_dataset=Rows(material.train),
            data_collator=collate,
            callbacks=[timer],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.remove_callback(ProgressCallback)
        trainer.train()
    return timer.seconds, STEPS * params.batch_size


class Rows(torch.utils.data.Dataset[dict[str, Any]]):
    def __init__(self, table: pa.Table) -> None:
        self.rows = table.to_pylist()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> dict[str, Any]:
        row: dict[str, Any] = self.rows[place]
        return row


class Timer(TrainerCallback):  # type: ignore[misc]
    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == WARM_UP:
            self.begun = time.perf_counter()
        self.seconds = time.perf_counter() - self.begun if state.global_step > WARM_UP else 0.0


if __name__ == "__main__":
    main()
