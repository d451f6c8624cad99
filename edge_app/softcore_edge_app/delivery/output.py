"""Output: the protocol of a broker, a PLC or anything else that takes decisions; its one method delivers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from softcore_edge_app.decisions.decision_record import DecisionRecord

__all__ = ["Output", "OutputStatus"]


class Output(Protocol):
    """A receiver of decisions; a worker of its own delivers them in the ledger's order.

    Attributes:
        name: name of its offset and its counters; never changes.
    """

    name: str

    @property
    def fault(self) -> str | None:
        """Why it can take nothing now, in plain words, whether or not there is anything to take."""
        ...

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
class OutputStatus:
    """The status of an output.

    Attributes:
        name: the output's name.
        fault: why it can take nothing now, or None.
        delivered: number of decisions that it took.
        backlog: number of decisions that wait for it.
        failures: number of deliveries that failed.
    """

    name: str
    fault: str | None
    delivered: int
    backlog: int
    failures: int
