"""PLC: a simulated one, a Modbus server with a small program that triggers parts and takes results."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from softcore_edge_app.outputs.modbus_map import (
    COUNT,
    InputCoils,
    InputRegisters,
    OutputCoils,
    OutputRegisters,
)

TRIGGER, RESULT_ACK = 0, 1
PART, RECIPE = 0, 2
SIZE = 32

__all__ = ["Plc"]

# A connection that breaks is what it is for; pymodbus would print each one's last messages.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)


@dataclass
class Plc:
    """A PLC of the kind that `docs/reference/plc.md` describes; what is counted and recorded outlives `stop`.

    Attributes:
        port: where it listens, on the loopback address.
        parts: how many parts it is to trigger in all: 1, 2, 3, ...
        window: how many of them may be without a result.
        scan: seconds of one cycle of its program.
        numbered: whether it numbers its parts; otherwise all are 0.
        coils, registers: where the map lies in its memory.
        silent: whether it leaves requests without an answer.
        acknowledging: whether it acknowledges results.
        results: those it took, in their order, each once.
        repeats: how many came again with the same sequence number.
        acknowledged: the numbers of the parts whose triggers were acknowledged.
        refused: how many of its triggers were refused.
        heartbeats: how often the heartbeat changed.
        connections: how often somebody connected.
    """

    port: int = 0
    parts: int = 0
    window: int = 4
    scan: float = 0.002
    numbered: bool = True
    coils: int = 0
    registers: int = 0
    silent: bool = False
    acknowledging: bool = True
    results: list[OutputRegisters] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    repeats: int = 0
    acknowledged: list[int] = field(default_factory=list)
    refused: int = 0
    heartbeats: int = 0
    connections: int = 0

    def __post_init__(self) -> None:
        if not self.port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
        self.bits = [False] * (self.coils + SIZE)
        self.numbers = [0] * (self.registers + SIZE)
        self._triggering = False  # trigger up, not acknowledged
        self._dropping = False  # trigger down again, its acknowledgement still up
        self._beat = False
        self._thread: threading.Thread | None = None
        self._started = threading.Event()
        self._stopping = threading.Event()

    def start(self) -> None:
        """Switch it on."""
        self._started.clear()
        self._stopping.clear()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="PLC")
        self._thread.start()
        if not self._started.wait(30):
            raise TimeoutError("the PLC doesn't start")

    def stop(self, *, clear: bool = False) -> None:
        """Switch it off: connections break, the port closes, the program stands still.

        Args:
            clear: whether its coils and registers are lost; what the program counts is not.
        """
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._thread = None
        if clear:
            self.bits[:] = [False] * len(self.bits)
            self.numbers[:] = [0] * len(self.numbers)

    @property
    def signals(self) -> OutputCoils:
        """What SoftCore signals."""
        return OutputCoils.unpack(self.bits[self.coils : self.coils + COUNT])

    @property
    def words(self) -> OutputRegisters:
        """What SoftCore's registers say."""
        return OutputRegisters.unpack(self.numbers[self.registers : self.registers + COUNT])

    @property
    def requests(self) -> InputCoils:
        """What the program asks."""
        return InputCoils.unpack(self.bits[self.coils :])

    @property
    def orders(self) -> InputRegisters:
        """What the program orders."""
        return InputRegisters.unpack(self.numbers[self.registers :])

    def want(self, recipe: int) -> None:
        """Ask for a recipe."""
        self.numbers[self.registers + RECIPE] = recipe

    def wait(self, condition: Callable[[], object], seconds: float = 60) -> None:
        """Wait until something holds.

        Raises:
            TimeoutError: it doesn't hold after so many seconds.
        """
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                raise TimeoutError(f"still waiting; {self}")
            time.sleep(0.002)

    def run_program(self) -> None:
        """Do one cycle of the program; the ladder of `docs/reference/plc.md`."""
        signals, words, number = self.signals, self.words, self.registers + PART
        part = len(self.acknowledged) + 1 if self.numbered else 0
        self.heartbeats += signals.heartbeat != self._beat
        self._beat = signals.heartbeat
        if self._triggering:
            if signals.trigger_ack or signals.trigger_refused:
                self.refused += signals.trigger_refused
                if signals.trigger_ack:
                    self.acknowledged.append(part)
                self._triggering, self._dropping = False, True
        elif self._dropping:
            self._dropping = signals.trigger_ack or signals.trigger_refused
        else:
            most = min(self.parts, len(self.results) + self.window)
            self._triggering = signals.ready and len(self.acknowledged) < most
        if self._triggering:
            self.numbers[number : number + 2] = divmod(part, 2**16)
        self.bits[self.coils + TRIGGER] = self._triggering
        if signals.result_valid and words.code and self.acknowledging and not self.requests.result_ack:
            if self.results and self.results[-1].sequence == words.sequence:
                self.repeats += 1
            else:
                self.results.append(words)
                self.decisions.append(
                    "PASS" * signals.passed
                    + "FAIL" * signals.failed
                    + "REVIEW" * signals.review
                    + "INVALID" * signals.invalid
                )
            self.bits[self.coils + RESULT_ACK] = True
        elif not signals.result_valid:
            self.bits[self.coils + RESULT_ACK] = False

    async def _serve(self) -> None:
        empty = [SimData(0, datatype=DataType.REGISTERS)]
        device = SimDevice(
            0,
            (
                [SimData(0, count=len(self.bits), values=False, datatype=DataType.BITS)],
                [SimData(0, count=16, values=False, datatype=DataType.BITS)],
                [SimData(0, count=len(self.numbers), datatype=DataType.REGISTERS)],
                empty,
            ),
            action=self._access,
        )
        server = ModbusTcpServer(device, address=("127.0.0.1", self.port), trace_connect=self._count)
        await server.serve_forever(background=True)
        self._started.set()
        while not self._stopping.is_set():
            self.run_program()
            await asyncio.sleep(self.scan)
        await server.shutdown()  # type: ignore[no-untyped-call]
        await asyncio.sleep(0.02)  # until its connections are closed

    def _count(self, connected: bool) -> None:
        self.connections += connected

    async def _access(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        held: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Let the server read and write the program's own memory; the server's copy is never used."""
        del start, count
        while self.silent:
            await asyncio.sleep(0.01)
        if values is not None:
            memory: list[Any] = self.bits if function in (5, 15) else self.numbers
            memory[address : address + len(values)] = values
        if function in (1, 5, 15):
            for word in range(len(self.bits) // 16):
                bits = self.bits[16 * word : 16 * word + 16]
                held[word] = sum(bit << place for place, bit in enumerate(bits))
        else:
            held[: len(self.numbers)] = self.numbers
        return None
