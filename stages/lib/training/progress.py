"""How far a training is: one bar on a terminal, a line a minute in a log."""

import sys
import time

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 60


class Progress:
    """Counts examples: `total` in all, of which `done` were trained on before it was killed."""

    def __init__(self, total: int, done: int, shown: bool = True) -> None:
        self.total, self.done, self.first = total, done, done
        on_terminal = sys.stderr.isatty()
        self.logs = shown and not on_terminal
        self.begun = self.said = time.monotonic()
        self.bar = tqdm(
            total=total,
            initial=done,
            desc="finetune",
            unit=" examples",
            disable=not (shown and on_terminal),
            smoothing=0.05,
        )

    def reach(self, done: int) -> None:
        self.bar.update(done - self.done)
        self.done = done

    def tell(self, loss: float, learning_rate: float) -> None:
        self.bar.set_postfix(loss=f"{loss:.3f}", lr=f"{learning_rate:.1e}")
        if self.logs and time.monotonic() - self.said >= SECONDS_BETWEEN_LINES:
            self.said = time.monotonic()
            print(self.line(loss, learning_rate), flush=True)

    def line(self, loss: float, learning_rate: float) -> str:
        rate = (self.done - self.first) / (time.monotonic() - self.begun)
        minutes = (self.total - self.done) / rate / 60 if rate else 0.0
        return (
            f"finetune: {self.done:,} of {self.total:,} examples, loss {loss:.3f}, learning rate "
            f"{learning_rate:.1e}, {rate:.0f} examples/s, {minutes:.0f} min left"
        )

    def close(self) -> None:
        self.bar.close()
