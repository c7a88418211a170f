"""From claims to measurements to verdicts.

:mod:`~catalog.verify.runner` takes the claims of a paper one by one. :mod:`~catalog.verify.structure`,
:mod:`~catalog.verify.parity` and the functions in ``reproductions/checks`` measure, :mod:`~catalog.verify.verdict`
judges, :mod:`~catalog.verify.ledger` keeps what was measured. :mod:`~catalog.verify.batch` does that for many papers,
each in a process of its own.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["MeasurementError", "Recorded"]


class MeasurementError(Exception):
    """A quantity cannot be measured as a record asks for it; the message says why, for a person."""


class Recorded(StrEnum):
    """What the results say of a claim."""

    VERIFIED = "verified"
    CONSISTENT = "consistent"
    DEVIATES = "deviates"
    FAILED = "failed"
    STALE = "stale"
    """Measured with other code, or for another claim."""
    NOTHING = "nothing"
    """No measurement has been recorded."""
