"""Copy worker: brings a database every row of the ledger, corrections and what they correct, in batches."""

from __future__ import annotations

from softcore_runtime import OutputError

from softcore_edge_app.delivery.decision_log import DecisionLog
from softcore_edge_app.delivery.delivery_offsets import DeliveryOffsets
from softcore_edge_app.delivery.delivery_worker import Worker
from softcore_edge_app.delivery.output import LedgerCopy

__all__ = ["CopyWorker"]


class CopyWorker(Worker):
    """Copies the ledger's rows that the receiver doesn't have yet, from the first one on.

    The receiver alone says which row it has last: what it lost, for it was restored from a backup, it gets
    again. The offset beside the ledger only counts what waits while it can't be asked. A decision that could
    not be entered in the ledger has no number, and is copied once it is entered.

    Args:
        receiver: the copy.
        decision_log: the decisions.
        offsets: up to which row each receiver has them.
    """

    essential = False

    def __init__(self, receiver: LedgerCopy, decision_log: DecisionLog, offsets: DeliveryOffsets) -> None:
        super().__init__(receiver, decision_log, offsets, offsets.read(receiver.name) or 0)
        self._copy = receiver
        self._hash: str | None = None  # of the last row that was found to be the ledger's
        self._copied = 0

    def deliver_next(self) -> bool:
        """Copy the next batch, and return whether there was one."""
        self._bring(self._copy_next)
        self.delivered += self._copied
        return bool(self._copied)

    def _copy_next(self) -> None:
        self._copied = 0
        position = self._copy.find_position()
        if position.number and position.hash != self._hash:
            if self._decision_log.read_hash(position.number) != position.hash:
                raise OutputError(
                    f"the table's last decision of this line, {position.number}, is not in this ledger; "
                    "give a line with another ledger another name (postgres.line)"
                )
            self._hash = position.hash
        self._offset = position.number
        rows = self._decision_log.read_whole(position.number, self._copy.batch)
        if rows:
            self._copy.copy(rows)
            self._offset, self._hash, self._copied = rows[-1].number, rows[-1].hash, len(rows)
            self._offsets.write(self._copy.name, self._offset)
