"""Whatever a task does, the others go on and the program learns why it ended."""

from __future__ import annotations

import os
import time
from contextlib import closing

import pytest

from catalog.verify.isolated import Ended, Limits, Said, Started, Task, run
from tests.verify import bad_tasks

GENEROUS = Limits(seconds=60, megabytes=1024)


def ends(*tasks: Task, limits: Limits = GENEROUS, jobs: int = 2) -> dict[str, str | None]:
    return {event.task.name: event.reason for event in run(tasks, jobs=jobs, limits=limits) if isinstance(event, Ended)}


def test_a_task_is_heard_in_order_and_then_ends() -> None:
    task = Task("seven", bad_tasks.answer, (7,))
    first, *said, last = list(run([task], jobs=1, limits=GENEROUS))
    assert first == Started(task)
    assert said == [Said(task, 7), Said(task, {"twice": 14})]
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
def test_what_a_task_does_is_its_own_affair(function: object, reason: str | None) -> None:
    found = ends(Task("bad", function), Task("good", bad_tasks.answer, (1,)))  # type: ignore[arg-type]
    assert found == {"bad": reason, "good": None}


def test_a_task_that_hangs_is_stopped() -> None:
    began = time.monotonic()
    found = ends(Task("bad", bad_tasks.hang), Task("good", bad_tasks.answer, (1,)), limits=Limits(seconds=3))
    assert found == {"bad": "took longer than 3 s and was stopped", "good": None}
    assert time.monotonic() - began < 30


def test_what_was_said_before_a_crash_is_heard() -> None:
    events = list(run([Task("bad", bad_tasks.segfault)], jobs=1, limits=GENEROUS))
    assert [event.message for event in events if isinstance(event, Said)] == ["before"]


def test_more_tasks_than_jobs() -> None:
    tasks = [Task(str(number), bad_tasks.answer, (number,)) for number in range(5)]
    running = most = 0
    for event in run(tasks, jobs=2, limits=GENEROUS):
        running += isinstance(event, Started) - isinstance(event, Ended)
        most = max(most, running)
    assert most == 2


def test_an_interrupt_ends_the_workers_and_what_they_started() -> None:
    began = time.monotonic()
    with closing(run([Task("bad", bad_tasks.leave_a_child, (300,))], jobs=1, limits=GENEROUS)) as events:
        child = next(event.message for event in events if isinstance(event, Said))
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 1
    assert began < stopping
    assert not is_alive(child)


def is_alive(process: int) -> bool:
    for _ in range(20):
        try:
            os.kill(process, 0)
            with open(f"/proc/{process}/stat", encoding="ascii") as state:
                if state.read().rpartition(")")[2].split()[0] == "Z":
                    return False
        except (ProcessLookupError, FileNotFoundError):
            return False
        time.sleep(0.1)
    return True
