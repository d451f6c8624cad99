"""PLC: a simulated one, a Modbus server whose program triggers parts and takes results."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from softcore_edge_app.outputs.modbus_map import (
    ALARM_COILS,
    COUNT,
    InputCoils,
    InputRegisters,
    OutputCoils,
    OutputRegisters,
)

from softcore_benchmarks.line.rig.ports import find_free_port

TRIGGER, RESULT_ACK = 0, 1
PART, RECIPE = 0, 2
SIZE = 32

__all__ = ["Plc"]

# Connections are broken on purpose; pymodbus would print the last messages of each.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)


@dataclass
class Plc:
    """A PLC as `docs/reference/plc.md` describes it; counts and results are kept over `stop`.

    Attributes:
        port: where it listens, on the loopback address.
        parts: number of parts that it triggers in all: 1, 2, 3, ...
        window: number of parts that may be without a result.
        scan: seconds of one cycle of its program.
        numbered: whether it numbers its parts; otherwise all are 0.
        coils, registers: offsets of the map in its memory.
        silent: whether it leaves requests without an answer.
        acknowledging: whether it acknowledges results.
        results: results taken, in order, each once.
        decisions: decision of each result.
        repeats: number of results that came again with the same sequence number.
        acknowledged: numbers of the parts whose triggers were acknowledged.
        refused: number of triggers that were refused.
        heartbeats: number of changes of the heartbeat.
        connections: number of connections made to it.
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
        self.port = self.port or find_free_port()
        self.bits = [False] * (self.coils + SIZE)
        self.numbers = [0] * (self.registers + SIZE)
        self._triggering = False  # trigger up, not acknowledged
        self._dropping = False  # trigger down again, its acknowledgement still up
        self._beat = False
        self._thread: threading.Thread | None = None
        self._started = threading.Event()
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start the server and the program.

        Raises:
            TimeoutError: the server doesn't start.
        """
        self._started.clear()
        self._stopping.clear()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="PLC")
        self._thread.start()
        if not self._started.wait(30):
            raise TimeoutError("the PLC doesn't start")

    def stop(self, *, clear: bool = False) -> None:
        """Stop: connections break, the port closes, the program stands still.

        Args:
            clear: whether coils and registers are lost; the program's counts are kept.
        """
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._thread = None
        if clear:
            self.bits[:] = [False] * len(self.bits)
            self.numbers[:] = [0] * len(self.numbers)

    @property
    def output_coils(self) -> OutputCoils:
        """Coils that SoftCore writes."""
        return OutputCoils.unpack(self.bits[self.coils : self.coils + COUNT + ALARM_COILS])

    @property
    def output_registers(self) -> OutputRegisters:
        """Registers that SoftCore writes."""
        return OutputRegisters.unpack(self.numbers[self.registers : self.registers + COUNT])

    @property
    def input_coils(self) -> InputCoils:
        """Coils that the program writes."""
        return InputCoils.unpack(self.bits[self.coils :])

    @property
    def input_registers(self) -> InputRegisters:
        """Registers that the program writes."""
        return InputRegisters.unpack(self.numbers[self.registers :])

    def select_recipe(self, recipe: int) -> None:
        """Request a recipe by its number."""
        self.numbers[self.registers + RECIPE] = recipe

    def wait(self, condition: Callable[[], object], seconds: float = 60) -> None:
        """Wait until a condition holds.

        Raises:
            TimeoutError: it doesn't hold after so many seconds.
        """
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                raise TimeoutError(f"still waiting; {self}")
            time.sleep(0.002)

    def run_program(self) -> None:
        """Run one cycle of the program, the ladder of `docs/reference/plc.md`."""
        coils, registers, number = self.output_coils, self.output_registers, self.registers + PART
        part = len(self.acknowledged) + 1 if self.numbered else 0
        self.heartbeats += coils.heartbeat != self._beat
        self._beat = coils.heartbeat
        if self._triggering:
            if coils.trigger_ack or coils.trigger_refused:
                self.refused += coils.trigger_refused
                if coils.trigger_ack:
                    self.acknowledged.append(part)
                self._triggering, self._dropping = False, True
        elif self._dropping:
            self._dropping = coils.trigger_ack or coils.trigger_refused
        else:
            most = min(self.parts, len(self.results) + self.window)
            self._triggering = coils.ready and len(self.acknowledged) < most
        if self._triggering:
            self.numbers[number : number + 2] = divmod(part, 2**16)
        self.bits[self.coils + TRIGGER] = self._triggering
        if coils.result_valid and registers.code and self.acknowledging and not self.input_coils.result_ack:
            if self.results and self.results[-1].sequence == registers.sequence:
                self.repeats += 1
            else:
                self.results.append(registers)
                self.decisions.append(
                    "PASS" * coils.passed
                    + "FAIL" * coils.failed
                    + "REVIEW" * coils.review
                    + "INVALID" * coils.invalid
                )
            self.bits[self.coils + RESULT_ACK] = True
        elif not coils.result_valid:
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
        """Give the server the program's own memory to read and write; the server's copy is never used."""
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
