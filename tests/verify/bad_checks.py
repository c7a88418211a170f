"""Checks that do what no check should; copied into a made project by the tests and run there."""

from __future__ import annotations

import os
import signal
import sys
import time


def good() -> float:
    return 1.0


def slow() -> float:
    time.sleep(0.05)
    return 1.0


def hangs() -> float:
    while True:
        time.sleep(1)


def segfaults() -> float:
    os.kill(os.getpid(), signal.SIGSEGV)
    return 1.0


def hogs() -> float:
    hoard = []
    while True:
        hoard.append(bytearray(64 * 2**20))


def hogs_behind_python() -> float:
    import torch

    return float(torch.ones(2**40).sum())


def exits() -> float:
    sys.exit(0)


def leaves() -> float:
    os._exit(0)


def is_killed() -> float:
    os.kill(os.getpid(), signal.SIGKILL)
    return 1.0


def shouts() -> float:
    print("x" * 2**20)
    os.write(2, b"x" * 2**20)
    return 1.0
