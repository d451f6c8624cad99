"""Alarm reading: what a rule saw when it raised an alarm, as plain words and as a ledger's note keeps it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from softcore_runtime import Decision

__all__ = ["AlarmPart", "AlarmReading"]

_COUNT: Final = re.compile(r"(?P<watched>[A-Z+]+) (?P<matches>\d+)/(?P<parts>\d+)(?P<shift> of the shift)?")
_CHANGE: Final = re.compile(r"(?P<watched>[a-z]+) (?P<percent>[+-]\d+\.\d+)%")


@dataclass(frozen=True)
class AlarmPart:
    """What the rules look at of a part.

    Attributes:
        camera, category: its camera, and the category of the bundle that decided.
        decision: its decision.
        decided_at: when, in nanoseconds of UTC since 1970.
        stopped: whether it is INVALID only because somebody stopped the line.
        brightness, sharpness: of its image, see `measure_image_statistics`; None where it wasn't measured.
    """

    camera: str
    category: str
    decision: Decision
    decided_at: int = 0
    stopped: bool = False
    brightness: float | None = None
    sharpness: float | None = None


@dataclass(frozen=True)
class AlarmReading:
    """What a rule saw: how many of the last parts, or of the shift's, or how far the images' quantity jumped.

    Attributes:
        watched: the decisions that were counted, joined by `+`, or `brightness` or `sharpness`.
        matches, parts: how many of how many parts; None where images are watched.
        change: of the images, 0.03 is 3 % more than before; None where decisions are counted.
        of_shift: whether the parts are those of the running shift.
    """

    watched: str
    matches: int | None = None
    parts: int | None = None
    change: float | None = None
    of_shift: bool = False

    def __str__(self) -> str:
        if self.change is None:
            decisions = " or ".join(self.watched.split("+"))
            if self.of_shift:
                return f"{self.matches} of the {self.parts} parts of this shift are {decisions}"
            return f"{self.matches} of the last {self.parts} parts are {decisions}"
        way = "higher" if self.change > 0 else "lower"
        return f"{self.watched} of the images is {100 * abs(self.change):.1f} % {way} than just before"

    @property
    def severity(self) -> float:
        """Grows with the number of matches, or with the change in either direction."""
        return abs(self.change) if self.change is not None else float(self.matches or 0)

    def dump(self) -> str:
        """Return it as a note keeps it.

        Example:
            >>> AlarmReading("FAIL", 20, 50).dump()
            'FAIL 20/50'
            >>> AlarmReading("brightness", change=-0.031).dump()
            'brightness -3.1%'
            >>> AlarmReading("FAIL", 48, 900, of_shift=True).dump()
            'FAIL 48/900 of the shift'
        """
        if self.change is None:
            return f"{self.watched} {self.matches}/{self.parts}{' of the shift' if self.of_shift else ''}"
        return f"{self.watched} {100 * self.change:+.1f}%"

    @classmethod
    def parse(cls, text: str) -> AlarmReading:
        """Return what `dump` made a text of.

        Raises:
            ValueError: it is no such text.
        """
        if found := _COUNT.fullmatch(text):
            matches, parts = int(found["matches"]), int(found["parts"])
            return cls(found["watched"], matches, parts, of_shift=found["shift"] is not None)
        if found := _CHANGE.fullmatch(text):
            return cls(found["watched"], change=float(found["percent"]) / 100)
        raise ValueError(f"{text!r} is no reading of an alarm")
