"""PLC link: triggers, recipes and results by Modbus TCP, with the handshakes of `docs/reference/plc.md`."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace

from softcore_runtime import Decision, OutputError, SoftCoreError, UsageError
from softcore_runtime.missing_library import explain_import

from softcore_edge_app.configuration.options import ModbusOptions
from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.decisions.origin import find_origin
from softcore_edge_app.outputs.modbus_client import ModbusClient
from softcore_edge_app.outputs.modbus_map import InputCoils, InputRegisters, OutputCoils, OutputRegisters
from softcore_edge_app.pipeline.controls import CameraStatus, Controls

try:
    import tenacity
except ImportError as error:  # pragma: no cover - seen by the imports' test in a subprocess
    raise explain_import(error, "edge") from error

__all__ = ["PlcLink"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5  # seconds between two attempts to reach the PLC
_POLL = 0.05  # seconds between two checks of the line and of the PLC's registers
_HEARTBEAT = 0.5  # seconds
_PATIENCE = 0.3  # seconds that one delivery waits for its acknowledgement
_JOINING = 0.8  # seconds


class PlcLink:
    """Accepts a PLC's triggers and recipe numbers, and delivers the results to it: it is an `Output`, too.

    One thread talks to the PLC, and reads the whole map back after a lost connection and at the start: an
    accepted trigger isn't accepted again, and an acknowledged result isn't raised again.

    Args:
        options: address of the PLC and of the map in it.
        controls: the line.
        last_part: name in the ledger of the last part that the PLC triggered: a run that was killed may have
            accepted its trigger without having acknowledged it.
    """

    name = "modbus"

    def __init__(self, options: ModbusOptions, controls: Controls, *, last_part: str | None = None) -> None:
        self._options, self._controls, self._last_part = options, controls, last_part
        self._plc = ModbusClient(options)
        self._thread = threading.Thread(target=self._run, name="PLC link", daemon=True)
        self._closing = threading.Event()
        self._fault: str | None = f"{self._plc.label} was not reached yet"
        self._changed = threading.Condition()  # guards the next two
        self._record: DecisionRecord | None = None  # the one that is being delivered
        self._taken: OutputRegisters | None = None  # the last result that the PLC took
        # All that follows belongs to the thread. What the PLC must have in our part of the map:
        self._coils, self._registers = OutputCoils(), OutputRegisters()
        self._resumed = False  # whether the state of an earlier run was read
        self._plc_registers = InputRegisters(0, 0)
        self._written: OutputRegisters | None = None  # our registers in the PLC; None if they aren't known
        self._checked_at = 0.0
        self._numbered = last_part != "0"  # whether the PLC numbers its parts, as far as is known
        self._part: int | None = None  # the part whose trigger was accepted last
        self._answered = False  # whether the PLC has its result
        self._wanted_recipe: int | None = None  # number of the recipe that was requested last
        self._switching = self._refused = False  # set by the recipe's thread, too

    @property
    def fault(self) -> str | None:
        """Why the PLC can take nothing now, in plain words; None if it can."""
        if self._thread.ident is not None and not self._thread.is_alive() and not self._closing.is_set():
            return f"the link to {self._plc.label} has stopped; start SoftCore again"
        return self._fault

    def start(self) -> None:
        """Begin to talk to the PLC, as soon as it can be reached.

        Raises:
            UsageError: `options.camera` is none of the line's, or none is named where there are several.
        """
        names = [camera.name for camera in self._controls.describe().cameras]
        if self._options.camera not in (names if len(names) > 1 else [*names, None]):
            raise UsageError(f"modbus.camera: name the camera that the PLC triggers: {', '.join(names)}")
        self._thread.start()

    def deliver(self, record: DecisionRecord, following: Sequence[DecisionRecord] = ()) -> None:  # noqa: ARG002 - one at a time
        """Deliver a result until the PLC acknowledges it; those of other cameras are skipped.

        So are results of parts that the PLC didn't trigger, if it doesn't number its parts: it would take
        them for those of its own parts.

        Raises:
            OutputError: it hasn't within 0.3 s.
        """
        if self._options.camera not in (None, record.camera):
            return
        if not self._numbered and find_origin(record.trigger) != "modbus":
            return
        with self._changed:
            self._record = record
            self._changed.wait_for(lambda: self._is_taken(record) or self._closing.is_set(), _PATIENCE)
            if self._is_taken(record):
                return
        raise OutputError(self.fault or f"{self._plc.label} has not acknowledged the result yet")

    def close(self) -> None:
        """Lower `ready` and disconnect, within a second; a raised result stays up."""
        with self._changed:
            self._closing.set()
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(_JOINING)

    def _is_taken(self, record: DecisionRecord) -> bool:
        return self._taken is not None and self._taken.has_result_of(record)

    def _run(self) -> None:
        # pymodbus' own client connects with the next request, without a pause.
        connecting = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(OutputError),
            wait=tenacity.wait_exponential(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE),
            stop=tenacity.stop_when_event_set(self._closing),
            sleep=tenacity.sleep_using_event(self._closing),
            reraise=True,
        )
        while not self._closing.is_set():
            try:
                connecting(self._begin)
                while not self._closing.wait(self._options.poll):
                    self._exchange()
                self._plc.write_coils(replace(self._coils, ready=False, busy=False))
            except OutputError as error:
                self._fault = str(error)
            self._plc.close()

    def _begin(self) -> None:
        """Connect to the PLC, read its state, and write ours."""
        self._written = None
        try:
            if not self._resumed:
                self._resume()
            self._exchange()
            self._plc.write_registers(
                self._registers
            )  # once more: a PLC that refuses them must not look sound
        except OutputError as error:
            self._fault = str(error)
            self._plc.close()
            raise
        self._fault = None

    def _resume(self) -> None:
        """Go on where an earlier run ended."""
        requests, coils = self._plc.read_coils()
        plc_registers, registers = self._plc.read_registers()
        if not coils.belong_to(registers):  # never raised, or the PLC has lost it
            coils = OutputCoils(trigger_ack=coils.trigger_ack)
        elif not coils.result_valid:
            self._note_taken(registers)
        self._coils, self._registers = coils, registers
        known = coils.trigger_ack or str(plc_registers.part) == self._last_part != "0"
        self._part = plc_registers.part if requests.trigger and known else None
        self._answered = self._taken is not None and 0 < self._taken.part == self._part
        self._resumed = True

    def _exchange(self) -> None:
        """Read the PLC's coils and registers, answer them, and write what has changed."""
        requests, there = self._plc.read_coils()
        # Coils first: the PLC writes a number before it raises the coil.
        lost = there != self._coils
        fresh = requests.trigger and not self._coils.trigger_ack
        now = time.monotonic()
        if self._written is None or lost or fresh or now - self._checked_at >= _POLL:
            self._plc_registers, self._written = self._plc.read_registers()
            self._checked_at = now
            self._check_line()
        self._answer_trigger(requests, there)
        self._answer_result(requests)
        self._coils = replace(self._coils, heartbeat=int(now / _HEARTBEAT) % 2 == 1)
        # Registers first: the result must be there before its coil is raised.
        if self._registers != self._written:
            self._plc.write_registers(self._registers)
            self._written = self._registers
        if self._coils != there:
            self._plc.write_coils(self._coils)

    def _answer_trigger(self, requests: InputCoils, there: OutputCoils) -> None:
        if not requests.trigger:
            self._part = None
            self._coils = replace(self._coils, trigger_ack=False, trigger_refused=False)
        elif there.trigger_ack or self._coils.trigger_refused:
            return  # it is the PLC's turn
        elif self._plc_registers.part != self._part or self._answered:
            self._trigger(self._plc_registers.part)
        else:  # accepted before the connection, or the PLC's memory, was lost
            self._coils = replace(self._coils, trigger_ack=True)

    def _trigger(self, part: int) -> None:
        try:
            self._controls.trigger(self._options.camera, str(part), "modbus")
        except UsageError:
            self._coils = replace(self._coils, trigger_refused=True)
            return
        self._part, self._answered, self._numbered = part, False, part > 0
        self._coils = replace(self._coils, trigger_ack=True, busy=True)

    def _answer_result(self, requests: InputCoils) -> None:
        if self._coils.result_valid:
            if requests.result_ack:
                self._note_taken(self._registers)
                self._coils = replace(self._coils, result_valid=False)
            return
        with self._changed:
            record = self._record
            if requests.result_ack or record is None or self._is_taken(record):
                return
        self._registers = self._registers.add_result(record)
        self._coils = replace(
            self._coils,
            result_valid=True,
            passed=record.decision is Decision.PASS,
            failed=record.decision is Decision.FAIL,
            review=record.decision is Decision.REVIEW,
            invalid=record.decision is Decision.INVALID,
            toggle=self._registers.sequence % 2 == 1,
        )

    def _note_taken(self, registers: OutputRegisters) -> None:
        """Note that the PLC has a result."""
        # A PLC that doesn't number its parts calls them all 0, which says nothing about this one.
        self._answered = self._answered or 0 < registers.part == self._part
        with self._changed:
            self._taken = registers
            self._changed.notify_all()

    def _check_line(self) -> None:
        """Update coils and registers by the line's status; switch the recipe if another is requested."""
        switching, refused = self._switching, self._refused  # read before the line's status
        status = self._controls.describe()
        camera = next(each for each in status.cameras if self._options.camera in (None, each.name))
        open_levels = {
            alarm.level
            for alarm in status.open_alarms
            if alarm.camera == camera.name and self._options.alarm_coils
        }
        faulty = camera.fault or status.ledger_fault or status.stuck
        self._coils = replace(
            self._coils,
            ready=not faulty and not switching and camera.waiting < camera.capacity,
            busy=camera.waiting > 0,
            recipe_refused=refused,
            alarm="alarm" in open_levels,
            warning="warning" in open_levels,
        )
        self._registers = replace(
            self._registers,
            recipe=camera.recipes.index(camera.recipe) + 1,
            decisions=camera.decisions % 2**32,
        )
        if not switching and self._plc_registers.recipe != self._wanted_recipe:
            self._request_recipe(self._plc_registers.recipe, camera)

    def _request_recipe(self, number: int, camera: CameraStatus) -> None:
        self._wanted_recipe = number
        self._refused = number > len(camera.recipes)
        self._coils = replace(self._coils, recipe_refused=self._refused)
        if self._refused or not number or camera.recipes[number - 1] == camera.recipe:
            return
        self._switching = True
        self._coils = replace(self._coils, ready=False)
        recipe = camera.recipes[number - 1]
        threading.Thread(target=self._switch, args=(recipe,), name="PLC recipe", daemon=True).start()

    def _switch(self, recipe: str) -> None:
        try:
            self._controls.switch_recipe(recipe, self._options.camera, by="modbus")
        except SoftCoreError:
            self._refused = True
        finally:
            self._switching = False
