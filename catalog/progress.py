"""How far long work is, on a terminal, and gone afterwards; elsewhere nothing. It is written to standard error."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from catalog.verify.batch import Begun, Finished, Measured, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType
    from typing import Self

    from rich.table import Table

__all__ = ["Progress", "counting", "stages"]


@dataclass(slots=True)
class _Paper:
    claims: int
    measured: int = 0
    claim: str = ""
    step: str = ""
    since: float = field(default_factory=time.monotonic)


class Progress:
    """A table of the papers that are being measured; what is printed meanwhile stands above it.

    Args:
        claims: how many claims of each paper are to be measured.
    """

    def __init__(self, claims: Mapping[str, int]) -> None:
        from rich.console import Console
        from rich.live import Live

        self.claims = claims
        self.finished = 0
        self.running: dict[str, _Paper] = {}
        self.live = Live(
            console=Console(stderr=True),
            get_renderable=self._table,
            transient=True,
            # What goes to a file or to another program is none of the terminal's business.
            redirect_stdout=sys.stdout.isatty(),
        )

    def __enter__(self) -> Self:
        if self.live.console.is_terminal:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.live.stop()

    def tell(self, event: Begun | Step | Measured | Finished) -> None:
        """Take note of what happens."""
        match event:
            case Begun(paper=paper, claim=claim):
                row = self.running.setdefault(paper, _Paper(self.claims[paper]))
                row.claim, row.step = claim, ""
            case Step(paper=paper, text=text) if paper in self.running:
                self.running[paper].step = text
            case Measured(paper=paper) if paper in self.running:
                self.running[paper].measured += 1
            case Finished(report=report):
                self.running.pop(report.paper, None)
                self.finished += 1

    def _table(self) -> Table:
        from rich.table import Table

        table = Table(box=None, show_header=False, pad_edge=False, expand=False)
        for name, row in self.running.items():
            seconds = f"{time.monotonic() - row.since:.0f} s"
            table.add_row(name, f"{row.measured} of {row.claims}", seconds, row.claim, row.step)
        if len(self.claims) > 1:
            table.add_row("", f"{self.finished} of {len(self.claims)} papers")
        return table


@contextmanager
def counting(what: str, of: int) -> Iterator[Callable[[object], None]]:
    """Count calls: ``errors in lenet: 12 of 40``."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(what, total=of)
        yield lambda _: bars.advance(task)


@contextmanager
def stages() -> Iterator[Callable[[str, int, int], None]]:
    """Say what is being done, how far it is and how long it will take; 0 is a length that nobody knows."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("", total=None)
        yield lambda what, done, total: bars.update(task, description=what, completed=done, total=total or None)
