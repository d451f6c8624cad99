"""Output: the protocols of what takes decisions: one by one a broker or a PLC, in batches a database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.ledger.row import Row

__all__ = ["LedgerCopy", "Output", "OutputStatus", "Position", "Receiver"]


class Receiver(Protocol):
    """A receiver of decisions; a worker of its own delivers them in the ledger's order.

    Attributes:
        name: name of its offset and its counters; never changes.
    """

    name: str

    @property
    def fault(self) -> str | None:
        """Why it can take nothing now, in plain words, whether or not there is anything to take."""
        ...


class Output(Receiver, Protocol):
    """A receiver that takes each decision that is published, one by one."""

    def deliver(self, record: DecisionRecord, following: Sequence[DecisionRecord] = ()) -> None:
        """Deliver one decision; when this returns, the receiver has it.

        It takes half a second at most, whatever the receiver does, so that a line ends quickly.

        Args:
            record: the decision.
            following: the decisions that are delivered next; they may be sent ahead.

        Raises:
            OutputError: the receiver doesn't have it yet. The worker calls again with the same record, and
                that call goes on where this one ended: nothing is sent twice that may still arrive.
        """
        ...


@dataclass(frozen=True)
class Position:
    """The last row of the ledger that a receiver has; number 0 without any.

    Attributes:
        number: the row's number.
        hash: the row's hash; "" without any.
    """

    number: int
    hash: str


class LedgerCopy(Receiver, Protocol):
    """A receiver that keeps a copy of the ledger's rows, and knows which it has.

    Attributes:
        batch: number of rows that it takes at once.
    """

    batch: int

    def find_position(self) -> Position:
        """Return the last row that it has; connect first where that is needed.

        Raises:
            OutputError: it can't be reached, or can't take anything.
        """
        ...

    def copy(self, rows: Sequence[Row]) -> None:
        """Take the rows that follow its last one; when this returns, it has them all.

        Raises:
            OutputError: it may have all of them or none.
        """
        ...


@dataclass(frozen=True)
class OutputStatus:
    """The status of an output.

    Attributes:
        name: the output's name.
        fault: why it can take nothing now, or None.
        delivered: number of decisions that it took.
        backlog: number of decisions that wait for it.
        failures: number of deliveries that failed.
        essential: whether a line without it isn't ready. A copy of the ledger isn't: nobody at the line
            waits for it, so that no PLC stops for it.
    """

    name: str
    fault: str | None
    delivered: int
    backlog: int
    failures: int
    essential: bool = True
