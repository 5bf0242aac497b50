"""What is seen of a training while it runs: its curve through DVCLive, and a bar."""

import time
from typing import Any

from dvclive import Live
from tqdm import tqdm
from transformers import TrainerCallback

STEPS_UNTIL_ESTIMATE = 20


class Curve(TrainerCallback):  # type: ignore[misc]
    """The learning curve through DVCLive: losses, learning rate and validation scores, never a time."""

    def __init__(self, live: Live):
        self.live = live

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any) -> None:
        self.live.step = state.global_step
        for name, value in logs.items():
            if name in ("loss", "learning_rate"):
                self.live.log_metric(f"train/{name}", value)
            elif name.startswith("eval_") and not name.endswith(("_time", "runtime", "_per_second")):
                self.live.log_metric(f"validation/{name.removeprefix('eval_')}", value)


class Progress(TrainerCallback):  # type: ignore[misc]
    """A bar; and once, after twenty steps, how many minutes remain."""

    def __init__(self, tokens_per_epoch: int):
        self.tokens_per_epoch = tokens_per_epoch

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar = tqdm(total=state.max_steps, desc="finetune", unit=" steps", disable=None)
        self.begun = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.update()
        if state.global_step == STEPS_UNTIL_ESTIMATE < state.max_steps:
            # by tokens, not steps: the first batches are the longest
            remaining = self.tokens_per_epoch * args.num_train_epochs / state.num_input_tokens_seen - 1
            minutes = max(0.0, remaining) * (time.monotonic() - self.begun) / 60
            self.bar.write(f"finetune: about {minutes:.1f} minutes remain of {state.max_steps:,} steps")

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any) -> None:
        if "loss" in logs:
            self.bar.set_postfix(loss=f"{logs['loss']:.3f}")

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.close()
