"""Waiting for what must come, never for how soon: a busy machine may keep all waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")


def until(
    answer: Callable[[], Answer],
    what: str = "what was waited for",
    told: Callable[[], str] = str,
    *,
    seconds: float = 60.0,
) -> Answer:
    """The first true answer; fails after `seconds`, with what `told` says by then."""
    end = time.monotonic() + seconds
    while not (said := answer()):
        assert time.monotonic() < end, f"never came true: {what}; {told()}"
        time.sleep(0.02)
    return said
