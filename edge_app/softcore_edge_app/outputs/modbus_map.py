"""Modbus map: the meaning of each coil and register, as documented in `docs/reference/plc.md`."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from softcore_runtime import Decision

from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.decisions.origin import find_origin

__all__ = [
    "ALARM_COILS",
    "CODES",
    "COUNT",
    "OURS",
    "InputCoils",
    "InputRegisters",
    "OutputCoils",
    "OutputRegisters",
    "number_part",
]

OURS = 8  # the first coil and the first register that SoftCore writes; those before are the PLC's
COUNT = 20  # coils in all, without those of alarms, and registers in all
ALARM_COILS = 2  # that follow, if the PLC is to have them
CODES = {Decision.PASS: 1, Decision.FAIL: 2, Decision.REVIEW: 3, Decision.INVALID: 4}

_UINT16, _UINT32 = 2**16, 2**32
_PLC_LAYOUT, _OUR_LAYOUT = ">IH", ">IHHHQHI"  # the high word of a number comes first


@dataclass(frozen=True)
class InputCoils:
    """The PLC's coils, from the first on.

    Attributes:
        trigger: a part is there; stays up until it is acknowledged.
        result_ack: the result was read; stays up until `result_valid` drops.
    """

    trigger: bool
    result_ack: bool

    @classmethod
    def unpack(cls, coils: Sequence[bool]) -> InputCoils:
        """Return them from all coils."""
        return cls(*coils[:2])


@dataclass(frozen=True)
class OutputCoils:
    """SoftCore's coils, in their order from `OURS` on.

    Attributes:
        ready: a part that comes now would be inspected.
        busy: a part waits for its decision.
        trigger_ack: the trigger was accepted; stays up until it drops.
        result_valid: a result is there to be read; stays up until it is acknowledged.
        passed, failed, review, invalid: the decision, one of them; they stay until the next.
        toggle: the lowest bit of the sequence number of the last result that was raised.
        heartbeat: changes every half second.
        recipe_refused: the requested recipe can't be used; stays up until another one is requested.
        trigger_refused: the trigger can't be accepted; stays up until it drops.
        alarm, warning: such an alarm of the camera is open; only with `modbus.alarm_coils`.
    """

    ready: bool = False
    busy: bool = False
    trigger_ack: bool = False
    result_valid: bool = False
    passed: bool = False
    failed: bool = False
    review: bool = False
    invalid: bool = False
    toggle: bool = False
    heartbeat: bool = False
    recipe_refused: bool = False
    trigger_refused: bool = False
    alarm: bool = False
    warning: bool = False

    @classmethod
    def unpack(cls, coils: Sequence[bool]) -> OutputCoils:
        """Return them from all coils; those of alarms are down where they aren't among them."""
        return cls(*coils[OURS : COUNT + ALARM_COILS])

    def pack(self, count: int = COUNT) -> list[bool]:
        """Return the coils from `OURS` on, of `count` in all."""
        return list(astuple(self))[: count - OURS]

    def belong_to(self, registers: OutputRegisters) -> bool:
        """Return whether they are as they were when the result in the registers was raised."""
        decision = [self.passed, self.failed, self.review, self.invalid]
        wanted = [registers.code == code for code in CODES.values()]
        return any(wanted) and decision == wanted and self.toggle == bool(registers.sequence & 1)


@dataclass(frozen=True)
class InputRegisters:
    """The PLC's registers, from the first on.

    Attributes:
        part: number of the triggered part; uint32.
        recipe: number of the requested recipe, from 1; 0 keeps the one in use; uint16.
    """

    part: int
    recipe: int

    @classmethod
    def unpack(cls, registers: Sequence[int]) -> InputRegisters:
        """Return them from all registers."""
        return cls(*struct.unpack_from(_PLC_LAYOUT, _join(registers)))


@dataclass(frozen=True)
class OutputRegisters:
    """SoftCore's registers, in their order from `OURS` on.

    Attributes:
        part: number of the result's part; 0 if the PLC did not trigger it; uint32.
        sequence: number of the result; a repeated result has the same number; uint16.
        code: the decision, as in `CODES`; 0 before the first; uint16.
        score: in thousandths of the threshold, 65535 for more and for INVALID; uint16.
        key: by which SoftCore recognises the result after a restart; uint64.
        recipe: number of the recipe in use; uint16.
        decisions: number of decisions since SoftCore's start; uint32.
    """

    part: int = 0
    sequence: int = 0
    code: int = 0
    score: int = 0
    key: int = 0
    recipe: int = 0
    decisions: int = 0

    @classmethod
    def unpack(cls, registers: Sequence[int]) -> OutputRegisters:
        """Return them from all registers."""
        return cls(*struct.unpack(_OUR_LAYOUT, _join(registers[OURS:COUNT])))

    def pack(self) -> list[int]:
        """Return the registers from `OURS` on."""
        return list(struct.unpack(f">{COUNT - OURS}H", struct.pack(_OUR_LAYOUT, *astuple(self))))

    def add_result(self, record: DecisionRecord) -> OutputRegisters:
        """Return them with the next result; the same result again keeps its sequence number."""
        key = _derive_key(record)
        return OutputRegisters(
            part=number_part(record),
            sequence=self.sequence if key == self.key else (self.sequence + 1) % _UINT16,
            code=CODES[record.decision],
            score=_scale(record),
            key=key,
            recipe=self.recipe,
            decisions=self.decisions,
        )

    def has_result_of(self, record: DecisionRecord) -> bool:
        """Return whether the result is that of a record."""
        return self.code > 0 and self.key == _derive_key(record)


def number_part(record: DecisionRecord) -> int:
    """Return the number by which the PLC calls a part; 0 where the PLC did not trigger it."""
    part = record.part if find_origin(record.trigger) == "modbus" else ""
    number = int(part) if part.isascii() and part.isdigit() and len(part) <= 10 else 0
    return number if number < _UINT32 else 0


def _scale(record: DecisionRecord) -> int:
    if record.score is None or record.threshold <= 0:
        return _UINT16 - 1
    return min(max(round(1000 * record.score / record.threshold), 0), _UINT16 - 1)


def _derive_key(record: DecisionRecord) -> int:
    return int.from_bytes(hashlib.sha256(record.trigger.encode()).digest()[:8], "big")


def _join(registers: Sequence[int]) -> bytes:
    return struct.pack(f">{len(registers)}H", *registers)
