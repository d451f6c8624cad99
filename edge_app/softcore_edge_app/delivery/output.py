"""Output: the seam of one method behind which a broker, a PLC or anything else takes decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from softcore_edge_app.decisions.decision_record import DecisionRecord

__all__ = ["Output", "OutputStatus"]


class Output(Protocol):
    """Somewhere that decisions go; a worker of its own brings them, in the ledger's order.

    Attributes:
        name: what its mark in the ledger's deliveries and its counters are called; never changes.
    """

    name: str

    @property
    def fault(self) -> str | None:
        """Why it would take nothing just now, in plain words, whether or not there is anything to take."""
        ...

    def deliver(self, record: DecisionRecord, following: Sequence[DecisionRecord] = ()) -> None:
        """Hand over one decision; when this returns, the receiver has it.

        It takes half a second at most, whatever the receiver does, so that a line ends quickly.

        Args:
            record: the decision.
            following: those that are asked for next; they may be sent on ahead.

        Raises:
            OutputError: the receiver doesn't have it yet. The worker asks again with the same record, and
                that call goes on where this one was: nothing is sent twice that may still arrive.
        """
        ...


@dataclass(frozen=True)
class OutputStatus:
    """How an output is: why it takes nothing just now (or None), what it took, what waits, what failed."""

    name: str
    fault: str | None
    delivered: int
    backlog: int
    failures: int
