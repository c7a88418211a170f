"""Tasks in processes of their own, so that whatever the code of a reproduction does stays there.

A server process imports torch once and forks a worker for each task, which costs milliseconds. A worker may hang,
crash, take all the memory it finds, call ``sys.exit`` or print without end: its task ends with a reason, and nothing
else is touched. Workers end with the program that started them.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import multiprocessing
import os
import resource
import signal
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from multiprocessing import connection, forkserver
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

__all__ = ["Ended", "Limits", "Said", "Started", "Task", "cores", "run", "warm_up"]

_PRELOADED = ["torch", "catalog.cli", "catalog.verify.runner"]
"""What the server imports before it forks; none of it may start a thread."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one task may use."""

    seconds: float = 300.0
    """Time, from its start; infinity is allowed."""
    megabytes: int = 8192
    """Memory, besides what a worker has when it starts."""


@dataclass(frozen=True, slots=True)
class Task:
    """A call of a function that is importable by name: ``function(say, *arguments)``.

    It says what it finds by calling ``say``; what it returns is ignored.
    """

    name: str
    function: Callable[..., object]
    arguments: tuple[Any, ...] = ()
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class Started:
    """A worker begins with a task."""

    task: Task


@dataclass(frozen=True, slots=True)
class Said:
    """What a task says."""

    task: Task
    message: Any


@dataclass(frozen=True, slots=True)
class Ended:
    """A task is over. Without a reason it returned; with one it was ended, or ended itself, in that way."""

    task: Task
    reason: str | None
    seconds: float


@dataclass(slots=True)
class _Worker:
    task: Task
    process: BaseProcess
    ear: Connection
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def kill(self) -> None:
        """End the worker and whatever it started."""
        if self.process.pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()  # it may not have become the leader of its group yet
        self.process.join()
        self.ear.close()


def cores() -> int:
    """Processors that this program may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def warm_up(*modules: str) -> None:
    """Start the server, which takes a second or two to import torch, before there is anything to do for it.

    Args:
        modules: to be imported too, once for all tasks.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*_PRELOADED, *modules])
    # Ctrl-C is for the program, also while the server imports what it needs; that a signal is ignored is inherited.
    in_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if in_main_thread else None
    try:
        forkserver.ensure_running()
    finally:
        if in_main_thread:
            signal.signal(signal.SIGINT, handler)


def run(tasks: Iterable[Task] | deque[Task], *, jobs: int) -> Iterator[Started | Said | Ended]:
    """Run tasks side by side, each in a process of its own, and yield what happens as it happens.

    Closing the iterator, or an exception in its consumer such as a KeyboardInterrupt, ends all workers at once.

    Args:
        tasks: what to do, begun in this order. To a deque the consumer may add tasks while others run.
        jobs: how many workers run at a time; each uses one thread for arithmetic when there are several.
    """
    warm_up()
    context = multiprocessing.get_context("forkserver")
    waiting = tasks if isinstance(tasks, deque) else deque(tasks)
    running = list[_Worker]()
    threads = max(1, cores() // jobs)
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(_start(context, waiting.popleft(), threads))
                yield Started(running[-1].task)
            patience = max(0.0, min(worker.task.limits.seconds - worker.seconds for worker in running))
            ears = [worker.ear for worker in running]
            ready = connection.wait(ears, timeout=None if math.isinf(patience) else patience)
            for worker in list(running):
                if worker.ear in ready:
                    message = _heard(worker.ear)
                    if message is not _NOTHING:
                        yield Said(worker.task, message)
                        continue
                    # Nobody holds the other end any more: the worker is over, or about to be.
                    worker.process.join(timeout=5)
                    reason = _why(worker.process.exitcode)
                elif worker.seconds >= worker.task.limits.seconds:
                    reason = f"took longer than {worker.task.limits.seconds:g} s and was stopped"
                else:
                    continue
                worker.kill()
                running.remove(worker)
                yield Ended(worker.task, reason, worker.seconds)
    finally:
        for worker in running:
            worker.kill()


_NOTHING = object()


def _heard(ear: Connection) -> Any:
    try:
        return ear.recv()
    except (EOFError, OSError):
        return _NOTHING


def _why(code: int | None) -> str | None:
    """What an exit code says of the way in which a worker ended; none when it returned."""
    match code:
        case 0:
            return None
        case None:
            return "closed its connection and went on, and was stopped"
        case int() if code == _OUT_OF_MEMORY:
            return "ran out of the memory that it may use"
        case int() if code < 0:
            with contextlib.suppress(ValueError):
                name = signal.Signals(-code).name
                hint = ", perhaps for want of memory" if name == "SIGKILL" else ""
                return f"was killed by {name}{hint}"
    return f"ended its process with exit code {code}"


_OUT_OF_MEMORY = 86


def _start(context: Any, task: Task, threads: int) -> _Worker:
    ear, mouth = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(mouth, task, threads), daemon=True, name=task.name)
    process.start()
    mouth.close()  # only the worker holds it now, so that its end is heard
    return _Worker(task, process, ear)


def _work(mouth: Connection, task: Task, threads: int) -> None:
    """What a worker does."""
    os.setsid()  # Ctrl-C is for the program, which then ends its workers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):
        # The server ends with the last process that holds this end of a pipe. That is to be the program, however it
        # ends, and no worker; and with the server are to end workers that are too busy to notice. Linux knows how.
        os.close(forkserver._forkserver._forkserver_alive_fd)  # type: ignore[attr-defined]
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    with contextlib.suppress(ValueError, OSError):  # some systems know no such limit
        allowed = _memory_now() + task.limits.megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import torch

    torch.set_num_threads(threads)
    try:
        task.function(mouth.send, *task.arguments)
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)
    mouth.close()
    # Straight to the end: nothing that a reproduction registered to run at exit is worth waiting for.
    os._exit(0)


def _memory_now() -> int:
    """Bytes of address space that this process uses."""
    with open("/proc/self/statm", encoding="ascii") as statistics:
        return int(statistics.read().split()[0]) * resource.getpagesize()
