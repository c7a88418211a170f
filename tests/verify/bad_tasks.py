"""What the code of a reproduction should not do; run by the tests in workers."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def answer(say: Callable[[Any], None], number: int) -> None:
    say(number)
    say({"twice": 2 * number})


def hang(say: Callable[[Any], None]) -> None:
    say("here")
    while True:
        time.sleep(1)


def exit_with_three(say: Callable[[Any], None]) -> None:
    sys.exit(3)


def segfault(say: Callable[[Any], None]) -> None:
    say("before")
    os.kill(os.getpid(), signal.SIGSEGV)


def hog(say: Callable[[Any], None]) -> None:
    hoard = []
    while True:
        hoard.append(bytearray(64 * 2**20))


def shout(say: Callable[[Any], None]) -> None:
    print("x" * 2**20)
    print("x" * 2**20, file=sys.stderr)
    os.write(1, b"x" * 2**20)
    say("done")


def raise_something(say: Callable[[Any], None]) -> None:
    raise ValueError("nobody catches this")


def leave_a_child(say: Callable[[Any], None], seconds: int) -> None:
    child = os.fork()
    if child == 0:
        time.sleep(seconds)
        os._exit(0)
    say(child)
    time.sleep(seconds)


def compute(say: Callable[[Any], None]) -> None:
    say(os.getpid())
    while True:
        sum(range(1000))
