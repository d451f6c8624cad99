"""Modbus client: reads and writes a PLC's coils and registers; the only module that knows pymodbus."""

from __future__ import annotations

import logging
from collections.abc import Callable

from softcore_runtime import OutputError
from softcore_runtime.missing_library import explain_import

from softcore_edge_app.configuration.options import ModbusOptions
from softcore_edge_app.outputs.modbus_map import (
    ALARM_COILS,
    COUNT,
    OURS,
    InputCoils,
    InputRegisters,
    OutputCoils,
    OutputRegisters,
)

try:
    from pymodbus import ModbusException
    from pymodbus.client import ModbusTcpClient
    from pymodbus.pdu import ModbusPDU
except ImportError as error:  # pragma: no cover - seen by the imports' test in a subprocess
    raise explain_import(error, "edge") from error

__all__ = ["ModbusClient"]

# What it logs is raised as well, and would be repeated with every attempt to reach a PLC that is off.
logging.getLogger("pymodbus").propagate = False
logging.getLogger("pymodbus").addHandler(logging.NullHandler())


class ModbusClient:
    """The map in a PLC. A request connects if there is no connection; one that fails ends the connection.

    Every method is one request, takes `options.timeout` at most (twice that where it has to connect), and
    raises OutputError where the PLC doesn't answer or refuses.
    """

    def __init__(self, options: ModbusOptions) -> None:
        self._options = options
        self._coils = COUNT + ALARM_COILS * options.alarm_coils  # in all
        self.label = f"the PLC at {options.host}:{options.port}"
        # No repetition: a late answer would be taken for that to the next request, with some PLCs.
        self._client = ModbusTcpClient(
            options.host, port=options.port, timeout=options.timeout, retries=0, name="softcore"
        )

    def read_coils(self) -> tuple[InputCoils, OutputCoils]:
        """Read the PLC's coils, and our own as they are in the PLC."""
        first, count = self._options.coils, self._coils
        what = f"reading coils {first} to {first + count - 1}"
        coils = self._request(
            what, lambda: self._client.read_coils(first, count=count, device_id=self._options.unit)
        ).bits[:count]
        self._check(what, len(coils), count)
        return InputCoils.unpack(coils), OutputCoils.unpack(coils)

    def read_registers(self) -> tuple[InputRegisters, OutputRegisters]:
        """Read the PLC's registers, and our own as they are in the PLC."""
        first = self._options.registers
        what = f"reading registers {first} to {first + COUNT - 1}"
        registers = self._request(
            what,
            lambda: self._client.read_holding_registers(first, count=COUNT, device_id=self._options.unit),
        ).registers
        self._check(what, len(registers), COUNT)
        return InputRegisters.unpack(registers), OutputRegisters.unpack(registers)

    def write_coils(self, coils: OutputCoils) -> None:
        """Write all our coils at once."""
        first = self._options.coils + OURS
        self._request(
            f"writing coils from {first} on",
            lambda: self._client.write_coils(first, coils.pack(self._coils), device_id=self._options.unit),
        )

    def write_registers(self, registers: OutputRegisters) -> None:
        """Write all our registers at once."""
        first = self._options.registers + OURS
        self._request(
            f"writing registers from {first} on",
            lambda: self._client.write_registers(first, registers.pack(), device_id=self._options.unit),
        )

    def close(self) -> None:
        """End the connection; the next request makes a new one."""
        self._client.close()  # type: ignore[no-untyped-call]

    def _request(self, what: str, send: Callable[[], ModbusPDU]) -> ModbusPDU:
        try:
            answer = send()
        except (ModbusException, OSError) as error:
            reached = self._client.connected
            self.close()
            trouble = "does not answer" if reached else "can't be reached"
            raise OutputError(f"{self.label} {trouble}") from error
        if answer.isError():
            raise OutputError(f"{self.label} refuses {what} (exception code {answer.exception_code})")
        return answer

    def _check(self, what: str, count: int, wanted: int) -> None:
        if count != wanted:
            raise OutputError(f"{self.label} answers {what} with {count} values")
