"""Whatever a task does, the others go on and the program learns why it ended."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import textwrap
import time
from collections import deque
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from catalog.verify.isolated import Ended, Limits, Said, Started, Task, run
from tests.verify import bad_tasks

if TYPE_CHECKING:
    from collections.abc import Callable

GENEROUS = Limits(seconds=60, megabytes=1024)


def task(name: str, function: Callable[..., object], *arguments: object, limits: Limits = GENEROUS) -> Task:
    return Task(name, function, arguments, limits)


def ends(*tasks: Task) -> dict[str, str | None]:
    return {event.task.name: event.reason for event in run(tasks, jobs=2) if isinstance(event, Ended)}


def test_a_task_is_heard_in_order_and_then_ends() -> None:
    seven = task("seven", bad_tasks.answer, 7)
    first, *said, last = list(run([seven], jobs=1))
    assert first == Started(seven)
    assert said == [Said(seven, 7), Said(seven, {"twice": 14})]
    assert isinstance(last, Ended)
    assert last.reason is None


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (bad_tasks.exit_with_three, "ended its process with exit code 3"),
        (bad_tasks.segfault, "was killed by SIGSEGV"),
        (bad_tasks.hog, "ran out of the memory that it may use"),
        (bad_tasks.shout, None),
        (bad_tasks.raise_something, "ended its process with exit code 1"),
    ],
)
def test_what_a_task_does_is_its_own_affair(function: Callable[..., object], reason: str | None) -> None:
    found = ends(task("bad", function), task("good", bad_tasks.answer, 1))
    assert found == {"bad": reason, "good": None}


def test_a_task_that_hangs_is_stopped() -> None:
    began = time.monotonic()
    found = ends(task("bad", bad_tasks.hang, limits=Limits(seconds=3)), task("good", bad_tasks.answer, 1))
    assert found == {"bad": "took longer than 3 s and was stopped", "good": None}
    assert time.monotonic() - began < 30


def test_what_was_said_before_a_crash_is_heard() -> None:
    events = list(run([task("bad", bad_tasks.segfault)], jobs=1))
    assert [event.message for event in events if isinstance(event, Said)] == ["before"]


def test_more_tasks_than_jobs() -> None:
    tasks = [task(str(number), bad_tasks.answer, number) for number in range(5)]
    running = most = 0
    for event in run(tasks, jobs=2):
        running += isinstance(event, Started) - isinstance(event, Ended)
        most = max(most, running)
    assert most == 2


def test_a_task_may_be_added_while_others_run() -> None:
    tasks = deque([task("first", bad_tasks.segfault)])
    ended = []
    for event in run(tasks, jobs=1):
        if isinstance(event, Ended):
            ended.append((event.task.name, event.reason))
            if len(ended) == 1:
                tasks.append(task("second", bad_tasks.answer, 1, limits=Limits(seconds=math.inf)))
    assert ended == [("first", "was killed by SIGSEGV"), ("second", None)]


def test_an_interrupt_ends_the_workers_and_what_they_started() -> None:
    began = time.monotonic()
    with closing(run([task("bad", bad_tasks.leave_a_child, 300)], jobs=1)) as events:
        child = next(event.message for event in events if isinstance(event, Said))
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 1
    assert began < stopping
    assert not is_alive(child)


def test_workers_end_with_a_program_that_is_killed() -> None:
    program = f"""
    import sys
    sys.path.insert(0, {str(Path(bad_tasks.__file__).parents[2])!r})
    from catalog.verify.isolated import Said, Task, run
    from tests.verify import bad_tasks
    for event in run([Task("busy", bad_tasks.compute)], jobs=1):
        if isinstance(event, Said):
            print(event.message, flush=True)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    worker = int(process.stdout.readline())
    process.kill()
    process.communicate()
    assert not is_alive(worker)


def is_alive(process: int) -> bool:
    for _ in range(50):
        try:
            os.kill(process, 0)
            with open(f"/proc/{process}/stat", encoding="ascii") as state:
                if state.read().rpartition(")")[2].split()[0] == "Z":
                    return False
        except (ProcessLookupError, FileNotFoundError):
            return False
        time.sleep(0.1)
    return True
