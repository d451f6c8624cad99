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
_POLL = 0.05  # seconds from one look at the line, and at what the PLC orders, to the next
_HEARTBEAT = 0.5  # seconds
_PATIENCE = 0.3  # seconds that one delivery waits for its acknowledgement
_JOINING = 0.8  # seconds


class PlcLink:
    """Takes a PLC's triggers and recipe numbers, and hands it the results; an `Output`, too.

    One thread talks to the PLC, and reads the whole map back after a lost connection and at the start:
    a trigger that was taken isn't taken again, and a result that was acknowledged isn't raised again.

    Args:
        options: where the PLC and the map in it are.
        controls: the line.
        last_part: what the ledger calls the last part that the PLC triggered: a run that was killed may have
            taken the trigger for it without having acknowledged it.
    """

    name = "modbus"

    def __init__(self, options: ModbusOptions, controls: Controls, *, last_part: str | None = None) -> None:
        self._options, self._controls, self._last_part = options, controls, last_part
        self._plc = ModbusClient(options)
        self._thread = threading.Thread(target=self._run, name="PLC link", daemon=True)
        self._closing = threading.Event()
        self._fault: str | None = f"{self._plc.label} was not reached yet"
        self._changed = threading.Condition()  # guards the next two
        self._record: DecisionRecord | None = None  # the one to be delivered
        self._taken: OutputRegisters | None = None  # the last result that the PLC took
        # All that follows is the thread's own: what the PLC is to have in our part of the map, ...
        self._signals, self._words = OutputCoils(), OutputRegisters()
        self._adopted = False  # ... once it is known what an earlier run has left there,
        self._orders = InputRegisters(0, 0)
        self._there: OutputRegisters | None = None  # what our registers hold; None if that isn't known,
        self._looked = 0.0
        self._numbered = last_part != "0"  # whether the PLC numbers its parts, as far as is known,
        self._part: int | None = None  # the part whose trigger was taken last,
        self._answered = False  # whether the PLC has its result,
        self._wanted: int | None = None  # and the recipe that was wanted last.
        self._switching = self._refused = False  # these two the recipe's thread sets, too

    @property
    def fault(self) -> str | None:
        """Why the PLC takes nothing just now, in plain words; None where it does."""
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
        """Have the PLC acknowledge a result; one of another camera is none of its business.

        A PLC that doesn't number its parts would take the result of a part that somebody else triggered for
        its own part's: it gets none.

        Raises:
            OutputError: it hasn't within 0.3 s.
        """
        if self._options.camera not in (None, record.camera):
            return
        if not self._numbered and find_origin(record.trigger) != "modbus":
            return
        with self._changed:
            self._record = record
            self._changed.wait_for(lambda: self._has(record) or self._closing.is_set(), _PATIENCE)
            if self._has(record):
                return
        raise OutputError(self.fault or f"{self._plc.label} has not acknowledged the result yet")

    def close(self) -> None:
        """Take `ready` down and leave, within a second; a result that was raised stays up."""
        with self._changed:
            self._closing.set()
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(_JOINING)

    def _has(self, record: DecisionRecord) -> bool:
        return self._taken is not None and self._taken.hold(record)

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
                self._plc.write_coils(replace(self._signals, ready=False, busy=False))
            except OutputError as error:
                self._fault = str(error)
            self._plc.close()

    def _begin(self) -> None:
        """Reach the PLC, read what is there, and write what is to be."""
        self._there = None
        try:
            if not self._adopted:
                self._adopt()
            self._exchange()
            self._plc.write_registers(self._words)  # once more: a PLC that refuses them must not look well
        except OutputError as error:
            self._fault = str(error)
            self._plc.close()
            raise
        self._fault = None

    def _adopt(self) -> None:
        """Go on where an earlier run has left off."""
        requests, signals = self._plc.read_coils()
        orders, words = self._plc.read_registers()
        if not signals.tells(words):  # never raised, or the PLC has lost it
            signals = OutputCoils(trigger_ack=signals.trigger_ack)
        elif not signals.result_valid:
            self._take(words)
        self._signals, self._words = signals, words
        known = signals.trigger_ack or str(orders.part) == self._last_part != "0"
        self._part = orders.part if requests.trigger and known else None
        self._answered = self._taken is not None and 0 < self._taken.part == self._part
        self._adopted = True

    def _exchange(self) -> None:
        """Read what the PLC asks, answer it, and write what has changed."""
        requests, there = self._plc.read_coils()
        # Coils first: what the PLC raises it has put a number to before.
        lost = there != self._signals
        fresh = requests.trigger and not self._signals.trigger_ack
        now = time.monotonic()
        if self._there is None or lost or fresh or now - self._looked >= _POLL:
            self._orders, self._there = self._plc.read_registers()
            self._looked = now
            self._look()
        self._answer_trigger(requests, there)
        self._answer_result(requests)
        self._signals = replace(self._signals, heartbeat=int(now / _HEARTBEAT) % 2 == 1)
        # Registers first: what we raise must be there before.
        if self._words != self._there:
            self._plc.write_registers(self._words)
            self._there = self._words
        if self._signals != there:
            self._plc.write_coils(self._signals)

    def _answer_trigger(self, requests: InputCoils, there: OutputCoils) -> None:
        if not requests.trigger:
            self._part = None
            self._signals = replace(self._signals, trigger_ack=False, trigger_refused=False)
        elif there.trigger_ack or self._signals.trigger_refused:
            return  # it is the PLC's turn
        elif self._orders.part != self._part or self._answered:
            self._trigger(self._orders.part)
        else:  # taken before the connection was lost, or the PLC's memory
            self._signals = replace(self._signals, trigger_ack=True)

    def _trigger(self, part: int) -> None:
        try:
            self._controls.trigger(self._options.camera, str(part), "modbus")
        except UsageError:
            self._signals = replace(self._signals, trigger_refused=True)
            return
        self._part, self._answered, self._numbered = part, False, part > 0
        self._signals = replace(self._signals, trigger_ack=True, busy=True)

    def _answer_result(self, requests: InputCoils) -> None:
        if self._signals.result_valid:
            if requests.result_ack:
                self._take(self._words)
                self._signals = replace(self._signals, result_valid=False)
            return
        with self._changed:
            record = self._record
            if requests.result_ack or record is None or self._has(record):
                return
        self._words = self._words.follow(record)
        self._signals = replace(
            self._signals,
            result_valid=True,
            passed=record.decision is Decision.PASS,
            failed=record.decision is Decision.FAIL,
            review=record.decision is Decision.REVIEW,
            invalid=record.decision is Decision.INVALID,
            toggle=self._words.sequence % 2 == 1,
        )

    def _take(self, words: OutputRegisters) -> None:
        """Note that the PLC has a result."""
        # A PLC that doesn't number its parts calls them all 0: that says nothing about this one.
        self._answered = self._answered or 0 < words.part == self._part
        with self._changed:
            self._taken = words
            self._changed.notify_all()

    def _look(self) -> None:
        """See how the line is, and which recipe the PLC wants."""
        switching, refused = self._switching, self._refused  # before the line is asked
        status = self._controls.describe()
        camera = next(each for each in status.cameras if self._options.camera in (None, each.name))
        faulty = camera.fault or status.ledger_fault or status.stuck
        self._signals = replace(
            self._signals,
            ready=not faulty and not switching and camera.waiting < camera.capacity,
            busy=camera.waiting > 0,
            recipe_refused=refused,
        )
        self._words = replace(
            self._words,
            recipe=camera.recipes.index(camera.recipe) + 1,
            decisions=camera.decisions % 2**32,
        )
        if not switching and self._orders.recipe != self._wanted:
            self._want(self._orders.recipe, camera)

    def _want(self, number: int, camera: CameraStatus) -> None:
        self._wanted = number
        self._refused = number > len(camera.recipes)
        self._signals = replace(self._signals, recipe_refused=self._refused)
        if self._refused or not number or camera.recipes[number - 1] == camera.recipe:
            return
        self._switching = True
        self._signals = replace(self._signals, ready=False)
        recipe = camera.recipes[number - 1]
        threading.Thread(target=self._switch, args=(recipe,), name="PLC recipe", daemon=True).start()

    def _switch(self, recipe: str) -> None:
        try:
            self._controls.switch_recipe(recipe, self._options.camera, by="modbus")
        except SoftCoreError:
            self._refused = True
        finally:
            self._switching = False
