import io
import re
import sys

import pytest

from stages.lib.training import progress
from stages.lib.training.progress import Progress

LINE = r"finetune: 64 of 320 examples, loss 0\.312, learning rate 8\.1e-05, [\d,]+ examples/s, \d+ min left"


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def train(shown: bool = True) -> None:
    told = Progress(320, 32, shown)
    told.reach(64)
    told.tell(0.312, 8.1e-5)
    told.close()


def test_a_terminal_has_one_bar_with_all_that_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    train()
    last = screen.getvalue().split("\r")[-1]
    assert re.search(r"finetune: .*64/320 \[.*<.*examples/s, loss=0\.312, lr=8\.1e-05\]", last)


def test_a_log_has_no_bar_and_a_line_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train()
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    train()
    out, err = capsys.readouterr()
    assert re.fullmatch(LINE + "\n", out)
    assert err == ""


def test_what_is_not_to_be_shown_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    train(shown=False)
    assert screen.getvalue() == ""
