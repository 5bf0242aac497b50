"""How long the clients of the Hub and of Kaggle wait for a server that is busy, and when they give up."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import count
from typing import Any

BUSY = (429, 502, 503, 504)  # the same question may be answered in a moment
PAUSES_S = (0.5, 1.0, 2.0)  # before the second, third and fourth attempt, where the server names no time
LONGEST_PAUSE_S = 10.0  # a server that asks for more is told of instead: nobody watches a still terminal


def answer_to(ask: Callable[[], Any]) -> Any:
    """The server's answer, asked for again while it is busy; the last one where it stays so."""
    for attempt in count(1):
        answer = ask()
        pause = pause_s(answer.status_code, answer.headers, attempt)
        if pause is None:
            break
        answer.close()
        time.sleep(pause)
    return answer


def pause_s(status: int, headers: Mapping[str, str], attempt: int) -> float | None:
    """Seconds until the same question is asked again after `attempt` answers; None where it is not."""
    if status not in BUSY or attempt > len(PAUSES_S):
        return None
    asked = asked_pause_s(headers)
    if asked is None:
        return PAUSES_S[attempt - 1]
    return asked if asked <= LONGEST_PAUSE_S else None


def asked_pause_s(headers: Mapping[str, str]) -> float | None:
    """What Retry-After says, as seconds from now; None where it says nothing that can be read."""
    written = headers.get("Retry-After", "").strip()
    if written.isascii() and written.isdigit():
        return float(written)
    try:
        return max(0.0, (parsedate_to_datetime(written) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
