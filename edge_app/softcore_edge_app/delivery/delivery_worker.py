"""Delivery worker: delivers every decision of the ledger to one output, in order, however long it takes."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Sequence

from softcore_runtime import LedgerError, OutputError
from tenacity import RetryError, Retrying, retry_if_exception_type, wait_exponential

from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.delivery.decision_log import MOST_UNENTERED, DecisionLog
from softcore_edge_app.delivery.delivery_offsets import DeliveryOffsets
from softcore_edge_app.delivery.output import Output, OutputStatus, Receiver

__all__ = ["DeliveryWorker", "Worker"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5  # seconds between two attempts
# Of the triggers that were delivered before they were entered only so many may be entered later: those that
# wait for the disk, and as many that were entered and have not been read yet.
_AHEAD = 2 * MOST_UNENTERED
_POLL = 0.5  # seconds between two checks of the output, and whether there is something to deliver
_SETTLING = 2.0  # seconds that an output's own fault lasts before it is logged: connecting takes time

_log = logging.getLogger(__name__)


class Worker(ABC):
    """A thread that brings a receiver what is published, and again for as long as that fails.

    It also watches whether the receiver can take anything: a PLC that was never reached is a fault before
    the first decision.

    Args:
        receiver: the receiver.
        decision_log: the decisions.
        offsets: up to which row each receiver has them.
        start: the number of the last row that it has.

    Attributes:
        essential: see `OutputStatus`.
    """

    essential = True

    def __init__(
        self, receiver: Receiver, decision_log: DecisionLog, offsets: DeliveryOffsets, start: int
    ) -> None:
        self.delivered = self.failures = 0
        self.fault: str | None = None
        self._receiver, self._decision_log, self._offsets = receiver, decision_log, offsets
        self._offset = min(start, decision_log.last)
        self._faulty_since: float | None = None  # since when the receiver itself has a fault
        self._fault_logged = False  # whether a fault was logged, and its end was not
        self._until: float | None = None
        self._thread = threading.Thread(target=self._run, name=f"{receiver.name} delivery", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, until: float) -> None:
        """Deliver until a time of the monotonic clock; the rest is left for the next start."""
        self._until = until
        self._decision_log.wake()

    def join(self, seconds: float) -> None:
        """Wait for the thread's end."""
        self._thread.join(seconds)

    @property
    def status(self) -> OutputStatus:
        """The status of the output."""
        fault = self.fault or self._receiver.fault
        return OutputStatus(
            self._receiver.name, fault, self.delivered, self.backlog, self.failures, self.essential
        )

    @property
    def backlog(self) -> int:
        """Number of decisions that are not delivered yet."""
        return max(self._decision_log.last - self._offset, 0)

    def _run(self) -> None:
        while True:
            version, ending = self._decision_log.version, self._until is not None
            try:
                if self.deliver_next():
                    continue
            except RetryError:  # the line has ended meanwhile
                return
            except LedgerError as error:
                self._note_fault(str(error))
                time.sleep(_LONGEST_PAUSE)
            if ending:
                return
            self._watch()
            self._decision_log.wait(version, _POLL)

    @abstractmethod
    def deliver_next(self) -> bool:
        """Deliver what there is now, and return whether there was anything."""

    def _bring(self, attempt: Callable[[], None]) -> None:
        """Attempt a delivery until it succeeds, or the line has ended.

        Raises:
            RetryError: the line has ended.
            LedgerError: the ledger can't be read.
        """
        try:  # without tenacity, which takes longer than the delivery
            self._attempt(attempt)
        except OutputError:
            self._retry(attempt)
        self.fault = None
        self._watch()

    def _retry(self, attempt: Callable[[], None]) -> None:
        for one in Retrying(
            retry=retry_if_exception_type(OutputError),
            wait=wait_exponential(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE),
            stop=lambda _state: self._time_is_up,
        ):
            with one:
                self._attempt(attempt)

    def _attempt(self, attempt: Callable[[], None]) -> None:
        try:
            attempt()
        except OutputError as error:
            self._note_fault(str(error))
            raise
        except LedgerError:
            raise
        except Exception as error:  # whatever it is, the next attempt may be better
            self._note_fault(f"internal error: {type(error).__name__}: {error}")
            raise OutputError(str(error)) from error

    def _note_fault(self, fault: str) -> None:
        if self.fault is None:
            self.failures += 1
        self.fault = fault
        self._log_fault(fault)

    def _watch(self) -> None:
        """Log that the output can take nothing, even if there is nothing to take, and when that ends."""
        own = self._receiver.fault
        if own is None:
            self._faulty_since = None
            if self._fault_logged and self.fault is None:
                self._fault_logged = False
                _log.info("%s: takes decisions again", self._receiver.name)
            return
        self._faulty_since = self._faulty_since or time.monotonic()
        if time.monotonic() - self._faulty_since >= _SETTLING:
            self._log_fault(own)

    def _log_fault(self, fault: str) -> None:
        if not self._fault_logged:
            self._fault_logged = True
            _log.error("%s: takes no decisions (%s); they are brought later", self._receiver.name, fault)

    @property
    def _time_is_up(self) -> bool:
        return self._until is not None and time.monotonic() >= self._until


class DeliveryWorker(Worker):
    """Delivers the ledger's rows after an output's offset one by one, and later the new ones.

    Decisions that can't be entered in the ledger are delivered as well, as INVALID, and not again once they
    are entered. A new output, which has no offset, begins with the next decision.

    Args:
        output: the receiver.
        decision_log: the decisions.
        offsets: up to which row each output has them.
    """

    def __init__(self, output: Output, decision_log: DecisionLog, offsets: DeliveryOffsets) -> None:
        offset = offsets.read(output.name)
        super().__init__(output, decision_log, offsets, decision_log.last if offset is None else offset)
        self.output = output
        offsets.write(output.name, self._offset)
        self._ahead: OrderedDict[str, None] = OrderedDict()  # triggers delivered before they were entered

    def deliver_next(self) -> bool:
        """Deliver what there is now, and return whether there was anything."""
        rows = self._decision_log.read(self._offset)
        records = [row.record for row in rows]
        for place, row in enumerate(rows, 1):
            if row.record.trigger in self._ahead:
                del self._ahead[row.record.trigger]
            else:
                following = [record for record in records[place:] if record.trigger not in self._ahead]
                self._deliver(row.record, following)
            self._offset = row.number
            self._offsets.write(self.output.name, row.number)
        if rows:
            return True
        unentered = [
            record for record in self._decision_log.read_unentered() if record.trigger not in self._ahead
        ]
        for record in unentered:
            self._deliver(record, ())
            self._ahead[record.trigger] = None
            if len(self._ahead) > _AHEAD:
                self._ahead.popitem(last=False)
        return bool(unentered)

    def _deliver(self, record: DecisionRecord, following: Sequence[DecisionRecord]) -> None:
        self._bring(lambda: self.output.deliver(record, following))
        self.delivered += 1
