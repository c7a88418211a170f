"""From claims to measurements to verdicts.

:mod:`~catalog.verify.runner` takes the claims of a paper one by one. :mod:`~catalog.verify.structure`,
:mod:`~catalog.verify.parity` and the functions in ``reproductions/checks`` measure, :mod:`~catalog.verify.verdict`
judges, :mod:`~catalog.verify.ledger` keeps what was measured.
"""

from __future__ import annotations

__all__ = ["MeasurementError"]


class MeasurementError(Exception):
    """A quantity cannot be measured as a record asks for it; the message says why, for a person."""
