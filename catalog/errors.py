"""Errors whose message is meant for the person at the keyboard. The command line prints it and exits with status 2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CatalogError", "LibraryError", "NoRecords", "Problem"]


class CatalogError(Exception):
    """Base of the errors that a person can mend; the message says what is wrong and what to do."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)

    def __str__(self) -> str:
        return self.message


class NoRecords(CatalogError):
    """A folder of records that is not there, or holds none."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in one file of a folder of records."""

    file: str
    """The file, beginning with the name of the folder: ``papers/xception.yaml``."""
    line: int | None
    """The line, from 1; none where the file as a whole is meant."""
    where: str
    """The field, such as ``builds_on[0].paper``; empty where no field is meant."""
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (place, self.where, self.message) if part)


class LibraryError(CatalogError):
    """A folder of records that cannot be used; all its problems, in the order of files and lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.file, problem.line or 0)))
        super().__init__("\n".join(map(str, self.problems)))
